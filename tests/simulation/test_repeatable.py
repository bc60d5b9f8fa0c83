"""Same seed and options: same bytes, now and at any other time."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from musebuild.simulation import SimulationOptions, SimulationReport
from tests.simulation.conftest import simulate_few


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["small_night", "small_ao_night"])
def test_same_seed_and_options_give_the_same_bytes(
    tmp_path: Path, name: str, request: pytest.FixtureRequest
) -> None:
    first: SimulationReport = request.getfixturevalue(name)
    options, kinds = (
        (SimulationOptions(tmp_path), ("BIAS", "WAVE"))
        if name == "small_night"
        else (SimulationOptions(tmp_path, mode="WFM-AO-N", compress=True), ("BIAS", "OBJECT"))
    )
    # Checksums carry the time of writing, to the second, unless told another.
    newest = max(path.stat().st_mtime for path in first.raw)
    time.sleep(max(0.0, newest + 1.0 - time.time()))
    second = simulate_few(options, *kinds, fresh=True)
    before, now = digests(first.truth.parent), digests(second.truth.parent)
    # The first held more frames: each is as it is whichever others there are.
    assert now.keys() <= before.keys()
    assert len(now) > 10
    assert now == {name: before[name] for name in now}


def test_another_seed_gives_other_pixels_and_offsets(tmp_path: Path) -> None:
    for seed in (1, 2):
        simulate_few(SimulationOptions(tmp_path / str(seed), seed=seed), "BIAS")
    first, second = digests(tmp_path / "1"), digests(tmp_path / "2")
    assert first.keys() == second.keys()
    raw = next(name for name in first if name.endswith(".fits") and name.startswith("raw"))
    assert first[raw] != second[raw]
    assert first["truth.ecsv"] != second["truth.ecsv"]


def test_a_frame_does_not_depend_on_the_frames_before_it(tmp_path: Path) -> None:
    simulate_few(SimulationOptions(tmp_path / "all"), "BIAS", "DARK", fresh=True)
    simulate_few(SimulationOptions(tmp_path / "one"), "DARK", fresh=True)
    first, second = digests(tmp_path / "all"), digests(tmp_path / "one")
    shared = [n for n in second if n.startswith("raw/") and n.endswith(".fits")]
    assert len(shared) == 1
    assert first[shared[0]] == second[shared[0]]


def test_nothing_is_left_beside_the_frames(tmp_path: Path) -> None:
    simulate_few(SimulationOptions(tmp_path), "BIAS")
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
