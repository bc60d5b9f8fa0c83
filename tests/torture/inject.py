"""Builds, looks and downloads while one system call fails; then all is right, and nothing lost.

An episode takes a scenario, counts its calls in a run to which nothing happens, and then lets
some of them fail, one in each copy of the project. Seed and number say which: over the episodes
of a seed, each place gets its turn.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musebuild.cache.store import Store
from musebuild.fits.hashing import hash_file
from musebuild.fits.headers import read_headers
from tests.support.at_once import start
from tests.support.projects import MockProject, Ran
from tests.torture.damage import copy
from tests.torture.episode import BrokenPromiseError, Episode, differences, products
from tests.torture.faults import Fault, Faults, errors_of, places
from tests.torture.looks import written

PARTS = ("/store/objects", "/store/manifests", "/store/scratch", "/store/locks", "/reduced",
         "musebuild.db", "/raw", "/calib", "/bundle", "/project")  # fmt: skip
"""Parts of a project, the first that agrees; what fails is told by them."""
PORTION = 12
"""Faults of an episode."""
PATIENCE = 60
"""Seconds after which a command hangs; it takes less than one."""
TASKS = 2
"""Invocations of it."""
BUILD = ("run", "-c", "muse_flat")
LOOKS = (("list", "--status"), ("status",), ("check",), ("why", "muse_flat"), ("info", "muse_bias"),
         ("plan",), ("associations",), ("info", "raw"))  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """Commands of which a call fails.

    Attributes
    ----------
    commands : tuple
        One after another, each in a process of its own.
    prepare : callable
        What happens to the project before.
    looks : bool
        They must not change anything.
    """

    commands: tuple[tuple[str, ...], ...]
    prepare: Callable[[Episode], object]
    looks: bool = False


def nothing(episode: Episode) -> None:
    """A project of which nothing is built yet."""


def built(episode: Episode) -> None:
    """All is built."""
    must(episode, *BUILD)


def unplaced(episode: Episode) -> None:
    """All is in the store, and not in place."""
    built(episode)
    shutil.rmtree(episode.project.folder / "reduced")


def unknown(episode: Episode) -> None:
    """All is in the store, of which the database is lost."""
    unplaced(episode)
    for path in episode.project.folder.glob("musebuild.db*"):
        path.unlink()


def changed(episode: Episode) -> None:
    """All is built, and some is to do again."""
    built(episode)
    episode.project.params("muse_flat", nlow=3)


def touched(episode: Episode) -> None:
    """Objects must be read before they are believed."""
    built(episode)
    for path in (episode.project.store / "objects").glob("*/*"):
        os.utime(path)


def packed(episode: Episode) -> None:
    """A bundle holds what the store has lost."""
    built(episode)
    must(episode, "cache", "export", "bundle.tar", "muse_flat")
    for name in (".musebuild", "reduced"):
        shutil.rmtree(episode.project.folder / name)
    for path in episode.project.folder.glob("musebuild.db*"):
        path.unlink()


SCENARIOS: dict[str, Scenario] = {
    "build": Scenario((BUILD,), nothing),
    "change": Scenario((BUILD,), changed),
    "restore": Scenario((BUILD,), unplaced),
    "rebuild": Scenario((BUILD,), unknown),
    "touched": Scenario((BUILD,), touched),
    "looks": Scenario(LOOKS, changed, looks=True),
    "first look": Scenario((("list", "--status"), ("check",)), nothing, looks=True),
    "index": Scenario((("ingest",), ("flag", "add", "BAD", "2017-06-16T01:34:56.867")), nothing),
    "care": Scenario((("cache", "verify"), ("cache", "gc"), ("clean", "muse_bias")), built),
    "export": Scenario((("cache", "export", "bundle.tar", "muse_flat"),), built),
    "import": Scenario((("cache", "import", "bundle.tar"),), packed),
}


def fault(episode: Episode) -> None:
    """Let some calls fail, each in a copy of the project of a scenario."""
    names = list(SCENARIOS)
    name = names[episode.number % len(names)]
    scenario = SCENARIOS[name]
    episode.project.settings["ifus"] = [1]
    episode.project.write()
    # A night of what is built: the calls for other frames are the same.
    for path in (episode.project.folder / "raw").glob("*"):
        if kind_of(path) not in ("BIAS", "FLAT,LAMP", "OBJECT"):
            path.unlink()
    right = right_products(episode)
    scenario.prepare(episode)
    whole = episode.folder / "whole"
    episode.project.folder.rename(whole)
    faults = Faults()
    every, count = found(episode, scenario, whole, faults)
    episode.known |= {f"places in {name}": count, f"faults possible in {name}": len(every)}
    broken = []
    first = episode.number // len(names) * PORTION
    for number in range(first, first + PORTION):
        if episode.over:
            break
        renewed(episode, whole)
        one = every[number % len(every)]
        episode.step(f"{name}: {one}")
        if number < count:
            episode.counts[f"places tried in {name}"] += 1
        try:
            one_fault(episode, name, scenario, one, faults, right)
        except BrokenPromiseError as error:
            broken.append(f"{name}: {one} ({faults.fired()[1]}): {error}")
    if broken:
        raise BrokenPromiseError("\n\n".join(broken))


def kind_of(path: Path) -> str:
    """What kind of frame a raw file is."""
    return str(read_headers(path).primary.get("ESO DPR TYPE", ""))


def right_products(episode: Episode) -> dict[str, str]:
    """What a build makes to which nothing happens."""
    whole = episode.folder / "fresh"
    episode.project.folder.rename(whole)
    renewed(episode, whole)
    must(episode, *BUILD)
    right = products(episode.project.reduced)
    renewed(episode, whole)
    shutil.rmtree(whole)
    return right


def renewed(episode: Episode, whole: Path) -> None:
    """The project as it was at first."""
    shutil.rmtree(episode.project.folder, ignore_errors=True)
    copy(whole, episode.project.folder)


def found(
    episode: Episode, scenario: Scenario, whole: Path, faults: Faults
) -> tuple[list[Fault], int]:
    """All that may fail in a scenario, by the seed: first each place once; how many these are."""
    renewed(episode, whole)
    trace = episode.folder / "trace"
    with faults.counted(episode.project.folder, trace):
        for command in scenario.commands:
            asked(episode, *command)
    chance = random.Random(f"{episode.seed}")
    rounds: list[list[Fault]] = []
    for place, numbers in places(trace, PARTS).items():
        errors = errors_of(place.call)
        chance.shuffle(errors)
        while len(rounds) < len(errors):
            rounds.append([])
        for once, (error, from_then) in zip(rounds, errors, strict=False):
            once.append(Fault(place.call, place.part, chance.choice(numbers), error, from_then))
    for once in rounds:
        chance.shuffle(once)
    return [one for once in rounds for one in once], len(rounds[0])


def asked(episode: Episode, *arguments: str) -> Ran:
    """A command, in a process of its own that hangs for no longer than is patient."""
    told = episode.folder / "told"
    told.unlink(missing_ok=True)
    process = start(str(episode.project.folder), list(arguments), told)

    def hangs(*_: Any) -> None:
        os.kill(process, signal.SIGKILL)

    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(PATIENCE)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    signal.alarm(0)
    return Ran(status, told.read_text("utf-8", "replace"), "")


def must(episode: Episode, *arguments: str) -> Ran:
    """A command that has no reason to fail."""
    ran = asked(episode, *arguments)
    episode.check(ran.status == 0, f"{arguments[0]} ends well", f"{ran.status}\n{ran.text}")
    return ran


def one_fault(
    episode: Episode,
    name: str,
    scenario: Scenario,
    one: Fault,
    faults: Faults,
    right: dict[str, str],
) -> None:
    """Let a call fail; then look, build, and compare."""
    project = episode.project
    before = written(episode)
    finished = project.manifests()
    texts = []
    with faults.failing(one, project.folder):
        for command in scenario.commands:
            ran = asked(episode, *command)
            judge(episode, command, ran)
            texts.append(ran.text)
    times, _ = faults.fired()
    if not times:
        episode.counts["faults that met no call"] += 1
        return
    episode.counts[f"fault: {one.call} {one.name}"] += 1
    episode.counts[f"faults in {name}"] += 1
    told = "\n".join(texts)
    episode.check(not (wrong := unsound(project)), "what the store shows is whole", wrong + told)
    if scenario.looks:
        after = written(episode)
        episode.check(before == after, "a look changes nothing", told)
    if name not in ("care", "import"):
        episode.check(project.manifests() >= finished, "nothing finished is lost", told)
    wrong = differences(right, products(project.reduced))
    # What a command makes without a file that it cannot read is another thing, as it must tell.
    told_so = any("Files that cannot be used" in text for text in texts)
    episode.check(name == "change" or told_so or not wrong, "no wrong product", wrong + told)
    finished, begun = project.manifests(), len(project.journal)
    for look in (("list", "--status"), ("status",)):
        ran = asked(episode, *look)
        judge(episode, look, ran)
        episode.check(ran.status in (0, 1), "looks are possible", f"{look}\n{ran.text}")
    ran = must(episode, *BUILD)
    episode.check_text(ran.text)
    if name not in ("change", "looks") and not told_so:
        wrong = differences(products(project.reduced), right)
        episode.check(not wrong, "the next build makes the same products", f"{wrong}\n{told}")
        again = len(project.journal) - begun
        episode.check(
            again == TASKS - finished,
            "nothing finished runs again",
            f"{finished} were finished, and {again} ran\n{ran.text}\nthe fault told:\n{told}",
        )
    # A build that has nothing to do sweeps nothing.
    Store([project.store]).sweep()
    left = [str(path) for path in (project.store / "scratch").iterdir()]
    left += [str(path) for path in project.folder.rglob("*.part")]
    episode.check(not left, "nothing half is left", "\n".join(left) + "\n" + told)
    # An object that was touched gets its time back, which its product, a link of it, shows.
    for _ in range(3 if name == "touched" else 1):
        ran = must(episode, *BUILD)
    episode.check("Everything is up to date" in ran.out, "then all is up to date", ran.text)


def judge(episode: Episode, command: tuple[str, ...], ran: Ran) -> None:
    """Whether people are told well."""
    episode.check_text(ran.text)
    told = f"{command}, status {ran.status}\n{ran.text}"
    episode.check(ran.status in (0, 1, 2), "a command ends by itself", told)
    if ran.status:
        episode.check(ran.text.strip(), "who fails says why", told)
    episode.check(ran.text.count("ERROR: ") <= 1, "a cause is told once", told)


def unsound(project: MockProject) -> str:
    """Objects that are not what their names say, and manifests without their objects."""
    lines = [
        f"half an object: {path}"
        for path in sorted((project.store / "objects").glob("*/*"))
        if hash_file(path) != path.parent.name + path.name
    ]
    if (project.store / "manifests").exists():
        store = Store([project.store])
        for key, path in store.manifest_files():
            if (outcome := store.lookup(key).outcome) != "hit":
                lines.append(f"{outcome}: {path}")
    return "".join(f"{line}\n" for line in lines)
