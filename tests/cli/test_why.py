"""What `musebuild why` says, after each kind of change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from musebuild.cli.main import main
from tests.support.frames import write_raw, write_static
from tests.support.in_process import call_main
from tests.support.projects import MockProject, make_mock_project

SCIPOST = "muse_scipost:2017-06-16T01:34:56.867"
SECOND = "muse_scipost:2017-06-16T01:36:56.867"
COMBINE = "muse_exp_combine:FIELD_drs"
BIAS = "muse_bias:2017-06-16T10:40:27"
FRAME = "MUSE.2017-06-16T10:41:37.154.fits"
Why = Callable[..., str]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project that was built once, for all tests here."""
    project = make_mock_project(tmp_path_factory.mktemp("why") / "project", night)
    # A digest of a file that was written a moment ago is not trusted yet.
    time.sleep(0.3)
    assert call_main(["run", "-q", "-d", str(project.folder)]) == 0
    return project


@pytest.fixture
def same(once: MockProject) -> Iterator[MockProject]:
    """The built project; its settings are set back afterwards."""
    settings = (once.folder / "settings.yml").read_text(encoding="utf-8")
    yield once
    (once.folder / "settings.yml").write_text(settings, encoding="utf-8")
    once.unrule()


@pytest.fixture
def why(once: MockProject, capsys: pytest.CaptureFixture[str]) -> Why:
    """What `musebuild why` prints."""

    def ask(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["why", "-d", str(once.folder), *arguments]) == 0
        return capsys.readouterr().out

    return ask


def build(project: MockProject, *arguments: str) -> int:
    return call_main(["run", "-q", "-d", str(project.folder), *arguments])


def bias(project: MockProject, date: str, value: int) -> Path:
    path = write_raw(project.folder / "raw", "BIAS", date, tpl="2017-06-16T10:40:27", value=value)
    time.sleep(0.3)
    return path


def test_nothing_changed(same: MockProject, why: Why) -> None:
    text = why(SCIPOST)
    assert f"{SCIPOST} nothing changed; last made on 20" in text
    assert text.rstrip().endswith(" s")


def test_a_parameter_and_what_follows_from_it(same: MockProject, why: Why) -> None:
    change = ("--set", "recipes.muse_scipost.params.lambdamin=4800.0")
    assert f"{SCIPOST} will run: lambdamin was (not set), is 4800\n" in why(SCIPOST, *change)
    text = why(COMBINE, *change)
    assert "waits for muse_scipost" in text
    assert "(and 1 more of muse_scipost) will run: lambdamin was (not set), is 4800" in text


def test_why_it_ran_and_what_going_back_means(same: MockProject, why: Why) -> None:
    change = ("--set", "recipes.muse_scipost.params.lambdamin=4850.0")
    build(same, COMBINE, *change)
    text = why(COMBINE, *change)
    assert "nothing changed; last made on" in text
    assert f"it ran then because PIXTABLE_REDUCED of {SCIPOST} differs in its data" in text
    assert "was made anew on 20" in text
    assert "lambdamin was (not set), is 4850" in text
    text = why(SCIPOST)
    assert "comes back from the store, without a recipe" in text
    assert "lambdamin was 4850, is (not set), as once before" in text
    build(same)


def test_calibrations_from_elsewhere_and_excluded(same: MockProject, why: Why) -> None:
    text = why(SCIPOST, "--set", "recipes.muse_scipost.frames.exclude=STD_TELLURIC")
    assert "STD_TELLURIC of muse_standard:2017-06-16T09:32:26.112 is no longer among" in text


def test_a_static_calibration(same: MockProject, why: Why) -> None:
    path = write_static(same.folder / "calib", "LINE_CATALOG", value=1)
    assert "the file line_catalog.fits (LINE_CATALOG) was written to" in why("muse_wavecal")
    assert path.exists()
    write_static(same.folder / "calib", "LINE_CATALOG")
    time.sleep(0.3)
    build(same)


def test_software_and_environment(
    same: MockProject, why: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = why(BIAS, "--set", "cpl.drs_version=2.8.7")
    assert f"{BIAS} (2 IFUs) will run: DRS 2.8.7, was mock" in text
    monkeypatch.setenv("MUSE_PLOT", "1")
    assert "the environment variable MUSE_PLOT was (not set), is 1" in why(BIAS)


def test_what_was_forgotten_or_failed(same: MockProject, why: Why) -> None:
    assert main(["forget", "-d", str(same.folder), SECOND]) == 0
    assert "it was forgotten on request" in why(SECOND)
    same.rule(recipe="muse_scipost", fail="no sky lines found")
    change = ("--set", "recipes.muse_scipost.params.lambdamin=4900.0")
    assert build(same, SECOND, *change) == 1
    text = why(SECOND, *change)
    assert "its last attempt failed on 20" in text
    assert "no sky lines found (the recipe returned 1); lambdamin was (not set), is 4900" in text
    same.unrule()
    build(same)


def test_files_that_were_removed_edited_or_damaged(same: MockProject, why: Why) -> None:
    path = next(same.reduced.rglob("DATACUBE_FINAL.fits"))
    content = path.read_bytes()
    path.unlink()
    assert f"{path.name} is missing from the reduced tree" in why(COMBINE)
    path.write_bytes(b"mine")
    assert f"{path.name} was edited or replaced in place" in why(COMBINE)
    objects = (same.store / "objects").glob("*/*")
    next(p for p in objects if p.read_bytes() == content).unlink()
    assert f"object missing: {path.name}" in why(COMBINE)
    build(same, COMBINE)


def test_raw_frames_of_other_data_names_and_numbers(same: MockProject, why: Why) -> None:
    bias(same, "2017-06-16T10:41:37.154", value=1)
    assert f"will run: the raw frame {FRAME} (BIAS) was written to" in why(BIAS)
    build(same, BIAS)
    text = why("muse_flat")
    assert "MASTER_BIAS of muse_bias:2017-06-16T10:40:27.ifu01 differs in its data" in text
    assert f"the raw frame {FRAME} (BIAS) differs in its data" in text
    build(same, "muse_wavecal")
    # The cause lies two steps up, in a build that is over.
    assert f"the raw frame {FRAME} (BIAS) differs in its data" in why(COMBINE)
    more = bias(same, "2017-06-16T10:43:37.154", value=0)
    assert f"BIAS {more.name} is new among the inputs" in why(BIAS)
    left_out = f"frames.exclude.BIAS=[{FRAME}]"
    text = why(BIAS, "--set", left_out)
    assert f"the BIAS frame {more.name} takes the place of {FRAME}" in text
    # A frame that is gone stops what was made of it.
    (same.folder / "raw" / FRAME).unlink()
    stopped = same.ask("why", BIAS)
    assert stopped.status == 2
    assert f"raw/{FRAME} is not there any more" in stopped.err
    assert "--without-vanished" in stopped.err


def test_what_was_never_made(project: MockProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "-d", str(project.folder), COMBINE]) == 0
    text = capsys.readouterr().out
    assert "will run: it was never made in this project" in text
    assert "muse_bias:2017-06-16T10:40:27.ifu01 (and 1 more of muse_bias)" in text
    assert main(["why", "-d", str(project.folder)]) == 2
    assert main(["why", "-d", str(project.folder), "muse_biass"]) == 2
    assert "did you mean" in capsys.readouterr().err
