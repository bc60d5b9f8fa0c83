"""A runner for tests: tiny products in milliseconds, with a declared behaviour.

The behaviour file (YAML, `cpl: {mock: FILE}`)::

    journal: runs.jsonl          # one line for each run
    rules:
      - {recipe: muse_flat, ifu: 7, fail: no slices found}
      - {recipe: muse_bias, constant: true}

A rule applies where `recipe`, `ifu`, `input` (a part of some input's file name) and `label` (of
the task, as its scratch folder bears it), as far as given, agree; later rules go over earlier
ones. What it may declare: `seconds`, `hold` (a file: wait until it is there; its path may be
relative to the behaviour file), `constant` (content does not follow the inputs), `fail` (message),
`return_code`, `errors_left` (list), `crash` (true), `kill` (true), `fill` (true: the disk), `hang`
(true), `memory` (size to take), `no_rows` (categories), `missing` (categories), `nan_rows`
(categories with a NaN), `warnings` (list), `salt` (changes the content), `cards` (keyword → value,
for the headers of the products), `tables` (category → column → list of values, in place of the
rows that the content gives).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from blake3 import blake3
from numpy.typing import NDArray

from musebuild.cache.keys import canonical, plain
from musebuild.fits.digest import FrameDigest, digest_frame
from musebuild.fits.headers import read_headers
from musebuild.fits.tiny import image, primary, table, write_frame
from musebuild.recipes.logs import returned
from musebuild.recipes.model import RecipeCall, RecipeOutcome
from musebuild.settings.sizes import parse_bytes

OF_AN_EXPOSURE = ("OBJECT", "PIXTABLE_OBJECT", "PIXTABLE_REDUCED", "IMAGE_FOV")
"""Tags whose DATE-OBS goes on into what is made of them, as the pipeline does it."""
WRITTEN = "2026-01-01T00:00:00"
"""DATE of all that it makes, so that what is made again is the same to the byte; `cards` may say
otherwise."""
_DIGESTS: dict[bytes, FrameDigest] = {}
"""Digests by the bytes of a frame: where many recipes run in one process, most meet the same."""
TABLES = ("TABLE", "LIST", "SAMPLES", "RESPONSE", "TELLURIC", "FLUXES", "PIXTABLE")


class MockRunner:
    """Makes tiny FITS files whose content follows from the inputs and parameters."""

    def run(self, call: RecipeCall) -> RecipeOutcome:
        """Pretend to run a recipe."""
        behaviour, journal = _behaviour(call)
        if journal is not None:
            _note(journal, call)
        lines = [f"12:00:00 [ INFO  ] {call.plugin}: mock of {call.recipe}"]
        warnings = tuple(map(str, behaviour.get("warnings", ())))
        lines += [f"12:00:00 [WARNING] {call.plugin}: {text}" for text in warnings]
        if behaviour.get("fail"):
            lines.append(f"12:00:00 [ ERROR ] {call.plugin}: {behaviour['fail']}")
        call.log.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if behaviour.get("memory"):
            _hold(parse_bytes(behaviour["memory"]), float(behaviour.get("seconds", 0)))
        elif behaviour.get("seconds"):
            time.sleep(float(behaviour["seconds"]))
        while behaviour.get("hold") and not Path(behaviour["hold"]).exists():
            time.sleep(0.01)
        while behaviour.get("hang"):
            time.sleep(3600)
        if behaviour.get("fill"):
            _fill(call.folder)
            behaviour = behaviour | {"fail": "error writing to FITS file"}
        if behaviour.get("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if behaviour.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour.get("fail"):
            code = int(behaviour.get("return_code", 1))
            return RecipeOutcome(
                (),
                return_code=code,
                failure=returned(code, (), str(behaviour["fail"])),
                errors=(f"{call.plugin}: {behaviour['fail']}",),
                kind="recipe",
            )
        products = _make(call, behaviour)
        left = tuple(map(str, behaviour.get("errors_left", ())))
        if left:
            return RecipeOutcome(
                products,
                failure="the recipe returned 0, but left errors behind: what it made is not "
                "to be trusted",
                errors=left,
                warnings=warnings,
                kind="cpl-errors",
            )
        return RecipeOutcome(products, warnings=warnings)


def _behaviour(call: RecipeCall) -> tuple[dict[str, Any], Path | None]:
    named = call.options.get("mock")
    if not named:
        return {}, None
    file = Path(str(named))
    data = _read(file.read_text(encoding="utf-8"))
    merged: dict[str, Any] = {}
    for rule in data.get("rules", ()):
        ifu = rule.get("ifu")
        part = rule.get("input")
        if rule.get("recipe", call.plugin) not in (call.plugin, call.recipe):
            continue
        if ifu is not None and call.params.get("nifu") != ifu:
            continue
        if part is not None and not any(part in Path(path).name for _, path in call.inputs):
            continue
        label = rule.get("label")
        if label is not None and label.replace(":", "_") not in str(call.folder):
            continue
        if "hold" in rule:
            rule = rule | {"hold": str(file.parent / rule["hold"])}
        merged |= {k: v for k, v in rule.items() if k not in ("recipe", "ifu", "input", "label")}
    journal = data.get("journal")
    return merged, (file.parent / journal) if journal else None


@lru_cache(maxsize=64)
def _read(text: str) -> Mapping[str, Any]:
    """A behaviour file; who reads it changes nothing in it."""
    return yaml.safe_load(text) or {}


def _note(journal: Path, call: RecipeCall) -> None:
    line = json.dumps(
        {
            "recipe": call.recipe,
            "nifu": call.params.get("nifu"),
            "inputs": [f"{tag}:{Path(path).name}" for tag, path in call.inputs],
            "threads": call.threads,
            "pid": os.getpid(),
            "time": time.time(),
        }
    )
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(descriptor, line.encode() + b"\n")
    os.close(descriptor)


def _fill(folder: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), (folder / "large.fits").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _hold(size: int, seconds: float) -> None:
    # Written to, so that the memory is really taken.
    block = np.ones(size, dtype=np.uint8)
    time.sleep(max(seconds, 0.0))
    assert block[-1] == 1


def _seed(call: RecipeCall, behaviour: dict[str, Any]) -> bytes:
    hasher = blake3(str(behaviour.get("salt", "")).encode())
    hasher.update(call.plugin.encode())
    nifu = call.params.get("nifu")
    hasher.update(str(nifu).encode())
    if not behaviour.get("constant"):
        hasher.update(canonical(plain(dict(call.params))).encode())
        for tag, path in call.inputs:
            digest = _digest(Path(path))
            content = digest.for_ifu(nifu) if isinstance(nifu, int) else digest.content
            hasher.update(f"{tag} {content}\n".encode())
    return hasher.digest()


def _digest(path: Path) -> FrameDigest:
    known = blake3(path.read_bytes()).digest()
    if known not in _DIGESTS:
        _DIGESTS[known] = digest_frame(path)
    return _DIGESTS[known]


def _make(call: RecipeCall, behaviour: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    seed = _seed(call, behaviour)
    dates = _dates(call)
    nifu = call.params.get("nifu")
    made = []
    for rule in call.expected:
        category = rule.category
        if category in behaviour.get("missing", ()):
            continue
        names = [""]
        if category == "IMAGE_FOV":
            names = str(call.params.get("filter", "white")).split(",")
        for number, filter_name in enumerate(names, 1):
            stem = category if not filter_name else f"{category}_{number:04d}"
            ifu = f"-{nifu:02d}" if isinstance(nifu, int) else ""
            path = call.folder / f"{stem}{ifu}.fits"
            rows = 0 if category in behaviour.get("no_rows", ()) else 3
            nan = category in behaviour.get("nan_rows", ())
            columns = behaviour.get("tables", {}).get(category)
            cards = dict(behaviour.get("cards", {}))
            if dates:
                cards.setdefault("DATE-OBS", dates[0])
            if category == "OFFSET_LIST" and columns is None:
                _write_offsets(path, dates[: len(dates) if rows else 0], seed)
                made.append((category, str(path)))
                continue
            _write(
                path, category, filter_name, seed, rows, nifu, nan=nan, cards=cards, columns=columns
            )
            made.append((category, str(path)))
    return tuple(made)


def _dates(call: RecipeCall) -> list[str]:
    """DATE-OBS of the exposures that it works on."""
    found: dict[str, None] = {}
    for tag, path in call.inputs:
        if tag in OF_AN_EXPOSURE:
            found[str(read_headers(Path(path)).primary.get("DATE-OBS") or "")] = None
    return sorted(filter(None, found))


def _write_offsets(path: Path, dates: list[str], seed: bytes) -> None:
    """A list of offsets of some arcsec, which follow from the content of the images."""
    numbers = np.frombuffer(blake3(seed).digest(16 * max(len(dates), 1)), "<i8")
    offsets = (numbers % 2001 - 1000) / 1000 / 3600
    columns = {
        "DATE_OBS": np.array([date.encode() for date in dates], dtype="S23"),
        "MJD_OBS": np.zeros(len(dates)),
        "RA_OFFSET": offsets[: len(dates)],
        "DEC_OFFSET": offsets[len(dates) : 2 * len(dates)],
        "FLUX_SCALE": np.full(len(dates), np.nan),
    }
    units = {"TUNIT2": "s", "TUNIT3": "deg", "TUNIT4": "deg"}
    first = primary({"INSTRUME": "MUSE", "ESO PRO CATG": "OFFSET_LIST"})
    write_frame(path, [first, table(columns, units)], checksum=True)


def _write(
    path: Path,
    category: str,
    filter_name: str,
    seed: bytes,
    rows: int,
    nifu: object,
    *,
    nan: bool = False,
    cards: Mapping[str, Any],
    columns: Mapping[str, list[Any]] | None = None,
) -> None:
    data = np.frombuffer(blake3(seed + category.encode() + filter_name.encode()).digest(48), "u1")
    own: dict[str, Any] = {"INSTRUME": "MUSE", "ESO PRO CATG": category, "DATE": WRITTEN}
    if filter_name:
        own["ESO DRS MUSE FILTER NAME"] = filter_name
    own |= cards
    name = {"EXTNAME": f"CHAN{nifu:02d}"} if isinstance(nifu, int) else {}
    if columns is not None:
        second = table({name: _column(values) for name, values in columns.items()}, name)
    elif any(part in category for part in TABLES):
        width = np.array([1, np.nan if nan else 2, 3], dtype=np.float32)[:rows]
        second = table({"value": data.reshape(3, 16)[:rows], "width": width}, name)
    else:
        second = image(data.reshape(6, 8).astype(np.float32), name)
    write_frame(path, [primary(own), second], checksum=True)


def _column(values: list[Any]) -> NDArray[Any]:
    made = np.asarray(values)
    return np.char.encode(made, "ascii") if made.dtype.kind == "U" else made
