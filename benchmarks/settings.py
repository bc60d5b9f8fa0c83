"""Loading and checking a settings file of 2,000 lines, against PyYAML and jsonschema alone.

python benchmarks/settings.py [--lines 2000] [--rounds 5]

`load_settings` reads with the place of each value, substitutes, checks against the schema, and
makes the settings. The peers only parse (PyYAML's `safe_load`), or parse and check
(`safe_load` + jsonschema), without places or messages.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from musebuild.settings.load import load_settings
from musebuild.settings.problems import SettingsProblems
from musebuild.settings.schema import schema

HEAD = """workdir: '.'
raw_path: '{workdir}/raw'
reduced_path: '{workdir}/reduced/{version}'
version: '0.1'
runs:
"""
BLOCK = """  muse_scipost_NUMBER:
    # One of many blocks.
    from_recipe: muse_scibasic
    frames:
      exclude: [RAMAN_LINES, SKY_CONTINUUM]
      OFFSET_LIST: '{workdir}/OFFSET_LIST_NUMBER.fits'
    init:
      output_dir: 'scipost_NUMBER'
    params:
      skymethod: 'model'
      skymodel_fraction: 0.2
      save: 'cube,skymodel,individual'
    names_with_selection:
      BEST_NUMBER:
        raw: "EXPTIME > 100 AND night LIKE '2017-%'"
"""


def make_text(lines: int) -> str:
    """Settings of at least so many lines."""
    first = dt.date(2014, 1, 1)
    parts = [HEAD]
    for number in range(60):
        start = first + dt.timedelta(days=40 * number)
        end = start + dt.timedelta(days=30)
        parts.append(f"  R{number}: &R{number}\n    start_date: {start}\n    end_date: {end}\n")
    parts.append("static_calib:\n  GEOMETRY_TABLE:\n")
    parts += [f"    geometry_{number}.fits: *R{number}\n" for number in range(60)]
    parts.append("recipes:\n")
    number = 0
    while sum(part.count("\n") for part in parts) < lines:
        parts.append(BLOCK.replace("NUMBER", str(number)))
        number += 1
    return "".join(parts)


def plain(value: object) -> object:
    """Dates as texts, as the schema wants them."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def refuse(path: Path) -> None:
    """Load a file with mistakes, and make the message."""
    try:
        load_settings(path)
    except SettingsProblems as error:
        str(error)
    else:
        raise SystemExit(f"{path} was accepted")


def user_seconds(function: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Best user time and best wall time."""
    user = wall = 1e9
    for _ in range(rounds):
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.perf_counter()
        function()
        wall = min(wall, time.perf_counter() - began)
        user = min(user, resource.getrusage(resource.RUSAGE_SELF).ru_utime - before)
    return user, wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    text = make_text(options.lines)
    validator = Draft202012Validator(schema())
    with tempfile.TemporaryDirectory() as folder:
        sound, wrong = Path(folder) / "settings.yml", Path(folder) / "wrong.yml"
        sound.write_text(text, encoding="utf-8")
        wrong.write_text(text.replace("from_recipe:", "from_recip:"), encoding="utf-8")
        measured: dict[str, Callable[[], object]] = {
            "PyYAML safe_load": lambda: yaml.safe_load(text),
            "PyYAML safe_load + jsonschema": lambda: list(
                validator.iter_errors(plain(yaml.safe_load(text)))
            ),
            "load_settings": lambda: load_settings(sound),
            "load_settings, a mistake in each block": lambda: refuse(wrong),
        }
        times = {name: user_seconds(run, options.rounds) for name, run in measured.items()}
    peer = times["PyYAML safe_load"][0]
    print(f"{text.count(chr(10))} lines")
    for name, (user, wall) in times.items():
        print(f"{name:<40} {user:6.3f} s user, {wall:6.3f} s wall, {user / peer:5.2f} x safe_load")


if __name__ == "__main__":
    main()
