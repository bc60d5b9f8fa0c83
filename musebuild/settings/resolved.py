"""Settings as keys and values: what they mean, whatever way they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from musebuild.settings.model import Block, DateRange, Settings
from musebuild.settings.secrets import without_secrets
from musebuild.settings.sizes import format_bytes

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the settings, after substitution, includes and overrides."""

    keys: Keys
    value: Any
    """A text, number, truth value, or list of them; paths are absolute."""
    origin: str
    """`settings.yml:12`, `--set version`, the name of a variable, or `default`."""

    @property
    def key(self) -> str:
        """Dotted; a part with a dot stands in quotes, as `--set` takes it."""
        return ".".join(f'"{part}"' if "." in part else part for part in self.keys)


def flatten(tree: Mapping[str, Any], at: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """A tree as keys and values; lists are values, and what has no value is left out."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, (*at, str(name)))
        elif value is not None:
            yield (*at, str(name)), value


def _span(dates: DateRange) -> str:
    return f"{dates.start or '…'} to {dates.end or '…'}" if dates.start or dates.end else "always"


def _files(files: tuple[tuple[str, DateRange], ...]) -> list[str]:
    return [name if _span(span) == "always" else f"{name} ({_span(span)})" for name, span in files]


def _block(block: Block) -> Iterator[tuple[Keys, Any]]:
    at: Keys = ("recipes", block.name)
    for name, value in (
        ("recipe", block.recipe),
        ("enabled", block.enabled),
        ("from_recipe", block.from_recipe),
        ("filt", block.filt),
        ("name", block.label),
    ):
        yield (*at, name), value
    yield (*at, "init", "output_dir"), block.output_dir
    yield (*at, "time_limit"), block.time_limit
    yield (*at, "memory"), block.memory and format_bytes(block.memory)
    for name, value in block.params.items():
        yield (*at, "params", name), value
    yield (*at, "frames", "exclude"), sorted(block.frames.exclude)
    yield (*at, "frames", "include"), sorted(block.frames.include)
    for category, nights in block.frames.offsets.items():
        yield (*at, "frames", "offsets", category), nights
    for category, files in block.frames.sources.items():
        yield (*at, "frames", category), _files(files)
    yield from flatten(block.extra, at)


def _values(settings: Settings) -> Iterator[tuple[Keys, Any]]:
    cpl = settings.cpl
    yield from (
        (("workdir",), str(settings.workdir)),
        (("raw_path",), str(settings.raw_path)),
        (("reduced_path",), str(settings.reduced_path)),
        (("muse_calib_path",), settings.muse_calib_path and str(settings.muse_calib_path)),
        (("db",), str(settings.db)),
        (("version",), settings.version),
        (("revision",), settings.revision),
        (("loglevel",), settings.loglevel),
        (("additional_keywords",), list(settings.additional_keywords)),
        (("cache",), [str(place) for place in settings.cache]),
        (("cache", "limit"), settings.cache_limit and format_bytes(settings.cache_limit)),
        (("ifus",), list(settings.ifus) if settings.ifus else "all"),
        (("targets",), list(settings.targets or ())),
        (("resources", "cores"), settings.resources.cores or "all"),
        (
            ("resources", "memory"),
            format_bytes(settings.resources.memory) if settings.resources.memory else "all",
        ),
    )
    for name in ("runner", "recipe_path", "drs_version", "mock", "log_dir", "msg", "msg_format"):
        value = getattr(cpl, name)
        yield ("cpl", name), value if value is None else str(value)
    yield ("cpl", "esorex_msg"), cpl.esorex_msg
    yield ("cpl", "esorex_msg_format"), cpl.esorex_msg_format
    for dataset in settings.datasets.values():
        yield ("datasets", dataset.name, "OBJECT"), sorted(dataset.objects)
        yield from flatten(dataset.archive_filter, ("datasets", dataset.name, "archive_filter"))
    for name, span in settings.runs.items():
        yield ("runs", name), _span(span)
    yield ("GTO_logs", "db"), [str(path) for path in settings.observers_logs]
    for name, meaning in settings.flags.items():
        yield ("flags", name), meaning
    for category, files in settings.static_calib.items():
        yield ("static_calib", category), _files(files)
    retrieve = settings.retrieve
    yield ("retrieve_data", "username"), retrieve.username or None
    yield ("retrieve_data", "store_password"), retrieve.store_password
    yield ("retrieve_data", "parallel"), retrieve.parallel
    yield ("retrieve_data", "keep_free"), format_bytes(retrieve.keep_free)
    yield from (
        (keys, value)
        for keys, value in flatten({"retrieve_data": settings.tree.get("retrieve_data") or {}})
        if len(keys) > 1 and keys[1] not in ("username", "store_password", "parallel", "keep_free")
    )
    for name, conditions in settings.frames_exclude.items():
        yield ("frames", "exclude", name), list(conditions)
    yield from flatten(settings.common, ("recipes", "common"))
    for block in settings.blocks.values():
        yield from _block(block)


def _others(settings: Settings, seen: set[str]) -> Iterator[tuple[Keys, Any]]:
    """Keys that no model holds: one's own, and those of parts that read the tree themselves."""
    for name, value in settings.tree.items():
        if name not in seen and name not in ("db_env", "include") and not name.startswith("x-"):
            yield from flatten({name: value})


def resolved(settings: Settings) -> dict[Keys, Any]:
    """What settings mean, by keys; what is not said stands at its default, or is left out."""
    found = dict(_values(settings))
    found |= dict(_others(settings, {"frames", "recipes"} | {keys[0] for keys in found}))
    return {
        keys: value for keys, value in found.items() if value is not None and value not in ([], {})
    }


def origin(settings: Settings, keys: Keys) -> str:
    """Where a value comes from, for people."""
    if keys == ("db",) and settings.tree.get("db_env") and ("db",) not in settings.positions:
        keys = ("db_env",)
    position = settings.positions.get(keys)
    if position is None and keys[-1] in ("output_dir",) and keys[0] == "recipes":
        position = settings.positions.get(("recipes", "common", keys[-1]))
    if position is None:
        return "default"
    if not position.in_file:
        return position.file
    return f"{position.file.rpartition('/')[2]}:{position.line}"


def explained(settings: Settings) -> list[Value]:
    """Every value with where it comes from; passwords are not shown.

    Parameters
    ----------
    settings : Settings
        The settings.
    """
    return [
        Value(keys, without_secrets(keys[-1], value), source)
        for keys, value in resolved(settings).items()
        if (source := origin(settings, keys)) != "default" or keys[0] != "recipes"
    ]
