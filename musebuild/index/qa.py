"""Quality of exposures, in the tables that selections ask: `qa_raw` and `qa_reduced`.

`qa_raw` rests on the raw frames alone and is filled by a scan. `qa_reduced` holds what is measured
on products (spectrum of the sky, model of the FSF, image photometry), and is filled as they are
made. Of what is not there nothing is said: its columns are NULL.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musebuild.errors import FrameError
from musebuild.fits.blocks import UNREADABLE
from musebuild.index.columns import column_of, moment_of, night_of
from musebuild.index.database import Connection, transaction
from musebuild.index.meta import GROW

Row = dict[str, Any]

SEEING = (
    "ESO TEL AMBI FWHM START",
    "ESO TEL AMBI FWHM END",
    "ESO TEL IA FWHM",
    "ESO OCS SGS FWHM MED",
    "ESO OCS SGS AG FWHMX MED",
    "ESO OCS SGS AG FWHMY MED",
)
"""Keywords of raw frames with the seeing or a width of stars [arcsec]; not measured where ≤ 0."""
SPARTA = "SPARTA_ATM_DATA"
"""Extension of raw frames in AO mode: the atmosphere as the adaptive optics saw it."""
SPARTA_VALUES = {"See": "SEEING", "Gl": "TUR_GND", "L0": "L0"}
"""Part of our column → part of SPARTA's (`LGS1_SEEING`)."""
SPARTA_COLUMNS = tuple(
    f"SP_{name}{what}" for name in SPARTA_VALUES for what in ("", "Std", "Min", "Max")
)
RECONSTRUCTED = tuple(f"PR_{what}{band}" for what in ("fwhm", "beta") for band in "BVR")
"""Of the reconstruction of the PSF from SPARTA (`fsf`), which musebuild does not run yet."""
RAW_COLUMNS: dict[str, str] = {
    "path": "TEXT",
    "name": "TEXT",
    "category": "TEXT",
    "night": "TEXT",
    "INS_MODE": "TEXT",
    "EXPTIME": "REAL",
    **dict.fromkeys((column_of(keyword) for keyword in SEEING), "REAL"),
    **dict.fromkeys((*SPARTA_COLUMNS, *RECONSTRUCTED), "REAL"),
}
MEASURED_RAW = ("OBJECT", "STD")
"""Raw categories that have a row in `qa_raw`."""

BANDS = {"skyB": (4850.0, 6000.0), "skyV": (6000.0, 8000.0), "skyR": (8000.0, 9300.0)}
"""Column → range of wavelengths [Å] over which the sky is averaged."""
FSF_WAVELENGTHS = {"B": 5000.0, "V": 7000.0, "R": 9000.0}
"""Letter → wavelength [Å] at which the model of the FSF is told."""
SPAXEL = 0.2
"""Arcsec, in the wide-field mode; of no consequence for widths in arcsec."""
IMPHOT_BAND = "F775W"
"""Band whose image photometry is told, where there are several."""
IMPHOT_VALUES = ("fwhm", "beta", "bg", "scale", "dx", "dy", "rms")

_EXPOSURE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")


# raw frames


def raw_row(path: str, row: Mapping[str, Any], primary: Mapping[str, Any], sparta: bool) -> Row:
    """The row of a raw frame in `qa_raw`.

    Parameters
    ----------
    path : str
        The frame.
    row : mapping
        Its row in `raw`.
    primary : mapping
        Cards of its primary header, `SEEING` among them.
    sparta : bool
        Whether it has the extension `SPARTA`.
    """
    found: Row = dict.fromkeys(RAW_COLUMNS)
    for name in ("name", "category", "night", "INS_MODE", "EXPTIME"):
        found[name] = row[name]
    found["path"] = path
    for keyword in SEEING:
        value = primary.get(keyword)
        if isinstance(value, int | float) and value > 0:
            found[column_of(keyword)] = float(value)
    if sparta:
        # The frame is good for the rest: what cannot be read here is not measured. What astropy
        # raises on damaged cards is of any kind.
        with suppress(Exception):
            found |= sparta_values(_table(Path(path), SPARTA))
    return found


def sparta_values(table: Mapping[str, Any]) -> dict[str, float | None]:
    """Seeing [arcsec], fraction of the ground layer and outer scale L0 [m] of a SPARTA table.

    The mean over the lasers that are on, of the mean over time; `Std` is the scatter between the
    lasers, `Min` and `Max` are of all values.

    Parameters
    ----------
    table : mapping
        Column (`LGS1_SEEING`) → values over time.
    """
    import numpy as np

    def values(laser: int, what: str) -> Any:
        name = f"LGS{laser}_{what}"
        given = np.asarray(table.get(name, ()), np.float64)
        return given[np.isfinite(given)]

    # Of a laser that is off all values are nought.
    lasers = [laser for laser in range(1, 5) if (values(laser, "TUR_GND") > 0).any()]
    found: dict[str, float | None] = {}
    for name, what in SPARTA_VALUES.items():
        every = [some for laser in lasers if (some := values(laser, what)).size]
        if not every:
            continue
        means = [float(some.mean()) for some in every]
        found[f"SP_{name}"] = float(np.mean(means))
        found[f"SP_{name}Std"] = float(np.std(means))
        found[f"SP_{name}Min"] = float(min(some.min() for some in every))
        found[f"SP_{name}Max"] = float(max(some.max() for some in every))
    return found


