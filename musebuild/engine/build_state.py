"""One build: what was selected, what is known so far, and how a piece of it ends."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from musebuild.cache.ledger import NOT_RUN
from musebuild.cache.model import Manifest
from musebuild.cache.reduced import PlaceReport
from musebuild.cache.steps import step
from musebuild.cache.store import manifest_from
from musebuild.engine import cubes
from musebuild.engine.cubes import CUBE, SCIENCE
from musebuild.engine.hashing import Hasher
from musebuild.engine.input_sizes import ExpectedMemory, InputSizes
from musebuild.engine.machine import machine_of
from musebuild.engine.options import BuildOptions
from musebuild.engine.portable_settings import settings_document
from musebuild.engine.probe import file_inputs, selection
from musebuild.engine.project import Project
from musebuild.engine.quality import QualityTables
from musebuild.engine.records import record_of
from musebuild.engine.resolve import Resolution, Resolver, State, bare, judge, slim
from musebuild.engine.summary import Failure
from musebuild.engine.tasks import Plugins, longest_paths
from musebuild.engine.view import MOST_KNOWN, View
from musebuild.engine.work import (
    GoneError,
    OrderOptions,
    make_order,
    runner_options,
    sidecar,
    sidecar_name,
)
from musebuild.index.vanished import note_used
from musebuild.plan.model import LeftOut
from musebuild.plan.selecting import choose_others
from musebuild.workers.orders import WorkOrder, WorkResult


class Build:
    """State of one build; everything that touches the database happens here, in one thread.

    Parameters
    ----------
    project : Project
        The project; what a build writes to is there.
    view : View
        What is to do, as far as that is known yet.
    options : BuildOptions
        From the command line.
    names : sequence of str
        What was asked for.
    """

    def __init__(
        self, project: Project, view: View, options: BuildOptions, names: Sequence[str]
    ) -> None:
        self.project = project
        self.options = options
        self.view = view
        self.plan = view.plan
        self.manifests = view.manifests
        self.world = view.probe
        self._resolver = Resolver(
            self.plan, project.catalogue, self.manifests, self.world.software(), self.world.world
        )
        self.only = set(selection(project, names)) if options.single else None
        """What alone is to be done; None: all that is needed for it, too."""
        self.summary = view.summary()
        project.store.sweep()
        self.machine = machine_of(project)
        self.workers = options.workers or self.machine.cores
        self.quality = QualityTables(project.connection, project.store, self.world.measurements)
        self.resolutions: dict[str, Resolution] = {}
        """Of what is to do and has a key."""
        self.hasher = Hasher(project.digests, self.world.known)
        self._used: dict[str, tuple[str, str, str]] = {}
        """Files that are used, and not noted yet: path → path, kind, category."""
        self._noted: set[str] = set()
        """Files that are noted as used."""
        self.needs: dict[str, tuple[str, ...]] = {}
        """Each that is to do → those to do whose products it takes."""
        self._waiting: deque[str] = deque()
        self._plugins = Plugins(self.plan, project.catalogue)
        self._sizes = InputSizes(self.manifests, self._plugins)
        self._bytes: dict[str, int] = {}
        self._cubes: list[cubes.Made] = []
        self.number = 0
        self.urgency: dict[str, float] = {}
        """Seconds on the longest path that begins with an invocation."""

    def _look(self) -> list[str]:
        """Look at the next few invocations; those that are to do."""
        found, same = [], []
        looked = self.view.advance()
        self._use(resolution.name for resolution in looked)
        for resolution in looked:
            name, manifest = resolution.name, resolution.manifest
            wanted = self.only is None or name in self.only
            if wanted and (resolution.stale or self.options.always):
                found.append(name)
                if resolution.key:
                    self.resolutions[name] = resolution
            elif wanted and resolution.state is State.LEFT_OUT:
                self.leave_out(resolution)
            elif wanted:
                self._count_up_to_date(resolution)
            if manifest is not None and resolution.state is State.UP_TO_DATE:
                same.append((name, manifest))
        self.project.store.mend()
        # Where the database was made anew, or the store is shared, they are not known yet.
        self.quality.record(same)
        for name in found:
            needs = self.plan.invocations[name].needs
            self.needs[name] = tuple(other for other in needs if other in self.needs)
        self._waiting.extend(found)
        return found

    def _use(self, names: Iterable[str]) -> None:
        """Take in the files that invocations take."""
        for name in names:
            if self.only is None or name in self.only:
                for wanted in self.plan.invocations[name].inputs:
                    path = wanted.path
                    if wanted.kind != "product" and path not in self._noted:
                        self._used[path] = (path, wanted.kind, wanted.category or wanted.tag)

    def _note_used(self) -> None:
        """Note the files that are used: they are missed when they vanish.

        What a build refuses is not used.
        """
        if self._used:
            note_used(self.project.connection, self.project.settings, self._used.values())
            self._noted.update(self._used)
            self._used.clear()

    def look_ahead(self, seconds: float = math.inf) -> None:
        """Look at all that was asked for; or for so long, and until something is to do.

        Recipes may start then, and `look_on` goes on while they run.
        """
        began = time.monotonic()
        while not self.view.over and (time.monotonic() - began < seconds or not self.needs):
            self._look()

    def look_on(self) -> list[str]:
        """Look at a few more; those that are to do."""
        found = self._look()
        self._note_used()
        self._hash_ahead()
        if self.view.over:
            self._rank()
        return found

    def take(self, most: int) -> list[str]:
        """Some that are to do and were not taken yet, in the order of the plan."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def _count_up_to_date(self, resolution: Resolution) -> None:
        self.summary.up_to_date += 1
        if resolution.manifest is not None:
            self.summary.saved_seconds += resolution.manifest.seconds

    def begin(self) -> None:
        """Note the start, and begin to digest input files in the order of the plan."""
        settings = self.project.settings
        self.number = self.project.ledger.begin_build(
            str(settings.path),
            self.options.command,
            version=settings.version,
            reduced=str(self.project.reduced),
            document=settings_document(settings),
        )
        self._note_used()
        self._hash_ahead()
        self._rank()

    def _hash_ahead(self) -> None:
        self.hasher.start(self.view.unhashed)
        self.view.unhashed.clear()

    def _rank(self) -> None:
        """Find what is urgent, among what is known to be to do."""
        known = self.project.ledger.seconds()
        usual = sum(known.values()) / len(known) if known else 1.0
        seconds = {name: known.get(self.plugin(name), usual) for name in self.needs}
        self.urgency = longest_paths(self.needs, seconds)

    def plugin(self, name: str) -> str:
        """The recipe that an invocation calls, as the pipeline knows it."""
        return self._plugins.of(name)

    def resolve_now(self, name: str) -> Resolution:
        """Resolve an invocation whose upstream has ended, digesting what is needed.

        Raises
        ------
        FrameError
            An input file cannot be read.
        """
        invocation = self.plan.invocations[name]
        if len(self.world.known) > MOST_KNOWN:
            self.world.known.clear()
        self.world.learn([invocation])
        self.hasher.ensure(file_inputs(invocation))
        resolution = self._resolver.resolve(invocation)
        self.resolutions[name] = resolution
        return resolution

    def look_again(self, name: str) -> Resolution:
        """State of an invocation under its key's lock: another build may have made it."""
        resolution = judge(self.resolutions[name], self.plan.invocations[name], self.world.world)
        self.resolutions[name] = resolution
        return resolution

    def up_to_date(self, name: str) -> None:
        """An invocation turned out to be up to date."""
        resolution = self.resolutions[name]
        if resolution.manifest is not None:
            self.manifests[name] = bare(resolution.manifest)
            self.quality.record([(name, resolution.manifest)])
        self._count_up_to_date(resolution)

    def leave_out(self, resolution: Resolution) -> None:
        """Too few exposures of a combination are left, now that they are made."""
        block = self.plan.invocations[resolution.name].block
        left = LeftOut.of(resolution.name, resolution.reason, choose_others(block))
        self.summary.left_out.append(left)

    def restore(self, name: str) -> None:
        """Put products of the store into place."""
        resolution = self.resolutions[name]
        manifest = resolution.manifest
        assert manifest is not None, "only what the store has can be restored"
        report = self._place(name, manifest)
        self.manifests[name] = bare(manifest)
        self.quality.record([(name, manifest)])
        self.summary.restored.append(name)
        self._note_cube(name, manifest)
        self.summary.saved_seconds += manifest.seconds
        with self.project.ledger.one_commit():
            self.project.tree.note(report)
            step("places noted")
            self._event(name, "restored", reason=resolution.reason, log=manifest.log)
        step("event noted")

    def _note_cube(self, name: str, manifest: Manifest) -> None:
        """Note who made a cube, and of what, while that is known."""
        cube = next((one for one in manifest.kept if one.category == CUBE), None)
        if cube is None:
            return
        folder = self.project.reduced / self.plan.invocations[name].folder
        inputs = self.resolutions[name].inputs
        sources = (used.invocation for used in inputs if used.tag.startswith(SCIENCE))
        place = str(folder / cube.name)
        self._cubes.append(cubes.Made(name, place, tuple(dict.fromkeys(filter(None, sources)))))

    def tell_cubes(self) -> None:
        """Put the cubes that the build ended with into the summary."""
        every = self.plan.invocations
        self.summary.cubes = cubes.final_cubes(self._cubes, every, self.project.connection)

    def _place(self, name: str, manifest: Manifest) -> PlaceReport:
        """Put products into place; the ledger is not told yet."""
        invocation = self.plan.invocations[name]
        report = self.project.tree.put(
            invocation.folder,
            manifest,
            task=name,
            sidecar_name=sidecar_name(invocation),
            sidecar=sidecar(invocation, self.resolutions[name], manifest),
        )
        self.summary.edited.extend(report.edited)
        return report

    def order(self, name: str, threads: int) -> WorkOrder:
        """The work order of an invocation; what the store has of it in damage goes.

        Raises
        ------
        StoreError
            An input is gone, or no scratch folder can be made.
        """
        resolution, known = self.resolutions[name], self.world.known
        self.project.store.clear(resolution.key)
        options = OrderOptions(
            threads=threads,
            input_bytes=self._input_bytes(name),
            keep_failed=self.options.keep_failed,
            runner_options=runner_options(self.project),
            looks={
                one.path: known[one.path].looks for one in resolution.inputs if one.path in known
            },
        )
        try:
            return make_order(
                self.plan.invocations[name], resolution, self.plan, self.project, options
            )
        except GoneError:
            # What was dropped on purpose counts as made, until its bytes are needed: now.
            makers = {one.invocation for one in resolution.inputs if one.invocation}
            self._make_again(makers)
            raise

    def _make_again(self, names: Iterable[str]) -> None:
        """Let the next build make invocations of which products were dropped on purpose."""
        keys = [self.manifests[name].key for name in names]
        gone = [
            key
            for key in keys
            if (found := self.project.store.lookup(key).manifest) and found.dropped
        ]
        self.project.ledger.forget(gone)

    def memory(self, name: str) -> int:
        """Expected peak memory of an invocation."""
        recipe = self.project.catalogue[self.plan.invocations[name].recipe]
        return self._memory.of(recipe, self._input_bytes(name))

    @cached_property
    def _memory(self) -> ExpectedMemory:
        return ExpectedMemory(self.project.ledger.samples())

    def _input_bytes(self, name: str) -> int:
        """Bytes that an invocation reads; remembered, since digests are let go."""
        if name not in self._bytes:
            inputs = self.resolutions[name].inputs
            self._sizes.learn(inputs, self.world.known)
            self._bytes[name] = self._sizes.of(inputs)
        return self._bytes[name]

    def threaded(self, name: str) -> bool:
        """Whether OpenMP threads help an invocation."""
        return self.project.catalogue[self.plan.invocations[name].recipe].threads

    def succeeded(self, name: str, result: WorkResult) -> Manifest:
        """Record a manifest that a worker wrote, then put its products into place."""
        assert result.manifest is not None, "a worker that succeeds sends its manifest"
        manifest = manifest_from(dict(result.manifest))
        step("result read")
        quality = result.quality
        known = {} if quality is None else {manifest.key: (dict(quality[0]), quality[1])}
        with self.project.ledger.one_commit():
            self.project.ledger.record(manifest)
            self.quality.record([(name, manifest)], known)
        step("ledger written")
        for one, seen in result.looks.items():
            self.project.store.take_over(one, seen)
        self.world.forgotten = self.world.forgotten - {manifest.key}
        self.manifests[name] = bare(manifest)
        report = self._place(name, manifest)
        summary = self.summary
        summary.ran.append(name)
        self._note_cube(name, manifest)
        summary.recipe_seconds += result.seconds
        summary.new_bytes += sum(product.size for product in manifest.products)
        recipe = self.plan.invocations[name].recipe
        if manifest.warnings:
            summary.warnings[recipe] = summary.warnings.get(recipe, 0) + len(manifest.warnings)
        with self.project.ledger.one_commit():
            self.project.tree.note(report)
            step("places noted")
            self._event(
                name,
                "ran",
                reason=self.resolutions[name].reason or "asked for",
                seconds=result.seconds,
                log=manifest.log,
            )
        step("event noted")
        return manifest

    def log_path(self, log: str) -> str:
        """Where a log lies that a worker names: an object of the store, or a path."""
        return str(self.project.store.path(log)) if log and os.sep not in log else log

    def failed(self, name: str, result: WorkResult) -> Failure:
        """Note the failure of a recipe."""
        told: dict[str, Any] = dict(result.failure or {})
        log = self.log_path(result.log)
        code = told.get("return_code")
        failure = Failure(
            task=name,
            recipe=self.plan.invocations[name].recipe,
            message=str(told.get("message") or "the recipe failed"),
            errors=tuple(map(str, told.get("errors") or ())),
            return_code=None if code is None else int(code),
            log=log,
            scratch=str(told.get("scratch") or ""),
        )
        self.note_failure(failure, seconds=result.seconds)
        return failure

    def note_failure(self, failure: Failure, *, seconds: float = 0.0) -> None:
        """Note that an invocation failed, for the summary and the history."""
        self.summary.failed.append(failure)
        self._event(
            failure.task, "failed", reason=failure.message, seconds=seconds, log=failure.log
        )

    def halted(self, name: str, result: WorkResult) -> None:
        """Note that a recipe was stopped because people asked for it."""
        self.summary.halted.append(name)
        self._event(name, "stopped", seconds=result.seconds, log=result.log)

    def not_run(self, name: str, cause: str) -> None:
        """Note that an invocation was not run because of another."""
        self.summary.not_run[name] = cause
        self._event(name, NOT_RUN, reason=cause)

    def _event(
        self, name: str, outcome: str, *, reason: str = "", seconds: float = 0.0, log: str = ""
    ) -> None:
        resolution = self.resolutions.get(name)
        self.project.ledger.event(
            self.number,
            name,
            self.plan.invocations[name].recipe,
            resolution.key if resolution else "",
            outcome,
            reason=reason,
            seconds=seconds,
            log=log,
            record=record_of(resolution, self.plan)
            if resolution and outcome in ("ran", "restored")
            else None,
        )
        self._bytes.pop(name, None)
        if resolution:
            self.resolutions[name] = slim(resolution)

    def finish(self) -> None:
        """Note how the build ended."""
        self.hasher.close()
        if self.number or not self.needs:
            self._note_used()
        with contextlib.suppress(OSError):
            self.summary.free_bytes = shutil.disk_usage(self.project.store.root).free
        status = self.summary.stopped or ("failed" if self.summary.exit_status else "done")
        if self.number:
            self.project.ledger.end_build(self.number, status, up_to_date=self.summary.up_to_date)
