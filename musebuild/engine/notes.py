"""What a build finds of the project, noted so that the next need not look at it."""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from musebuild.engine import plan_cache, plan_rows
from musebuild.engine.fingerprints import (
    Looks,
    Places,
    call_hash,
    files_hash,
    identity_bytes,
    inputs_hash,
    newest_change,
    structure_hash,
)
from musebuild.engine.plan_cache import DAMAGE, KeptPlan
from musebuild.engine.plan_rows import Found, Head
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution
from musebuild.errors import MusebuildError
from musebuild.index.digests import tick_of
from musebuild.index.files import paths_of
from musebuild.index.meta import generation
from musebuild.index.soundness import may_be_damage
from musebuild.plan.blocks import plan_blocks
from musebuild.plan.causes import as_plain
from musebuild.plan.model import Invocation, Plan

if TYPE_CHECKING:
    from musebuild.engine.view import View


class BuildNotes:
    """What a build finds, to be remembered.

    All that a finding rests on is noted before it is looked at, or as it is looked at: what
    changes later differs from the note.

    Parameters
    ----------
    project : Project
        The project; of what is planned anew nothing is read yet.
    kept : KeptPlan, optional
        What is remembered already.
    differs : bytearray, optional
        What of it is looked at anew: for each invocation, 1 where it is.
    below : bytearray, optional
        What is not looked at, and takes products of what is.
    """

    def __init__(
        self,
        project: Project,
        kept: KeptPlan | None = None,
        differs: bytearray | None = None,
        below: bytearray | None = None,
    ) -> None:
        self._project = project
        self._kept = kept
        self._open = (differs or bytearray(), below or bytearray())
        self._began = time.time_ns()
        self._places = Places(project)
        self._tick = max(tick_of(str(project.store.root)), tick_of(str(project.reduced)))
        self._planned = {b.name: b for b in plan_blocks(project.settings, project.catalogue)[0]}
        self._inputs = inputs_hash(project) if kept is None else ""
        self._files = files_hash(project, paths_of(project.settings)) if kept is None else ""
        self._generation = -1
        self._pieces: list[tuple[str, int]] = []
        """Block and size of each."""
        if kept is not None:
            self._pieces = list(zip(kept.blocks, map(len, kept.ranges), strict=True))
        self._piece = -1
        self._found: dict[int, Found] = {}
        """Of the present piece."""
        self._columns: dict[int, tuple[Any, ...]] = {}

    def scanned(self) -> None:
        """The raw folder was scanned, and its frames are not read yet."""
        self._generation = generation(self._project.connection)

    def planned(self, plan: Plan) -> None:
        """All was planned."""
        order = list(plan.invocations.values())
        self._pieces = [
            (order[members.start].block, len(members)) for members in plan_rows.piece_ranges(plan)
        ]

    def take(
        self, piece: int, place: int, invocation: Invocation, resolution: Resolution, looks: Looks
    ) -> None:
        """Note the state of an invocation, with the files that were looked at for it."""
        if piece != self._piece:
            self._end_piece()
            self._piece = piece
        manifest = resolution.manifest
        # Members of a combination may follow from a table that each build may change.
        if resolution.stale or manifest is None or invocation.choosing is not None:
            return
        files = looks.files()
        # What changed a moment ago may change once more without showing another time.
        if newest_change(files) + self._tick >= self._began:
            return
        paths = [self._places.short(path) for path, _ in files]
        if any("\n" in path for path in paths):
            return
        made = plan_rows.pack_made(manifest)
        self._found[place] = Found(paths, identity_bytes(files), manifest.seconds, made)

    def _end_piece(self) -> None:
        """Pack what was found of the present piece."""
        if self._piece < 0:
            return
        block, size = self._pieces[self._piece]
        found: list[Found | None] = [None] * size
        if self._kept is not None:
            found = self._kept.still_found(self._piece, *self._open)
        for place, one in self._found.items():
            found[place] = one
        with contextlib.suppress(ValueError):
            call = call_hash(self._planned[block], self._project)
            self._columns[self._piece] = plan_rows.found_columns(call, found)
        self._found = {}

    def write(self, view: View) -> None:
        """Keep what was found; where that cannot be, nothing is remembered."""
        project = self._project
        try:
            self._end_piece()
            if self._kept is not None:
                plan_cache.write_found(project.connection, self._kept, self._columns, self._open[1])
                return
            hidden = self._places.hidden
            blocks = list(self._planned.values())
            head = Head(
                secrets.token_hex(16),
                structure_hash(project, blocks, self._files, self._generation),
                self._inputs,
                sorted(view.probe.forgotten),
                hidden(json.dumps(as_plain(view.plan.left_out))),
                [hidden(text) for text in view.problems],
                [hidden(text) for text in view.file_problems],
                view.balance,
                plan_rows.default_ranges(view.plan),
                list(view.plan.units),
            )
            rows = list(plan_rows.graph_rows(view.plan, self._planned, self._places))
            plan_cache.write_plan(project.connection, head, view.plan, rows, self._columns)
            plan_cache.remove_old_file(project.database_path)
        except (*DAMAGE, OSError, MusebuildError) as error:
            if isinstance(error, sqlite3.Error | MusebuildError) and may_be_damage(error):
                raise
            # It saves time, no more.
            with contextlib.suppress(sqlite3.Error):
                plan_cache.forget_plan(project.connection)
