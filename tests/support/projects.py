"""Project folders for tests, and the command line on them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from musebuild.cli.init import make_project
from tests.support.copies import copy_project
from tests.support.in_process import call_main
from tests.support.waiting import PATIENCE, wait_until

RECIPES: dict[str, Any] = {
    "muse_scipost_rec": {
        "init": {"output_dir": "rec"},
        "params": {"skymethod": "none", "save": "cube", "filter": "white"},
    },
    "muse_exp_align": {"from_recipe": "muse_scipost_rec"},
    "muse_scipost": {
        "frames": {"OFFSET_LIST": "OFFSET_LIST_drs"},
        "params": {"save": "cube,skymodel,individual", "skymethod": "model"},
    },
    "muse_exp_combine": {"frames": {"OFFSET_LIST": "OFFSET_LIST_drs"}},
}
OWN_PROCESS = frozenset({"crash", "fill", "hang", "hold", "kill", "memory", "seconds"})
"""Behaviour of the mock that ends, stops or fills the process in which it runs."""
ALL = 22
"""Invocations of the mock night with two IFUs and two exposures."""


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.out + self.err


@dataclass
class MockProject:
    """A project folder with the mock runner."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)

    def write(self) -> None:
        """Write settings and behaviour."""
        (self.folder / "settings.yml").write_text(
            yaml.safe_dump(self.settings, sort_keys=False), encoding="utf-8"
        )
        (self.folder / "mock.yml").write_text(
            yaml.safe_dump({"journal": "journal.jsonl", "rules": self.rules}), encoding="utf-8"
        )

    def copy(self, folder: Path) -> MockProject:
        """A copy of all that there is, and of what is known of it."""
        copy_project(self.folder, folder)
        return MockProject(folder, deepcopy(self.settings), deepcopy(self.rules))

    def rule(self, **behaviour: Any) -> None:
        """Add a rule to the mock's behaviour."""
        self.rules.append(behaviour)
        self.write()

    def unrule(self) -> None:
        """Take all rules away."""
        self.rules.clear()
        self.write()

    def params(self, block: str, **params: Any) -> None:
        """Change parameters of a block."""
        self.settings["recipes"].setdefault(block, {}).setdefault("params", {}).update(params)
        self.write()

    def command(self, *arguments: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-c", _RUN, *arguments]

    def run(self, *arguments: str, **more: Any) -> Ran:
        """Run `musebuild ARGUMENTS` in the folder."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **more,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a build in a session of its own; it goes on until the first recipe runs."""
        process = self.spawn("run", *arguments)

        def begun() -> bool:
            assert process.poll() is None, process.communicate()[0]
            return bool(self.journal)

        wait_until(begun, "the first recipe")
        return process

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a session of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def release(self, gate: str) -> None:
        """Let recipes go on that `hold` keeps."""
        (self.folder / gate).touch()

    def ask(self, *arguments: str) -> Ran:
        """The same in this process, where processes are not the point: a second less.

        Recipes of the mock run in this process, too, unless their behaviour needs one of its own.
        """
        out, err = io.StringIO(), io.StringIO()
        apart = any(not OWN_PROCESS.isdisjoint(rule) for rule in self.rules)
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = call_main(arguments, apart=apart)
        return Ran(status, out.getvalue(), err.getvalue())

    def build(self, *arguments: str) -> Ran:
        """Run a build that must succeed, within this process."""
        ran = self.ask("run", *arguments)
        assert ran.status == 0, ran.text
        return ran

    def make(self, *arguments: str) -> Ran:
        """The same."""
        ran = self.ask("run", *arguments)
        assert ran.status == 0, ran.text
        return ran

    @property
    def journal(self) -> list[dict[str, Any]]:
        """Every recipe that ran, oldest first."""
        path = self.folder / "journal.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def ran_since(self, before: int) -> Counter[str]:
        """Recipes that ran after the first `before`, counted."""
        return Counter(run["recipe"] for run in self.journal[before:])

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / ".musebuild" / "store"

    @property
    def reduced(self) -> Path:
        """The reduced tree."""
        return self.folder / "reduced" / "0.1"

    def objects(self) -> set[str]:
        """Names of all objects."""
        return {p.parent.name + p.name for p in (self.store / "objects").glob("*/*")}

    def manifests(self) -> int:
        """Number of manifests."""
        return len(list((self.store / "manifests").glob("*/*.json")))


# Not `-m`: the command must look as it does to people, and not load from the test's folder.
_RUN = "import sys; from musebuild.cli.main import main; sys.exit(main(sys.argv[1:]))"


def run_at_once(projects: Sequence[MockProject], *arguments: str) -> list[Ran]:
    """Run a command in all projects at the same moment, each in a process of its own."""
    asked = {"folders": [str(one.folder) for one in projects], "arguments": arguments}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.at_once", json.dumps(asked)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return [Ran(status, out, "") for status, out in json.loads(done.stdout)]


def make_mock_project(folder: Path, night: Path) -> MockProject:
    """A project on a copy of a mock night."""
    shutil.copytree(night, folder)
    settings: dict[str, Any] = {
        "muse_calib_path": "calib",
        "datasets": {"FIELD": {}},
        "cpl": {"runner": "mock", "mock": "mock.yml"},
        "recipes": json.loads(json.dumps(RECIPES)),
    }
    project = MockProject(folder, settings)
    make_project(folder, "")
    project.write()
    return project
