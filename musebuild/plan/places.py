"""Where products go below `reduced_path`, and which products a path there means."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musebuild.settings.model import Settings
from musebuild.settings.sources import ENDINGS

if TYPE_CHECKING:
    from musebuild.plan.blocks import PlannedBlock

_STEM = re.compile(r"(?P<category>.+?)(?:_(?P<number>\d{4}))?(?:-(?P<ifu>\d\d))?")


def top_folder(planned: PlannedBlock) -> str:
    """The folder below `reduced_path` that holds a block's products."""
    recipe = planned.recipe
    default = recipe.folder if recipe.group_by == "sequence" else recipe.output_dir
    own = planned.name if planned.name != recipe.name else default
    return (planned.block.output_dir or own).strip("/")


@dataclass(frozen=True, slots=True)
class PlannedPath:
    """A path below `reduced_path`, which may be that of a product."""

    folder: str
    """Of the product, below `reduced_path`; may be a pattern."""
    stem: str
    """Name of the file without its ending; may be a pattern."""

    @property
    def number(self) -> int:
        """Number in the name (`IMAGE_FOV_0001`); 0: none."""
        found = _STEM.fullmatch(self.stem)
        return int(found["number"] or 0) if found else 0

    def means(self, folder: str) -> bool:
        """Whether an invocation's folder is meant."""
        return fnmatch.fnmatchcase(folder, self.folder)

    def category(self, categories: Iterable[str]) -> str:
        """Which of the categories the name means; empty: none."""
        found = _STEM.fullmatch(self.stem)
        for category in categories:
            if found and found["category"] == category:
                return category
            names = (category, f"{category}_0001", f"{category}-01", f"{category}_0001-01")
            if any(fnmatch.fnmatchcase(name, self.stem) for name in names):
                return category
        return ""


def planned_path(text: str, category: str, settings: Settings) -> PlannedPath | None:
    """What a path of the settings means, if it lies below `reduced_path`; reads nothing.

    Parameters
    ----------
    text : str
        A file, folder or glob.
    category : str
        Category that is wanted: of a folder its files `CATEGORY*`.
    settings : Settings
        Where paths start from.
    """
    place = posixpath.normpath(settings.folder / Path(text).expanduser())
    below = posixpath.normpath(settings.reduced_path) + "/"
    if not place.startswith(below):
        return None
    rest = place.removeprefix(below)
    ending = next((e for e in sorted(ENDINGS, key=len)[::-1] if rest.lower().endswith(e)), "")
    if not ending:
        return PlannedPath(rest, f"{category}*")
    folder, _, name = rest.rpartition("/")
    return PlannedPath(folder, name[: -len(ending)])


def path_makers(
    text: str, category: str, settings: Settings, blocks: Mapping[str, PlannedBlock]
) -> set[str]:
    """Blocks that may make what a path means."""
    path = planned_path(text, category, settings)
    if path is None:
        return set()
    return {
        name
        for name, planned in blocks.items()
        if fnmatch.fnmatchcase(path.folder.rpartition("/")[0], top_folder(planned))
        and path.category(rule.category for rule in planned.recipe.products)
    }
