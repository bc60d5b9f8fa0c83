"""One build: what was selected, what is known so far, and how a piece of it ends."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import shutil
from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from musebuild.cache.ledger import NOT_RUN
from musebuild.cache.model import Manifest
from musebuild.cache.reduced import PlaceReport
from musebuild.cache.steps import step
from musebuild.cache.store import manifest_from
from musebuild.engine.admission import MemoryModel, learned_models
from musebuild.engine.fingerprints import Looks, watched_paths
from musebuild.engine.hashing import Hasher
from musebuild.engine.machine import machine_of
from musebuild.engine.options import BuildOptions
from musebuild.engine.portable_settings import settings_document
from musebuild.engine.probe import ProjectWorld, file_inputs, selection, without_collector
from musebuild.engine.project import Project
from musebuild.engine.quality import QualityTables
from musebuild.engine.records import record_of
from musebuild.engine.remembered import Notes, Rest
from musebuild.engine.resolve import Resolution, State, bare, judge, resolve_one, slim
from musebuild.engine.settled import Kept, Settled
from musebuild.engine.summary import BuildSummary, Failure
from musebuild.engine.survey import Survey
from musebuild.engine.tasks import Plugins, folded_lines, longest_paths
from musebuild.engine.work import (
    OrderOptions,
    input_bytes,
    make_order,
    runner_options,
    sidecar,
    sidecar_name,
)
from musebuild.index.scan import scan
from musebuild.plan.names import closure, concerned
from musebuild.workers.orders import WorkOrder, WorkResult

MOST_KNOWN = 5000
"""Digests of input files that are held; those of a large archive fill the memory."""


class Build:
    """State of one build; everything that touches the database happens here, in one thread.

    Parameters
    ----------
    project : Project
        The project.
    names : sequence of str
        What to build; empty: the default.
    options : BuildOptions
        From the command line.
    rest : Rest, optional
        What is left to look at, where the rest is known.
    remember : bool
        Whether to remember what is found.
    """

    def __init__(
        self,
        project: Project,
        names: Sequence[str],
        options: BuildOptions,
        *,
        rest: Rest | None = None,
        remember: bool = False,
    ) -> None:
        project.require_writable()
        self.project = project
        self.options = options
        self.rest = rest
        # Before anything of what it rests on is read.
        self.notes = Notes(project, rest) if remember else None
        self.summary = BuildSummary(results=str(project.reduced), beside=project.beside)
        if rest is None:
            self.summary.problems = [str(problem) for problem in project.scan_report.problems]
            if self.notes is not None:
                self.notes.scanned()
            self.plan = project.plan
            project.let_go()
            self.selected = selection(project, names)
            self.names: Collection[str] = closure(self.plan, self.selected)
            self.summary.left_out = concerned(self.plan.left_out, names, project.settings.datasets)
        else:
            self.plan, self.selected, self.names = rest.plan, rest.names, rest.names
            self.summary.problems = list(rest.settled.problems)
            self.summary.left_out = list(rest.settled.left_out)
            self.summary.up_to_date = rest.settled.tasks
            self.summary.saved_seconds = rest.settled.saved_seconds
        project.store.sweep()
        self.world = ProjectWorld(project)
        self.software = self.world.software()
        self.machine = machine_of(project)
        self.workers = options.workers or self.machine.cores
        self.quality = QualityTables(project.connection, project.store, self.world.measurements)
        self.manifests: MutableMapping[str, Manifest] = {} if rest is None else rest.manifests
        self.resolutions: dict[str, Resolution] = {}
        """Of what is to do and has a key."""
        self.hasher = Hasher(project.digests, self.world.known)
        self.survey = Survey(self.names, self._look, lambda name: self.plan.invocations[name].needs)
        self._looks = Looks()
        self._unhashed: list[str] = []
        self._plugins = Plugins(self.plan, project.catalogue)
        self._bytes: dict[str, int] = {}
        self.number = 0
        self.urgency: dict[str, float] = {}
        """Seconds on the longest path that begins with an invocation."""
        self._models: dict[str, MemoryModel] = {}

    def _look(self, names: Sequence[str]) -> list[str]:
        """Look at a few invocations; those that are to do."""
        found, same = [], []
        looks = self._looks
        single = set(self.selected) if self.options.single else None
        with without_collector():
            for resolution in self.world.piece(names, self.plan, self.manifests, looks):
                name = resolution.name
                if self.notes is not None:
                    self.notes.take(self.plan.invocations[name].block, resolution, looks)
                wanted = single is None or name in single
                if wanted and (resolution.stale or self.options.always):
                    found.append(name)
                    self._unhashed += looks.unhashed
                    if resolution.key:
                        self.resolutions[name] = resolution
                elif wanted:
                    self._count_up_to_date(resolution)
                if resolution.manifest is not None and resolution.state is State.UP_TO_DATE:
                    same.append((name, resolution.manifest))
                looks.clear()
        # Where the database was made anew, or the store is shared, they are not known yet.
        self.quality.record(same)
        return found

    def look_ahead(self, seconds: float = math.inf) -> None:
        """Look at all that was selected; or for so long, and until something is to do.

        Recipes may start then, and `look_on` goes on while they run.
        """
        self.survey.look_ahead(seconds)
        if self.survey.over:
            self._remember()

    def look_on(self) -> list[str]:
        """Look at a few more; those that are to do."""
        found = self.survey.advance()
        # It stays to the end, as what was found before the first recipe does.
        gc.freeze()
        self._hash_ahead()
        if self.survey.over:
            self._remember()
            self._rank()
        return found

    def _count_up_to_date(self, resolution: Resolution) -> None:
        self.summary.up_to_date += 1
        if resolution.manifest is not None:
            self.summary.saved_seconds += resolution.manifest.seconds

    def _remember(self) -> None:
        """Remember the whole plan, and what was found up to date, for the next build.

        Where only a part was looked at, what is remembered of it stays until all of that part is
        up to date.
        """
        if self.notes is None or (self.rest is not None and self.survey.needs):
            return
        rest, problems = self.rest, self.project.files.problems if self.rest is None else ()
        found = Settled(
            self.summary.up_to_date,
            self.summary.saved_seconds,
            tuple(self.summary.left_out),
            tuple(self.summary.problems),
            rest.settled.file_problems if rest else tuple(problems),
            () if rest else folded_lines(self.plan, self.selected),
        )
        self.notes.write(self.plan, self.names, found, self.world.forgotten)
        self.notes = None

    def settle(self, names: Sequence[str]) -> None:
        """Remember that there is nothing to do, and what that rests on."""
        project = self.project
        inputs = {p for name in self.names for p in file_inputs(self.plan.invocations[name])}
        if len(project.digests.known_many(sorted(inputs))) < len(inputs):
            # Some frame is so new that it could have changed within the tick of its time stamp.
            return
        products: list[tuple[str, str]] = []
        manifests: list[str] = []
        for name in self.names:
            manifest = self.manifests[name]
            folder = f"{project.reduced}/{self.plan.invocations[name].folder}"
            products += [
                (f"{folder}/{product.name}", str(project.store.path(product.object)))
                for product in manifest.products
            ]
            manifests.append(str(project.store.manifest_file(manifest.key)))
        found = Settled(
            self.summary.up_to_date,
            self.summary.saved_seconds,
            tuple(self.summary.left_out),
            tuple(self.summary.problems),
            tuple(project.files.problems),
            folded_lines(self.plan, self.selected),
        )
        kept = Kept(project, names, found, [*watched_paths(products), *manifests])
        # What changed since the first look and before the files were noted shows now; what
        # changes from now on differs from the note.
        report = scan(project.connection, project.settings)
        if report.new or report.changed or report.vanished:
            return
        again = self.world.survey(self.names, self.plan, {})
        if not any(resolution.stale for resolution in again):
            kept.write()

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
        self._hash_ahead()
        self._rank()

    def _hash_ahead(self) -> None:
        self.hasher.start(self._unhashed)
        self._unhashed.clear()

    def _rank(self) -> None:
        """Find what is urgent, among what is known to be to do."""
        known = self.project.ledger.seconds()
        usual = sum(known.values()) / len(known) if known else 1.0
        seconds = {name: known.get(self.plugin(name), usual) for name in self.survey.needs}
        self.urgency = longest_paths(self.survey.needs, seconds)

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
        resolution = resolve_one(
            invocation,
            plan=self.plan,
            catalogue=self.project.catalogue,
            manifests=self.manifests,
            software=self.software,
            world=self.world.world,
        )
        return self._noted(name, resolution)

    def _noted(self, name: str, resolution: Resolution) -> Resolution:
        before = self.resolutions.get(name)
        if before and before.key == resolution.key and before.state == resolution.state:
            # The first look took damaged objects away: its reason is the true one.
            resolution = replace(resolution, reason=before.reason)
        self.resolutions[name] = resolution
        return resolution

    def look_again(self, name: str) -> Resolution:
        """State of an invocation under its key's lock: another build may have made it."""
        return self._noted(
            name, judge(self.resolutions[name], self.plan.invocations[name], self.world.world)
        )

    def up_to_date(self, name: str) -> None:
        """An invocation turned out to be up to date."""
        resolution = self.resolutions[name]
        if resolution.manifest is not None:
            self.manifests[name] = bare(resolution.manifest)
            self.quality.record([(name, resolution.manifest)])
        self._count_up_to_date(resolution)

    def restore(self, name: str) -> None:
        """Put products of the store into place."""
        resolution = self.resolutions[name]
        manifest = resolution.manifest
        assert manifest is not None, "only what the store has can be restored"
        report = self._place(name, manifest)
        self.manifests[name] = bare(manifest)
        self.quality.record([(name, manifest)])
        self.summary.restored.append(name)
        self.summary.saved_seconds += manifest.seconds
        with self.project.ledger.one_commit():
            self.project.tree.note(report)
            step("places noted")
            self._event(name, "restored", reason=resolution.reason, log=manifest.log)
        step("event noted")

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
        """The work order of an invocation."""
        return make_order(
            self.plan.invocations[name],
            self.resolutions[name],
            self.plan,
            self.project,
            OrderOptions(
                threads=threads,
                input_bytes=self._input_bytes(name),
                keep_failed=self.options.keep_failed,
                runner_options=runner_options(self.project),
            ),
        )

    def memory(self, name: str) -> int:
        """Expected peak memory of an invocation."""
        invocation = self.plan.invocations[name]
        recipe = self.project.catalogue[invocation.recipe]
        if not self._models:
            self._models = learned_models(self.project.ledger.memory_samples())
        declared = MemoryModel(recipe.memory_base, recipe.memory_per_input_byte)
        model = self._models.get(recipe.plugin, declared)
        return model.estimate(self._input_bytes(name))

    def _input_bytes(self, name: str) -> int:
        """Bytes that an invocation reads; remembered, since digests are let go."""
        if name not in self._bytes:
            self._bytes[name] = input_bytes(
                self.resolutions[name], self.project.store, self.world.known
            )
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
        self.world.forgotten = self.world.forgotten - {manifest.key}
        self.manifests[name] = bare(manifest)
        report = self._place(name, manifest)
        summary = self.summary
        summary.ran.append(name)
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
        with contextlib.suppress(OSError):
            self.summary.free_bytes = shutil.disk_usage(self.project.store.root).free
        status = self.summary.stopped or ("failed" if self.summary.exit_status else "done")
        if self.number:
            self.project.ledger.end_build(self.number, status, up_to_date=self.summary.up_to_date)
