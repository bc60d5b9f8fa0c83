"""The chain of the IC4406 settings on a simulated night in AO mode, from one `doit`, and its truth.

    python benchmarks/ic4406_chain.py DIR [--exposures 3] [--ifus 1] [--mode WFM-AO-N]

The recipes are those of MuseRed's settings file (tests/settings/data/ic4406.yml) as they stand,
but for two files that only its author has: the OFFSET_LIST is that of muse_exp_align (which that
file names in a comment), and the OUTPUT_WCS is the cube that the chain itself combines. imphot and
zap are left out by musebuild, with the reason.

DIR is made, or used again: what is there already is not made anew. Takes 10 minutes of CPU time,
and 6 GB in DIR; the offsets and both combined cubes are compared with the truth.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from statistics import mean

import yaml
from astropy.io import fits

from musebuild.cli.init import make_project
from musebuild.simulation import SimulationOptions, simulate
from musebuild.simulation.measure import (
    Measurement,
    format_measurements,
    measure_cube,
    measure_offsets,
)

SETTINGS = Path(__file__).parent.parent / "tests" / "settings" / "data" / "ic4406.yml"
DATASET = "FIELD"
LIGHT = 299792.458
"""km/s."""
CUBES = ("exp_combine/FIELD_drs", "mpdaf_combine/FIELD_mpdaf")


def settings() -> str:
    """The settings of the chain."""
    tree = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    recipes = tree["recipes"]
    for block in recipes.values():
        frames = (block or {}).get("frames", {})
        if "OFFSET_LIST" in frames:
            frames["OFFSET_LIST"] = "OFFSET_LIST_drs"
        if "OUTPUT_WCS" in frames:
            frames["OUTPUT_WCS"] = frames["OUTPUT_WCS"].replace("/IC4406/", f"/{DATASET}_drs/")
    chosen = {
        "raw_path": "raw",
        "muse_calib_path": "calib",
        "workdir": ".",
        "reduced_path": tree["reduced_path"],
        "version": tree["version"],
        "datasets": {DATASET: {}},
        "recipes": recipes,
    }
    return yaml.safe_dump(chosen, sort_keys=False)


def correction(reduced: Path) -> float:
    """The mean correction of the exposures for the Earth's motion [km/s]; cubes do not hold it."""
    tables = sorted(reduced.glob("scipost/*/PIXTABLE_REDUCED*.fits"))
    return mean(float(fits.getheader(path)["ESO DRS MUSE PIXTABLE RVCORR"]) for path in tables)


def uncorrected(one: Measurement, velocity: float) -> Measurement:
    """A measurement without the correction for the Earth's motion, where it is a wavelength."""
    if one.quantity != "wavelength":
        return one
    return replace(one, measured=one.measured / (1 + velocity / LIGHT))


def brief(found: Iterable[Measurement]) -> str:
    """The largest difference of each quantity."""
    worst: dict[str, Measurement] = {}
    for one in found:
        known = worst.get(one.quantity)
        if known is None or abs(one.measured - one.truth) > abs(known.measured - known.truth):
            worst[one.quantity] = one
    return format_measurements(worst.values())


def main() -> None:
    """Simulate, reduce, measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exposures", type=int, default=3)
    parser.add_argument("--ifus", default="1")
    parser.add_argument("--mode", default="WFM-AO-N")
    given = parser.parse_args()
    folder: Path = given.folder
    if not (folder / "truth.ecsv").exists():
        ifus = tuple(int(ifu) for ifu in given.ifus.split(","))
        simulate(
            SimulationOptions(
                folder, ifus=ifus, exposures=given.exposures, mode=given.mode, compress=True
            )
        )
    make_project(folder, settings())
    began = time.perf_counter()
    doit = Path(sys.executable).with_name("doit")
    ran = subprocess.run([doit], cwd=folder, check=False)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    print(f"doit: {wall:.0f} s of wall time, {cpu:.0f} s of CPU time, exit {ran.returncode}")
    reduced, truth = folder / "reduced" / "0.1", folder / "truth.ecsv"
    print(brief(measure_offsets(reduced / "exp_align/FIELD_drs/OFFSET_LIST.fits", truth)))
    velocity = correction(reduced)
    print(f"corrected for the Earth's motion by {velocity:.2f} km/s (rvcorr of the pipeline)")
    for cube in CUBES:
        found = measure_cube(reduced / cube / "DATACUBE_FINAL.fits", truth)
        print(f"{cube}\n{brief([uncorrected(one, velocity) for one in found])}")


if __name__ == "__main__":
    main()
