"""Damaged files of every kind; the next build ends right, or says what mends them."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.projects import ALL, MockProject
from tests.torture.edits import some
from tests.torture.episode import BrokenPromiseError, Episode, differences, products
from tests.torture.kills import right_products

Harm = Callable[[Path, random.Random], object]


def flipped(path: Path, chance: random.Random) -> None:
    """Some bits of it."""
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 3, 50))):
        if content:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(content))


def shortened(path: Path, chance: random.Random) -> None:
    """Its end is gone."""
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size + 1))


def zeroed(path: Path, chance: random.Random) -> None:
    """A part of it reads as zeros, as after a crash."""
    size = path.stat().st_size
    start = chance.randrange(size + 1) // 512 * 512
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(min(chance.choice((512, 4096, 1 << 20)), max(0, size - start))))


def other(path: Path, chance: random.Random) -> None:
    """It holds what another program wrote."""
    path.write_bytes(chance.choice((b"", b"a diary\n", b"{}", b"\xff" * 3000, b"[1, 2]")))


def folder(path: Path, chance: random.Random) -> None:
    """It is a folder."""
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def dangling(path: Path, chance: random.Random) -> None:
    """It is a link that leads nowhere."""
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def gone(path: Path, chance: random.Random) -> None:
    """It is not there."""
    path.unlink()


HARMS: tuple[Harm, ...] = (flipped, shortened, zeroed, other, folder, dangling, gone)
LOOKED = 0.5
"""How often somebody looks before the next build, who may meet the damage first."""


def objects(project: MockProject, chance: random.Random) -> Path:
    return some((project.store / "objects").glob("*/*"), chance)


def manifests(project: MockProject, chance: random.Random) -> Path:
    return some((project.store / "manifests").glob("*/*.json"), chance)


def made(project: MockProject, chance: random.Random) -> Path:
    return some(project.reduced.rglob("*.fits"), chance)


def notes(project: MockProject, chance: random.Random) -> Path:
    return some(project.reduced.rglob("*.json"), chance)


def locks(project: MockProject, chance: random.Random) -> Path:
    """A lock of the store, or a file where one would lie."""
    found = sorted(path for path in (project.store / "locks").rglob("*") if path.is_file())
    path = chance.choice(found) if found else project.store / "locks" / "ab"
    path.touch()
    return path


def database(project: MockProject, chance: random.Random) -> Path:
    return some((p for p in project.folder.glob("musebuild.db*") if p.is_file()), chance)


def bundle(project: MockProject, chance: random.Random) -> Path:
    """An export of the store, which is imported after the harm."""
    path = project.folder / "bundle.tar"
    path.unlink(missing_ok=True)
    project.ask("cache", "export", str(path), "muse_bias")
    return path


KINDS: dict[str, Callable[[MockProject, random.Random], Path]] = {
    "object": objects,
    "manifest": manifests,
    "product": made,
    "note": notes,
    "lock": locks,
    "database": database,
    "bundle": bundle,
}
OPEN = ("database", "bundle")
"""Known to be not all mended: counted apart, and no failure of a run."""


def damage(episode: Episode) -> None:
    """Harm something and build, until the time is up."""
    right = right_products(episode)
    whole = episode.folder / "whole"
    ran = episode.project.ask("run")
    episode.check(ran.status == 0, "a build ends well", ran.text)
    episode.project.folder.rename(whole)
    while not episode.over:
        shutil.rmtree(episode.project.folder, ignore_errors=True)
        # With hard links and time stamps as they are: as if the harm came to the first folder.
        copy(whole, episode.project.folder)
        settle(episode)
        kind = episode.chance.choice(sorted(KINDS))
        if kind not in OPEN:
            one_harm(episode, kind, right)
            continue
        try:
            one_harm(episode, kind, right)
        except BrokenPromiseError as broken:
            first = str(broken).splitlines()[0]
            episode.counts[f"open: {kind} {episode.steps[-1].split()[1]}: {first}"] += 1


def copy(whole: Path, to: Path) -> None:
    """A copy in which products and objects are links of one file, as in the first."""
    copied: dict[int, Path] = {}
    for folder_name, _, names in os.walk(whole):
        target = to / Path(folder_name).relative_to(whole)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(folder_name) / name
            status = path.lstat()
            if status.st_ino in copied:
                os.link(copied[status.st_ino], target / name)
            else:
                shutil.copy2(path, target / name, follow_symlinks=False)
                copied[status.st_ino] = target / name


def settle(episode: Episode) -> None:
    """The copy is known: nothing is to do in it."""
    ran = episode.project.ask("run")
    episode.check(ran.status == 0, "a copied project builds", ran.text)
    episode.check("0 ran" in ran.out or "up to date" in ran.out, "a copy runs nothing", ran.text)


def one_harm(episode: Episode, kind: str, right: dict[str, str]) -> None:
    """Harm one file; look, build, and compare."""
    project, chance = episode.project, episode.chance
    before = len(project.journal)
    path = KINDS[kind](project, chance)
    harm = chance.choice(HARMS)
    episode.step(f"{kind} {harm.__name__} {path.relative_to(project.folder)}")
    path.chmod(0o644)
    if kind == "product" and chance.random() < 0.5:
        # A file of its own, as a program writes that does not edit in place.
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    harm(path, chance)
    episode.counts[f"{kind}s harmed"] += 1
    if kind == "bundle":
        ran = project.ask("cache", "import", str(path))
        episode.check_text(ran.text)
    if chance.random() < LOOKED:
        for look in (["list", "--status"], ["status"], ["info", "muse_bias"], ["why", "muse_lsf"]):
            ran = project.ask(*look)
            episode.check_text(ran.text)
            episode.check(ran.status in (0, 1), "looks are possible", f"{look}\n{ran.text}")
    ran = project.ask("run")
    episode.check_text(ran.text)
    if ran.status == 2:
        # It refuses, and says what mends it.
        episode.check("mend" in ran.text or "hint:" in ran.text, "says what mends it", ran.text)
        episode.counts[f"{kind}s for people to mend"] += 1
        return
    episode.check(ran.status == 0, f"a build with a harmed {kind} ends well", ran.text)
    wrong = differences(products(project.reduced), right)
    episode.check(not wrong, f"a build with a harmed {kind} makes the same", wrong)
    again = len(project.journal) - before
    most = {"object": ALL, "manifest": 1, "product": 1, "note": 0, "lock": 0}.get(kind, ALL)
    episode.check(again <= most, f"a harmed {kind} makes no more run", f"{again} ran")
    ran = project.ask("run")
    episode.check("Everything is up to date" in ran.out, "then all is up to date", ran.text)
