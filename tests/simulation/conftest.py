"""Small simulated nights: a few frames of the schedule are enough for most tests."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from musebuild.simulation import SimulationOptions, SimulationReport, simulate
from musebuild.simulation.instrument import Instrument
from musebuild.simulation.night import plan_night

# The maps of an IFU take seconds, and follow from its arguments alone.
shared_instrument = lru_cache(maxsize=3)(Instrument)


def simulate_few(options: SimulationOptions, *types: str, fresh: bool = False) -> SimulationReport:
    """Simulate only the first frame of each DPR TYPE that is named.

    `fresh`: with optics that no other test has used.
    """
    night = plan_night(options)
    frames = [
        next(frame for frame in night.frames if frame.spec.dpr_type == dpr_type)
        for dpr_type in types
    ]
    few = replace(night, frames=tuple(frames))
    if fresh:
        return simulate(options, few)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("musebuild.simulation.night.Instrument", shared_instrument)
        return simulate(options, few)


@pytest.fixture(scope="session")
def small_night(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """One frame each of a few kinds, one IFU, not compressed."""
    folder: Path = tmp_path_factory.mktemp("small-night")
    return simulate_few(SimulationOptions(folder), "BIAS", "WAVE", "OBJECT", "STD")


@pytest.fixture(scope="session")
def small_ao_night(tmp_path_factory: pytest.TempPathFactory) -> SimulationReport:
    """A calibration and an exposure with adaptive optics, compressed."""
    options = SimulationOptions(tmp_path_factory.mktemp("ao"), mode="WFM-AO-N", compress=True)
    return simulate_few(options, "BIAS", "OBJECT")
