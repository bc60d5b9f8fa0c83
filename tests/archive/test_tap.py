"""The next astroquery, which asks ESO's TAP service, behind the same command."""

from __future__ import annotations

import astroquery.eso
import pytest

from musebuild.archive.eso import VARIABLE, asks_tap
from tests.archive.commands import raw_files, retrieve
from tests.support.archive_server import ArchiveServer, Fault
from tests.support.next_astroquery import NextEso
from tests.support.projects import MockProject

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    if not asks_tap():
        monkeypatch.setattr(astroquery.eso, "EsoClass", NextEso)
    assert asks_tap()


def filtered(project: MockProject, **archive_filter: object) -> None:
    project.settings["datasets"]["FIELD"]["archive_filter"] = archive_filter
    project.write()


def test_the_same_command_fetches_the_same_frames(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert len(raw_files(empty)) == 18
    assert archive.asked("/tap_obs/sync")
    assert not archive.asked("/wdb/")


def test_sizes_come_with_the_query(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "--calib", "2017-06-15", "--dry-run")
    assert said.status == 0, said.text
    assert "To come: 14 files, 196 kB" in said.out
    assert not archive.asked("/dataPortal/")


@pytest.mark.parametrize(
    "archive_filter",
    [
        {"prog_id": "60.A-9100(G)", "ins_mode": "WFM-NOAO-N"},
        {"prog_id": "60.A-9100"},
        {"obs_targ_name": "FI*"},
        {"obs_targ_name": ["FIELD", "OTHER"]},
        {"night": "2017-06-15", "dp_cat": "SCIENCE"},
        {"object": "FIELD", "stime": "2017-06-15", "etime": "2017-06-16"},
        {"object": "FIELD", "exptime": "> 100"},
        {"object": "FIELD", "exptime": "100..900"},
        {"target": "like 'FIE%'"},
        {"exp_start": "> '2017-06-16'", "object": "FIELD"},
    ],
)
def test_the_names_of_settings_are_translated(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys, archive_filter: dict[str, object]
) -> None:
    filtered(empty, **archive_filter)
    said = retrieve(empty, capsys, "FIELD", "--dry-run")
    assert said.status == 0, said.text
    assert "FIELD: 2 science frames" in said.out


def test_quotes_are_part_of_a_name(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    filtered(empty, obs_targ_name="Barnard's Star")
    said = retrieve(empty, capsys, "FIELD")
    assert "no science frame of FIELD" in said.err


def test_unknown_names_are_refused_with_what_is_known(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    filtered(empty, obs_target="FIELD")
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 2
    assert "archive_filter has obs_target" in said.err
    assert "obs_targ_name" in said.err
    assert "access_estsize" in said.err


def test_what_the_service_has_no_column_for_is_told(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    filtered(empty, pi_coi="BACON")
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 2
    assert "no column for pi_coi" in said.err


def test_a_query_that_the_service_refuses_is_an_error_not_an_empty_answer(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    filtered(empty, object="in (nothing")
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "refused a query" in said.err


def test_a_busy_service_is_asked_again(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    archive.fail("tap", Fault(status=503), Fault(status=500))
    assert retrieve(empty, capsys, "FIELD", "--dry-run").status == 0


def test_a_service_that_is_down(archive: ArchiveServer, empty: MockProject, capsys: Capsys) -> None:
    archive.fail("tap", *[Fault(status=500)] * 30)
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "too busy, or down" in said.err


def test_no_network(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9")
    assert "cannot be reached (127.0.0.1:9)" in retrieve(empty, capsys, "FIELD").err


def test_what_can_be_asked(archive: ArchiveServer, empty: MockProject, capsys: Capsys) -> None:
    said = retrieve(empty, capsys, "--help-query")
    assert "access_estsize" in said.out
    assert "obs_targ_name" in said.out, "the names of people's settings, too"
