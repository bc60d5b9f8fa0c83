"""Same seed and options: same bytes, now and at any other time."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from musebuild.simulation import SimulationOptions
from tests.simulation.conftest import simulate_few


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("compress", [False, True])
def test_same_seed_and_options_give_the_same_bytes(tmp_path: Path, compress: bool) -> None:
    for name in "ab":
        options = SimulationOptions(tmp_path / name, compress=compress, seed=7, mode="WFM-AO-N")
        simulate_few(options, "BIAS", "STD" if compress else "WAVE", fresh=True)
        # Checksums carry the time of writing, to the second, unless told another.
        time.sleep(1.0 if name == "a" else 0)
    first, second = digests(tmp_path / "a"), digests(tmp_path / "b")
    assert len(first) > 10
    assert first == second


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
