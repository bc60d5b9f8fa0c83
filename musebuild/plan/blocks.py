"""Blocks of the settings over the catalogue: recipes, parameters, products, order."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType
from typing import Any

from musebuild.cache.keys import canonical, plain
from musebuild.errors import PlanError
from musebuild.fits.classify import category_of
from musebuild.plan.model import ADDED, LeftOut
from musebuild.plan.sky import SUBTRACT, contradiction, from_exposures
from musebuild.recipes.catalogue import recipe_name
from musebuild.recipes.model import ProductRule, Recipe
from musebuild.recipes.parameters import as_taken, for_pipeline
from musebuild.settings.model import Block, Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.numbers import text_of
from musebuild.settings.path_names import ENDINGS, is_path
from musebuild.settings.resolved import Keys

_STEM = re.compile(r"(?P<category>.+?)(?:_(?P<number>\d{4}))?(?:-(?P<ifu>\d\d))?")


class BlockError(PlanError):
    """A block cannot be planned as the settings have it.

    Parameters
    ----------
    block : str
        Its name.
    keys : tuple of str
        Of what is wrong in the settings.
    near : sequence of str
        Names that may have been meant.
    """

    def __init__(
        self,
        what: str,
        settings: Settings,
        *keys: str,
        block: str = "",
        near: Sequence[str] = (),
        why: str | None = None,
        remedy: str,
    ) -> None:
        if near:
            why = f"did you mean {' or '.join(near)}?"
        super().__init__(what, where=str(settings.where(*keys)), why=why, remedy=remedy)
        self.block = block or keys[1]
        self.keys = keys
        self.near = tuple(near)


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """A block with its recipe."""

    block: Block
    recipe: Recipe
    params: Mapping[str, Any]
    """Of the block over the defaults of the catalogue."""
    source: str
    """Name of the block whose products it takes; empty where it takes raw frames."""
    declared: bool
    """Whether the settings have it."""

    @property
    def name(self) -> str:
        """Name of the block."""
        return self.block.name

    @property
    def shaping(self) -> dict[str, Any]:
        """The parameters that decide what it needs and what it makes.

        The graph follows from no others, so that one is kept while others change.
        """
        recipe = self.recipe
        rules = [need.when for need in recipe.needs]
        rules += [when for rule in recipe.products for when in (rule.when, rule.unless)]
        names = {"filter"}.union(ADDED, *rules)
        return {name: value for name, value in self.params.items() if name in names}


def meaning_in(catalogue: Mapping[str, Recipe]) -> Callable[[Mapping[Keys, Any], Keys], Any]:
    """What a key of resolved settings means: a parameter is what its recipe takes, as in the key.

    Parameters
    ----------
    catalogue : mapping
        Recipes by name. Of one that is not there, or whose function was not read, numbers are
        compared as numbers.
    """

    def meaning(values: Mapping[Keys, Any], keys: Keys) -> Any:
        value = values.get(keys)
        if value is None or len(keys) != 4 or keys[0] != "recipes" or keys[2] != "params":
            return value
        _, block, _, name = keys
        asked = values.get(("recipes", block, "recipe"))
        recipe = catalogue.get(recipe_name(Block(block, recipe=asked), catalogue))
        if recipe is None or (recipe.kind == "python" and name not in recipe.parameters):
            taken = for_pipeline(value, None)
        else:
            taken = as_taken(name, value, recipe)
        return canonical(plain(taken))

    return meaning


def holds(params: Mapping[str, Any], conditions: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether parameters meet conditions: each holds one of the values, lists contain one."""
    for name, choices in conditions.items():
        items = {item.strip() for item in text_of(params.get(name, "")).split(",")}
        if not items & set(choices):
            return False
    return True


def made_by(recipe: Recipe, params: Mapping[str, Any], raw: str = "") -> tuple[ProductRule, ...]:
    """Rules of the products that a recipe makes with its parameters.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    params : mapping
        Parameters after defaults.
    raw : str
        Raw category, on which products depend in muse_scibasic.
    """
    given = {**params, "raw": raw} if raw else dict(params)
    return tuple(
        rule
        for rule in recipe.products
        if holds(given, rule.when) and not (rule.unless and holds(given, rule.unless))
    )


