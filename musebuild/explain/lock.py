"""`settings.lock`: all that a reduction rests on, and what came out of it."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from musebuild import __version__
from musebuild.cache.keys import KEY_VERSION
from musebuild.cache.ledger import now
from musebuild.cache.model import Product, Record, UsedInput
from musebuild.cache.place import write_atomically
from musebuild.engine.fingerprints import package_version
from musebuild.engine.portable_settings import portable, portable_settings
from musebuild.engine.project import SETTINGS_NAME, Project
from musebuild.errors import MusebuildError, PlanError, UsageError
from musebuild.explain.compare import (
    ASSOCIATIONS,
    DIFFERENT,
    FIRST_ONLY,
    Change,
    Comparison,
    Side,
    SideTask,
    compare,
    compare_calls,
    value_text,
)
from musebuild.explain.rules import rule_texts
from musebuild.explain.sides import (
    looked_at,
    plain_record,
    settings_side,
    side_tasks,
    stores_named,
)
from musebuild.fits.digest import FrameDigest, digest_frame
from musebuild.fits.volatile import DIGEST_VERSION
from musebuild.index.questions import ask
from musebuild.plan.causes import folded
from musebuild.settings.load import load_settings
from musebuild.settings.resolved import Keys, Value
from musebuild.settings.schema import default_at

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

LOCK_NAME = "settings.lock"
LOCK_VERSION = 1


@dataclass(frozen=True, slots=True)
class LockedFrame:
    """An input frame."""

    path: str
    """Below its place."""
    place: str
    """`raw`, `calib` or `other`."""
    tags: tuple[str, ...]
    digest: str
    size: int
    archive: str
    """DP.ID in the ESO archive; empty for files that are not from there."""


@dataclass(frozen=True, slots=True)
class LockedProduct(Product):
    """A frame that came out, with the digest of each HDU."""

    hdus: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LockedSoftware:
    """What computed."""

    musebuild: str
    drs: str
    key_version: int
    digest_version: int
    python: str = ""
    runner: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def call(self) -> dict[str, Any]:
        """What products follow from, as parts of a recipe's call."""
        return {
            "musebuild-key": self.key_version,
            "musebuild-digest": self.digest_version,
            "version": self.drs,
            "packages": self.packages,
            "environment": self.environment,
        }


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file."""

    made: str
    targets: tuple[str, ...]
    settings: Mapping[str, Any]
    software: LockedSoftware
    frames: tuple[LockedFrame, ...]
    tasks: tuple[SideTask, ...]
    """With `LockedProduct`s; files among the inputs are named by place and path."""


_PRODUCT = ("category", "name", "filter", "digest", "object", "size", "hdus")


def _task_json(task: SideTask) -> dict[str, Any]:
    assert task.record is not None, "how a locked task is made is known"
    return {
        "name": task.name,
        "key": task.key,
        "recipe": task.record.call["recipe"],
        "params": task.record.call["params"],
        "seconds": task.seconds,
        "inputs": [
            (used.tag, used.digest, used.source)
            if used.quality is None or used.quality.level is None
            else (used.tag, used.digest, used.source, used.quality.level)
            for used in task.record.inputs
        ],
        "products": [{n: getattr(product, n) for n in _PRODUCT} for product in task.products],
    }


def lock_text(lock: Lock) -> str:
    """The text of the file."""
    document = {
        "musebuild-lock": LOCK_VERSION,
        "made": lock.made,
        "targets": lock.targets,
        "settings": lock.settings,
        "software": asdict(lock.software),
        "frames": [asdict(frame) for frame in lock.frames],
        "tasks": [_task_json(task) for task in lock.tasks],
    }
    return json.dumps(document, indent=1) + "\n"


@cache
def _validator() -> Draft202012Validator:
    # Here, since every build loads this module, and few have a lock.
    from jsonschema import Draft202012Validator

    text = resources.files("musebuild").joinpath("schemas", "settings-lock.schema.json").read_text()
    return Draft202012Validator(json.loads(text))


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises
    ------
    UsageError
        It is missing, damaged, or of another version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise UsageError(
            f"the lock file {path} cannot be read",
            why=error.strerror,
            remedy="make it with `musebuild lock`, or name another file",
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a lock file", why=str(error), remedy="make it with `musebuild lock`"
        ) from None
    version = data.get("musebuild-lock") if isinstance(data, dict) else None
    if isinstance(version, int) and version > LOCK_VERSION:
        raise UsageError(
            f"the lock file {path} was made by a newer musebuild",
            why=f"its format is {version}, and {LOCK_VERSION} is the newest that is known here",
            remedy="update musebuild",
        )
    from jsonschema.exceptions import best_match

    wrong = best_match(_validator().iter_errors(data))
    if wrong is not None:
        where = ".".join(map(str, wrong.absolute_path))
        raise UsageError(
            f"{path} is not a lock file that can be used",
            where=where or None,
            why=wrong.message,
            remedy="make it with `musebuild lock`",
        )
    return Lock(
        made=data["made"],
        targets=tuple(data.get("targets", ())),
        settings=data["settings"],
        software=LockedSoftware(**data["software"]),
        frames=tuple(
            LockedFrame(**(frame | {"tags": tuple(frame.get("tags", ()))}))
            for frame in data["frames"]
        ),
        tasks=tuple(_task_from(task, data["made"]) for task in data["tasks"]),
    )


def _task_from(task: Mapping[str, Any], made: str) -> SideTask:
    call = {"recipe": task["recipe"], "params": task["params"]}
    inputs = tuple(_input_from(*used) for used in task["inputs"])
    return SideTask(
        task["name"],
        task["key"],
        Record(task["name"], task["key"], made, call, inputs),
        tuple(LockedProduct(**product) for product in task["products"]),
        seconds=task.get("seconds", 0.0),
    )


def _input_from(tag: str, digest: str, source: str, *_: int) -> UsedInput:
    """An input of a lock; the level of its association is for people."""
    place, slash, _below = source.partition("/")
    if slash and place in ("raw", "calib", "other"):
        return UsedInput.named(tag, digest, "raw" if place == "raw" else "file", source)
    return UsedInput.named(tag, digest, "product", source)


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock file, atomically.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    try:
        write_atomically(path, lock_text(lock), durable=True)
    except OSError as error:
        raise UsageError(
            f"the lock file {path} cannot be written",
            why=error.strerror,
            remedy="name a file in a folder that you can write: --output FILE",
        ) from None


def software_now(project: Project) -> LockedSoftware:
    """What computes here."""
    packages = {name for recipe in project.catalogue.values() for name in recipe.packages}
    return LockedSoftware(
        musebuild=__version__,
        drs=project.drs.version,
        key_version=KEY_VERSION,
        digest_version=DIGEST_VERSION,
        python=platform.python_version(),
        runner=project.settings.cpl.runner,
        packages={name: package_version(name) for name in sorted(packages)},
        environment=project.recipe_environment,
    )


def place_of(path: str, project: Project) -> tuple[str, str]:
    """(place, path below it) of an input file."""
    settings = project.settings
    roots = [("raw", settings.raw_path), ("calib", settings.muse_calib_path)]
    for place, root in roots:
        if root is not None and path.startswith(f"{root}/"):
            return place, path[len(str(root)) + 1 :]
    return "other", portable(path, settings.folder)


def archive_names(project: Project) -> dict[str, str]:
    """Path of a raw frame → its DP.ID, from ARCFILE, else from the file's name."""
    rows = ask(project.connection, (), ("path", "filename", "ARCFILE"))
    return {path: archive_name(filename, arcfile or "") for path, filename, arcfile in rows}


