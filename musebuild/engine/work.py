"""From a resolved invocation to the work order that a worker gets, and to its note."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from musebuild.cache.model import Manifest, UsedInput
from musebuild.cache.store import Store
from musebuild.engine.project import Project
from musebuild.engine.resolve import Resolution
from musebuild.errors import StoreError
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.model import ProductRule, Recipe
from musebuild.settings.path_names import NAME, cut
from musebuild.workers.orders import Vouched, WorkOrder


class GoneError(StoreError):
    """An input is a product whose bytes no store has: somebody took it away, or dropped it."""


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """What a build decides for each order."""

    threads: int = 1
    input_bytes: int = 0
    keep_failed: bool = False
    runner_options: Mapping[str, Any] = field(default_factory=dict)
    looks: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """What files look like whose digests are known: path → identity."""


def _file_name(path: str) -> str:
    # Plain text here and below: `Path` would cost more than what is done for an invocation.
    return path.rpartition("/")[2]


def source_path(used: UsedInput, store: Store) -> str:
    """The file of an input."""
    return used.path if used.product is None else store.text_path(used.product.object)


def _vouched(
    used: UsedInput, path: str, store: Store, looks: Mapping[str, Sequence[int]]
) -> Vouched:
    """What vouches for an input.

    Raises
    ------
    StoreError
        It is an object that is not there.
    """
    if used.product is None:
        return Vouched(used.digest, False, used.ifu, tuple(looks.get(path, ())))
    name = used.product.object
    known = store.known_identity(path, name)
    if known is None and not os.path.lexists(path):
        raise GoneError(
            f"The object of {used.product.name} is gone, which {used.invocation} made",
            where=path,
            remedy="run `doit` again: it is made once more",
        )
    return Vouched(name, True, None, known or ())


def link_names(inputs: tuple[UsedInput, ...], plan: Plan) -> list[str]:
    """Readable names of the inputs, each once: they land in the products' headers.

    Products of several upstream invocations often have one name (PIXTABLE_REDUCED_0001.fits);
    then the label of what made each stands before it.
    """
    names = [one.product.name if one.product else _file_name(one.path) for one in inputs]
    chosen: list[str] = []
    for used, name in zip(inputs, names, strict=True):
        if names.count(name) > 1 and used.product is not None:
            name = f"{plan.invocations[used.invocation].label}_{name}"
        name = cut(name, NAME - len("9999_"))
        base, number = name, 1
        while name in chosen:
            number += 1
            name = f"{number}_{base}"
        chosen.append(name)
    return chosen


def rules_for(invocation: Invocation, recipe: Recipe) -> list[ProductRule]:
    """Rules of the products that an invocation makes with its parameters."""
    return [rule for rule in recipe.products if rule.category in invocation.products]


def _plain(rule: ProductRule) -> dict[str, Any]:
    # `dataclasses.asdict` copies all that is in it, for each invocation anew.
    return {name: getattr(rule, name) for name in _RULE}


_RULE = tuple(one.name for one in fields(ProductRule))


def runner_options(project: Project) -> dict[str, Any]:
    """What the runner is told besides the call: log levels, formats, the mock's behaviour."""
    cpl = project.settings.cpl
    return {
        "msg": cpl.msg,
        "msg_format": cpl.msg_format,
        "esorex_msg": cpl.esorex_msg,
        "esorex_msg_format": cpl.esorex_msg_format,
        "mock": str(cpl.mock) if cpl.mock else None,
    }


def make_order(
    invocation: Invocation,
    resolution: Resolution,
    plan: Plan,
    project: Project,
    options: OrderOptions,
) -> WorkOrder:
    """The work order of an invocation whose key is known; makes its scratch folder."""
    recipe = project.catalogue[invocation.recipe]
    block = project.settings.blocks.get(invocation.block)
    names = link_names(resolution.inputs, plan)
    paths = [source_path(used, project.store) for used in resolution.inputs]
    vouched = tuple(
        _vouched(used, path, project.store, options.looks)
        for used, path in zip(resolution.inputs, paths, strict=True)
    )
    scratch = project.store.scratch(invocation.name)
    drs = recipe.kind == "drs"
    return WorkOrder(
        task=invocation.name,
        key=resolution.key,
        preimage=dict(resolution.preimage),
        recipe=invocation.recipe,
        plugin=recipe.plugin,
        runner=project.settings.cpl.runner if drs else "python",
        drs={"path": project.drs.path, "version": project.drs.version},
        params=dict(invocation.params),
        inputs=tuple(
            (used.tag, path, name)
            for used, path, name in zip(resolution.inputs, paths, names, strict=True)
        ),
        products=tuple(_plain(rule) for rule in rules_for(invocation, recipe)),
        scratch=str(scratch),
        store=tuple(str(root) for root in project.settings.cache),
        result=str(scratch / "result.json"),
        # A Python recipe's key holds no variables, so that it sees none.
        env=project.recipe_environment if drs else {},
        threads=options.threads,
        time_limit=(block.time_limit if block else None) or recipe.time_limit,
        memory_limit=(block.memory if block else None) or 0,
        input_bytes=options.input_bytes,
        keep_failed=options.keep_failed,
        options=dict(options.runner_options)
        if drs
        else {"location": recipe.location, "code": recipe.code},
        vouched=vouched,
    )


def sidecar_name(invocation: Invocation) -> str:
    """Name of the note beside the products: `muse_bias.json`, `muse_bias-07.json`."""
    ifu = "" if invocation.ifu is None else f"-{invocation.ifu:02d}"
    return f"{invocation.recipe}{ifu}.json"


def sidecar(invocation: Invocation, resolution: Resolution, manifest: Manifest) -> dict[str, Any]:
    """Inputs, calibrations and parameters of an invocation, for people."""
    raw: dict[str, list[str]] = {}
    calib: dict[str, list[str]] = {}
    for used in resolution.inputs:
        if used.kind == "raw":
            raw.setdefault(used.tag, []).append(_file_name(used.path))
        elif used.product is not None:
            calib.setdefault(used.tag, []).append(f"{used.invocation}/{used.product.name}")
        else:
            calib.setdefault(used.tag, []).append(_file_name(used.path))
    return {
        "task": invocation.name,
        "block": invocation.block,
        "recipe": invocation.recipe,
        "version": manifest.preimage.get("version", ""),
        "params": dict(invocation.params),
        "raw": raw,
        "calib": calib,
        "products": {product.name: product.category for product in manifest.kept},
        "key": manifest.key,
        "made": manifest.made,
        "seconds": round(manifest.seconds, 2),
        "warnings": list(manifest.warnings),
        "log": manifest.log,
    }
