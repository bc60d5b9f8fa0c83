"""A synthetic MUSE night: raw frames and static calibrations that the real DRS reduces."""

from musebuild.simulation.night import SimulationReport, simulate
from musebuild.simulation.options import SimulationOptions

__all__ = ["SimulationOptions", "SimulationReport", "simulate"]
