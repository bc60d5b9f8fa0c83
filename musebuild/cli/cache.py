"""`musebuild cache stats | verify | rebuild | gc | export | import`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from musebuild.cache.collect import carry_out, decide, stored_objects
from musebuild.cache.stats import measure
from musebuild.cache.transfer import export_results, import_results
from musebuild.cache.verify import placed_copies, verify
from musebuild.cli.base import ProjectCommand
from musebuild.engine.project import Project
from musebuild.engine.quality import rebuild
from musebuild.errors import UsageError
from musebuild.explain.sides import resolve_hashed
from musebuild.report.spans import count
from musebuild.report.store import gc_text, stats_text, verify_text
from musebuild.settings.nearest import nearest
from musebuild.settings.sizes import format_bytes, parse_bytes

ACTIONS = ("stats", "verify", "rebuild", "gc", "export", "import")
_OWN = {
    "repair": "verify",
    "max_size": "gc",
    "keep_versions": "gc",
    "dry_run": "gc",
}
"""Options, and the action that each belongs to."""


class CacheCommand(ProjectCommand):
    """Look after the store."""

    name = "cache"
    doc_purpose = "look after the store: stats, verify, rebuild, gc, export, import"
    doc_usage = (
        "stats | verify [--repair] | rebuild | gc [--max-size SIZE] [--keep-versions N] [--dry-run]"
        " | export FILE [TASK ...] | import FILE"
    )
    doc_description = None
    cmd_options = (
        {
            "name": "repair",
            "long": "repair",
            "type": bool,
            "default": False,
            "help": "verify: bring damaged objects back from copies, or take them away, so "
            "that they are made again",
        },
        {
            "name": "max_size",
            "long": "max-size",
            "type": str,
            "default": "",
            "metavar": "SIZE",
            "help": "gc: drop results that the plan does not need until the store is no larger "
            "(500 GB), what is quick to make again first",
        },
        {
            "name": "keep_versions",
            "long": "keep-versions",
            "type": int,
            "default": -1,
            "metavar": "N",
            "help": "gc: drop all but the newest N results of each task",
        },
        {
            "name": "dry_run",
            "short": "n",
            "long": "dry-run",
            "type": bool,
            "default": False,
            "help": "gc: only say what would go, and what it would cost to get back",
        },
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Do one of the actions."""
        action = args[0] if args else ""
        if action not in ACTIONS:
            near = nearest(action, ACTIONS) if action else []
            raise UsageError(
                f"musebuild cache does not know {action}"
                if action
                else "musebuild cache wants one action",
                why=f"did you mean {' or '.join(near)}?" if near else None,
                remedy=f"musebuild cache {' | '.join(ACTIONS)}",
            )
        self._refuse_others(params, action, args[1:])
        project = self.project(params)
        try:
            if action == "stats":
                sys.stdout.write(stats_text(measure(project.store, project.ledger)))
                return 0
            if action == "gc":
                self._gc(project, params)
                return 0
            if action in ("export", "import"):
                self._carry(project, action, Path(args[1]).expanduser(), args[2:])
                return 0
            if action == "rebuild":
                number = project.ledger.rebuild(project.store)
                rows = rebuild(project.connection, project.store)
                sys.stdout.write(
                    f"the ledger was made anew from {count(number, 'manifest')} of the store, "
                    f"and the tables of quality control with {count(rows, 'row')}\n"
                )
                return 0
            copies = placed_copies(project.ledger.all_placed().values())
            report = verify(project.store, repair=params["repair"], copies=copies)
            if params["repair"]:
                project.ledger.rebuild(project.store)
            sys.stdout.write(verify_text(report, repaired=params["repair"]))
            return 0 if report.sound else 1
        finally:
            project.close()

    @staticmethod
    def _refuse_others(params: Any, action: str, args: list[str]) -> None:
        """Refuse names and options that belong to other actions."""
        for option, owner in _OWN.items():
            given = params[option] != -1 if option == "keep_versions" else params[option]
            if given and action != owner:
                name = option.replace("_", "-")
                raise UsageError(
                    f"--{name} belongs to musebuild cache {owner}",
                    remedy=f"musebuild cache {owner} --{name}",
                )
        if action in ("export", "import"):
            if not args:
                raise UsageError(
                    f"musebuild cache {action} wants a file",
                    remedy=f"musebuild cache {action} results.tar",
                )
            args = args[1:] if action == "import" else []
        if args:
            raise UsageError(
                f"musebuild cache {action} takes no {args[0]}",
                remedy=f"musebuild cache {' | '.join(ACTIONS)}",
            )

    @staticmethod
    def _gc(project: Project, params: Any) -> None:
        """Drop what may go, or say what would."""
        limit = None
        if params["max_size"]:
            try:
                limit = parse_bytes(params["max_size"])
            except ValueError as error:
                raise UsageError(
                    f"--max-size {params['max_size']} is no size",
                    why=str(error),
                    remedy="write it like --max-size 500GB",
                ) from None
        versions = None if params["keep_versions"] < 0 else params["keep_versions"]
        resolutions = resolve_hashed(project, list(project.plan.invocations))
        # Of what waits for a task that cannot be made now: what it last was.
        last = project.ledger.tasks()
        needed = {r.key or str(last.get(r.name, {}).get("key")) for r in resolutions.values()}
        found = decide(
            project.store.manifests(),
            stored_objects(project.store),
            needed,
            max_size=limit,
            keep_versions=versions,
        )
        if not params["dry_run"]:
            carry_out(project.store, found)
        sys.stdout.write(gc_text(found, limit, dry_run=params["dry_run"]))

    @staticmethod
    def _carry(project: Project, action: str, path: Path, names: list[str]) -> None:
        """Write results into a file, or take them from one."""
        if action == "export":
            resolutions = resolve_hashed(project, names)
            made = [r.manifest for r in resolutions.values() if r.manifest is not None]
            done = export_results(project.store, made, path)
            missing = len(resolutions) - len(made)
            text = f"; {count(missing, 'task')} not made yet" if missing else ""
        else:
            done = import_results(project.store, path)
            for manifest in done.manifests:
                project.ledger.record(manifest)
            text = f"; {count(done.known, 'object')} known already"
        sys.stdout.write(
            f"{path}: {count(len(done.manifests), 'result')}, "
            f"{format_bytes(done.bytes)} in {count(done.objects, 'object')}{text}\n"
        )
