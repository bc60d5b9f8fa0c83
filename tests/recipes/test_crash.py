"""Where a program crashed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from musebuild.recipes import crash


def test_the_functions_of_a_crash_are_told_and_the_image_goes(tmp_path: Path) -> None:
    if why := crash.obstacle():
        pytest.skip(why)
    with crash.memory_images(tmp_path):
        process = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    time.sleep(0.2)
    process.send_signal(signal.SIGSEGV)
    process.wait()
    where = crash.backtrace("sleep", tmp_path)
    assert any("nanosleep" in line for line in where), where
    assert where[0].startswith("#0")
    assert not list(tmp_path.iterdir())
    assert crash.backtrace("sleep", tmp_path) == [
        "it is not known where: the crash left no memory image"
    ]


def test_why_a_crash_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = tmp_path / "core_pattern"
    monkeypatch.setattr(crash, "PATTERN", pattern)
    monkeypatch.setattr(crash.shutil, "which", lambda name: "/usr/bin/gdb")
    pattern.write_text("|/usr/share/apport/apport %p\n")
    assert "kernel.core_pattern is |/usr/share/apport/apport %p" in crash.obstacle()
    pattern.write_text("/var/crash/core\n")
    assert "python-cpl tells" in crash.backtrace("sleep", tmp_path)[0]
    monkeypatch.setattr(crash.shutil, "which", lambda name: None)
    assert "apt-get install gdb" in crash.obstacle()
