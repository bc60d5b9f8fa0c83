"""The index follows the raw folder and the settings."""

from __future__ import annotations

import contextlib
import datetime as dt
import multiprocessing.spawn
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from sqlite_utils import Database

from musebuild.cache.migrations import CACHE_MIGRATIONS
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.index import readers
from musebuild.index.columns import exposure_name, lamps_of, night_of, optics_of
from musebuild.index.database import open_database, own_path
from musebuild.index.digests import DigestMemory, identity, trustworthy
from musebuild.index.files import collect_files, paths_of
from musebuild.index.frames import raw_frames
from musebuild.index.meta import generation
from musebuild.index.migrations import INDEX_MIGRATIONS
from musebuild.index.scan import scan
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings
from tests.support.damaged_databases import before_checks
from tests.support.frames import write_raw, write_static
from tests.support.waiting import wait_until


@pytest.fixture
def place(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    (raw / "deep" / "er").mkdir(parents=True)
    (tmp_path / "calib").mkdir()
    for number in range(3):
        write_raw(raw, "BIAS", f"2017-06-16T10:4{number}:37.154", tpl="2017-06-16T10:40:27")
    write_raw(raw / "deep" / "er", "OBJECT", "2017-06-16T01:34:56.867", target="FIELD-1")
    return tmp_path


def settings(place: Path, **more: object) -> Settings:
    path = place / "settings.yml"
    path.write_text(yaml.safe_dump({"muse_calib_path": "calib", **more}), encoding="utf-8")
    return load_settings(path)


def open_db(place: Path) -> sqlite3.Connection:
    return open_database(place / "musebuild.db", (*INDEX_MIGRATIONS, *CACHE_MIGRATIONS))


@pytest.mark.parametrize(
    ("moment", "night"),
    [
        ("2017-06-15T20:39:59", "2017-06-14"),
        ("2017-06-15T20:40:00", "2017-06-15"),
        ("2017-06-16T01:34:56", "2017-06-15"),
        ("2017-06-16T10:40:27", "2017-06-15"),
        ("2017-06-16T20:39:59", "2017-06-15"),
    ],
)
def test_a_night_runs_to_20_40_of_the_next_day(moment: str, night: str) -> None:
    assert night_of(dt.datetime.fromisoformat(moment)).isoformat() == night


def test_the_name_of_an_exposure() -> None:
    assert exposure_name("MUSE.2017-06-16T01:34:56.867.fits.fz", "x") == "2017-06-16T01:34:56.867"
    assert exposure_name("other.fits", "2017-06-16T01:34:56") == "2017-06-16T01:34:56"


def test_new_changed_and_vanished(place: Path) -> None:
    db, chosen = open_db(place), settings(place)
    assert scan(db, chosen).new == 4
    before = generation(db)
    report = scan(db, chosen)
    assert (report.new, report.changed, report.unchanged) == (0, 0, 4)
    assert generation(db) == before
    write_raw(place / "raw", "BIAS", "2017-06-16T10:40:37.154", value=7)
    assert scan(db, chosen).changed == 1
    (place / "raw" / "MUSE.2017-06-16T10:41:37.154.fits").unlink()
    report = scan(db, chosen)
    assert (report.vanished, report.unchanged) == (1, 3)
    assert generation(db) > before
    assert len(raw_frames(db, chosen)) == 3


def test_rows_hold_what_headers_say(place: Path) -> None:
    db, chosen = open_db(place), settings(place, datasets={"FIELD": {"OBJECT": "FIELD-1"}})
    scan(db, chosen)
    row = next(iter(Database(db)["raw"].rows_where("category = 'OBJECT'")))
    assert row["OBJECT"] == "FIELD"
    assert row["OBJECT_ORIG"] == "FIELD-1"
    assert row["night"] == "2017-06-15"
    assert row["INS_MODE"] == "WFM-NOAO-N"
    assert row["channels"] == "1,2"


def test_computed_columns_follow_the_settings(place: Path) -> None:
    db = open_db(place)
    scan(db, settings(place))
    runs = {"R1": {"start_date": "2017-06-01", "end_date": "2017-06-30"}}
    report = scan(db, settings(place, datasets={"D": {"OBJECT": ["FIELD-1"]}}, runs=runs))
    assert report.unchanged == 4
    row = next(iter(Database(db)["raw"].rows_where("category = 'OBJECT'")))
    assert (row["OBJECT"], row["run"]) == ("D", "R1")


def test_additional_keywords_become_columns(place: Path) -> None:
    db = open_db(place)
    scan(db, settings(place))
    report = scan(db, settings(place, additional_keywords=["ESO INS MODE", "EXTEND"]))
    assert report.changed == 4
    assert next(iter(Database(db)["raw"].rows))["EXTEND"] is not None


def test_bad_files_are_told_each_time_until_mended(place: Path) -> None:
    db, chosen = open_db(place), settings(place)
    bad = place / "raw" / "MUSE.2017-06-16T10:49:00.000.fits"
    bad.write_bytes(b"no FITS at all")
    for _ in range(2):
        report = scan(db, chosen)
        assert [problem.path for problem in report.problems] == [str(bad)]
    write_raw(place / "raw", "BIAS", "2017-06-16T10:49:00.000")
    report = scan(db, chosen)
    assert not report.problems
    assert len(raw_frames(db, chosen)) == 5


def test_folders_in_a_circle_are_read_once(place: Path) -> None:
    (place / "raw" / "deep" / "again").symlink_to(place / "raw", target_is_directory=True)
    assert scan(open_db(place), settings(place)).new == 4


def test_an_interrupted_scan_loses_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db, chosen = open_db(place), settings(place)
    monkeypatch.setattr(readers, "FEW", 1)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(db, chosen, progress=stop)
    report = scan(db, chosen)
    assert (report.new, report.unchanged) == (1, 3)


def test_processes_read_what_one_reads(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "raw" / "web.fits").write_text("<html>login</html>", encoding="utf-8")
    monkeypatch.setattr(readers, "CHUNK", 2)
    paths = sorted(str(path) for path in (place / "raw").rglob("*.fits"))
    alone = dict(pair for some in readers.read_rows(paths, processes=1) for pair in some)
    many = dict(pair for some in readers.read_rows(paths, processes=2) for pair in some)
    assert many == alone
    assert isinstance(many[str(place / "raw" / "web.fits")], readers.BadFile)


def test_a_reader_that_dies_costs_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "CHUNK", 1)
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", b"/bin/false")
    paths = sorted(str(path) for path in (place / "raw").rglob("*.fits"))
    rows = dict(pair for some in readers.read_rows(paths, processes=2) for pair in some)
    assert all(isinstance(rows[path], dict) for path in paths)


