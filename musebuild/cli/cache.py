"""`musebuild cache stats | verify | rebuild`."""

from __future__ import annotations

import sys
from typing import Any

from musebuild.cache.stats import measure
from musebuild.cache.verify import placed_copies, verify
from musebuild.cli.base import ProjectCommand
from musebuild.engine.quality import rebuild
from musebuild.errors import UsageError
from musebuild.report.spans import count
from musebuild.report.store import stats_text, verify_text
from musebuild.settings.nearest import nearest

ACTIONS = ("stats", "verify", "rebuild")


class CacheCommand(ProjectCommand):
    """Look after the store."""

    name = "cache"
    doc_purpose = "look after the store: stats, verify, rebuild"
    doc_usage = "stats | verify [--repair] | rebuild"
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
    )

    def run(self, params: Any, args: list[str]) -> int:
        """Do one of the actions."""
        action = args[0] if args else ""
        if len(args) != 1 or action not in ACTIONS:
            near = nearest(action, ACTIONS) if action else []
            raise UsageError(
                f"musebuild cache does not know {action}"
                if action and len(args) == 1
                else "musebuild cache wants one action",
                why=f"did you mean {' or '.join(near)}?" if near else None,
                remedy=f"musebuild cache {' | '.join(ACTIONS)}",
            )
        if params["repair"] and action != "verify":
            raise UsageError(
                "--repair belongs to musebuild cache verify",
                remedy="musebuild cache verify --repair",
            )
        project = self.project(params)
        try:
            if action == "stats":
                sys.stdout.write(stats_text(measure(project.store, project.ledger)))
                return 0
            if action == "rebuild":
                number = project.ledger.rebuild(project.store)
                rows = rebuild(project.db, project.store)
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
