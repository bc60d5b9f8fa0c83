"""What cannot be done is told before the first recipe."""

from __future__ import annotations

from musebuild.engine.summary import BuildSummary
from musebuild.plan.model import Cause, LeftOut
from musebuild.report.summary import ahead_text, summary_text
from tests.support.projects import MockProject

CAUSE = Cause("no TWILIGHT_CUBE within 3 nights", "accept another")
LOST = [
    LeftOut("muse_scibasic:A", (CAUSE,), error=True),
    LeftOut("muse_scibasic:B", (CAUSE,), error=True),
    LeftOut("muse_scipost:A", (CAUSE,), error=True),
    LeftOut.of("muse_zap", "not installed"),
]


def test_alike_reasons_stand_together_and_what_needs_these_is_counted() -> None:
    told = ahead_text(LOST)
    assert told.startswith(
        "Cannot be done: muse_scibasic:A, muse_scibasic:B, muse_scipost:A. 1 cause:"
    )
    assert "1. no TWILIGHT_CUBE within 3 nights\n" in told
    assert "stops: muse_scibasic 2, muse_scipost 1\n" in told
    assert "hint: accept another" in told
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
    assert dry.out.startswith("Cannot be done: 2 exposures of FIELD. 1 cause:")
    ran = project.ask("run")
    assert ran.status == 1
    assert "no raw STD within 5 nights of 2017-06-15 (for STD_RESPONSE, STD_TELLURIC)" in ran.text
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
