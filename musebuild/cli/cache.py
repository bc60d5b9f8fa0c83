"""`musebuild cache`: look after the store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from musebuild.cache.collect import carry_out, decide, stored_objects
from musebuild.cache.stats import measure
from musebuild.cache.transfer import export_results, import_results
from musebuild.cache.verify import placed_copies, verify
from musebuild.cli.command import Command, Group
from musebuild.cli.opening import on_project
from musebuild.cli.options import Argument, Number, names, switch
from musebuild.engine.project import Project
from musebuild.engine.quality import rebuild
from musebuild.errors import UsageError
from musebuild.explain.sides import resolve_hashed
from musebuild.report.spans import count
from musebuild.report.store import gc_text, stats_text, verify_text
from musebuild.settings.sizes import format_bytes, parse_bytes


@click.group(cls=Group)
def cache() -> None:
    """Look after the store."""


@cache.command(cls=Command, example="musebuild cache stats")
@on_project
def stats(project: Project) -> None:
    """How large the store is, what it saved, and the causes of what ran."""
    sys.stdout.write(stats_text(measure(project.store, project.ledger)))


@cache.command("verify", cls=Command, example="musebuild cache verify --repair")
@switch(
    "--repair",
    text="Bring damaged objects back from copies, or take them away, so that they are made again.",
)
@on_project
def verify_store(project: Project, repair: bool) -> int:
    """Read every object and manifest, and compare them with their names.

    Exit status 1 where something is damaged. Copies are those in the reduced tree and in the
    stores behind this one.
    """
    copies = placed_copies(project.ledger.all_placed().values())
    report = verify(project.store, repair=repair, copies=copies)
    if repair:
        project.ledger.rebuild(project.store)
    sys.stdout.write(verify_text(report, repaired=repair))
    return 0 if report.sound else 1


@cache.command("rebuild", cls=Command, example="musebuild cache rebuild")
@on_project
def rebuild_ledger(project: Project) -> None:
    """Make the ledger and the tables of quality control anew from the store alone."""
    number = project.ledger.rebuild(project.store)
    rows = rebuild(project.connection, project.store)
    sys.stdout.write(
        f"the ledger was made anew from {count(number, 'manifest')} of the store, "
        f"and the tables of quality control with {count(rows, 'row')}\n"
    )


class Size(click.ParamType[int]):
    """A size such as `500GB`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes.

        Raises
        ------
        UsageError
            It is no size.
        """
        try:
            return int(parse_bytes(value))
        except ValueError as error:
            raise UsageError(
                f"--max-size {value} is no size",
                why=str(error),
                remedy="write it like --max-size 500GB",
            ) from None


@cache.command(
    cls=Command, example="musebuild cache gc --max-size 500GB", formerly={"-n": "--dry-run"}
)
@click.option(
    "--max-size",
    metavar="SIZE",
    type=Size(),
    help="Drop results that the plan does not need until the store is no larger (500 GB), what "
    "is quick to make again first.",
)
@click.option(
    "--keep-versions",
    metavar="N",
    type=Number(),
    help="Drop all but the newest N results of each task.",
)
@switch("--dry-run", text="Only say what would go, and what it would cost to get back.")
@on_project
def gc(project: Project, max_size: int | None, keep_versions: int | None, dry_run: bool) -> None:
    """Drop what the plan does not need.

    Without options: what belongs to no result.
    """
    resolutions = resolve_hashed(project, list(project.plan.invocations))
    # Of what waits for a task that cannot be made now: what it last was.
    last = project.ledger.tasks()
    needed = {r.key or str(last.get(r.name, {}).get("key")) for r in resolutions.values()}
    found = decide(
        project.store.manifests(),
        stored_objects(project.store),
        needed,
        max_size=max_size,
        keep_versions=keep_versions,
    )
    if not dry_run:
        carry_out(project.store, found)
    sys.stdout.write(gc_text(found, max_size, dry_run=dry_run))


@cache.command("export", cls=Command, example="musebuild cache export results.tar FIELD")
@click.argument("file", cls=Argument, what="a file", type=click.Path(path_type=Path))
@names()
@on_project
def export_file(project: Project, file: Path, names: tuple[str, ...]) -> None:
    """Write results of tasks into a file, for another store."""
    path = file.expanduser()
    resolutions = resolve_hashed(project, list(names))
    made = [r.manifest for r in resolutions.values() if r.manifest is not None]
    done = export_results(project.store, made, path)
    missing = len(resolutions) - len(made)
    _tell_carried(path, done, f"; {count(missing, 'task')} not made yet" if missing else "")


@cache.command(
    "import", cls=Command, example="musebuild cache import results.tar", takes="one file"
)
@click.argument("file", cls=Argument, what="a file", type=click.Path(path_type=Path))
@on_project
def import_file(project: Project, file: Path) -> None:
    """Take results from a file that `cache export` wrote."""
    path = file.expanduser()
    done = import_results(project.store, path)
    for manifest in done.manifests:
        project.ledger.record(manifest)
    _tell_carried(path, done, f"; {count(done.known, 'object')} known already")


def _tell_carried(path: Path, done: Any, more: str) -> None:
    sys.stdout.write(
        f"{path}: {count(len(done.manifests), 'result')}, "
        f"{format_bytes(done.bytes)} in {count(done.objects, 'object')}{more}\n"
    )
