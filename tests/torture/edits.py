"""What people do to a project: random edits of everything that a build rests on."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.support.frames import write_raw, write_static
from tests.support.projects import MockProject

Edit = Callable[[MockProject, random.Random], object]
EXPOSURES = ("2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867")
THIRD = "2017-06-16T01:38:56.867"


def some(paths: Iterable[Path], chance: random.Random) -> Path:
    """Any of them; where there is none, one that is not there."""
    return chance.choice(sorted(paths) or [Path("/nowhere/at/all")])


def toggle(mapping: dict[str, Any], name: str, value: Any) -> None:
    """Set it, or take it away."""
    if name in mapping:
        del mapping[name]
    else:
        mapping[name] = value


def block(project: MockProject, name: str) -> dict[str, Any]:
    """Settings of a block."""
    found: dict[str, Any] = project.settings["recipes"].setdefault(name, {})
    return found


def product(project: MockProject, chance: random.Random) -> Path:
    """Any product in the reduced tree."""
    return some(project.reduced.rglob("*.fits"), chance)


def append(path: Path) -> None:
    """Edit a file in place, as a careless program does."""
    if path.is_file():
        path.chmod(0o644)
        with path.open("ab") as file:
            file.write(bytes(2880))


def replaced(path: Path) -> None:
    """A file of its own in place of a link into the store, with other bytes."""
    if path.is_file():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content + bytes(2880))


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)


def raw(project: MockProject, chance: random.Random) -> Path:
    """Any raw frame."""
    return some((project.folder / "raw").glob("*.fits"), chance)


def aside(project: MockProject, chance: random.Random) -> None:
    """Take a raw frame away, or bring back what was taken."""
    folder = project.folder / "aside"
    folder.mkdir(exist_ok=True)
    taken = sorted(folder.iterdir())
    if taken:
        for path in taken:
            path.rename(project.folder / "raw" / path.name)
    else:
        frame = raw(project, chance)
        frame.rename(folder / frame.name)


def another_exposure(project: MockProject, chance: random.Random) -> None:
    """A third exposure of the field comes, or goes."""
    path = project.folder / "raw" / f"MUSE.{THIRD}.fits"
    if path.exists():
        path.unlink()
    else:
        write_raw(path.parent, "OBJECT", THIRD, tpl="2017-06-16T01:34:08", target="FIELD")


def other_pixels(project: MockProject, chance: random.Random) -> None:
    """A raw frame with other pixels, in some IFU or all."""
    kind, date, tpl = chance.choice(
        [
            ("BIAS", "2017-06-16T10:41:37.154", "2017-06-16T10:40:27"),
            ("FLAT", "2017-06-16T10:48:17.159", "2017-06-16T10:48:07"),
            ("SKYFLAT", "2017-06-15T22:06:05.147", "2017-06-15T22:04:55"),
            ("ILLUM", "2017-06-16T01:25:07.017", "2017-06-16T01:24:56"),
        ]
    )
    write_raw(project.folder / "raw", kind, date, tpl=tpl, value=chance.randrange(4))


def spelled(project: MockProject, chance: random.Random) -> None:
    """The same number, spelled in another way."""
    block(project, "muse_exp_combine").setdefault("params", {})["lambdamin"] = chance.choice(
        [5000, 5000.0, "5000", "5e3"]
    )


def selected(project: MockProject, chance: random.Random) -> None:
    """A combination of what a selection takes, by what the build measures or by flags."""
    condition = chance.choice(
        [
            {"qa_reduced": "skyV < 25"},
            {"qa_reduced": "skyV > 0 AND skyR > 0"},
            {"flags": "flag = 'SATELLITE'"},
            {"raw": "exptime > 0"},
        ]
    )
    toggle(block(project, "muse_exp_combine"), "names_with_selection", {"some": condition})


def sky(project: MockProject) -> None:
    """What the build measures of the sky, which selections ask for: the same in every folder."""
    for number, name in enumerate((*EXPOSURES, THIRD)):
        flux = {"lambda": [5000.0, 7000.0, 9000.0], "data": [1.0, 10.0 + 10 * number, 2.0]}
        project.rule(
            recipe="muse_scipost", label=f"muse_scipost:{name}", tables={"SKY_SPECTRUM": flux}
        )


PARAMETERS = ("muse_bias", "muse_flat", "muse_scibasic", "muse_scipost", "muse_exp_combine")
SETTINGS_EDITS: dict[str, Edit] = {
    "what is made": lambda p, c: p.params(
        "muse_scipost", save=c.choice(["cube,individual", "cube,skymodel,individual"])
    ),
    "filters": lambda p, c: p.params(
        "muse_scipost_rec", filter=c.choice(["white", "white,Cousins_R"])
    ),
    "frames": lambda p, c: toggle(
        block(p, "muse_scibasic").setdefault("frames", {}), "exclude", ["ILLUM"]
    ),
    "offsets": lambda p, c: toggle(
        block(p, "muse_scibasic").setdefault("frames", {}), "offsets", {"TWILIGHT_CUBE": 5}
    ),
    "folder": lambda p, c: toggle(block(p, "muse_exp_combine"), "init", {"output_dir": "other"}),
    "common": lambda p, c: toggle(p.settings["recipes"], "common", {"output_dir": "all"}),
    "declared": lambda p, c: toggle(p.settings["recipes"], "muse_lsf", {}),
    "IFUs": lambda p, c: toggle(p.settings, "ifus", [c.choice([1, 2])]),
    "targets": lambda p, c: toggle(p.settings, "targets", ["muse_scibasic"]),
    "dataset": lambda p, c: toggle(p.settings["datasets"], "OTHER", {}),
    "version": lambda p, c: p.settings.update(version=c.choice(["0.1", "0.2"])),
}
"""Those of the settings; the random walk of `tests/engine/test_plan_cache.py` takes them, too."""
EDITS: dict[str, Edit] = {
    "parameter": lambda p, c: p.params(
        c.choice(PARAMETERS), **{c.choice(["nlow", "crsigma", "lambdamin"]): c.choice([1, 2.5])}
    ),
    "parameter away": lambda p, c: (
        block(p, c.choice(PARAMETERS)).pop("params", None)
        if c.random() < 0.5
        else p.params("muse_scipost", save="cube,skymodel,individual", skymethod="model")
    ),
    "spelling": spelled,
    **SETTINGS_EDITS,
    "selection": selected,
    "excluded": lambda p, c: toggle(block(p, "muse_exp_combine"), "exclude_flags", True),
    "product gone": lambda p, c: remove(product(p, c)),
    "product edited": lambda p, c: append(product(p, c)),
    "product replaced": lambda p, c: replaced(product(p, c)),
    "all products gone": lambda p, c: shutil.rmtree(p.folder / "reduced", ignore_errors=True),
    "manifest gone": lambda p, c: remove(some((p.store / "manifests").glob("*/*"), c)),
    "object gone": lambda p, c: remove(some((p.store / "objects").glob("*/*"), c)),
    "raw touched": lambda p, c: os.utime(raw(p, c)),
    "raw changed": other_pixels,
    "raw aside": aside,
    "exposure": another_exposure,
    "static changed": lambda p, c: write_static(
        p.folder / "calib", c.choice(["LINE_CATALOG", "SKY_LINES"]), value=c.randrange(3)
    ),
    "ledger gone": lambda p, c: [remove(path) for path in p.folder.glob("musebuild.db*")],
    "forgotten": lambda p, c: p.ask("forget", c.choice(["muse_lsf", "muse_scipost"])),
    "flag": lambda p, c: p.ask(
        "flag", c.choice(["add", "remove"]), "SATELLITE", c.choice(EXPOSURES)
    ),
    "clean": lambda p, c: p.ask("clean", "muse_scipost"),
    "collected": lambda p, c: p.ask("cache", "gc"),
}
RARE = ("all products gone", "ledger gone", "version", "IFUs", "targets", "common", "raw aside")
"""After these much is to do, and little can go wrong that is not seen at once."""


def choose(chance: random.Random) -> str:
    """The name of an edit."""
    name = chance.choice(sorted(EDITS))
    if name in RARE and chance.random() < 0.6:
        return choose(chance)
    return name
