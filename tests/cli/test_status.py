"""The forecast of a build, held against what then ran."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from musebuild.cache.ledger import Sample
from musebuild.cli.main import main
from musebuild.engine.forecast import expected_seconds
from tests.support.in_process import call_main
from tests.support.projects import MockProject

SCIPOST = "muse_scipost:2017-06-16T01:3{}:56.867"


def status(project: MockProject, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["status", "-d", str(project.folder), "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_forecast_is_what_then_runs(
    project: MockProject, capsys: pytest.CaptureFixture[str]
) -> None:
    # A digest of a file that was written a moment ago is not trusted yet.
    time.sleep(0.3)
    first = status(project, capsys)
    assert set(first["states"].values()) == {"to run, not yet hashed", "waits"}
    assert first["price"]["tasks"] == first["price"]["unknown"] == 22
    project.rule(recipe="muse_scibasic", input="T01:36", fail="no slices found")
    assert call_main(["run", "-q", "-c", "-d", str(project.folder)]) == 1
    capsys.readouterr()

    after = status(project, capsys)
    failed = [name for name, state in after["states"].items() if state == "failed"]
    assert failed and all("T01:36:56.867" in name for name in failed)
    project.unrule()
    assert call_main(["run", "-q", "-d", str(project.folder)]) == 0

    removed = next(project.reduced.rglob("DATACUBE_FINAL.fits"))
    removed.unlink()
    project.params("muse_scipost", lambdamin=4800.0)
    forecast = status(project, capsys)
    expected = {SCIPOST.format(4): "to run", SCIPOST.format(6): "to run"}
    pending = {n: s for n, s in forecast["states"].items() if s not in ("up to date", "cached")}
    assert pending == expected | {"muse_exp_combine:FIELD_drs": "waits"}
    before = len(project.journal)
    assert call_main(["run", "-q", "-d", str(project.folder)]) == 0
    assert project.ran_since(before) == {"muse_scipost": 2, "muse_exp_combine": 1}
    assert "0 restored" in capsys.readouterr().out

    price = forecast["price"]
    assert (price["tasks"], price["unknown"]) == (3, 0)
    assert 0 < price["wall"] <= price["seconds"]
    made = sum(p.stat().st_size for p in (project.reduced / "scipost").rglob("*.fits"))
    assert 0 < price["disk"] < 10 * made
    assert price["memory"] > 0

    project.params("muse_scipost", lambdamin=4650.0)
    assert call_main(["run", "-q", "-d", str(project.folder), "muse_scipost"]) == 0
    project.params("muse_scipost", lambdamin=4800.0)
    back = status(project, capsys)
    assert {n for n, s in back["states"].items() if s == "cached"} >= set(expected)
    assert back["price"]["tasks"] == 0
    before = len(project.journal)
    assert call_main(["run", "-q", "-d", str(project.folder)]) == 0
    assert project.journal[before:] == []

    assert main(["list", "-d", str(project.folder), "--status", "--why"]) == 0
    assert "nothing changed; last made on" in capsys.readouterr().out
    assert main(["status", "-d", str(project.folder)]) == 0
    assert "15 up to date; 0 others left out" in capsys.readouterr().out
    assert main(["status", "-d", str(project.folder), "--format", "xml"]) == 2


def line(sizes: Sequence[int], seconds: Sequence[float]) -> list[Sample]:
    return [Sample(x, t, 1) for x, t in zip(sizes, seconds, strict=True)]


def test_times_grow_with_the_inputs_where_they_did() -> None:
    grown = line([100, 200, 300], [11.0, 21.0, 31.0])
    assert expected_seconds(grown, 500) == pytest.approx(51.0)
    # Never negative, and never less for more input.
    assert expected_seconds(line([100, 200], [1.0, 4.0]), 10) == pytest.approx(0.18)
    assert expected_seconds(line([100, 200], [4.0, 2.0]), 400) == pytest.approx(3.0)
    assert expected_seconds(line([100, 100], [4.0, 2.0]), 400) == pytest.approx(3.0)
    assert expected_seconds([], 400) is None
