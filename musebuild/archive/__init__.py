"""The ESO archive: finding frames and their calibrations, and fetching them."""
