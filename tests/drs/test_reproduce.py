"""A lock of a part of the demo, built anew by the real pipeline without the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.drs.reduction import MUSEBUILD, Reduction, call

pytestmark = pytest.mark.drs


def test_master_flats_are_reproduced(reduction: Reduction, bench: Path) -> None:
    lock = bench / "settings.lock"
    ran = call(MUSEBUILD, "lock", "muse_flat", "-o", lock, cwd=reduction.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = call(
        MUSEBUILD,
        "reproduce",
        lock,
        "--raw",
        reduction.folder / "raw",
        "--calib",
        reduction.folder / "calib",
        "--json",
        "found.json",
        "--junit",
        "found.xml",
        cwd=bench,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((bench / "found.json").read_text(encoding="utf-8"))
    assert {p["category"] for p in found["products"]} >= {"MASTER_BIAS", "MASTER_FLAT"}
    assert {p["verdict"] for p in found["products"]} <= {"same bytes", "same content"}
