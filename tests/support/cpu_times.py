"""A pytest plugin: the CPU time of a run and of its tests, told at the end of each run.

CPU time is what the process of the tests and all that it started took, in user and system mode:
unlike wall time it says the same on a busy machine. With pytest-xdist the workers' times are added.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

SLOWEST = 10
VARIABLE = "MUSEBUILD_TEST_TIMES"
"""Environment variable with the file that gets `{test: CPU seconds}`, for a sum over parts."""


def cpu_seconds() -> float:
    """CPU time of this process and of those that it started and that ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class CpuTimes:
    """Collects the times of a run."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.last = cpu_seconds()
        self.tests: Counter[str] = Counter()
        self.workers = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the report of a phase of a test its time; xdist sends it on with the report."""
        report = yield
        now = cpu_seconds()
        report.cpu_seconds = now - self.last
        self.last = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the phases of a test."""
        self.tests[report.nodeid] += getattr(report, "cpu_seconds", 0.0)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the controller, where this is a worker of xdist."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["cpu_seconds"] = cpu_seconds()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the time of a worker that ended."""
        self.workers += getattr(node, "workeroutput", {}).get("cpu_seconds", 0.0)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the times."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        total = self.workers + own.ru_utime + own.ru_stime if self.workers else cpu_seconds()
        wall = time.monotonic() - self.began
        terminalreporter.section("time")
        terminalreporter.write_line(f"CPU {total:.1f} s, wall {wall:.1f} s; the slowest (CPU s):")
        for test, seconds in self.tests.most_common(SLOWEST):
            terminalreporter.write_line(f"{seconds:7.2f}  {test}")
        file = os.environ.get(VARIABLE)
        if file and not hasattr(terminalreporter.config, "workerinput"):
            with Path(file).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(self.tests) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to measure."""
    config.pluginmanager.register(CpuTimes(), "cpu times")
