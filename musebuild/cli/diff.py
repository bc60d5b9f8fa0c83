"""`musebuild diff`."""

from __future__ import annotations

import fnmatch
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musebuild.cli.base import ProjectCommand, database_error
from musebuild.cli.options import format_option, one_of
from musebuild.engine.project import Project
from musebuild.errors import EXIT_USAGE, FrameError, MusebuildError, UsageError
from musebuild.explain.differ import DIFFERENT, Comparison, compare_quality, differ
from musebuild.explain.sides import Side, settings_side, side_of
from musebuild.fits.statistics import ArrayPair, compare_statistics
from musebuild.report.difference import Findings, difference_json, difference_text
from musebuild.settings.nearest import nearest

FORMATS = ("text", "json")


class DiffCommand(ProjectCommand):
    """Compare two versions, settings files, ledgers or lock files."""

    name = "diff"
    doc_purpose = "in what two versions, settings, ledgers or lock files differ"
    doc_usage = "ONE [TWO]"
    doc_description = None
    cmd_options = (
        {
            "name": "only",
            "long": "only",
            "type": list,
            "default": [],
            "metavar": "TASK|BLOCK|PATTERN",
            "help": "only these tasks; may be given several times",
        },
        {
            "name": "pixels",
            "long": "pixels",
            "type": bool,
            "default": False,
            "help": "also read the products that differ: statistics of their pixels, side by side",
        },
        {
            "name": "all",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "tell everything, not only the first of each kind",
        },
        format_option("for people, or for machines", choices=FORMATS),
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Compare; 0: they do not differ, 1: they do, 2: they cannot be compared."""
        try:
            return self._run(params, args)
        except MusebuildError as error:
            # As of diff: 1 means that they differ, and nothing else.
            error.exit_status = EXIT_USAGE
            raise
        except sqlite3.DatabaseError as error:
            told = database_error(error)
            told.exit_status = EXIT_USAGE
            raise told from error

    def _run(self, params: Any, args: list[str]) -> int:
        if not 1 <= len(args) <= 2:
            raise UsageError(
                f"musebuild diff compares two sides, and got {len(args)}",
                why="a side is a version, a settings file, a musebuild.db or a settings.lock; "
                "one alone is compared with what the settings ask for now",
                remedy="musebuild diff 0.1 0.2",
            )
        form = one_of(params["format"], FORMATS, "--format")
        opened: dict[str, Project] = {}

        def here() -> Project:
            return opened.get("") or opened.setdefault("", self.project(params))

        def other(path: Path) -> Project:
            named = {**params, "settings": str(path)}
            return opened.setdefault(str(path), self.project(named))

        try:
            sides = [side_of(text, here, other) for text in args]
            if len(sides) == 1:
                sides.append(settings_side("now", here()))
            found = _find(sides[0], sides[1], params["only"], pixels=params["pixels"])
        finally:
            for project in opened.values():
                project.close()
        text = difference_json(found) if form == "json" else None
        sys.stdout.write(text or difference_text(found, everything=params["all"]))
        return 0 if found.comparison.equal else 1


def _find(first: Side, second: Side, only: Sequence[str], *, pixels: bool) -> Findings:
    """All that can be compared of two sides."""
    chosen = _chosen(first, second, only) if only else None
    if not first.tasks.keys() & second.tasks.keys():
        raise UsageError(
            f"{first.label} and {second.label} have no task in common",
            why=f"{first.label} has {_some(first)}; {second.label} has {_some(second)}",
            remedy="compare two of the same frames: versions, settings or ledgers of one project",
        )
    comparison = differ(first, second, chosen)
    quality, compared, lost = compare_quality(comparison)
    read, unread = _read_pixels(comparison) if pixels else ({}, {})
    return Findings(comparison, quality, compared, lost, read, unread)


def _some(side: Side) -> str:
    """A few tasks of a side."""
    names = list(side.tasks)
    if not names:
        return "none"
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _chosen(first: Side, second: Side, only: Sequence[str]) -> set[str]:
    """Tasks of either side that names, blocks and patterns stand for."""
    names = dict.fromkeys([*first.tasks, *second.tasks])
    found: set[str] = set()
    for text in only:
        some = [
            name
            for name in names
            if text in (name, name.partition(".ifu")[0], name.partition(":")[0])
            or fnmatch.fnmatchcase(name, text)
        ]
        if not some:
            parts = [part for name in names for part in (name.partition(":")[0], name)]
            near = nearest(text, dict.fromkeys(parts))
            raise UsageError(
                f"--only {text}: neither side has such a task",
                why=f"did you mean {' or '.join(near)}?" if near else None,
                remedy="name a task, a block, or a pattern in quotes: --only 'muse_scipost*'",
            )
        found.update(some)
    return found


def _read_pixels(
    comparison: Comparison,
) -> tuple[dict[str, Sequence[ArrayPair]], dict[str, str]]:
    """Statistics of the products that differ; why those of others are not compared."""
    pixels: dict[str, Sequence[ArrayPair]] = {}
    unread: dict[str, str] = {}
    for product in comparison.products:
        if product.verdict != DIFFERENT or product.first is None or product.second is None:
            continue
        name = f"{product.task} {product.name}"
        paths = comparison.first.path(product.first), comparison.second.path(product.second)
        if paths[0] is None or paths[1] is None:
            side = comparison.first if paths[0] is None else comparison.second
            unread[name] = f"that of {side.label} is not at hand: its store does not have it"
            continue
        try:
            pixels[name] = compare_statistics(paths[0], paths[1])
        except FrameError as error:
            unread[name] = f"{error.what}: {error.why}"
    return pixels, unread