def archive_name(filename: str, arcfile: str) -> str:
    """DP.ID of a frame: `MUSE.2017-06-16T01:34:56.867`; empty where it has none.

    Examples
    --------
    >>> archive_name("a.fits", "MUSE.2017-06-16T01:34:56.867.fits")
    'MUSE.2017-06-16T01:34:56.867'
    >>> archive_name("M.MUSE.2017-06-20T08:58:25.866.fits.fz", "")
    'M.MUSE.2017-06-20T08:58:25.866'
    """
    for name in (arcfile, filename):
        if name.startswith(("MUSE.", "M.MUSE.")) and ".fits" in name:
            return name[: name.index(".fits")]
    return ""


def _frames(
    project: Project, known: Mapping[str, FrameDigest], names: Iterable[str]
) -> tuple[LockedFrame, ...]:
    """Input frames of invocations."""
    tags: dict[str, set[str]] = {}
    for name in names:
        for wanted in project.plan.invocations[name].inputs:
            if wanted.kind != "product":
                tags.setdefault(wanted.path, set()).add(wanted.tag)
    archive = archive_names(project)
    frames = []
    for path in tags:
        place, below = place_of(path, project)
        frames.append(
            LockedFrame(
                path=below,
                place=place,
                tags=tuple(sorted(tags[path])),
                digest=known[path].content,
                size=Path(path).stat().st_size,
                archive=archive.get(path, ""),
            )
        )
    return tuple(sorted(frames, key=lambda frame: (frame.place, frame.path)))


