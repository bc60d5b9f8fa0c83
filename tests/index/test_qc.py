"""Quality-control parameters become tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits
from sqlite_utils import Database

from musebuild.index import qc
from musebuild.index.database import open_database
from musebuild.index.migrations import INDEX_MIGRATIONS


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return open_database(tmp_path / "a.db", INDEX_MIGRATIONS).db


def product(path: Path, *units: dict[str, object], date: str = "2017-06-16T10:40:37") -> Path:
    hdus = [fits.PrimaryHDU(), *(fits.ImageHDU(name=f"CHAN{n:02d}") for n in (7, 8))]
    hdus[0].header["DATE-OBS"] = date
    hdus[0].header["HIERARCH ESO INS MODE"] = "WFM-NOAO-N"
    for hdu, cards in zip(hdus, units, strict=False):
        for name, value in cards.items():
            hdu.header[f"HIERARCH ESO QC {name}"] = value
    fits.HDUList(hdus).writeto(path)
    return path


def made(path: Path, key: str = "k1", category: str = "MASTER_BIAS") -> qc.Made:
    return qc.Made(
        key, "muse_bias:2017-06-16T10:40:27.ifu07", "2026", ((category, path.name, path),)
    )


def test_one_row_for_each_hdu_that_has_parameters(db: Database, tmp_path: Path) -> None:
    path = product(tmp_path / "a.fits", {}, {"BIAS MEDIAN": 500.5}, {"BIAS NSAT": 3})
    assert qc.record(db.conn, [made(path)]) == 2
    columns, rows = qc.columns(db, "MASTER_BIAS"), qc.read(db, "MASTER_BIAS")
    first, second = (dict(zip(columns, row, strict=True)) for row in rows)
    assert (first["ifu"], first["hdu"], first["extname"]) == (7, 1, "CHAN07")
    assert (first["QC_BIAS_MEDIAN"], first["QC_BIAS_NSAT"]) == (500.5, None)
    assert (second["ifu"], second["QC_BIAS_NSAT"]) == (8, 3)
    assert (first["name"], first["night"]) == ("2017-06-16T10:40:27", "2017-06-15")
    assert first["INS_MODE"] == "WFM-NOAO-N"


def test_a_primary_header_gives_the_ifu_of_its_task(db: Database, tmp_path: Path) -> None:
    qc.record(db.conn, [made(product(tmp_path / "a.fits", {"BIAS MEDIAN": 1}))])
    assert qc.read(db, "MASTER_BIAS", ["ifu"]) == [(7,)]


def test_columns_come_as_products_have_them(db: Database, tmp_path: Path) -> None:
    qc.record(db.conn, [made(product(tmp_path / "a.fits", {"A B": 1}))])
    qc.record(db.conn, [made(product(tmp_path / "b.fits", {"A C": "x", "a d": 2.5}), "k2")])
    columns, rows = qc.columns(db, "MASTER_BIAS"), qc.read(db, "MASTER_BIAS")
    assert columns == [*qc.FIXED, "QC_A_B", "QC_A_C", "QC_A_D"]
    assert [row[-3:] for row in rows] == [(1, None, None), (None, "x", 2.5)]


def test_recording_again_changes_nothing(db: Database, tmp_path: Path) -> None:
    some = made(product(tmp_path / "a.fits", {"A": 1}))
    for _ in range(2):
        qc.record(db.conn, [some])
    assert qc.count(db, "MASTER_BIAS") == (1, 1)
    assert qc.known_keys(db) == {"k1"}


def test_more_parameters_than_a_table_can_hold(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qc, "MOST_COLUMNS", len(qc.FIXED) + 2)
    qc.record(db.conn, [made(product(tmp_path / "a.fits", {f"N{n}": n for n in range(5)}))])
    assert len(qc.columns(db, "MASTER_BIAS")) == len(qc.FIXED) + 2


def test_an_unreadable_product_stops_nothing(db: Database, tmp_path: Path) -> None:
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  = rubbish")
    assert (
        qc.record(db.conn, [made(tmp_path / "bad.fits"), made(tmp_path / "none.fits", "k2")]) == 0
    )
    assert qc.categories(db) == []
    # What is missing may come back.
    assert qc.known_keys(db) == {"k1"}


def test_a_table_is_made_anew(db: Database, tmp_path: Path) -> None:
    path = product(tmp_path / "a.fits", {"A": 1})
    qc.record(db.conn, [made(path), made(path, "k2", "MASTER_FLAT")])
    assert qc.categories(db) == ["MASTER_BIAS", "MASTER_FLAT"]
    qc.clear(db)
    assert (qc.categories(db), qc.known_keys(db)) == ([], set())
