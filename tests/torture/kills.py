"""Builds that are killed at any moment; the next one ends right, and runs nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil

from musebuild.cache.steps import STEPS, VARIABLE
from tests.support.projects import ALL
from tests.support.waiting import PATIENCE, descendants, wait_until_gone
from tests.torture.episode import Episode, differences, products

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LONGEST = 6.0
"""Seconds after which a build that goes on is killed, at most; it takes about so long."""


def kill(episode: Episode) -> None:
    """Kill builds until the time is up, each series on a fresh project."""
    right = right_products(episode)
    while not episode.over:
        series(episode, right)
        episode.renew()


def right_products(episode: Episode) -> dict[str, str]:
    """What a build makes to which nothing happens."""
    other = Episode("right", episode.seed, 0, episode.folder / "right", episode.night, episode.end)
    ran = other.project.ask("run")
    episode.check(ran.status == 0, "a build ends well", ran.text)
    return products(other.project.reduced)


def series(episode: Episode, right: dict[str, str]) -> None:
    """One to three builds that are killed, and one that is not."""
    project, chance = episode.project, episode.chance
    for _ in range(chance.choice((1, 2, 3))):
        finished, begun = project.manifests(), len(project.journal)
        one_kill(episode)
        ran_now = len(project.journal) - begun
        new = project.manifests() - finished
        episode.check(new <= ran_now, "what is finished was run", f"{new} of {ran_now}")
    finished, begun = project.manifests(), len(project.journal)
    episode.step("build")
    ran = project.ask("run")
    episode.check_text(ran.text)
    episode.check(ran.status == 0, "the next build ends well", ran.text)
    wrong = differences(products(project.reduced), right)
    episode.check(not wrong, "the next build makes the same products", wrong)
    again = len(project.journal) - begun
    episode.check(
        again == ALL - finished,
        "nothing finished runs again",
        f"{finished} of {ALL} were finished, and {again} ran",
    )
    left = [str(path) for path in (project.store / "scratch").iterdir()]
    left += [str(path) for path in project.folder.rglob("*.part")]
    episode.check(not left, "nothing half is left", "\n".join(left))
    ran = project.ask("run")
    episode.check("Everything is up to date" in ran.out, "then all is up to date", ran.text)


def one_kill(episode: Episode) -> None:
    """Start a build, or two at once, and kill one of its processes."""
    project, chance = episode.project, episode.chance
    environment = dict(os.environ)
    at = chance.random()
    if at < 0.4:
        environment[VARIABLE] = chance.choice(STEPS)
        episode.step(f"build, killed at the step {environment[VARIABLE]}")
    process = subprocess.Popen(
        project.command("run", "-n", "2", "-c"),
        cwd=project.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    beside = project.spawn("run", "-n", "1", "-c") if chance.random() < 0.25 else None
    if beside:
        episode.step("another build in the same folder")
    if at >= 0.4:
        delay = round(chance.uniform(0, LONGEST), 3)
        number = chance.choice(SIGNALS)
        who = chance.choice(("the build", "the build", "a process of it"))
        episode.step(f"build, {signal.Signals(number).name} to {who} after {delay} s")
        time.sleep(delay)
        started = descendants(process.pid)
        if who == "the build" or not started:
            process.send_signal(number)
        else:
            try:
                psutil.Process(chance.choice(sorted(started))).send_signal(number)
            except psutil.NoSuchProcess:
                episode.counts["kills that came too late"] += 1
        if chance.random() < 0.3:
            time.sleep(0.05)
            process.send_signal(number)
    started = descendants(process.pid)
    out, _ = process.communicate(timeout=PATIENCE)
    episode.counts["kills"] += 1
    episode.check_text(out)
    wait_until_gone(started)
    episode.counts["no orphan is left"] += 1
    if beside:
        out, _ = beside.communicate(timeout=PATIENCE)
        episode.check_text(out)
