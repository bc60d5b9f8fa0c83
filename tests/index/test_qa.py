"""Quality of exposures, measured on raw frames and products."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from sqlite_utils import Database

from musebuild.index import qa
from musebuild.index.database import open_database
from musebuild.index.migrations import INDEX_MIGRATIONS
from musebuild.index.scan import scan
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings

NAME = "2017-06-16T01:34:56.867"


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return open_database(tmp_path / "a.db", INDEX_MIGRATIONS).db


def table(path: Path, columns: dict[str, list[object]], **cards: object) -> Path:
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(Table(columns))])
    for name, value in cards.items():
        hdus[0].header[name] = value
    hdus.writeto(path, overwrite=True)
    return path


# raw frames

LASERS = {1: (0.6, 0.8), 2: (0.8, 1.0), 3: (0.7, 0.9), 4: (0.0, 0.0)}


def sparta(off: tuple[int, ...] = (4,)) -> fits.BinTableHDU:
    columns: dict[str, list[float]] = {}
    for laser, seeing in LASERS.items():
        on = laser not in off
        columns[f"LGS{laser}_SEEING"] = list(seeing) if on else [0.0, 0.0]
        columns[f"LGS{laser}_TUR_GND"] = [0.7, 0.8] if on else [0.0, 0.0]
        columns[f"LGS{laser}_L0"] = [16.0 + laser, 18.0 + laser] if on else [0.0, 0.0]
    return fits.BinTableHDU(Table(columns), name="SPARTA_ATM_DATA")


def raw(folder: Path, kind: str = "OBJECT", *more: fits.BinTableHDU, **cards: object) -> Path:
    folder.mkdir(exist_ok=True)
    header = fits.PrimaryHDU().header
    header["INSTRUME"] = "MUSE"
    header["DATE-OBS"] = NAME
    header["EXPTIME"] = 600.0
    header["HIERARCH ESO DPR TYPE"] = kind
    header["HIERARCH ESO INS MODE"] = "WFM-AO-N"
    for name, value in cards.items():
        header[f"HIERARCH ESO {name.replace('_', ' ')}"] = value
    path = folder / f"MUSE.{NAME if kind == 'OBJECT' else '2017-06-16T02:00:00'}.fits"
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(name="CHAN01"), *more]).writeto(
        path, overwrite=True
    )
    return path


def settings(tmp_path: Path) -> Settings:
    (tmp_path / "raw").mkdir(exist_ok=True)
    path = tmp_path / "settings.yml"
    path.write_text("raw_path: raw\nmuse_calib_path: calib\n", encoding="utf-8")
    return load_settings(path)


def rows(db: Database, name: str) -> list[dict[str, object]]:
    return list(db[name].rows)


def test_seeing_of_headers_and_telemetry(db: Database, tmp_path: Path) -> None:
    own = settings(tmp_path)
    raw(
        tmp_path / "raw", "OBJECT", sparta(), TEL_AMBI_FWHM_START=0.85, TEL_AMBI_FWHM_END=-1.0,
        OCS_SGS_FWHM_MED=0.72,
    )  # fmt: skip
    raw(tmp_path / "raw", "BIAS", TEL_AMBI_FWHM_START=0.85)
    scan(db.conn, own)
    (row,) = rows(db, "qa_raw")
    assert (row["name"], row["category"], row["night"]) == (NAME, "OBJECT", "2017-06-15")
    assert (row["TEL_AMBI_FWHM_START"], row["OCS_SGS_FWHM_MED"]) == (0.85, 0.72)
    assert row["TEL_AMBI_FWHM_END"] is None, "-1 says that it was not measured"
    assert row["TEL_IA_FWHM"] is None
    means = [0.7, 0.9, 0.8]
    assert row["SP_See"] == pytest.approx(np.mean(means))
    assert row["SP_SeeStd"] == pytest.approx(np.std(means))
    assert (row["SP_SeeMin"], row["SP_SeeMax"]) == pytest.approx((0.6, 1.0))
    assert (row["SP_Gl"], row["SP_L0"], row["SP_L0Max"]) == pytest.approx((0.75, 19.0, 21.0))
    assert row["PR_fwhmB"] is None


def test_without_telemetry_there_is_none(db: Database, tmp_path: Path) -> None:
    raw(tmp_path / "raw")
    scan(db.conn, settings(tmp_path))
    (row,) = rows(db, "qa_raw")
    assert {row[name] for name in qa.SPARTA_COLUMNS} == {None}


def test_telemetry_of_another_form_spoils_nothing(db: Database, tmp_path: Path) -> None:
    raw(tmp_path / "raw", "OBJECT", fits.BinTableHDU(Table({"a": [1]}), name="SPARTA_ATM_DATA"))
    assert not scan(db.conn, settings(tmp_path)).problems
    assert rows(db, "qa_raw")[0]["SP_See"] is None
    assert len(rows(db, "raw")) == 1


def test_a_row_follows_its_file(db: Database, tmp_path: Path) -> None:
    own = settings(tmp_path)
    path = raw(tmp_path / "raw", TEL_AMBI_FWHM_START=0.5)
    scan(db.conn, own)
    raw(tmp_path / "raw", TEL_AMBI_FWHM_START=1.25)
    scan(db.conn, own)
    assert [row["TEL_AMBI_FWHM_START"] for row in rows(db, "qa_raw")] == [1.25]
    path.unlink()
    scan(db.conn, own)
    assert rows(db, "qa_raw") == []


def test_an_index_of_before_is_completed_once(db: Database, tmp_path: Path) -> None:
    own = settings(tmp_path)
    raw(tmp_path / "raw")
    scan(db.conn, own)
    # As a database that was made without the table.
    db.execute("DELETE FROM qa_raw")
    db.execute("DELETE FROM meta WHERE name = 'rows'")
    db.conn.commit()
    report = scan(db.conn, own)
    assert (report.new, report.changed, report.unchanged) == (0, 0, 1)
    assert len(rows(db, "qa_raw")) == 1
    before = list(db.execute("SELECT * FROM meta WHERE name = 'generation'"))
    scan(db.conn, own)
    assert list(db.execute("SELECT * FROM meta WHERE name = 'generation'")) == before


# products


def sky(path: Path, factor: float = 1.0) -> Path:
    wavelength = np.arange(4750.0, 9350.0, 10)
    flux = factor * wavelength
    flux[3] = np.nan
    return table(path, {"lambda": list(wavelength), "data": list(flux)})


def spectrum(path: Path, digest: str = "d1", block: str = "muse_scipost") -> qa.Measurable:
    return qa.Measurable(NAME, block, "SKY_SPECTRUM", digest, path)


def test_the_sky_is_averaged_in_three_ranges(tmp_path: Path) -> None:
    found = qa.measure("SKY_SPECTRUM", sky(tmp_path / "sky.fits", 2.0))
    assert found == pytest.approx({"skyB": 2 * 5425, "skyV": 2 * 7000, "skyR": 2 * 8650})


def test_a_range_that_a_spectrum_does_not_reach_is_empty(tmp_path: Path) -> None:
    path = table(tmp_path / "sky.fits", {"lambda": [6500.0], "data": [3.0]})
    assert qa.measure("SKY_SPECTRUM", path) == {"skyB": None, "skyV": 3.0, "skyR": None}


def test_the_model_of_the_fsf_at_three_wavelengths(tmp_path: Path) -> None:
    from mpdaf.MUSE import MoffatModel2

    model = MoffatModel2([-0.2, 0.7], [2.5], [5000, 9000], 0.2)
    fits.PrimaryHDU(header=model.to_header()).writeto(tmp_path / "FSF.fits")
    found = qa.measure("FSF", tmp_path / "FSF.fits")
    # 0.7 in the middle, and 0.2 less from one end of the range to the other.
    assert found["FSF_FWHM_B"] == pytest.approx(0.8)
    assert found["FSF_FWHM_V"] == pytest.approx(0.7)
    assert found["FSF_FWHM_R"] == pytest.approx(0.6)
    assert {found[f"FSF_BETA_{band}"] for band in "BVR"} == {2.5}


def test_image_photometry_of_one_band(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "filter": ["F606W", "F775W "], "scale": [1.1, 1.2], "fwhm": [0.7, 0.6], "bg": [np.nan, 0.5]
    }  # fmt: skip
    found = qa.measure("IMPHOT", table(tmp_path / "a.fits", columns))
    assert (found["IM_filter"], found["IM_scale"], found["IM_bg"]) == ("F775W", 1.2, 0.5)
    assert found["IM_dx"] is None
    first = {name: values[:1] for name, values in columns.items()}
    found = qa.measure("IMPHOT", table(tmp_path / "b.fits", first))
    assert (found["IM_filter"], found["IM_scale"], found["IM_bg"]) == ("F606W", 1.1, None)


@pytest.mark.parametrize("category", qa.BY_CATEGORY)
def test_what_has_another_form_tells_nothing(tmp_path: Path, category: str) -> None:
    path = table(tmp_path / "a.fits", {"value": [1]})
    assert set(qa.measure(category, path).values()) == {None}
    fits.PrimaryHDU().writeto(tmp_path / "b.fits")
    assert set(qa.measure(category, tmp_path / "b.fits").values()) == {None}


def test_whose_exposure_it_is(tmp_path: Path) -> None:
    path = table(tmp_path / "a.fits", {"value": [1]}, **{"DATE-OBS": NAME})
    named = {NAME: "the exposure"}.__getitem__
    assert qa.exposure_of("SKY_SPECTRUM", NAME, path, named) == NAME
    assert qa.exposure_of("SKY_SPECTRUM", "FIELD_drs", path, named) == "", "of several exposures"
    assert qa.exposure_of("IMPHOT", "FIELD_imphot", path, named) == "the exposure"


def test_an_exposure_is_named_after_its_file(db: Database, tmp_path: Path) -> None:
    path = raw(tmp_path / "raw")
    path.rename(path.with_name("MUSE.2017-06-16T01:34:56.900.fits"))
    scan(db.conn, settings(tmp_path))
    names = qa.Measurements(db.conn).name_of
    assert names(NAME) == "2017-06-16T01:34:56.900"
    assert names("2020-01-01T00:00:00") == "2020-01-01T00:00:00"


def test_measured_once_and_again_where_the_content_changed(db: Database, tmp_path: Path) -> None:
    first = spectrum(sky(tmp_path / "a.fits"))
    tables = qa.Measurements(db.conn)
    assert tables.record([first]) == 1
    assert tables.record([first]) == 0
    (row,) = rows(db, "qa_reduced")
    assert (row["name"], row["block"], row["night"]) == (NAME, "muse_scipost", "2017-06-15")
    assert (row["skyV"], row["IM_scale"]) == (pytest.approx(7000), None)
    # Remembered: the file need not be there.
    gone = replace(first, path=tmp_path / "gone.fits")
    assert qa.Measurements(db.conn).of(gone)["skyV"] == pytest.approx(7000)
    other = spectrum(sky(tmp_path / "b.fits", 3.0), "d2")
    assert qa.Measurements(db.conn).of(other)["skyV"] == pytest.approx(21000)
    assert rows(db, "qa_reduced") == [row], "a question writes nothing"
    again = qa.Measurements(db.conn)
    assert again.record([other, spectrum(sky(tmp_path / "c.fits", 5.0), "d3", "second")]) == 2
    found = {r["block"]: r["skyV"] for r in rows(db, "qa_reduced")}
    assert found == pytest.approx({"muse_scipost": 21000, "second": 35000})


def test_what_cannot_be_read_is_not_remembered(db: Database, tmp_path: Path) -> None:
    tables = qa.Measurements(db.conn)
    assert tables.record([spectrum(tmp_path / "none.fits")]) == 0
    assert tables.record([spectrum(sky(tmp_path / "none.fits"))]) == 1