def _locked_task(task: SideTask, project: Project) -> SideTask:
    """A task of the project as a lock holds it."""
    assert task.record is not None, "how a made task is made is known"
    inputs = tuple(
        used
        if used.kind == "product"
        else replace(used, path="/".join(place_of(used.source, project)))
        for used in task.record.inputs
    )
    products = []
    for product in task.products:
        digest = digest_frame(project.store.path(product.object))
        hdus = {"PRIMARY": digest.primary} | dict(digest.extensions)
        products.append(LockedProduct(**asdict(product), hdus=hdus))
    return replace(
        task,
        record=replace(task.record, inputs=inputs),
        products=tuple(products),
        seconds=round(task.seconds, 2),
    )


def make_lock(project: Project, names: Sequence[str]) -> Lock:
    """Lock what names stand for, with all that it needs.

    Parameters
    ----------
    project : Project
        Built.
    names : sequence of str
        Tasks, groups, patterns; none: the plan's default.

    Raises
    ------
    PlanError
        Something of it is not made, or cannot be.
    """
    impossible = [left for left in project.plan.left_out if left.error]
    if impossible and not names:
        raise PlanError(
            f"{len(impossible)} of the tasks that the settings ask for cannot be done, "
            "so that no lock can hold all of them",
            why="\n".join(cause.title for cause in folded(impossible)[:10]),
            remedy="mend the settings or the raw frames, or lock the rest by name",
        )
    world, needed = looked_at(project, names)
    tasks = side_tasks(project, world, needed)
    missing = [task for task in tasks.values() if task.state]
    if missing:
        raise PlanError(
            f"{len(missing)} of {len(tasks)} tasks are not made, and a lock holds products",
            why="\n".join(f"{task.name}: {task.state}" for task in missing[:10]),
            remedy="run `doit` first, then `musebuild lock` again",
        )
    return Lock(
        made=now(),
        targets=tuple(names),
        settings=portable(project.settings.tree, project.settings.folder),
        software=software_now(project),
        frames=_frames(project, world.known, needed),
        tasks=tuple(_locked_task(task, project) for task in tasks.values()),
    )


def lock_side(label: str, lock: Lock, path: Path) -> Side:
    """A lock file as a side of a comparison.

    Parameters
    ----------
    label : str
        How people named it.
    lock : Lock
        Its content.
    path : Path
        Where it lies: the stores of its project are looked for from there.
    """
    settings = _settings_of(lock)
    return Side(
        label,
        f"lock file {path}, made {lock.made[:16].replace('T', ' ')}",
        {
            task.name: replace(task, record=task.record and plain_record(task.record))
            for task in lock.tasks
        },
        settings,
        lock.software.call,
        stores_named(settings, [path.absolute().parent]),
    )


def _settings_of(lock: Lock) -> dict[Keys, Any] | None:
    """What the settings of a lock mean; None where this musebuild does not understand them."""
    with tempfile.TemporaryDirectory(prefix="musebuild-lock-") as folder:
        path = Path(folder) / SETTINGS_NAME
        tree = {name: value for name, value in lock.settings.items() if name != "include"}
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        try:
            return portable_settings(load_settings(path, environment={}))
        except MusebuildError:
            return None


def software_changes(lock: Lock, project: Project) -> list[Change]:
    """In what the software here differs from the lock's, as far as products follow from it."""
    here = software_now(project).call
    # A package that no locked task used may have come into the catalogue since.
    here["packages"] = {n: v for n, v in here["packages"].items() if n in lock.software.packages}
    return list(compare_calls(lock.software.call, here))


def software_text(change: Change) -> str:
    """A change of the software, for people."""
    name = change.name
    if change.kind in ("version", "key version"):
        name = "the DRS" if change.kind == "version" else f"{name} version"
    return f"{name} is {value_text(change.after)}, locked is {value_text(change.before)}"


