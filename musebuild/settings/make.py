"""The validated tree → immutable `Settings`, and what only the whole can tell is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from musebuild.settings.model import (
    AssociationSettings,
    Block,
    BlockFrames,
    CplSettings,
    Dataset,
    Resources,
    RetrieveSettings,
    Settings,
)
from musebuild.settings.nodes import Node, places
from musebuild.settings.of_musered import COMBINE, as_mosaic
from musebuild.settings.problems import SettingsProblems
from musebuild.settings.values import Values

_OF_BLOCKS = {field.name for field in fields(Block)} | {"init"}
"""Keys of a block that `Block` holds by name; it holds the others in `extra`."""


def make_settings(
    path: Path, root: Node, data: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings from a tree that the schema has passed.

    Parameters
    ----------
    path : Path
        The settings file, absolute.
    root : Node
        The tree, substituted and coerced.
    data : mapping
        The same as plain data.
    environment : mapping
        Environment variables, for `db_env`. Default: none.

    Raises
    ------
    SettingsProblems
        Mistakes that the schema cannot see.
    """
    values = Values(path, root, data)
    tree = values.tree()
    where = places(root)
    tree["db"] = _database(values, tree, environment or {})
    tree["ifus"] = tree["ifus"] or _one_ifu(tree["recipes"]["common"]["nifu"])
    datasets = _datasets(tree["datasets"])
    _refuse_shared_objects(values, datasets.values())
    _refuse_password(values, tree["retrieve_data"])
    special = {
        "datasets": datasets,
        "cache": tree["cache"]["place"],
        "cpl": CplSettings(**tree["cpl"]),
        "resources": Resources(**tree["resources"]),
        "association": AssociationSettings(**tree["association"]),
    }
    alike = {field.name for field in fields(Settings)} & tree.keys() - special.keys()
    settings = Settings(
        path=path,
        **special,
        **{name: tree[name] for name in alike},
        frames_exclude={name: of for name, of in tree["frames"]["exclude"].items() if of},
        blocks=_blocks(values, tree["recipes"], data.get("recipes") or {}),
        retrieve=RetrieveSettings(
            **{field.name: tree["retrieve_data"][field.name] for field in fields(RetrieveSettings)}
        ),
        cache_limit=tree["cache"]["limit"],
        observers_logs=tree["GTO_logs"]["db"],
        tree=data,
        values=tree,
        positions=where.values,
        key_positions=where.keys,
        lines=where.lines,
    )
    if values.problems:
        raise SettingsProblems(values.problems, settings)
    return settings


def _database(values: Values, tree: Mapping[str, Any], environment: Mapping[str, str]) -> Path:
    """The database: of the variable that `db_env` names, where it is set."""
    named: Path = tree["db"]
    variable = tree["db_env"]
    given = environment.get(variable) if variable else None
    if not given:
        return named
    if "://" in given and not given.startswith("sqlite:///"):
        values.problem(
            ("db_env",),
            f"the variable {variable} names a database server, and musebuild keeps SQLite files",
            allowed="an SQLite file, or sqlite:///FILE",
            remedy=f"unset {variable}, or let it name a file",
        )
        return named
    return values.path(given.removeprefix("sqlite:///"))


def _one_ifu(nifu: int) -> tuple[int, ...] | None:
    """The only IFU, as MuseRed's settings name it; -1 and 0 stand for all."""
    return (nifu,) if nifu >= 1 else None


def _datasets(tree: Mapping[str, Any]) -> dict[str, Dataset]:
    """Datasets by name; one without OBJECT and position is given its own name as OBJECT."""
    found = {}
    for name, value in tree.items():
        if not value["position"]:
            value["OBJECT"] = value["OBJECT"] or (name,)
        found[name] = Dataset(
            name,
            value["OBJECT"],
            _without_none(value["archive_filter"]),
            value["position"],
            value["split_by"],
        )
    return found


def _blocks(
    values: Values, recipes: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Block]:
    """Blocks by name; where one writes is filled in from `common`."""
    found = {}
    for name, value in recipes.items():
        if name == "common":
            continue
        value["init"]["output_dir"] = value["init"]["output_dir"] or recipes["common"]["output_dir"]
        frames = dict(value["frames"])
        exclude, include, offsets = map(frames.pop, ("exclude", "include", "offsets"))
        params = _without_none(value["params"])
        if (value["recipe"] or name).startswith(COMBINE):
            params, frames = as_mosaic(values, name, params, frames)
        found[name] = Block(
            name=name,
            recipe=value["recipe"],
            from_recipe=value["from_recipe"],
            params=params,
            frames=BlockFrames(exclude, include, _without_none(offsets), frames),
            output_dir=value["init"]["output_dir"],
            filt=value["filt"],
            label=value["name"],
            enabled=value["enabled"],
            time_limit=value["time_limit"],
            memory=value["memory"],
            # As they stand: what is not given is for the recipe to decide.
            extra={k: v for k, v in (given[name] or {}).items() if k not in _OF_BLOCKS},
        )
    return found


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the keys that have no value."""
    return {name: item for name, item in value.items() if item is not None}


def _refuse_shared_objects(values: Values, datasets: Iterable[Dataset]) -> None:
    owner: dict[str, str] = {}
    for dataset in datasets:
        # Places may part what names share: which exposures are shared is told by the plan.
        if dataset.position is not None:
            continue
        for name in dataset.objects:
            if owner.setdefault(name, dataset.name) != dataset.name:
                values.problem(
                    ("datasets", dataset.name),
                    f"OBJECT {name} belongs to the dataset {owner[name]} already",
                    remedy="an exposure belongs to one dataset: take the name out of one of them",
                )


def _refuse_password(values: Values, retrieve: Mapping[str, Any]) -> None:
    if retrieve.get("password") is not None:
        values.problem(
            ("retrieve_data", "password"),
            "a password in the settings can be read by everybody who reads the settings",
            remedy="take it out (and change it at ESO): musebuild asks for it, and the keyring "
            "keeps it with retrieve_data.store_password: true",
        )
        # Its line would tell the password once more.
        values.problems[-1] = replace(values.problems[-1], line="")
