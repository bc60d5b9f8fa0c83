"""The live display of a build: its width, what a recipe is doing, the time of a first build."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from musebuild.report.live import LiveReporter
from musebuild.report.live_figures import DEMO_SECONDS, first_seconds, last_message

LOG = """\
12:00:01 [  INFO  ] muse_lsf: [tid=000] computing the line spread function of IFU 1 \x1b[31mnow
12:00:02 [WARNING] muse_lsf: [tid=000] few lines
"""


def shown(reporter: LiveReporter, width: int, height: int = 24) -> list[str]:
    """Lines of the display on a terminal of this size."""
    reporter._console = Console(file=io.StringIO(), width=width, height=height, highlight=False)
    with reporter._console.capture() as told:
        reporter._console.print(reporter._screen(), end="")
    return told.get().rstrip("\n").splitlines()


def build(folder: Path, running: int, waiting: int = 1000) -> LiveReporter:
    """The display of a build of which some recipes run."""
    reporter = LiveReporter(io.StringIO(), {"workers": 2, "memory": 16_000_000_000})
    names = [f"muse_lsf:2017-06-16T01:34:56.WFM-NOAO-N.ifu{ifu:02}" for ifu in range(running)]
    others = [f"muse_scipost:{number}" for number in range(waiting)]
    reporter.found(dict.fromkeys(names, "muse_lsf") | dict.fromkeys(others, "muse_scipost"), False)
    (folder / "muse_lsf.log").write_text(LOG, encoding="utf-8")
    for name in names:
        task: Any = SimpleNamespace(name=name, doc="")
        order: Any = SimpleNamespace(threads=1, scratch=str(folder), recipe="muse_lsf")
        reporter.started(task, order)
    return reporter


@pytest.mark.parametrize("width", [80, 60])
def test_no_line_of_the_display_is_wrapped(tmp_path: Path, width: int) -> None:
    reporter = build(tmp_path, running=2)
    reporter.counted.update({"ran": 1234, "restored": 567, "failed": 3, "not run": 12, "same": 88})
    lines = shown(reporter, width)
    assert len([line for line in lines if line.strip()]) == 4
    assert max(map(len, lines)) <= width
    assert "2 running, 1000 waiting" in " ".join(shown(reporter, 120))


def test_more_recipes_than_lines_are_counted(tmp_path: Path) -> None:
    lines = shown(build(tmp_path, running=40), 80)
    assert len(lines) <= 24
    assert any("… and 22 more" in line for line in lines)
    assert any("40 running" in line for line in lines)


def test_a_recipe_shows_what_it_logged_last(tmp_path: Path) -> None:
    row = shown(build(tmp_path, running=1), 160)[0]
    assert "computing the line spread function of IFU 1  [31mnow" in row
    assert "\x1b" not in row


def test_a_first_build_has_an_estimate(tmp_path: Path) -> None:
    assert any("about " in line and " left" in line for line in shown(build(tmp_path, 2), 80))


def test_what_ran_here_scales_what_did_not() -> None:
    bias, flat = DEMO_SECONDS["muse_bias"][0], DEMO_SECONDS["muse_flat"][0]
    known = {"muse_bias": 3 * bias}
    found = first_seconds(known, ["muse_bias", "muse_flat", "of_ones_own"], 1)
    assert found == {"muse_bias": 3 * bias, "muse_flat": 3 * flat}


def test_all_ifus_together_take_longer() -> None:
    one, many = (first_seconds({}, ["muse_scipost", "muse_lsf"], ifus) for ifus in (1, 24))
    assert many["muse_scipost"] == 24 * one["muse_scipost"]
    assert many["muse_lsf"] == one["muse_lsf"]


def test_a_log_that_is_missing_or_half_written(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_message(log) == ""
    log.write_text("12:00:01 [  INFO  ] muse_lsf: [tid=000] half")
    assert last_message(log) == ""
