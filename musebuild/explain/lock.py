"""`settings.lock`: all that a reduction rests on, and what came out of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musebuild import __version__
from musebuild.cache.keys import KEY_VERSION
from musebuild.cache.ledger import now
from musebuild.cache.model import Manifest, Product
from musebuild.cache.place import write_atomically
from musebuild.engine.hashing import Hasher
from musebuild.engine.portable_settings import COMPUTES, portable
from musebuild.engine.probe import ProjectWorld, file_inputs, package_version, selection
from musebuild.engine.project import Project
from musebuild.engine.records import record_of
from musebuild.engine.resolve import Resolution, State
from musebuild.errors import PlanError, UsageError
from musebuild.fits.digest import FrameDigest, digest_frame
from musebuild.fits.volatile import DIGEST_VERSION
from musebuild.plan.names import closure

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
class LockedProduct:
    """A frame that came out."""

    category: str
    name: str
    filter: str
    digest: str
    object: str
    size: int
    hdus: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LockedTask:
    """An invocation."""

    name: str
    key: str
    recipe: str
    params: Mapping[str, Any]
    seconds: float
    inputs: tuple[tuple[str, str, str], ...]
    """(tag, digest, frame or task)."""
    products: tuple[LockedProduct, ...]


@dataclass(frozen=True, slots=True)
class Software:
    """What computed."""

    musebuild: str
    drs: str
    key_version: int
    digest_version: int
    python: str = ""
    runner: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file."""

    made: str
    targets: tuple[str, ...]
    settings: Mapping[str, Any]
    software: Software
    frames: tuple[LockedFrame, ...]
    tasks: tuple[LockedTask, ...]

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({"musebuild-lock": LOCK_VERSION} | asdict(self), indent=1) + "\n"

    def frame(self, path: str, place: str) -> LockedFrame | None:
        """A frame by its place."""
        return next((f for f in self.frames if (f.path, f.place) == (path, place)), None)


@cache
def _validator() -> Draft202012Validator:
    # Here, since every build loads this module, and few have a lock.
    from jsonschema import Draft202012Validator

    text = resources.files("musebuild").joinpath("schemas", "settings-lock.schema.json").read_text()
    return Draft202012Validator(json.loads(text))


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises
    ------
    UsageError
        It is missing, damaged, or of another version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the lock file {path} cannot be read",
            why=error.strerror,
            remedy="make it with `musebuild lock`, or name another file",
        ) from None
    except ValueError as error:
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
    return _lock_from(data)


def _lock_from(data: Mapping[str, Any]) -> Lock:
    return Lock(
        made=data["made"],
        targets=tuple(data.get("targets", ())),
        settings=data["settings"],
        software=Software(**data["software"]),
        frames=tuple(
            LockedFrame(**(frame | {"tags": tuple(frame.get("tags", ()))}))
            for frame in data["frames"]
        ),
        tasks=tuple(
            LockedTask(
                name=task["name"],
                key=task["key"],
                recipe=task["recipe"],
                params=task["params"],
                seconds=task.get("seconds", 0.0),
                inputs=tuple((tag, digest, source) for tag, digest, source in task["inputs"]),
                products=tuple(
                    LockedProduct(**({"filter": "", "hdus": {}} | product))
                    for product in task["products"]
                ),
            )
            for task in data["tasks"]
        ),
    )


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock file, atomically.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    try:
        write_atomically(path, lock.to_json(), durable=True)
    except OSError as error:
        raise UsageError(
            f"the lock file {path} cannot be written",
            why=error.strerror,
            remedy="name a file in a folder that you can write: --output FILE",
        ) from None


