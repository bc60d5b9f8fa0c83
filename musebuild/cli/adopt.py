"""`musebuild adopt`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from musebuild.cli.command import Command
from musebuild.cli.opening import on_project
from musebuild.cli.options import TEXT_OR_JSON, format_option, switch
from musebuild.engine.adopt import Adoption, Undone, adopt, find_adoption
from musebuild.engine.adopt import undo as undo_adoption
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.report.spans import count

MOST_FILES = 4
"""Names of files that are told of one folder."""
MOST_FOLDERS = 30


@click.command("adopt", cls=Command, example="musebuild adopt --dry-run")
@switch("--dry-run", text="Only tell what would be moved and taken over.")
@switch("--undo", text="Bring back what the last adoption moved, and take its flags away.")
@click.option(
    "--flags",
    metavar="VERSION",
    default="",
    show_default="that of the settings, or the only one",
    help="Take the flags of this version.",
)
@format_option("For people, or for machines.", TEXT_OR_JSON)
@on_project
def adopt_project(project: Project, dry_run: bool, undo: bool, flags: str, form: str) -> int:
    """Take over a project of MuseRed, with its flags.

    Products that lie where the plan writes are moved. Nothing is deleted or overwritten.
    """
    machine = form == "json"
    if undo:
        if dry_run or flags:
            raise UsageError("--undo goes with no other option", remedy="musebuild adopt --undo")
        undone = undo_adoption(project)
        _tell(_undone_document(undone) if machine else _undone_text(undone))
        return int(bool(undone.kept))
    found = find_adoption(project, flags)
    if not dry_run and not found.empty:
        adopt(project, found)
    _tell(_document(found, dry_run=dry_run) if machine else _text(found, dry_run=dry_run))
    return 0


def _tell(what: str | dict[str, Any]) -> None:
    if isinstance(what, str):
        sys.stdout.write(what)
    else:
        json.dump(what, sys.stdout, indent=1, ensure_ascii=False)
        sys.stdout.write("\n")


def _text(found: Adoption, *, dry_run: bool) -> str:
    """What was done, or would be."""
    would = "would be " if dry_run else ""
    lines = []
    if found.moves:
        folders = found.folders()
        were = would or ("was " if len(found.moves) == 1 else "were ")
        lines.append(
            f"{count(len(found.moves), 'file')} of {count(len(folders), 'folder')} {were}moved "
            f"from {found.tree} to {found.aside}:"
        )
        for folder, names in list(folders.items())[:MOST_FOLDERS]:
            more = f" and {len(names) - MOST_FILES} more" if len(names) > MOST_FILES else ""
            lines.append(f"  {folder}: {', '.join(names[:MOST_FILES])}{more}")
        if len(folders) > MOST_FOLDERS:
            lines.append(f"  and {count(len(folders) - MOST_FOLDERS, 'folder')} more")
    elif not found.ours:
        lines.append(f"Nothing of {found.tree} is in the way; all of it stays where it is.")
    if not found.ours:
        verb = "would go" if dry_run else "go"
        lines.append(f"musebuild's products {verb} to {found.tree} from now on.")
    flags = found.flags
    if found.database is not None and flags.flags:
        exposures = len({exposure for exposure, _, _ in flags.flags})
        were = would or ("was " if len(flags.flags) == 1 else "were ")
        lines.append(
            f"{count(len(flags.flags), 'flag')} of {count(exposures, 'exposure')} {were}taken "
            f"over from {found.database.name} (table {flags.table}), which stays as it is."
        )
    for name, number in sorted(flags.unknown.items()):
        lines.append(
            f"The flag {name} of {count(number, 'exposure')} is not taken over: the settings do "
            f"not know it\n  hint: say what it means under `flags:`, and adopt again"
        )
    if found.empty:
        lines.insert(0, f"There is nothing to take over: {found.tree} is musebuild's.")
    elif not dry_run:
        lines.append("Next: `doit` makes the products; `musebuild adopt --undo` takes it all back.")
    return "".join(f"{line}\n" for line in lines)


def _document(found: Adoption, *, dry_run: bool) -> dict[str, Any]:
    return {
        "done": not dry_run and not found.empty,
        "tree": str(found.tree),
        "aside": str(found.aside) if not found.empty else None,
        "moved": [{"from": old, "to": new} for old, new in found.moves],
        "database": str(found.database) if found.database else None,
        "flags": [
            {"exposure": exposure, "flag": flag, "value": value}
            for exposure, flag, value in found.flags.flags
        ],
        "unknown_flags": found.flags.unknown,
    }


def _undone_text(undone: Undone) -> str:
    lines = [f"{count(len(undone.back), 'file')} moved back from {undone.aside}."]
    if undone.flags:
        lines.append(f"{count(undone.flags, 'flag')} taken away.")
    lines += [f"{path} stays: {reason}" for path, reason in undone.kept]
    if undone.kept:
        lines.append("hint: make room there, and run `musebuild adopt --undo` again")
    return "".join(f"{line}\n" for line in lines)


def _undone_document(undone: Undone) -> dict[str, Any]:
    return {
        "aside": str(undone.aside),
        "back": list(undone.back),
        "kept": [{"file": path, "reason": reason} for path, reason in undone.kept],
        "flags": undone.flags,
    }
