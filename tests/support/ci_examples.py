"""The examples for CI of the docs, run as a CI system runs them: line by line, in a shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import yaml

from musebuild.archive.eso import VARIABLE

DOCS = Path(__file__).parent.parent.parent / "docs"
GITHUB = DOCS / "ci" / "github-reproduce.yml"
GITLAB = DOCS / "ci" / "gitlab-reproduce.yml"
EXAMPLES = (GITHUB, GITLAB)


def jobs(example: Path) -> dict[str, dict[str, Any]]:
    """Name → job of an example."""
    document = yaml.safe_load(example.read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = document.get("jobs") or document
    return found


def shell_lines(example: Path) -> list[str]:
    """All that an example gives to a shell, in its order."""
    return [
        line
        for job in jobs(example).values()
        for line in (
            *job.get("before_script", []),
            *job.get("script", []),
            *(step["run"] for step in job.get("steps", []) if "run" in step),
        )
    ]


def calls(example: Path) -> tuple[str, ...]:
    """The calls of musebuild among them, as they stand."""
    return tuple(line for line in shell_lines(example) if line.startswith("musebuild "))


def all_calls() -> list[tuple[str, ...]]:
    """What the examples call, each sequence once."""
    return list(dict.fromkeys(calls(example) for example in EXAMPLES))


def run_line(line: str, folder: Path, archive: str, timeout: float) -> int:
    """Run one line; what it prints goes to the test's own output.

    Parameters
    ----------
    line : str
        As it stands in the example.
    folder : Path
        The checkout.
    archive : str
        Address of the stand-in of the archive.
    timeout : float
        Seconds.
    """
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        VARIABLE: archive,
    }
    ran = subprocess.run(
        ["sh", "-e", "-c", line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    print(f"$ {line}\n{ran.stdout}")
    return ran.returncode


def verdicts(folder: Path) -> dict[tuple[str, str], str]:
    """(task, product) → verdict, as both reports tell it."""
    found = json.loads((folder / "reproduction.json").read_text(encoding="utf-8"))
    told = {(p["task"], p["name"]): p["verdict"] for p in found["products"]}
    suite = ElementTree.parse(folder / "reproduction.xml").getroot()[0]
    cases = {
        (str(case.get("classname")), str(case.get("name"))): str(case.findtext("system-out"))
        for case in suite.findall("testcase")
    }
    assert cases == told
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        str(len(told)),
        "0",
        "0",
    )
    assert found["reproduced"] is True
    return told
