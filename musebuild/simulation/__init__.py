"""A synthetic MUSE night: raw frames and static calibrations that the real DRS reduces."""

from musebuild.simulation.night import SimulationReport, simulate
from musebuild.simulation.options import SimulationOptions
from musebuild.simulation.truth import is_outdated

__all__ = ["SimulationOptions", "SimulationReport", "is_outdated", "simulate"]
