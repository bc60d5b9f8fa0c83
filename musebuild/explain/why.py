"""Why tasks are in their state: what changed since they were made, down to the root causes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from musebuild.cache.model import Record
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.project import Project
from musebuild.engine.records import record_now, record_stored
from musebuild.engine.resolve import Resolution, State
from musebuild.explain.compare import Change, compare_records

DEPTH = 100
"""Steps of a chain that are followed; a plan has fewer."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task is in its state."""

    name: str
    state: State | None
    """None: what became of it in an earlier build, of which something now is the consequence."""
    changes: tuple[Change, ...] = ()
    before: Record | None = None
    """How it was last made; None: never in this project."""
    ran_for: tuple[Change, ...] = ()
    """Of what is up to date: what had changed when it was last made."""
    reason: str = ""
    """The engine's: forgotten, damaged, absent."""
    detail: str = ""
    failed: str = ""
    """Of its last attempt, if that failed with the same inputs and parameters."""
    seconds: float = 0.0
    made: str = ""
    missing: tuple[tuple[str, str], ...] = ()
    """Of what is restored: (file, `missing` or `edited`)."""
    causes: tuple[Explanation, ...] = ()
    """The tasks upstream that this follows from, with their own."""

    @property
    def own(self) -> tuple[Change, ...]:
        """What changed here, not upstream."""
        return tuple(change for change in self.changes if not change.upstream)

    @property
    def is_root(self) -> bool:
        """Whether what happened began here (or nobody knows where)."""
        return bool(self.own) or not self.causes


def roots(explanation: Explanation) -> list[Explanation]:
    """Where a chain of causes began: each task once, in the order of the chain."""
    found: dict[str, Explanation] = {}
    waiting, seen = list(explanation.causes), set()
    while waiting:
        cause = waiting.pop(0)
        if cause.name in seen:
            continue
        seen.add(cause.name)
        if cause.is_root:
            found.setdefault(cause.name, cause)
        waiting.extend(cause.causes)
    return list(found.values())


class Explainer:
    """Explains tasks of a resolved project; hashes nothing.

    Parameters
    ----------
    project : Project
        The project.
    world : ProjectWorld
        That resolved it.
    resolutions : mapping
        State of the tasks, and of all that they need.
    """

    def __init__(
        self, project: Project, world: ProjectWorld, resolutions: Mapping[str, Resolution]
    ) -> None:
        self.project = project
        self.world = world
        self.resolutions = resolutions
        self._known: dict[str, Explanation] = {}
        self._records: dict[str, list[Record]] = {}

    @cached_property
    def _history(self) -> dict[str, Mapping[str, Any]]:
        return self.project.ledger.tasks()

    def records(self, task: str) -> list[Record]:
        """How a task was made, the newest first."""
        if task not in self._records:
            known = self.project.ledger.records(task)
            last = self._history.get(task, {})
            if not known and last.get("outcome") != "failed":
                manifest = self.project.store.lookup(str(last.get("key") or "-")).manifest
                stored = record_stored(manifest, task)
                known = [stored] if stored else []
            self._records[task] = known
        return self._records[task]

    def explain(self, name: str) -> Explanation:
        """Why a task is in its state."""
        if name not in self._known:
            self._known[name] = self._explain(name)
        return self._known[name]

    def _explain(self, name: str) -> Explanation:
        resolution = self.resolutions[name]
        records = self.records(name)
        before = records[0] if records else None
        now = record_now(name, self.resolutions, self.world)
        changes: tuple[Change, ...] = ()
        if before is not None and now is not None and before.key != now.key:
            changes = tuple(compare_records(before, now))
        manifest = resolution.manifest
        ran_for: tuple[Change, ...] = ()
        causes: list[Explanation] = []
        if resolution.state is State.UP_TO_DATE and not changes and len(records) > 1:
            ran_for = tuple(compare_records(records[1], records[0]))
        causes += self._upstream(changes or ran_for, DEPTH)
        causes += [self.explain(other) for other in resolution.waits_for]
        last = self._history.get(name, {})
        failed = ""
        if last.get("outcome") == "failed" and last.get("key") == resolution.key != "":
            failed = f"on {last['date']}: {last['reason']}"
        return Explanation(
            name,
            resolution.state,
            changes,
            before,
            ran_for,
            reason=resolution.reason,
            detail=resolution.detail,
            failed=failed,
            seconds=manifest.seconds if manifest else 0.0,
            made=manifest.made if manifest else "",
            missing=self._missing(resolution) if resolution.state is State.RESTORE else (),
            causes=tuple(causes),
        )

    def _missing(self, resolution: Resolution) -> tuple[tuple[str, str], ...]:
        manifest = resolution.manifest
        if manifest is None:
            return ()
        invocation = self.project.plan.invocations[resolution.name]
        folder = self.project.reduced / invocation.folder
        found = []
        for product in manifest.products:
            path = str(folder / product.name)
            if not Path(path).exists():
                found.append((product.name, "missing"))
                continue
            placed = self.project.ledger.placed([path])
            if not self.project.tree.as_placed(path, product.object, placed):
                known = placed.get(path)
                other = known is not None and known.object != product.object
                found.append((product.name, "of other settings" if other else "edited"))
        return tuple(found)

    def _upstream(self, changes: Iterable[Change], depth: int) -> list[Explanation]:
        """What happened, in earlier builds, to the tasks whose products changed."""
        found: dict[str, Explanation] = {}
        for change in changes:
            if change.upstream and change.upstream not in found and change.old and change.new:
                found[change.upstream] = self._happened(
                    change.upstream, change.old.digest, change.new.digest, depth
                )
        return list(found.values())

    def _happened(self, task: str, old: str, new: str, depth: int) -> Explanation:
        records = self.records(task)
        makers_old = self.project.ledger.keys_that_made(old)
        makers_new = self.project.ledger.keys_that_made(new)
        now = next((r for r in records if r.key in makers_new), None)
        before = next((r for r in records if r.key in makers_old - makers_new), None)
        if now is None or before is None:
            return Explanation(task, None, before=now, made=now.date if now else "")
        changes = tuple(compare_records(before, now))
        causes = self._upstream(changes, depth - 1) if depth else []
        return Explanation(task, None, changes, before, made=now.date, causes=tuple(causes))