def test_a_reader_that_is_killed_costs_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "CHUNK", 1)
    for number in range(20):
        write_raw(place / "raw", "BIAS", f"2017-06-17T10:{number:02d}:00.000")
    paths = sorted(str(path) for path in (place / "raw").rglob("*.fits"))
    found = {}
    for some in readers.read_rows(paths, processes=2):
        found.update(some)
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if any("spawn_main" in part for part in child.cmdline()):
                    child.kill()
    assert sorted(found) == paths
    assert all(isinstance(row, dict) for row in found.values())


_MANY = """
import sys, time
from pathlib import Path
from musebuild.engine.project import Project
from musebuild.index import readers
readers.WORTH = readers.CHUNK = 1
readers.os.sched_getaffinity = lambda pid: {0, 1}
def wait(*done):
    print(*done, flush=True)
    time.sleep(60)
print("begun", flush=True)
Project(Path(sys.argv[1]), progress=wait).scan_report
"""


def test_readers_end_with_their_parent_and_run_nothing_of_its_script(place: Path) -> None:
    script = place / "mine.py"
    # As people write one: nothing says that it is not to be run by other processes.
    script.write_text(_MANY, encoding="utf-8")
    chosen = settings(place)
    ran = subprocess.Popen(
        [sys.executable, script, str(chosen.path)], stdout=subprocess.PIPE, text=True
    )
    assert ran.stdout is not None
    assert ran.stdout.readline() == "begun\n"
    assert ran.stdout.readline() == "1 4\n"
    children = psutil.Process(ran.pid).children(recursive=True)
    assert children
    ran.kill()
    ran.wait()
    wait_until(
        lambda: not [child for child in children if child.is_running()], "the end of the readers"
    )
    assert ran.stdout.read() == ""