def _needed_by_default(settings: Settings, recipe: Recipe, catalogue: Mapping[str, Recipe]) -> bool:
    """Whether a block that the settings do not declare is needed all the same."""
    if recipe.unavailable:
        return False
    if recipe.default:
        return True
    if recipe.group != "calib":
        return False
    # By its name it is made as soon as there are frames (`doit muse_dark`).
    made = {rule.category for rule in recipe.products}
    blocks = settings.blocks.values()
    return any(made & block.frames.include for block in blocks) or (
        bool(recipe.raw) and not any(recipe.name == recipe_name(b, catalogue) for b in blocks)
    )


def source_of(block: Block, recipe: Recipe) -> str:
    """Name of the block whose products a block takes; empty where it takes raw frames."""
    return "" if recipe.raw else block.from_recipe or recipe.from_recipe


def _without_source(
    blocks: dict[str, Block], catalogue: Mapping[str, Recipe], left_out: Iterable[LeftOut]
) -> list[LeftOut]:
    """Take out the blocks that take products of one that is left out, and theirs."""
    gone = {left.name: left.causes for left in left_out}
    found: list[LeftOut] = []
    more = True
    while more:
        more = False
        for name, block in list(blocks.items()):
            source = source_of(block, catalogue[recipe_name(block, catalogue)])
            if source not in blocks and source in gone:
                gone[name] = gone[source]
                found.append(LeftOut(name, gone[name]))
                del blocks[name]
                more = True
    return found


def _followed(
    recipe: Recipe, source: Block | None, catalogue: Mapping[str, Recipe]
) -> dict[str, Any]:
    """Parameters of the block before that a recipe goes by."""
    if source is None or not recipe.follows:
        return {}
    given = {**catalogue[recipe_name(source, catalogue)].params, **source.params}
    return {name: given[name] for name in recipe.follows if name in given}


def _recipe_of(name: str, block: Block, settings: Settings, catalogue: Mapping[str, Recipe]) -> str:
    """Name of the recipe of a block of the settings."""
    found = recipe_name(block, catalogue)
    if not found:
        key = ("recipes", name, "recipe") if block.recipe else ("recipes", name)
        wanted = block.recipe or name
        raise BlockError(
            f"recipes.{name}: there is no recipe {wanted}",
            settings,
            *key,
            near=nearest(wanted, catalogue),
            remedy="name the block as its recipe (muse_scipost, muse_scipost_rec), "
            f"or say which with `recipe:`; recipes are {', '.join(catalogue)}",
        )
    return found


def _enabled(
    settings: Settings, catalogue: Mapping[str, Recipe], without: Collection[str]
) -> tuple[dict[str, Block], list[LeftOut]]:
    """Blocks that can and shall run, those of the catalogue first; and the others."""
    blocks = {
        name: Block(name)
        for name, recipe in catalogue.items()
        if name not in settings.blocks and _needed_by_default(settings, recipe, catalogue)
    }
    left_out: list[LeftOut] = []
    for name, block in settings.blocks.items():
        if name in without:
            left_out.append(LeftOut.of(name, f"{name} has a mistake"))
            continue
        recipe = catalogue[_recipe_of(name, block, settings, catalogue)]
        if not block.enabled:
            hint = f"recipes.{name}.enabled: true"
            where = ("recipes", name, "enabled")
            left_out.append(LeftOut.of(name, f"{name} is switched off", hint, where=where))
        elif recipe.unavailable:
            left_out.append(LeftOut.of(name, f"{{of}}: {recipe.unavailable}", of=name))
        else:
            blocks[name] = block
    return blocks, left_out + _without_source(blocks, catalogue, left_out)


