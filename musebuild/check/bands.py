"""Bands in which images are asked for, against the FILTER_LIST that the plan takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.plan.model import Invocation
from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, SettingsProblems, unknown_at

WHITE = "white"
"""The pipeline has it built in: every wavelength counts the same."""
CATEGORY = "FILTER_LIST"


def bands_of(params: object) -> list[str]:
    """Bands that the parameter `filter` asks for: names with commas between them, or a list."""
    names = params.split(",") if isinstance(params, str) else params
    found = [str(name).strip() for name in names] if isinstance(names, list | tuple) else []
    return [name for name in found if name and name != WHITE]


def _asked(invocations: Iterable[Invocation]) -> Iterator[tuple[str, str, list[str]]]:
    """Block, FILTER_LIST, bands: each once."""
    seen = set()
    for invocation in invocations:
        for wanted in invocation.inputs:
            if wanted.tag == CATEGORY and wanted.kind == "file":
                pair = invocation.block, wanted.path
                if pair not in seen:
                    seen.add(pair)
                    yield *pair, bands_of(invocation.params.get("filter"))


def check_bands(invocations: Iterable[Invocation], settings: Settings) -> list[Problem]:
    """Bands that no FILTER_LIST has, which the pipeline would tell of when the cube is made.

    Parameters
    ----------
    invocations : iterable of Invocation
        Those that are looked at; they say which FILTER_LIST each block takes.
    settings : Settings
        Where each stands.
    """
    problems: dict[tuple[str, str], Problem] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for block, path, bands in _asked(invocations):
        if path not in lists:
            try:
                lists[path] = tuple(filter(None, read_headers(Path(path)).extensions))
            except FrameError:
                lists[path] = ()  # told where its content is needed
        known = lists[path]
        for band in bands:
            if known and band not in known:
                problems[block, band] = unknown_at(
                    settings,
                    ("recipes", block, "params", "filter"),
                    f"{Path(path).name} holds no band {band}",
                    band,
                    (WHITE, *known),
                )
    return list(problems.values())


def refuse_bands(invocations: Iterable[Invocation], settings: Settings) -> None:
    """Refuse invocations that ask for bands that are not there.

    Raises
    ------
    SettingsProblems
        All of these bands.
    """
    problems = check_bands(invocations, settings)
    if problems:
        raise SettingsProblems(problems)
