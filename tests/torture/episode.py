"""One project to which random things happen, and what is counted of it."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from musebuild.fits.digest import digest_frame
from tests.support.projects import MockProject, make_mock_project


class BrokenPromiseError(Exception):
    """A promise that did not hold."""


@dataclass
class Episode:
    """A project, a series of random numbers, and what was done with them.

    Parameters
    ----------
    kind : str
        `walk`, `kill` or `damage`.
    seed, number : int
        They give the random numbers: the same, the same episode.
    folder : Path
        Of its own.
    night : Path
        A mock night, to be copied.
    end : float
        Moment of `time.monotonic` after which no new step begins.
    """

    kind: str
    seed: int
    number: int
    folder: Path
    night: Path
    end: float
    steps: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    known: dict[str, int] = field(default_factory=dict)
    """Numbers that all episodes of a kind tell alike."""
    chance: random.Random = field(init=False)
    project: MockProject = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.kind}:{self.seed}:{self.number}")
        self.renew()

    def renew(self) -> None:
        """Begin with a project of which nothing is built yet."""
        folder = self.folder / "project"
        shutil.rmtree(folder, ignore_errors=True)
        self.project = make_mock_project(folder, self.night)

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() > self.end

    def step(self, what: str) -> None:
        """Note what is done next, for whom must do it again."""
        self.steps.append(what)

    def check(self, holds: object, what: str, told: str = "") -> None:
        """Count a promise, and stop where it does not hold."""
        self.counts[what] += 1
        if not holds:
            raise BrokenPromiseError(f"{what}: does not hold\n{told}".rstrip())

    def check_text(self, text: str) -> None:
        """Nobody ever sees a traceback."""
        self.check("Traceback" not in text, "answers without a traceback", text)


def products(reduced: Path) -> dict[str, str]:
    """Product → content digest, over a reduced tree."""
    return {
        str(path.relative_to(reduced)): digest_frame(path).content
        for path in sorted(reduced.rglob("*.fits"))
        if path.is_file()
    }


def differences(made: dict[str, str], right: dict[str, str]) -> str:
    """What of the right products is missing or otherwise; empty if nothing."""
    lines = []
    for name, digest in right.items():
        if name not in made:
            lines.append(f"missing: {name}")
        elif made[name] != digest:
            lines.append(f"otherwise: {name}")
    return "\n".join(lines)