def _planned(
    block: Block,
    blocks: Mapping[str, Block],
    settings: Settings,
    catalogue: Mapping[str, Recipe],
) -> PlannedBlock:
    """A block with its recipe and its parameters."""
    recipe = _of_type(block, catalogue[recipe_name(block, catalogue)], settings)
    source = source_of(block, recipe)
    if source and source not in blocks:
        raise BlockError(
            f"recipes.{block.name}.from_recipe: there is no block {source}",
            settings,
            "recipes",
            block.name,
            "from_recipe",
            near=nearest(source, blocks),
            remedy=f"name one of {', '.join(blocks)}",
        )
    wrong = contradiction(block, recipe)
    if wrong is not None:
        keys, what, remedy = wrong
        raise BlockError(what, settings, "recipes", block.name, *keys, remedy=remedy)
    followed = _followed(recipe, blocks.get(source), catalogue)
    if from_exposures(block):
        followed["skymethod"] = SUBTRACT
    params = {
        name: as_taken(name, value, recipe)
        for name, value in {**recipe.params, **followed, **block.params}.items()
    }
    return PlannedBlock(block, recipe, params, source, block.name in settings.blocks)


def plan_blocks(
    settings: Settings,
    catalogue: Mapping[str, Recipe],
    *,
    without: Collection[str] = (),
    measured: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> tuple[list[PlannedBlock], list[LeftOut]]:
    """All blocks, in an order in which each follows those whose products it takes.

    Parameters
    ----------
    settings : Settings
        The declared blocks.
    catalogue : mapping
        Recipes by name; those that run by default get a block of their own.
    without : collection of str
        Blocks to leave out, with all that take their products.
    measured : mapping, optional
        Block → categories of products on which is measured what it selects exposures by.

    Returns
    -------
    blocks : list of PlannedBlock
    left_out : list of LeftOut
        Blocks that cannot or shall not run.

    Raises
    ------
    BlockError
        A block names no recipe or no source that there is, or blocks make a circle.
    """
    blocks, left_out = _enabled(settings, catalogue, without)
    planned = [_planned(block, blocks, settings, catalogue) for block in blocks.values()]
    return _ordered(planned, settings, measured), left_out


def scale_block(block: Block) -> str:
    """Name of the block from which a combination takes flux scales; empty: none is asked for."""
    given = block.extra.get("use_scale")
    if not given:
        return ""
    return str(given.get("from") or "imphot") if isinstance(given, Mapping) else "imphot"


def _of_type(block: Block, recipe: Recipe, settings: Settings) -> Recipe:
    """A recipe that takes what `DPR_TYPE` of its block says, in place of what it usually takes.

    Raises
    ------
    BlockError
        It cannot.
    """
    given = block.extra.get("DPR_TYPE")
    if not given:
        return recipe
    wanted = [given] if isinstance(given, str) else [str(one) for one in given]
    keys = ("recipes", block.name, "DPR_TYPE")
    if recipe.raw:
        named = [category_of(one) for one in wanted]
        unknown = [one for one in named if one not in recipe.raw]
        if unknown:
            raise BlockError(
                f"recipes.{block.name}.DPR_TYPE: {recipe.name} takes no {', '.join(unknown)}",
                settings,
                *keys,
                near=nearest(unknown[0], recipe.raw),
                remedy=f"it takes {', '.join(recipe.raw)}",
            )
        return replace(recipe, raw=tuple(one for one in recipe.raw if one in named))
    if len(wanted) != 1 or len(recipe.takes) != 1:
        raise BlockError(
            f"recipes.{block.name}.DPR_TYPE: {recipe.name} takes {', '.join(recipe.takes)}, "
            f"and {len(wanted)} categories cannot stand for {len(recipe.takes)}",
            settings,
            *keys,
            remedy="give one category, for a recipe that takes one",
        )
    return replace(recipe, takes=dict.fromkeys(recipe.takes, wanted[0]))


def makes(recipe: Recipe, category: str) -> bool:
    """Whether a recipe can make a category."""
    return any(rule.category == category for rule in recipe.products)


def serving(category: str) -> str:
    """Category of the product that serves as another: any combined cube has an OUTPUT_WCS."""
    return {"OUTPUT_WCS": "DATACUBE_FINAL"}.get(category, category)


def named_results(text: str, category: str) -> str:
    """Name of the result that a text of `frames:` means: `drs` of `OFFSET_LIST_drs`."""
    return text.removeprefix(f"{category}_").removeprefix(f"{serving(category)}_")


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

    def means_as_in_musered(self, folder: str, dataset: str, result: str) -> bool:
        """Whether the folder of a dataset's result is meant, by one of MuseRed's names for it.

        There it has the dataset's name alone (`exp_combine/IC4406`), or that of the result alone
        (`exp_align/drs`), or both, whatever parts the dataset has (`exp_combine/IC4406_drs`).
        """
        top, _, name = self.folder.rpartition("/")
        names = (dataset, result, f"{dataset}_{result}")
        return bool(result) and folder.rpartition("/")[0] == top and name in names

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
    stem = name[: -len(ending)]
    # MuseRed names the cube of mpdaf_combine after its field.
    made, _, dataset = stem.partition(f"{serving(category)}_")
    if not made and dataset in settings.datasets:
        stem = serving(category)
    return PlannedPath(folder, stem)


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


def providers(
    planned: PlannedBlock, blocks: Mapping[str, PlannedBlock], settings: Settings
) -> set[str]:
    """Names of the blocks whose products a block may take."""
    found = {planned.source, scale_block(planned.block)} & {*blocks}
    sources = planned.block.frames.sources
    for need in planned.recipe.needs:
        wanted = need.source == "product" and need.category not in sources
        if wanted and need.recipe in blocks and holds(planned.shaping, need.when):
            found.add(need.recipe)
    for category, texts in sources.items():
        for text, _ in texts:
            if is_path(text):
                found |= path_makers(text, category, settings, blocks)
            elif text in blocks:
                found.add(text)
            else:
                name = named_results(text, category)
                found |= {
                    other.name
                    for other in blocks.values()
                    if name in result_names(other) and makes(other.recipe, serving(category))
                }
    return found - {planned.name}


def result_name(planned: PlannedBlock) -> str:
    """Name of what a block makes of a dataset: `name:` of the block, else of the catalogue."""
    if planned.recipe.group_by != "dataset":
        return ""
    return planned.block.label or planned.recipe.suffix


def result_names(planned: PlannedBlock) -> tuple[str, ...]:
    """Names of all that a block makes of a dataset: one for each of `names_with_selection`."""
    named = planned.block.extra.get("names_with_selection")
    if named and planned.recipe.group_by == "dataset":
        return tuple(named)
    return (result_name(planned),)


def _above(name: str, needs: Mapping[str, Collection[str]]) -> set[str]:
    """A block, and all whose products it takes."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(needs.get(one, ()))
    return found


def _ordered(
    planned: Iterable[PlannedBlock],
    settings: Settings,
    measured: Mapping[str, Collection[str]],
) -> list[PlannedBlock]:
    """Blocks in the order given, but that each follows those whose products it takes."""
    blocks = {item.name: item for item in planned}
    needs = {
        name: providers(item, blocks, settings) & blocks.keys() for name, item in blocks.items()
    }
    for name, categories in measured.items():
        for other, item in blocks.items():
            # What takes products of the block itself cannot be asked before it.
            made = {rule.category for rule in item.recipe.products}
            if name in needs and made & set(categories) and name not in _above(other, needs):
                needs[name].add(other)
    order = {name: number for number, name in enumerate(blocks)}
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        raise BlockError(
            "Blocks take each other's products in a circle",
            settings,
            "recipes",
            circle[0],
            why=" → ".join(circle),
            remedy="change from_recipe or frames of one of them; a file of an earlier "
            "reduction that a path below reduced_path means: copy it to a folder elsewhere, "
            "and name the copy",
        ) from None
    ready: list[str] = []
    ordered = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=order.__getitem__)
        name = ready.pop(0)
        ordered.append(blocks[name])
        sorter.done(name)
    return ordered
