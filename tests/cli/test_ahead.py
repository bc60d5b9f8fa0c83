"""What cannot be done is told before the first recipe."""

from __future__ import annotations

from musebuild.engine.summary import BuildSummary
from musebuild.plan.model import LeftOut
from musebuild.report.summary import ahead_text, summary_text
from tests.support.projects import MockProject

LOST = [
    LeftOut("muse_scibasic:A", "no TWILIGHT_CUBE within 3 nights", "accept another", error=True),
    LeftOut("muse_scibasic:B", "no TWILIGHT_CUBE within 3 nights", "accept another", error=True),
    LeftOut("muse_scipost:A", "muse_scibasic:A is left out", "", True, because="muse_scibasic:A"),
    LeftOut("muse_zap", "not installed"),
]


def test_alike_reasons_stand_together_and_what_needs_these_is_counted() -> None:
    told = ahead_text(LOST)
    assert told.startswith("Cannot be done:\n  muse_scibasic:A, muse_scibasic:B: no TWILIGHT_CUBE")
    assert "hint: accept another" in told
    assert "and 1 task that needs these" in told
    assert "muse_zap" not in told
    assert ahead_text(LOST[3:]) == ""


def test_a_build_that_was_refused_says_how_to_do_the_rest() -> None:
    summary = BuildSummary(left_out=LOST, refused=12)
    told = summary_text(summary)
    assert "So nothing was run. `doit --continue` does the rest (12 tasks to run" in told
    assert summary.exit_status == 1


def test_nothing_runs_before_people_know_what_cannot_be_done(project: MockProject) -> None:
    for path in (project.folder / "raw").iterdir():
        if b"'STD " in path.read_bytes()[:28800] or b"'STD'" in path.read_bytes()[:28800]:
            path.unlink()
    dry = project.ask("run", "--dry-run")
    assert dry.out.startswith("Cannot be done:")
    ran = project.ask("run")
    assert ran.status == 1
    assert "no STD_RESPONSE within 5 nights" in ran.text
    assert "So nothing was run" in ran.text
    assert not project.journal
    ran = project.ask("run", "--continue")
    assert ran.status == 1
    assert ran.text.index("Cannot be done:") < ran.text.index("muse_bias")
    done = project.ran_since(0)
    assert done["muse_scibasic"] and not done["muse_scipost"]
    again = len(project.journal)
    assert project.ask("run", "--continue").status == 1
    assert len(project.journal) == again
    # What is sound by itself needs no option.
    assert project.ask("run", "muse_bias").status == 0
