"""A random walk of edits: looks agree, builds do what they said, and make what a cold one makes."""

from __future__ import annotations

import copy
import json
import re
import shutil
import time

from musebuild.index.digests import TICK_NS
from tests.support.projects import MockProject, Ran
from tests.torture.edits import EDITS, choose, sky
from tests.torture.episode import Episode, differences, products
from tests.torture.looks import UNHASHED, States, disagreement, looked, looked_cold

STEPS = 25
PAUSE = 1.5 * TICK_NS / 1e9
"""Seconds after which the time stamp of a file is believed."""
DONE = re.compile(r"(done|restored|FAILED|stopped) +(\S+)")


def walk(episode: Episode) -> None:
    """Edit, look, build, and compare, until the time is up."""
    project, chance = episode.project, episode.chance
    sky(project)
    if chance.random() < 0.3:
        # Selections on what is measured need no alignment, which would look at all exposures.
        save = {"save": "cube,skymodel,individual", "skymethod": "model"}
        project.settings["recipes"] = {"muse_scipost": {"params": save}, "muse_exp_combine": {}}
        project.write()
    build(episode)
    for number in range(STEPS):
        if episode.over:
            return
        before = copy.deepcopy(project.settings)
        for _ in range(chance.choice((1, 1, 2))):
            edit(episode)
        time.sleep(PAUSE)
        if refused(episode):
            project.settings = before
            project.write()
        else:
            one_round(episode, compare=number % 3 == 2)


def edit(episode: Episode) -> None:
    """One random edit."""
    name = choose(episode.chance)
    episode.step(name)
    EDITS[name](episode.project, episode.chance)
    episode.project.write()
    episode.counts["edits"] += 1


def one_round(episode: Episode, *, compare: bool) -> None:
    """Look, build some or all, look again; sometimes hold it against a cold build."""
    chance = episode.chance
    states, reasons = looked(episode)
    cold = looked_cold(episode)
    episode.check(
        cold == states, "what is remembered is what a full plan finds", disagreement(states, cold)
    )
    if chance.random() < 0.3 and states:
        # Some of it only, and what it needs.
        name = chance.choice(sorted(states))
        named, named_reasons = looked(episode, name)
        wrong = {task: state for task, state in named.items() if states.get(task, state) != state}
        episode.check(not wrong, "a named task is no special case", disagreement(wrong, states))
        episode.step(f"build {name}")
        held(episode, named, named_reasons, build(episode, name))
        if chance.random() < 0.5:
            return
        states, reasons = looked(episode)
    episode.step("build")
    ran = build(episode)
    held(episode, states, reasons, ran)
    after, _ = looked(episode)
    if ran.status == 0:
        left = {name: state for name, state in after.items() if state != "up to date"}
        episode.check(not left, "after a build all is up to date", str(left))
        again = build(episode)
        episode.check("up to date" in again.out, "the next build has nothing to do", again.text)
        episode.check(not DONE.search(again.out), "the next build does nothing", again.text)
    if compare:
        against_cold(episode)


def refused(episode: Episode) -> bool:
    """Whether settings and frames allow no plan now; that is told alike by all commands."""
    ran = episode.project.ask("list", "--status")
    episode.check_text(ran.text)
    if "ERROR: " not in ran.err:
        return False
    for command in (["run"], ["status"], ["plan", "--format", "json"], ["info", "muse_bias"]):
        other = episode.project.ask(*command)
        episode.check_text(other.text)
        alike = "ERROR: " in other.err and other.status == ran.status
        episode.check(alike, "what one command refuses the others do", f"{command}\n{other.text}")
    episode.counts["refused"] += 1
    return True


def build(episode: Episode, *names: str) -> Ran:
    """A build that goes on after failures."""
    ran = episode.project.ask("run", "-c", *names)
    episode.check_text(ran.text)
    episode.check(ran.status in (0, 1), "builds are possible", ran.text)
    episode.counts["builds"] += 1
    return ran


def held(episode: Episode, states: States, reasons: dict[str, str], ran: Ran) -> None:
    """Whether a build did what the look before it said."""
    ended = {name: what for what, name in DONE.findall(ran.out)}
    wrong = []
    for name, state in states.items():
        did = ended.get(name, "")
        if state in ("waits", UNHASHED):
            continue
        expected = {
            "up to date": ("",),
            "impossible": ("", "FAILED"),
            "cached": ("restored",),
            "to run": ("done", "FAILED"),
            "failed": ("done", "FAILED"),
        }[state]
        if did not in expected:
            wrong.append(f"{name}: was {state} ({reasons.get(name, '')}), then {did or 'nothing'}")
    wrong += [f"{name}: was not told of, then {did}" for name, did in ended.items()
              if name not in states]  # fmt: skip
    episode.check(not wrong, "a build does what was told", "\n".join(wrong) + "\n" + ran.text)


def against_cold(episode: Episode) -> None:
    """Hold the products against those of a cold build of the same in a fresh folder."""
    project = episode.project
    folder = episode.folder / "cold"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("raw", "calib"):
        shutil.copytree(project.folder / name, folder / name)
    for name in ("settings.yml", "mock.yml", "dodo.py", "musebuild.flags.csv"):
        if (project.folder / name).exists():
            shutil.copy(project.folder / name, folder / name)
    cold = MockProject(folder, project.settings, project.rules)
    ran = cold.ask("run", "-c")
    episode.check_text(ran.text)
    episode.check(ran.status in (0, 1), "cold builds are possible", ran.text)
    version = str(project.settings.get("version", "0.1"))
    right = products(folder / "reduced" / version)
    made = products(project.folder / "reduced" / version)
    episode.check(not (wrong := differences(made, right)), "a cold build makes the same", wrong)
    episode.counts["products compared"] += len(right)
    states = json.loads(cold.ask("status", "--format", "json").out)["states"]
    warm = json.loads(project.ask("status", "--format", "json").out)["states"]
    episode.check(
        set(states) == set(warm), "a cold project has the same tasks", disagreement(warm, states)
    )
