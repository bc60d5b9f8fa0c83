"""The cubes that a build ends with, and what went into each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from musebuild.index.database import Connection
from musebuild.plan.model import Invocation

CUBE = "DATACUBE_FINAL"
SCIENCE = ("PIXTABLE_", "DATACUBE_")
"""How categories begin that hold an exposure's own light."""
OBJECT = "OBJECT"
_OF_IFU = re.compile(r"\.ifu\d\d$")


@dataclass(frozen=True, slots=True)
class Cube:
    """A cube, and the exposures in it."""

    path: str
    exposures: int
    """0: not known."""
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
        Invocations of the plan. Of one that is kept only what may have changed is held: what lies
        above is as it was, and goes by its label, the exposure.
    """
    found: set[str] = set()
    queue, seen = list(sources), set(sources)
    while queue:
        name = queue.pop()
        invocation = invocations.get(name)
        if invocation is None:
            found.add(_OF_IFU.sub("", name.partition(":")[2]))
            continue
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
        seconds = _seconds(connection, exposures)
        # What is no exposure is a combination of before, of which no more is known here.
        whole = len(seconds) == len(exposures)
        cubes.append(Cube(one.path, len(exposures) if whole else 0, sum(seconds)))
    return cubes


def _seconds(connection: Connection, exposures: Sequence[str]) -> list[float]:
    """Exposure times of those that are exposures."""
    marks = ", ".join("?" * len(exposures))
    rows = connection.execute(
        f"SELECT name, MAX(EXPTIME) FROM raw WHERE name IN ({marks}) GROUP BY name",
        list(exposures),
    )
    return [float(row[1]) if isinstance(row[1], int | float) else 0.0 for row in rows]