_SCAN = """
import sys
from pathlib import Path
from musebuild.engine.project import Project
from musebuild.index import readers
readers.FEW = 1
print("begun", flush=True)
Project(Path(sys.argv[1]), progress=lambda *done: print(*done, flush=True)).scan_report
"""


def test_a_killed_scan_loses_nothing(place: Path) -> None:
    for number in range(40):
        write_raw(place / "raw", "BIAS", f"2017-06-17T10:{number:02d}:00.000")
    chosen = settings(place)
    ran = subprocess.Popen(
        [sys.executable, "-c", _SCAN, str(chosen.path)], stdout=subprocess.PIPE, text=True
    )
    assert ran.stdout is not None
    for line in ran.stdout:
        if line.startswith("10 "):
            break
    ran.kill()
    ran.wait()
    report = Project(chosen.path).scan_report
    assert report.unchanged >= 10
    assert (report.new + report.unchanged, report.problems) == (44, [])


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({"raw": [{"night": ["2017-06-15"]}]}, 0),
        ({"raw": [{"night": "2017-06-14"}]}, 4),
        ({"BIAS": ["2017-06-16T10:40:27"]}, 1),
        ({"BIAS": ["2017-06-16T10:41:37.154"]}, 3),
        ({"BIAS": [{"TPL_START": "2017-06-16T10:40:27", "night": "2017-06-14"}]}, 4),
        ({"OBJECT": "2017-06-16T01:34:56.867"}, 3),
    ],
)
def test_global_exclusions(place: Path, rules: dict[str, object], left: int) -> None:
    db, chosen = open_db(place), settings(place, frames={"exclude": rules})
    scan(db, chosen)
    frames = raw_frames(db, chosen)
    assert len([f for f in frames if not f.excluded]) == left
    assert all("frames.exclude" in f.excluded for f in frames if f.excluded)


def test_an_exposure_that_lies_twice_counts_once(place: Path) -> None:
    db, chosen = open_db(place), settings(place)
    source = place / "raw" / "MUSE.2017-06-16T10:40:37.154.fits"
    (place / "raw" / "deep" / source.name).write_bytes(source.read_bytes())
    scan(db, chosen)
    doubled = [f for f in raw_frames(db, chosen) if f.excluded]
    assert len(doubled) == 1
    assert "the same exposure as" in doubled[0].excluded


def test_a_category_that_is_not_known_is_no_error(place: Path) -> None:
    db, chosen = open_db(place), settings(place)
    write_raw(place / "raw", "ACQUISITION", "2017-06-16T01:00:00.000")
    report = scan(db, chosen)
    assert not report.problems
    assert any("is not known" in f.excluded for f in raw_frames(db, chosen))


def test_files_folders_and_globs(place: Path) -> None:
    calib = place / "calib"
    write_static(calib, "LINE_CATALOG")
    (calib / "broken.fits").write_bytes(b"broken")
    masters = place / "masters"
    masters.mkdir()
    for name in ("MASTER_BIAS-01.fits", "MASTER_BIAS-02.fits", "OTHER.fits"):
        write_static(masters, "MASTER_BIAS", name=name)
    frames = {"MASTER_BIAS": "masters/", "OFFSET_LIST": "mast*/*-01.fits", "SKY_MASK": "no.fits"}
    chosen = settings(place, recipes={"muse_flat": {"frames": frames}})
    found = collect_files(chosen)
    assert [file.category for file in found.static] == ["LINE_CATALOG"]
    assert "broken.fits" in found.problems[0]
    assert len(found.named["MASTER_BIAS", "masters/"]) == 2
    assert len(found.named["OFFSET_LIST", "mast*/*-01.fits"]) == 1
    assert found.named["SKY_MASK", "no.fits"] == ()
    assert {Path(p).name for p in paths_of(chosen)} >= {"line_catalog.fits", "MASTER_BIAS-01.fits"}


def memory(place: Path) -> tuple[DigestMemory, Path]:
    path = place / "raw" / "MUSE.2017-06-16T10:40:37.154.fits"
    old = 1_600_000_000_000_000_000
    os.utime(path, ns=(old, old))
    return DigestMemory(open_db(place)), path


