"""A synthetic MUSE night: raw frames and static calibrations that the real DRS reduces."""
