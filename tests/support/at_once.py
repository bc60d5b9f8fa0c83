"""One command at the same moment in several processes, which need not all load Python.

python -m tests.support.at_once '{"folders": [FOLDER, ...], "arguments": [ARGUMENT, ...]}'

Each runs in a folder and a session of its own, forked from this process, and its recipes run in
itself: a second less for each than a command that is started. Prints the statuses and what was
printed, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

# What a build loads when it comes to it, loaded once for all.
import musebuild.cli.run
import musebuild.engine.build
import musebuild.engine.build_state
import musebuild.engine.run
import musebuild.index.scan
import musebuild.plan.build
import musebuild.recipes.mock  # noqa: F401
from musebuild.cli.main import main
from tests.support.in_process import InProcessExecutor


def start(folder: str, arguments: list[str], told: Path) -> int:
    """Start the command in a folder; its process. What it prints goes to a file."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        os.setsid()
        out = os.open(told, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(folder)
        status = main(arguments, executor=InProcessExecutor)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run_all(folders: list[str], arguments: list[str]) -> list[tuple[int, str]]:
    """Status and output of each."""
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place, str(number)) for number in range(len(folders))]
        started = [
            start(folder, arguments, told) for folder, told in zip(folders, files, strict=True)
        ]
        ended = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started]
        return [
            (status, told.read_text("utf-8")) for status, told in zip(ended, files, strict=True)
        ]


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(run_all(asked["folders"], asked["arguments"])))