def departures(lock: Lock, path: Path, project: Project) -> list[str]:
    """All in which a project is not as a lock says: what runs would not be what was locked.

    What is not made yet is no departure. Hashes the frames that were not hashed yet.
    """
    here = settings_side("here", project, lock.targets, hashed=True)
    found = compare(lock_side(path.name, lock, path), here)
    parts: dict[str, Iterable[str]] = {
        "settings": _settings_texts(found),
        "software": map(software_text, software_changes(lock, project)),
        "frame": dict.fromkeys(_frame_texts(found)),
        "rule": rule_texts(lock.tasks, project, [one.keys for one in found.settings or ()]),
        "task": _task_texts(found),
        "product": _product_texts(found),
    }
    return [f"{part}: {text}" for part, texts in parts.items() for text in texts]


def _settings_texts(found: Comparison) -> Iterator[str]:
    if found.settings is None:
        yield "those of the lock are not understood by this musebuild"
    for one in found.settings or ():
        values = {one.key: one.shown}
        if len(one.keys) == 2 and one.keys[0] == "recipes":
            values = _in_block(one.keys, found)
        for key, (locked, here) in values.items():
            yield f"{key} is {value_text(here)}, locked is {value_text(locked)}"


def _in_block(block: Keys, found: Comparison) -> dict[str, tuple[Any, Any]]:
    """What is set in a block that one side does not have."""
    locked, here = found.first.settings or {}, found.second.settings or {}
    return {
        Value(keys, None, "").key: (locked.get(keys), here.get(keys))
        for keys in (*locked, *here)
        if keys[:2] == block and locked.get(keys, here.get(keys)) != default_at(keys)
    }


def _frame_texts(found: Comparison) -> Iterator[str]:
    """Frames that are missing, new, or of other data; of tasks that one side lacks as well."""
    changes = [change for task in found.tasks for change in task.changes]
    for change in changes:
        if change.kind == "content" and change.new and not change.upstream:
            yield f"{change.new.source} has other data than the locked one"
    moved = [change for change in changes if change.kind in ASSOCIATIONS]
    gone = [change.old for change in moved if change.old], found.first_only
    added = [change.new for change in moved if change.new], found.second_only
    for side, other, (taken, alone), text in (
        (found.first, found.second, gone, "is locked, and is not used or missing"),
        (found.second, found.first, added, "is used, and is not in the lock"),
    ):
        # What another task takes, or another IFU of it, is there.
        there = list(_files(other.tasks.values()))
        known = {used.digest for used in there} | {used.source for used in there}
        for used in (*taken, *_files(side.tasks[name] for name in alone)):
            if used.kind != "product" and not known & {used.digest, used.source}:
                yield f"{used.source} {text}"


def _files(tasks: Iterable[SideTask]) -> Iterator[UsedInput]:
    for task in tasks:
        inputs = task.record.inputs if task.record is not None else ()
        yield from (used for used in inputs if used.kind != "product")


def _task_texts(found: Comparison) -> Iterator[str]:
    yield from (f"{name} is locked, and is not in the plan" for name in found.first_only)
    yield from (f"{name} is in the plan, and is not in the lock" for name in found.second_only)
    for task in found.tasks:
        if task.second.key and task.kind == "otherwise":
            yield f"{task.name} would be made otherwise (another key)"
        elif task.second.impossible:
            yield f"{task.name}: {task.second.state}"


def _product_texts(found: Comparison) -> Iterator[str]:
    alike = {task.name for task in found.tasks if task.kind == "content"}
    for product in found.products:
        if product.task in alike and product.verdict == FIRST_ONLY:
            yield f"{product.name} of {product.task} was not made"
        elif product.task in alike and product.verdict == DIFFERENT:
            yield f"{product.name} of {product.task} has other content than the locked one"


def refuse_departures(lock: Lock, path: Path, project: Project) -> None:
    """Refuse a build that would not be what a lock says.

    Raises
    ------
    PlanError
        With the full list.
    """
    found = departures(lock, path, project)
    if found:
        plural = "s" * (len(found) != 1)
        raise PlanError(
            f"the project is not as {path.name} says ({len(found)} difference{plural}), "
            "and --locked refuses to build it",
            where=str(path),
            why="\n".join(found),
            remedy="set back what differs, or accept it: `doit`, then `musebuild lock`",
        )
