"""`musebuild flag add | remove | list | find`."""

from __future__ import annotations

import getpass
import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from musebuild.cli.base import ProjectCommand
from musebuild.cli.options import FORMAT, format_of, frames_of, one_of, show
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.index.flags import (
    Flag,
    add_flag,
    all_flags,
    check_flags,
    flags_by_exposure,
    known_flags,
    remove_flags,
)
from musebuild.report.spans import count
from musebuild.report.tables import Rows

ACTIONS = ("add", "remove", "list", "find")
COLUMNS = ("exposure", "flag", "author", "date", "reason")


def _table(flags: Sequence[Flag]) -> Rows:
    return Rows(COLUMNS, tuple((f.exposure, f.flag, f.author, f.date, f.reason) for f in flags))


def author_name() -> str:
    """Who works here: the login name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


class FlagCommand(ProjectCommand):
    """Flag exposures."""

    name = "flag"
    doc_purpose = "flag exposures: add, remove, list, find"
    doc_usage = "add FLAG DATE... | remove FLAG DATE... | list [DATE...] | find FLAG..."
    doc_description = None
    cmd_options = (
        {
            "name": "reason",
            "short": "m",
            "long": "reason",
            "type": str,
            "default": "",
            "metavar": "TEXT",
            "help": "add: why",
        },
        {
            "name": "author",
            "long": "author",
            "type": str,
            "default": "",
            "metavar": "NAME",
            "help": "add: who says so (default: the login name)",
        },
        {
            "name": "all",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "find: exposures that have all of the flags, not any",
        },
        FORMAT,
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Do one of the actions."""
        if not args:
            raise UsageError(
                "musebuild flag wants an action",
                remedy="musebuild flag add FLAG DATE..., remove FLAG DATE..., list or find FLAG",
            )
        action = one_of(args[0], ACTIONS, "musebuild flag")
        form = format_of(params)
        project = self.project(params)
        try:
            known = known_flags(project.settings.flags)
            if action == "list":
                self._list(project, args[1:], known, form)
            elif action == "find":
                self._find(project, args[1:], known, form, every=params["all"])
            else:
                if len(args) < 3:
                    raise UsageError(
                        f"musebuild flag {action} wants a flag and exposures",
                        remedy=f"musebuild flag {action} BAD_SLICE 2017-06-16T01:34:56.867",
                    )
                self._change(project, action, args[1], args[2:], known, params)
        finally:
            project.close()
        return 0

    @staticmethod
    def _exposures(project: Project, texts: Sequence[str]) -> list[str]:
        """Names: science exposures that dates stand for, or any raw frame named in full."""
        raw = [frame for frame in project.raw if frame.is_raw]
        named = {frame.name for frame in raw}
        science = [frame for frame in raw if frame.category == "OBJECT"]
        found: dict[str, None] = {}
        for text in texts:
            if text in named:
                found[text] = None
                continue
            for frame in frames_of(project, [text], science, "science exposure"):
                found[frame.name] = None
        return list(found)

    def _change(
        self,
        project: Project,
        action: str,
        flag: str,
        texts: Sequence[str],
        known: dict[str, str],
        params: Any,
    ) -> None:
        if action == "add":
            check_flags([flag], known)
            exposures = self._exposures(project, texts)
            number = add_flag(
                project.db,
                exposures,
                flag,
                author=params["author"] or author_name(),
                reason=params["reason"],
            )
            had = len(exposures) - number
            more = f" ({had} had it already)" if had else ""
            sys.stdout.write(f"{flag}: {count(number, 'exposure')} flagged{more}\n")
            return
        flagged = flags_by_exposure(project.connection)
        set_ones = {name for flags in flagged.values() for name in flags}
        if flag not in set_ones:
            check_flags([flag], known | dict.fromkeys(set_ones, ""))
        # A frame that is gone may still have flags.
        gone = [text for text in texts if text in flagged]
        others = [text for text in texts if text not in flagged]
        exposures = [*gone, *(self._exposures(project, others) if others else ())]
        number = remove_flags(project.db, exposures, [flag])
        sys.stdout.write(f"{flag}: taken away from {count(number, 'exposure')}\n")

    def _list(
        self, project: Project, texts: Sequence[str], known: dict[str, str], form: str
    ) -> None:
        flags = all_flags(project.db)
        if texts:
            exposures = set(self._exposures(project, texts))
            chosen = [flag for flag in flags if flag.exposure in exposures]
            show(_table(chosen), form, "No flag is set there.")
            return
        counted = Counter(flag.flag for flag in flags)
        names = [*known, *sorted(counted.keys() - known.keys())]
        table = Rows(
            ("flag", "exposures", "meaning"),
            tuple(
                (name, counted[name], known.get(name, "no longer in the settings"))
                for name in names
            ),
        )
        show(table, form)

    @staticmethod
    def _find(
        project: Project, wanted: Sequence[str], known: dict[str, str], form: str, *, every: bool
    ) -> None:
        flags = all_flags(project.db)
        check_flags(wanted, known | {flag.flag: "" for flag in flags})
        by_exposure = flags_by_exposure(project.connection)
        test = all if every else any
        found = [
            flag
            for flag in flags
            if (not wanted or flag.flag in wanted)
            and (not wanted or test(name in by_exposure[flag.exposure] for name in wanted))
        ]
        show(_table(found), form, "No exposure has it.")
