"""What the commands that only look say of a project; they must agree, and change nothing."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.torture.episode import BrokenPromiseError, Episode

LINE = re.compile(r"^([a-z]+[a-z, ]*?)  +(\S+:\S+)")
UNHASHED = "to run, not yet hashed"
TOLD = {
    "up to date": "nothing changed",
    "cached": "comes back from the store",
    "to run": "will run",
    UNHASHED: "will run",
    "failed": "will run",
    "waits": "waits for",
    "impossible": "cannot run",
}
"""State → what `why` says of it."""
States = dict[str, str]


def looked(episode: Episode, *names: str) -> tuple[States, dict[str, str]]:
    """States and reasons, as `status` tells them; the other looks must tell the same."""
    project, chance = episode.project, episode.chance
    before = written(episode)
    document = told(episode, "status", *names)
    states: States = document["states"]
    listed = asked(episode, "list", "--status", "--ifus", *names)
    found = dict(
        reversed(match.groups()) for line in listed.splitlines() if (match := LINE.match(line))
    )
    # Of named tasks `list` shows these, and the others what they need, too.
    same = found == ({name: states[name] for name in found if name in states} if names else states)
    episode.check(same, "list and status agree", disagreement(found, states) + "\n" + listed)
    planned = {task["name"]: task["state"] for task in told(episode, "plan", *names)["tasks"]}
    common = {name: planned.get(name, "(not there)") for name in states}
    episode.check(common == states, "plan and status agree", disagreement(common, states))
    for name in chance.sample(sorted(states), min(2, len(states))):
        info = asked(episode, "info", name)
        (state,) = re.findall(r"^state: ([a-z, ]+?)(?: \(|$)", info, re.M)[:1] or ("(none)",)
        episode.check(
            state == states[name], "info and status agree", f"{name}: {state}, {states[name]}"
        )
        why = " ".join(project.ask("why", name).out.split())
        episode.check(TOLD[states[name]] in why, "why and status agree", f"{states[name]}\n{why}")
    after = written(episode)
    episode.check(before == after, "a look changes nothing", disagreement(after, before))
    return states, document.get("reasons", {})


def asked(episode: Episode, *arguments: str) -> str:
    """What a command prints that looks only."""
    ran = episode.project.ask(*arguments)
    episode.check_text(ran.text)
    # 1: there is something that cannot be done; it looked all the same.
    episode.check(ran.status in (0, 1), "looks are possible", f"{arguments}\n{ran.text}")
    return ran.out


def told(episode: Episode, command: str, *names: str) -> dict[str, Any]:
    """What it tells programs."""
    text = asked(episode, command, "--format", "json", *names)
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError:
        raise BrokenPromiseError(f"{command} --format json prints no JSON:\n{text!r}") from None
    return document


def looked_cold(episode: Episode) -> States:
    """The same from a plan of everything: without what earlier builds remembered."""
    folder = episode.project.folder
    kept = folder / "kept"
    kept.mkdir(exist_ok=True)
    files = sorted(folder.glob("musebuild.db*"))
    for path in files:
        shutil.copy2(path, kept)
    episode.counts["looks held against a full plan, with a memory"] += forget(folder)
    states: States = told(episode, "status")["states"]
    for path in folder.glob("musebuild.db*"):
        path.unlink()
    for path in files:
        shutil.copy2(kept / path.name, path)
    shutil.rmtree(kept)
    return states


def forget(folder: Path) -> bool:
    """Take away what builds remember of the whole plan; whether there was anything.

    What they made stays known.
    """
    database = folder / "musebuild.db"
    if not database.exists():
        return False
    with closing(sqlite3.connect(database)) as connection, connection:
        return bool(connection.execute("DELETE FROM plan_cache").rowcount)


def written(episode: Episode) -> dict[str, Any]:
    """File → size and time, of all that a build writes and a look must not."""
    project = episode.project
    return {
        str(path.relative_to(project.folder)): (status.st_size, status.st_mtime_ns)
        for top in (project.folder / "reduced", project.store / "objects",
                    project.store / "manifests")
        for path in sorted(top.rglob("*"))
        if path.is_file() and (status := path.stat())
    }  # fmt: skip


def disagreement(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Where two mappings differ, for people."""
    return "\n".join(
        f"{name}: {one.get(name)}, {other.get(name)}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    )