def remember(kept: DigestMemory, path: Path, hashed_ns: int | None = None) -> None:
    from musebuild.fits.digest import digest_frame

    later = identity(path.stat())[4] + 10**10 if hashed_ns is None else hashed_ns
    kept.remember(path, digest_frame(path), identity(path.stat()), later)
    kept.commit()


def test_a_digest_is_remembered_while_the_file_stays(place: Path) -> None:
    kept, path = memory(place)
    assert kept.known(path) is None
    remember(kept, path)
    assert kept.known(path) is not None
    assert DigestMemory(open_db(place)).known(path) is not None


def test_a_touched_replaced_or_vanished_file_is_not_known(place: Path) -> None:
    kept, path = memory(place)
    remember(kept, path)
    os.utime(path)
    assert kept.known(path) is None
    remember(kept, path)
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.rename(path)
    assert kept.known(path) is None
    path.unlink()
    assert kept.known(path) is None


def test_a_change_within_the_tick_of_a_time_stamp_is_not_trusted(place: Path) -> None:
    kept, path = memory(place)
    remember(kept, path, hashed_ns=identity(path.stat())[4] + 1000)
    assert kept.known(path) is None


def test_a_time_stamp_in_the_future_is_never_trusted() -> None:
    now = 1_700_000_000_000_000_000
    assert not trustworthy((1, 2, 3, now + 10**12, now - 10**12), now, 10**8)
    assert trustworthy((1, 2, 3, now - 10**12, now - 10**12), now, 10**8)


def test_a_database_of_others_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE x (y)")
    before = path.read_bytes()
    assert own_path(path) == tmp_path / "musebuild.db"
    assert own_path(tmp_path / "musered.db") == tmp_path / "musebuild.db"
    assert own_path(tmp_path / "new.db") == tmp_path / "new.db"
    with pytest.raises(UsageError, match="is not a database of musebuild"):
        open_database(path, INDEX_MIGRATIONS)
    assert path.read_bytes() == before


def test_a_database_is_ours_from_its_first_moment(tmp_path: Path) -> None:
    db = open_database(tmp_path / "a.db", INDEX_MIGRATIONS)
    # Before any checkpoint, as after a kill.
    assert own_path(tmp_path / "a.db") == tmp_path / "a.db"
    db.close()


def test_the_optics_of_a_frame_are_known(place: Path) -> None:
    db, chosen = open_db(place), settings(place)
    cards = {
        "ESO INS OPTI1 NAME": "Clear",
        "ESO INS OPTI2 NAME": "NFM",
        "ARCFILE": "MUSE.2017-06-16T01:40:56.867.fits",
        "ESO DPR CATG": "SCIENCE",
        "ESO DPR TECH": "IFU",
        "ESO DET READ CURID": 3,
    }
    write_raw(place / "raw", "OBJECT", "2017-06-16T01:40:56.867", mode="NFM-AO-N", cards=cards)
    scan(db, chosen)
    told, plain = (f for f in sorted(raw_frames(db, chosen), key=lambda f: f.mjd_obs)[1::-1])
    assert (told.field, told.filter, told.ao) == ("NFM", "extended", True)
    assert (told.arcfile, told.dpr_catg, told.dpr_tech) == (told.filename, "SCIENCE", "IFU")
    assert (told.read_mode, told.read_id, plain.read_id) == ("SCI1.0", "3", "")
    assert (plain.field, plain.filter, plain.ao) == ("WFM", "nominal", False)


@pytest.mark.parametrize(
    ("names", "optics"),
    [
        (("WFM-NOAO-N",), ("WFM", "nominal", False)),
        (("WFM-AO-E",), ("WFM", "extended", True)),
        (("NFM-AO-N", "Blue", "NFM"), ("NFM", "nominal", True)),
        (("WFM-NOAO-E", "Blue+Na", ""), ("WFM", "nominal", False)),
        (("", "Clear", "WFM"), ("WFM", "extended", None)),
        (("", "", "?"), ("", "", None)),
    ],
)
def test_optics_follow_keywords_before_the_mode(
    names: tuple[str, ...], optics: tuple[str, str, bool | None]
) -> None:
    assert optics_of(*names) == optics


