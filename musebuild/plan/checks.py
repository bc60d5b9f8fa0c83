"""What can be said against blocks and datasets before anything is associated."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from musebuild.errors import PlanError
from musebuild.plan.blocks import PlannedBlock, made_by
from musebuild.plan.model import LeftOut
from musebuild.settings.model import Settings


def check_datasets(
    settings: Settings, datasets: Collection[str], counts: Mapping[str, int]
) -> list[LeftOut]:
    """Datasets without exposures, and exposures of no dataset.

    Parameters
    ----------
    settings : Settings
        The declared datasets.
    datasets : collection of str
        Those that are reduced.
    counts : mapping
        Dataset or OBJECT → number of its exposures.
    """
    left_out = []
    for dataset in settings.datasets.values():
        if not counts.get(dataset.name):
            seen = sorted(counts)
            left_out.append(
                LeftOut(
                    dataset.name,
                    f"no exposure has OBJECT {' or '.join(dataset.objects)}"
                    + (f"; there is {', '.join(seen[:5])}" if seen else ""),
                    f"add its raw frames to {settings.raw_path}, "
                    f"or correct datasets.{dataset.name}.OBJECT",
                    error=True,
                )
            )
    left_out += [
        LeftOut(
            name,
            f"{counts[name]} exposure{'s' * (counts[name] != 1)} of this OBJECT "
            "belong to no dataset",
            f"to reduce them: datasets: {{{name}: {{}}}}",
        )
        for name in sorted(set(counts) - set(datasets))
    ]
    return left_out


def check_source(
    planned: PlannedBlock, blocks: Mapping[str, PlannedBlock], settings: Settings
) -> None:
    """Check that the block that products come from makes them with its parameters.

    Raises
    ------
    PlanError
        It does not.
    """
    if not planned.source:
        return
    source = blocks[planned.source]
    raws = source.recipe.raw or ("",)
    makes = {rule.category for raw in raws for rule in made_by(source.recipe, source.shaping, raw)}
    for category in planned.recipe.takes.values():
        if category in makes:
            continue
        rule = next((r for r in source.recipe.products if r.category == category), None)
        remedy = f"name another block with recipes.{planned.name}.from_recipe"
        if rule is not None:
            wanted = ", ".join(f"{k}: {' or '.join(v)}" for k, v in rule.when.items())
            remedy = f"{category} is made with {wanted}: set recipes.{source.name}.params so"
        raise PlanError(
            f"{planned.name} takes {category} from {source.name}, which makes none "
            "with its parameters",
            where=str(settings.where("recipes", source.name, "params")),
            why=", ".join(f"{k}: {v}" for k, v in source.params.items()),
            remedy=remedy,
        )
    filters = str(source.shaping.get("filter", "")).split(",")
    if "IMAGE_FOV" in planned.recipe.takes.values() and planned.block.filt not in filters:
        raise PlanError(
            f"{planned.name} takes images in the filter {planned.block.filt}, "
            f"and {source.name} makes them in {', '.join(filters)}",
            where=str(settings.where("recipes", planned.name, "filt")),
            remedy=f"add it to recipes.{source.name}.params.filter, or choose another `filt`",
        )