def _table(path: Path, extension: str | int) -> dict[str, Any]:
    """Columns of a table in a file; numbers as they are, texts stripped."""
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        data = hdus[extension].data
        if data is None or data.dtype.names is None:
            raise KeyError(f"{extension} of {path.name} is no table")
        return {name: data[name] for name in data.dtype.names}


def write_raw(connection: Any, rows: Iterable[Row]) -> None:
    """Put rows into `qa_raw`, within a transaction of the caller."""
    names = ", ".join(f'"{name}"' for name in RAW_COLUMNS)
    marks = ", ".join("?" * len(RAW_COLUMNS))
    connection.executemany(
        f"INSERT OR REPLACE INTO qa_raw ({names}) VALUES ({marks})",
        [tuple(row[name] for name in RAW_COLUMNS) for row in rows],
    )


# products


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that are measured together, on a product of one category."""

    name: str
    """Of its column with the digest of the product: `sky_digest`."""
    category: str
    columns: Mapping[str, str]
    """Column → type."""
    measure: Callable[[Path], Row]
    by_date: bool = False
    """Whether a product of a whole dataset tells its exposure by DATE-OBS: one for each. Else
    only products of single exposures are measured."""

    @property
    def digest(self) -> str:
        """Column with the content digest of the product that was measured."""
        return f"{self.name}_digest"


def sky_values(path: Path) -> Row:
    """Mean flux of the sky in three ranges of wavelength, in the unit of the spectrum.

    Parameters
    ----------
    path : Path
        A SKY_SPECTRUM: columns `lambda` [Å] and `data` (10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹, for a spaxel).
    """
    import numpy as np

    table = _table(path, 1)
    wavelength = np.asarray(table["lambda"], np.float64)
    flux = np.asarray(table["data"], np.float64)
    found: Row = {}
    for band, (first, last) in BANDS.items():
        inside = (wavelength >= first) & (wavelength <= last) & np.isfinite(flux)
        found[band] = float(flux[inside].mean()) if inside.any() else None
    return found


def fsf_values(path: Path) -> Row:
    """FWHM [arcsec] and β of a model of the FSF at 5000, 7000 and 9000 Å.

    Parameters
    ----------
    path : Path
        A frame whose primary header holds a model, as MPDAF writes it (`FSFMODE`).
    """
    from astropy.io import fits

    header = fits.getheader(path)
    if "FSFMODE" not in header:
        raise KeyError(f"{path.name} holds no FSF model")
    # MPDAF takes a while to import, and few exposures have such a frame.
    from mpdaf.MUSE import FSFModel

    with warnings.catch_warnings():
        # The header of a model need not have an image.
        warnings.simplefilter("ignore")
        model = FSFModel.read(header, pixstep=SPAXEL)
    if not isinstance(model, FSFModel):
        raise ValueError(f"{path.name} holds several models, one for each field")
    found: Row = {}
    for band, wavelength in FSF_WAVELENGTHS.items():
        found[f"FSF_FWHM_{band}"] = float(model.get_fwhm(wavelength, unit="arcsec"))
        found[f"FSF_BETA_{band}"] = float(model.get_beta(wavelength))
    return found


def imphot_values(path: Path) -> Row:
    """Image photometry in F775W, or in the first band of the table.

    Parameters
    ----------
    path : Path
        An IMPHOT table: column `filter`, and some of `IMPHOT_VALUES`.
    """
    table = _table(path, 1)
    bands = [str(name).strip() for name in table["filter"]]
    if not bands:
        return {}
    row = bands.index(IMPHOT_BAND) if IMPHOT_BAND in bands else 0
    found: Row = {"IM_filter": bands[row]}
    for name in IMPHOT_VALUES:
        if name in table:
            value = float(table[name][row])
            found[f"IM_{name}"] = value if value == value else None
    return found


GROUPS = (
    Group("sky", "SKY_SPECTRUM", dict.fromkeys(BANDS, "REAL"), sky_values),
    Group(
        "FSF",
        "FSF",
        {f"FSF_{what}_{band}": "REAL" for what in ("FWHM", "BETA") for band in "BVR"},
        fsf_values,
    ),
    Group(
        "IM",
        "IMPHOT",
        {"IM_filter": "TEXT"} | {f"IM_{name}": "REAL" for name in IMPHOT_VALUES},
        imphot_values,
        by_date=True,
    ),
)
"""What is measured on products."""
BY_CATEGORY: Mapping[str, Group] = {group.category: group for group in GROUPS}
REDUCED_COLUMNS: dict[str, str] = {
    "name": "TEXT",
    "block": "TEXT",
    "night": "TEXT",
    **{column: kind for group in GROUPS for column, kind in group.columns.items()},
    **{group.digest: "TEXT" for group in GROUPS},
}
SELECTABLE = ("name", "night", *(column for group in GROUPS for column in group.columns))
"""Columns of `qa_reduced` that a selection may ask for."""


@dataclass(frozen=True, slots=True)
class Measurable:
    """A product on which something is measured."""

    name: str
    """Exposure."""
    block: str
    category: str
    digest: str
    """Its content."""
    path: Path


def exposure_of(category: str, label: str, path: Path, names: Callable[[str], str]) -> str:
    """The exposure that a product belongs to: the task's label, else the one of its DATE-OBS.

    Parameters
    ----------
    category : str
        Of `BY_CATEGORY`.
    label : str
        Of the task: `2017-06-16T01:34:56.867`; that of a dataset is none.
    path : Path
        The product.
    names : callable
        DATE-OBS → name of the exposure, which comes from the file's name.

    Returns
    -------
    str
        Empty where neither tells.
    """
    if _EXPOSURE.fullmatch(label):
        return label
    if BY_CATEGORY[category].by_date:
        from astropy.io import fits

        # A table that astropy wrote has it in its own header.
        with suppress(*UNREADABLE), fits.open(path) as hdus:
            dates = [hdu.header.get("DATE-OBS") for hdu in hdus[:2]]
            return names(str(next(filter(None, dates), "")).strip())
    return ""


def measure(category: str, path: Path) -> Row:
    """What is measured on a product; empty columns where it is not as it should be.

    Parameters
    ----------
    category : str
        Of `BY_CATEGORY`.
    path : Path
        The product.

    Raises
    ------
    FrameError
        It cannot be read.
    """
    from astropy.io.fits import VerifyError

    group = BY_CATEGORY[category]
    empty: Row = dict.fromkeys(group.columns)
    try:
        return empty | group.measure(path)
    except UNREADABLE as error:
        raise FrameError(f"{path.name} cannot be read", where=str(path), why=str(error)) from error
    except (KeyError, ValueError, TypeError, IndexError, VerifyError):
        # A table of another form: nothing to measure there.
        return empty


class Measurements:
    """What was measured on products, remembered in `qa_reduced`.

    Parameters
    ----------
    connection : Connection
        Opened with `INDEX_MIGRATIONS`.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._names: dict[str, str] | None = None
        self._rows: dict[tuple[str, str], Row] = {}
        # Of each build that has something to do, before its first recipe: not by sqlite-utils,
        # whose import takes 0.3 s.
        names = list(REDUCED_COLUMNS)
        listed = ", ".join(f'"{name}"' for name in names)
        for values in connection.execute(f"SELECT {listed} FROM qa_reduced"):
            row = dict(zip(names, values, strict=True))
            self._rows[row["name"], row["block"]] = row

    def name_of(self, date: str) -> str:
        """Name of the exposure that began at a DATE-OBS; the same text where none is known."""
        if self._names is None:
            marks = ", ".join("?" * len(MEASURED_RAW))
            rows = self.connection.execute(
                f"SELECT DATE_OBS, name FROM raw WHERE is_raw = 1 AND category IN ({marks})",
                MEASURED_RAW,
            )
            self._names = dict(rows.fetchall())
        return self._names.get(date, date)

    def of(self, product: Measurable) -> Row:
        """Values of a product: remembered, or measured now; nothing is written.

        Raises
        ------
        FrameError
            It cannot be read.
        """
        group = BY_CATEGORY[product.category]
        known = self._rows.get((product.name, product.block), {})
        if known.get(group.digest) == product.digest:
            return {column: known[column] for column in group.columns}
        return measure(product.category, product.path)

    def record(self, products: Iterable[Measurable]) -> int:
        """Measure products that are not in the table yet; how many rows changed.

        A product that cannot be read has no values: the store tells of it when it is needed.
        """
        changed: dict[tuple[str, str], Row] = {}
        for product in products:
            group = BY_CATEGORY[product.category]
            place = product.name, product.block
            row = changed.get(place) or self._rows.get(place) or dict.fromkeys(REDUCED_COLUMNS)
            if row[group.digest] == product.digest:
                continue
            try:
                values = measure(product.category, product.path)
            except FrameError:
                continue
            moment = moment_of({"DATE-OBS": product.name})
            changed[place] = (
                row
                | values
                | {
                    "name": product.name,
                    "block": product.block,
                    "night": night_of(moment).isoformat() if moment else None,
                    group.digest: product.digest,
                }
            )
        if changed:
            with transaction(self.connection):
                self.connection.db.table("qa_reduced").upsert_all(changed.values())
            self._rows |= changed
        return len(changed)


def clear_reduced(connection: Connection) -> None:
    """Empty `qa_reduced`, to be made anew."""
    with transaction(connection):
        connection.db.table("qa_reduced").delete_where()
        # The next build must look at products that only a second store has, however settled
        # all seems to be.
        connection.execute(GROW)