def software_now(project: Project) -> Software:
    """What computes here."""
    packages = {name for recipe in project.catalogue.values() for name in recipe.packages}
    return Software(
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
    rows = project.db.execute("SELECT path, filename, ARCFILE FROM raw")
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


def resolve_hashed(
    project: Project, names: Sequence[str]
) -> tuple[ProjectWorld, dict[str, Resolution]]:
    """State of all that names stand for and need, after hashing what was not yet hashed."""
    needed = closure(project.plan, selection(project, names))
    world = ProjectWorld(project)
    invocations = [project.plan.invocations[name] for name in needed]
    world.learn(invocations)
    hasher = Hasher(project.digests, world.known)
    try:
        hasher.ensure(path for invocation in invocations for path in file_inputs(invocation))
    finally:
        hasher.close()
    return world, world.resolve(needed)


def _frames(
    project: Project, known: Mapping[str, FrameDigest], names: Sequence[str]
) -> tuple[LockedFrame, ...]:
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


def _product(product: Product, project: Project) -> LockedProduct:
    digest = digest_frame(project.store.path(product.object))
    return LockedProduct(
        category=product.category,
        name=product.name,
        filter=product.filter,
        digest=product.digest,
        object=product.object,
        size=product.size,
        hdus={"PRIMARY": digest.primary} | dict(digest.extensions),
    )


def _task(resolution: Resolution, manifest: Manifest, project: Project) -> LockedTask:
    record = record_of(resolution, project.plan)
    return LockedTask(
        name=resolution.name,
        key=resolution.key,
        recipe=str(resolution.preimage["recipe"]),
        params=resolution.preimage["params"],
        seconds=round(manifest.seconds, 2),
        inputs=tuple(
            (
                used.tag,
                used.digest,
                used.source if used.kind == "product" else "/".join(place_of(used.source, project)),
            )
            for used in record.inputs
        ),
        products=tuple(_product(product, project) for product in manifest.products),
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
            why="\n".join(f"{left.name}: {left.reason}" for left in impossible[:10]),
            remedy="mend the settings or the raw frames, or lock the rest by name",
        )
    world, resolutions = resolve_hashed(project, names)
    missing = [r for r in resolutions.values() if r.manifest is None]
    if missing:
        raise PlanError(
            f"{len(missing)} of {len(resolutions)} tasks are not made, and a lock holds products",
            why="\n".join(f"{r.name}: {r.reason}" for r in missing[:10]),
            remedy="run `doit` first, then `musebuild lock` again",
        )
    tasks = [
        _task(resolution, resolution.manifest, project)
        for resolution in resolutions.values()
        if resolution.manifest is not None
    ]
    return Lock(
        made=now(),
        targets=tuple(names),
        settings=portable(project.settings.tree, project.settings.folder),
        software=software_now(project),
        frames=_frames(project, world.known, list(resolutions)),
        tasks=tuple(tasks),
    )


@dataclass(frozen=True, slots=True)
class Departure:
    """One thing that is not as a lock says."""

    kind: str
    """`software`, `frame`, `task`, `settings`, `product`."""
    name: str
    text: str


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _settings_departures(lock: Lock, project: Project) -> list[Departure]:
    tree = portable(project.settings.tree, project.settings.folder)
    ours = _flat({name: tree[name] for name in COMPUTES if tree.get(name) is not None})
    theirs = _flat(
        {name: lock.settings[name] for name in COMPUTES if lock.settings.get(name) is not None}
    )
    return [
        Departure(
            "settings",
            key,
            f"{key} is {ours.get(key, '(not set)')}, locked is {theirs.get(key, '(not set)')}",
        )
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def software_departures(lock: Lock, project: Project) -> list[Departure]:
    """In what the software here differs from the lock's, as far as products follow from it."""
    here, locked = software_now(project), lock.software
    found = []
    for name in ("drs", "key_version", "digest_version"):
        ours, theirs = getattr(here, name), getattr(locked, name)
        if ours != theirs:
            label = "the DRS" if name == "drs" else name.replace("_", " ")
            found.append(Departure("software", name, f"{label} is {ours}, locked is {theirs}"))
    for part in ("packages", "environment"):
        now_, then = getattr(here, part), getattr(locked, part)
        for name in sorted(now_.keys() | then.keys()):
            # A package that no locked task used may have come into the catalogue since.
            if part == "packages" and name not in then:
                continue
            if now_.get(name) != then.get(name):
                text = f"{name} is {now_.get(name, '(not set)')}, locked is "
                found.append(Departure("software", name, text + str(then.get(name, "(not set)"))))
    return found


def departures(lock: Lock, project: Project) -> list[Departure]:
    """All in which a project is not as a lock says: what runs would not be what was locked.

    Hashes the frames that were not hashed yet.
    """
    found = [*_settings_departures(lock, project), *software_departures(lock, project)]
    world, resolutions = resolve_hashed(project, lock.targets)
    frames = {(f.place, f.path): f for f in _frames(project, world.known, list(resolutions))}
    locked = {(f.place, f.path): f for f in lock.frames}
    for at in sorted(frames.keys() | locked.keys()):
        ours, theirs = frames.get(at), locked.get(at)
        if ours is None:
            found.append(
                Departure("frame", at[1], f"{at[1]} is locked, and is not used or missing")
            )
        elif theirs is None:
            found.append(Departure("frame", at[1], f"{at[1]} is used, and is not in the lock"))
        elif ours.digest != theirs.digest:
            found.append(Departure("frame", at[1], f"{at[1]} has other data than the locked one"))
    tasks = {task.name: task for task in lock.tasks}
    for name in dict.fromkeys([*tasks, *resolutions]):
        task, resolution = tasks.get(name), resolutions.get(name)
        if resolution is None:
            found.append(Departure("task", name, f"{name} is locked, and is not in the plan"))
        elif task is None:
            found.append(Departure("task", name, f"{name} is in the plan, and is not in the lock"))
        elif resolution.key and resolution.key != task.key:
            found.append(Departure("task", name, f"{name} would be made otherwise (another key)"))
        elif resolution.state is State.IMPOSSIBLE:
            found.append(Departure("task", name, f"{name}: {resolution.reason}"))
        elif resolution.manifest is not None:
            found += product_departures(task, resolution.manifest)
    return found


def product_departures(task: LockedTask, manifest: Manifest) -> list[Departure]:
    """Products of a task that are not as a lock says, in content."""
    made = {product.name: product for product in manifest.products}
    found = []
    for product in task.products:
        name = f"{product.name} of {task.name}"
        if product.name not in made:
            found.append(Departure("product", name, f"{name} was not made"))
        elif made[product.name].digest != product.digest:
            found.append(
                Departure("product", name, f"{name} has other content than the locked one")
            )
    return found


def refuse_departures(lock: Lock, path: Path, project: Project) -> None:
    """Refuse a build that would not be what a lock says.

    Raises
    ------
    PlanError
        With the full list.
    """
    found = departures(lock, project)
    if found:
        raise PlanError(
            f"the project is not as {path.name} says ({len(found)} differences), "
            "and --locked refuses to build it",
            where=str(path),
            why="\n".join(f"{departure.kind}: {departure.text}" for departure in found),
            remedy="set back what differs, or accept it: `doit`, then `musebuild lock`",
        )
