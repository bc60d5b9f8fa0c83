"""What becomes of every file below `raw_path`, of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from musebuild.engine.project import Project
from musebuild.plan.balance import (
    Balance,
    Fate,
    Judge,
    Told,
    counts_of,
    judged,
    line_of,
)
from musebuild.plan.blocks import PlannedBlock, plan_blocks
from musebuild.plan.model import Plan
from musebuild.settings.model import Settings


def _others(project: Project) -> Iterator[Told]:
    """Files that give no frame, as the last scan found them."""
    absolute = project.connection.paths.absolute
    for path, message, remedy in project.connection.execute(
        "SELECT path, message, remedy FROM bad_files"
    ):
        yield Told(absolute(path), Fate.UNREADABLE, "FITS", "it cannot be read", message, remedy)


def _told(
    project: Project, settings: Settings, plan: Plan, blocks: Iterable[PlannedBlock]
) -> Iterator[Told]:
    return judged(project.raw, _others(project), Judge(plan, blocks, settings.datasets))


def balance_of(
    project: Project, settings: Settings, plan: Plan, blocks: Iterable[PlannedBlock]
) -> Balance:
    """What becomes of each file below `raw_path`.

    Parameters
    ----------
    project : Project
        Its raw folder was scanned.
    settings : Settings
        Those that the plan follows from.
    plan : Plan
        All that is planned.
    blocks : iterable of PlannedBlock
        Blocks that are planned.
    """
    told = sorted(_told(project, settings, plan, blocks), key=lambda one: one.path)
    return Balance(tuple(told), len(project.gone.losses))


def project_balance(project: Project) -> Balance:
    """The balance of a project as its settings are."""
    settings = project.settings
    blocks, _ = plan_blocks(settings, project.catalogue)
    return balance_of(project, settings, project.plan, blocks)


def balance_line(project: Project) -> str:
    """The same in one line, without holding what is told of each file."""
    settings = project.settings
    blocks, _ = plan_blocks(settings, project.catalogue)
    told = _told(project, settings, project.plan, blocks)
    return line_of(counts_of(told), len(project.gone.losses))
