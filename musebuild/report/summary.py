"""What a build says of all of it: before it begins what cannot be done, at its end what came."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from musebuild.engine.cubes import Cube
from musebuild.engine.summary import BuildSummary
from musebuild.plan.causes import folded
from musebuild.plan.model import LeftOut
from musebuild.report.causes import besides_text, causes_text
from musebuild.report.spans import count, span
from musebuild.settings.model import Settings
from musebuild.settings.sizes import format_bytes

MOST_CUBES = 10
"""Cubes that are told at the end of a build."""


def ahead_text(left_out: Iterable[LeftOut], settings: Settings | None = None) -> str:
    """What is told before the first recipe of a build that goes on all the same."""
    return "".join(f"{line}\n" for line in causes_text(left_out, settings))


def summary_text(summary: BuildSummary) -> str:
    """The end of a build: what ran, what was reused, what failed, where the results are."""
    lines: list[str] = []
    if summary.problems:
        lines.append("Files that cannot be used:")
        lines += [f"  {line}" for problem in summary.problems for line in problem.splitlines()]
    if summary.refused:
        lines += causes_text(summary.left_out)
        waiting = count(summary.refused, "task")
        lines.append(
            f"So nothing was run. `doit --continue` does the rest ({waiting} to run or restore)."
        )
    else:
        lines += [*_troubles(summary), *_counts(summary), *_results(summary)]
    return "\n".join(lines) + "\n"


def _troubles(summary: BuildSummary) -> Iterator[str]:
    """What did not go as people may think."""
    yield from causes_text(summary.left_out)
    yield from besides_text(summary.left_out)
    if summary.held:
        yield (
            f"So nothing was begun of {', '.join(summary.held)}. "
            "`doit --continue` does what can be done of it."
        )
    for path in summary.edited:
        yield f"A product had been edited; the edited file was moved to {path}"
    if summary.not_run:
        yield f"{count(len(summary.not_run), 'task')} not run:"
        yield from (f"  {name}: it needs {cause}" for name, cause in summary.not_run.items())
    if summary.failed:
        yield f"{count(len(summary.failed), 'task')} failed:"
        yield from (f"  {failure.task}: {failure.message}" for failure in summary.failed)
        one = len(summary.failed) == 1
        yield f"  hint: musebuild log --last-failure{'' if one else ' TASK'} shows the recipe's log"
    if summary.warnings:
        told = ", ".join(f"{name} {number}" for name, number in sorted(summary.warnings.items()))
        yield f"Warnings of recipes: {told}"


def _counts(summary: BuildSummary) -> Iterator[str]:
    """How many tasks ran or did not, and what that took."""
    done = summary.ran or summary.restored or summary.failed or summary.not_run
    if not (done or summary.stopped):
        if summary.up_to_date:
            yield f"Everything is up to date ({count(summary.up_to_date, 'task')})."
        else:
            causes = sum(cause.error for cause in folded(summary.left_out))
            yield (
                f"Nothing can be done: {count(causes, 'cause')} (above)."
                if causes
                else "There is nothing to do."
            )
        return
    parts = [
        f"{len(summary.ran)} ran",
        f"{len(summary.restored)} restored",
        f"{summary.up_to_date} up to date",
    ]
    for some, word in (
        (summary.failed, "failed"),
        (summary.halted, "stopped"),
        (summary.not_run, "not run"),
    ):
        parts += [f"{len(some)} {word}"] if some else []
    yield ", ".join(parts) + f", in {span(summary.seconds)}."
    if summary.recipe_seconds:
        free = summary.free_bytes
        room = f" {format_bytes(free)} are free on the store's disk." if free else ""
        yield (
            f"Recipes took {span(summary.recipe_seconds)}, "
            f"and made {format_bytes(summary.new_bytes)} of products.{room}"
        )
    if summary.saved_seconds >= 1:
        yield f"The cache saved {span(summary.saved_seconds)} of recipes."


def cube_lines(cubes: Sequence[Cube]) -> Iterator[str]:
    """What people came for: each cube, with what is in it."""
    for cube in cubes[:MOST_CUBES]:
        exposures = f" ({count(cube.exposures, 'exposure')}, {cube.seconds:.0f} s)"
        yield f"Cube: {_short(cube.path)}{exposures if cube.exposures else ''}"
    if len(cubes) > MOST_CUBES:
        yield f"… and {len(cubes) - MOST_CUBES} more cubes"


def _short(path: str) -> str:
    """A path as one types it here."""
    shown = os.path.relpath(path)
    return path if shown.startswith("..") else shown


def _results(summary: BuildSummary) -> Iterator[str]:
    """Where the results are; after a signal, that nothing is lost."""
    if summary.stopped:
        yield f"Stopped by {summary.stopped}. Nothing finished is lost: `doit` goes on from here."
    elif summary.ran or summary.restored:
        yield from cube_lines(summary.cubes)
        if not summary.cubes:
            yield f"Results: {summary.results}"
        if summary.beside:
            yield (
                f"  ({summary.beside} holds what another tool made, and is left alone; "
                "`musebuild adopt` takes its place)"
            )