def test_an_index_of_before_is_read_again_once(place: Path) -> None:
    db, chosen = open_db(place), settings(place)
    scan(db, chosen)
    # As the database of a musebuild that did not know these columns.
    before_checks(db)
    db.execute("DROP VIEW problems")
    for column in ("reason", "cards", "INS_OPTI1_NAME", "INS_OPTI2_NAME"):
        db.execute(f'ALTER TABLE raw DROP COLUMN "{column}"')
    db.execute("ALTER TABLE bad_files DROP COLUMN kind")
    db.execute("DROP TABLE other_files")
    db.execute("DELETE FROM meta WHERE name = 'rows'")
    db.execute("DELETE FROM migrations WHERE name IN ('index-frames', 'index-problems')")
    db.execute("UPDATE raw SET INS_MODE = NULL")
    db.commit()
    db.close()
    db = open_db(place)
    assert scan(db, chosen).unchanged == 4
    assert {f.field for f in raw_frames(db, chosen)} == {"WFM"}
    before = generation(db)
    scan(db, chosen)
    assert generation(db) == before


def arc(lit: dict[str, object], **changed: object) -> dict[str, object]:
    """The header of an arc: all lamps burn, and shutters choose."""
    cards: dict[str, object] = {}
    for number, lamp in ((3, "Ne"), (4, "Xe"), (5, "HgCd")):
        cards[f"ESO INS LAMP{number} NAME"] = f"CU-LAMP-{lamp}"
        cards[f"ESO INS LAMP{number} ST"] = True
        if lamp in lit:
            cards[f"ESO INS SHUT{number} NAME"] = f"CU-SHUT-{lamp}"
            cards[f"ESO INS SHUT{number} ST"] = lit[lamp]
    return cards | changed


@pytest.mark.parametrize(
    ("cards", "lamps"),
    [
        (arc({}), ("Ne", "Xe", "HgCd")),
        (arc({"Ne": True, "Xe": False, "HgCd": False}), ("Ne",)),
        (arc({"Ne": "F", "Xe": "open", "HgCd": 1}), ("Xe", "HgCd")),
        (arc({"Ne": "closed", "Xe": " T", "HgCd": 0.0}), ("Xe",)),
        (arc({"Xe": True}), ("Xe",)),
        (arc({"Ne": True, "Xe": True}, **{"ESO INS LAMP3 ST": False}), ("Xe",)),
        ({"ESO INS SHUT3 ST": False, "ESO INS SHUT5 ST": "T"}, ("HgCd",)),
        ({"ESO INS LAMP4 ST": "ON"}, ("Xe",)),
        ({"ESO INS LAMP1 NAME": "CU-LAMP-Xe", "ESO INS LAMP1 ST": 1}, ("Xe",)),
        (
            {
                "ESO INS LAMP1 NAME": "CU-LAMP-NE",
                "ESO INS LAMP1 ST": True,
                "ESO INS SHUT1 NAME": "CU-LAMP-Ne",
                "ESO INS SHUT1 ST": True,
            },
            ("Ne",),
        ),
        ({}, ()),
    ],
)
def test_shutters_tell_which_lamp_shines(cards: dict[str, object], lamps: tuple[str, ...]) -> None:
    assert lamps_of(cards) == lamps


def test_numbers_that_are_texts_are_unknown(tmp_path: Path) -> None:
    """A malformed card is shown as it stands, and nobody calculates with it."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "calib").mkdir()
    write_raw(tmp_path / "raw", "OBJECT", "2017-06-16T01:34:56.867", cards={"EXPTIME": "none"})
    db, chosen = open_db(tmp_path), settings(tmp_path)
    scan(db, chosen)
    assert db.execute("SELECT EXPTIME FROM raw").fetchone() == ("none",)
    # Others are refused now, and may stand in databases of before.
    columns = ("RA", "DEC", "INS_TEMP7_VAL", "DET_BINX", "INS_DROT_POSANG")
    db.execute(f"UPDATE raw SET {', '.join(f'{name} = ?' for name in columns)}", ["none"] * 5)
    (frame,) = raw_frames(db, chosen)
    assert (frame.exptime, frame.ra, frame.dec, frame.temp7) == (0.0, None, None, None)
    assert (frame.binx, frame.posang) == (1, None)
    db.close()
