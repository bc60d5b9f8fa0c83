"""What cannot be done is told before the first recipe."""

from __future__ import annotations

from musebuild.engine.summary import BuildSummary
from musebuild.plan.model import LeftOut
from musebuild.report.lines import ahead_text, summary_text

LOST = [
    LeftOut("muse_scibasic:A", "no TWILIGHT_CUBE within 3 nights", "accept another", error=True),
    LeftOut("muse_scibasic:B", "no TWILIGHT_CUBE within 3 nights", "accept another", error=True),
    LeftOut("muse_scipost:A", "muse_scibasic:A is left out", "", True, because="muse_scibasic:A"),
    LeftOut("muse_zap", "not installed"),
]


def test_alike_reasons_stand_together_and_what_needs_these_is_counted() -> None:
    told = ahead_text(LOST)
    assert told.startswith("Cannot be done:\n  muse_scibasic:A, muse_scibasic:B: no TWILIGHT_CUBE")
    assert "to mend it: accept another" in told
    assert "and 1 task that needs these" in told
    assert "muse_zap" not in told
    assert ahead_text(LOST[3:]) == ""


def test_a_build_that_was_refused_says_how_to_do_the_rest() -> None:
    summary = BuildSummary(left_out=LOST, refused=12)
    told = summary_text(summary)
    assert "So nothing was run. `doit --continue` does the rest (12 tasks to run" in told
    assert summary.exit_status == 1
