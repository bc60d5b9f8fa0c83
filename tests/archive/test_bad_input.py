"""What goes wrong before anything is fetched: one message, what mends it, and nothing lost."""

from __future__ import annotations

import socket

import pytest

from musebuild.archive.eso import VARIABLE
from tests.archive.commands import raw_files, retrieve
from tests.support.archive_server import ArchiveServer, Fault
from tests.support.projects import MockProject

Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["FIEDL"], ["there is no dataset FIEDL", "did you mean FIELD?"]),
        ([], ["say what to retrieve", "datasets are: FIELD"]),
        (["FIELD", "--start", "2017-07-01", "--end", "2017-06-01"], ["lies before", "exchange"]),
        (["FIELD", "--start", "June"], ["--start June is no night"]),
        (["--calib", "2017-06-31"], ["--calib 2017-06-31 is no night"]),
        (["--calib", "2017-06-15", "--ins-mode", "WFM-NOAO"], ["no mode of MUSE", "WFM-NOAO-N"]),
        (["FIELD", "--ins-mode", "WFM-NOAO-N"], ["belongs to --calib"]),
        (["FIELD", "--dryrun"], ["--dry-run"]),
    ],
)
def test_of_the_command_line(
    archive: ArchiveServer,
    empty: MockProject,
    capsys: Capsys,
    arguments: list[str],
    told: list[str],
) -> None:
    said = retrieve(empty, capsys, *arguments)
    assert said.status == 2
    for text in told:
        assert text in said.err
    assert not archive.sent("MUSE.2017-06-16T01:34:56.867")


@pytest.mark.parametrize(
    ("archive_filter", "told"),
    [
        ({"obs_target_name": "X"}, ["obs_target_name", "did you mean obs_targ_name"]),
        ({"stime": "2017-07-01", "etime": "2017-06-01"}, ["before it begins"]),
        ({"night": "someday"}, ["night someday is no date"]),
        ({}, ["has no archive_filter", "obs_targ_name: FIELD"]),
    ],
)
def test_of_the_filter(
    archive: ArchiveServer,
    empty: MockProject,
    capsys: Capsys,
    archive_filter: dict[str, str],
    told: list[str],
) -> None:
    empty.settings["datasets"]["FIELD"]["archive_filter"] = archive_filter
    empty.write()
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 2
    for text in told:
        assert text in said.err
    assert "settings.yml" in said.err or "night" in told[0] or "before" in told[0]


def test_a_password_in_the_settings_is_refused(empty: MockProject, capsys: Capsys) -> None:
    empty.settings["retrieve_data"] = {"username": "ME", "password": "secret"}
    empty.write()
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 2
    assert "retrieve_data" in said.err
    assert "secret" not in said.text


def test_no_network_is_told_at_once_with_what_can_still_be_done(
    empty: MockProject, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{port}")
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "cannot be reached" in said.err
    assert f"127.0.0.1:{port}" in said.err
    assert "`doit` reduces what is in raw_path" in said.err


def test_an_address_that_is_none(
    empty: MockProject, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "archive")
    assert f"{VARIABLE} is no address" in retrieve(empty, capsys, "FIELD").err


def test_a_busy_archive_is_asked_again(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    archive.fail("query", Fault(status=503), Fault(status=429, retry_after="0"))
    archive.fail("calselector", Fault(status=500))
    assert retrieve(empty, capsys, "FIELD", "--dry-run").status == 0


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ([Fault(status=500)] * 9, "too busy, or down"),
        ([Fault(page=True)], "cannot be understood"),
        ([Fault(rows=False)], "no science frame of FIELD"),
    ],
)
def test_an_archive_that_is_down(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys, faults: list[Fault], told: str
) -> None:
    archive.fail("query", *faults)
    archive.fail("tap", *(faults * 2 if faults[0].page or faults[0].status else []))
    if not faults[0].rows:
        empty.settings["datasets"]["FIELD"]["archive_filter"] = {"object": "NOTHING"}
        empty.write()
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert told in said.err
    assert raw_files(empty) == set()


def test_more_rows_than_the_form_tells_of_are_not_passed_over(
    archive: ArchiveServer,
    empty: MockProject,
    capsys: Capsys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from musebuild.archive import client, eso

    if eso.asks_tap():
        pytest.skip("the TAP service has no such limit")
    monkeypatch.setattr(client, "FORM_MOST_ROWS", 2)
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "--start and --end" in said.err
