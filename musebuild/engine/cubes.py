"""The cubes that a build ends with, and what went into each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from musebuild.index.database import Connection
from musebuild.plan.model import Invocation

CUBE = "DATACUBE_FINAL"
SCIENCE = ("PIXTABLE_", "DATACUBE_")
"""How categories begin that hold an exposure's own light."""
OBJECT = "OBJECT"


@dataclass(frozen=True, slots=True)
class Cube:
    """A cube, and the exposures in it."""

    path: str
    exposures: int
    seconds: float
    """Sum of their EXPTIME."""


@dataclass(frozen=True, slots=True)
class Made:
    """An invocation that made a cube."""

    name: str
    path: str
    sources: tuple[str, ...]
    """Invocations whose pixel tables or cubes it took."""


def exposures_in(sources: Iterable[str], invocations: Mapping[str, Invocation]) -> frozenset[str]:
    """Names of the exposures of the sky whose light is in what some invocations made.

    Parameters
    ----------
    sources : iterable of str
        Invocations.
    invocations : mapping
        All invocations of the plan.
    """
    found: set[str] = set()
    queue, seen = list(sources), set(sources)
    while queue:
        invocation = invocations[queue.pop()]
        for wanted in invocation.inputs:
            if wanted.kind == "raw" and wanted.tag == OBJECT:
                found.add(invocation.label)
            elif wanted.tag.startswith(SCIENCE) and wanted.invocation not in seen:
                seen.add(wanted.invocation)
                queue.append(wanted.invocation)
    return frozenset(found)


def final_cubes(
    made: Sequence[Made], invocations: Mapping[str, Invocation], connection: Connection
) -> list[Cube]:
    """The cubes of a build that none of its others was made from, with what is in each.

    Parameters
    ----------
    made : sequence of Made
        What made or restored a cube.
    invocations : mapping
        All invocations of the plan.
    connection : Connection
        The project's, for the exposure times.
    """
    within: set[str] = set()
    for one in made:
        within.update(one.sources)
    names = {one.name for one in made}
    cubes = []
    for one in made:
        # What a combination took was a step on the way, or a look at each exposure.
        if one.name in within and names - {one.name}:
            continue
        exposures = sorted(exposures_in(one.sources, invocations))
        cubes.append(Cube(one.path, len(exposures), _seconds(connection, exposures)))
    return cubes


def _seconds(connection: Connection, exposures: Sequence[str]) -> float:
    marks = ", ".join("?" * len(exposures))
    rows = connection.execute(
        f"SELECT name, MAX(EXPTIME) FROM raw WHERE name IN ({marks}) GROUP BY name",
        list(exposures),
    )
    return float(sum(row[1] or 0.0 for row in rows))
