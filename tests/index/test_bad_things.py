"""One bad thing is one problem, everything else goes on; what was mended is seen as mended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from astropy.io import fits

from musebuild.fits.offsets import read_offsets
from musebuild.index.digests import identity
from musebuild.index.whole_numbers import MOST, moment, signed
from tests.support.frames import mock_night, write_raw
from tests.support.projects import MockProject, make_mock_project

DATE = "2017-06-16T03:00:00.000"
NAME = f"MUSE.{DATE}.fits"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad") / "night"
    mock_night(folder, exposures=1, ifus=(1,))
    return folder


@pytest.fixture
def project(night: Path, tmp_path: Path) -> MockProject:
    return make_mock_project(tmp_path / "project", night)


def with_card(folder: Path, keyword: str, text: bytes) -> Path:
    """A frame of which one card holds what no header should."""
    path = write_raw(folder, "OBJECT", DATE, ifus=(1,), target="FIELD")
    content = path.read_bytes()
    end = content.index(b"END".ljust(80))
    begin = keyword.encode().ljust(8) + b"= "
    if " " in keyword:
        begin = b"HIERARCH " + keyword.encode() + b" = "
    place = content.find(begin.rstrip(b" ="))
    card = (begin + text).ljust(80)
    if place >= 0:
        content = content[:place] + card + content[place + 80 :]
    else:
        content = content[:end] + card + b"END".ljust(80) + content[end + 160 :]
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("ESO OBS ID", b"9" * 25),
        ("ESO OBS ID", b"9223372036854775808"),
        ("ESO OBS ID", b"1E400"),
        ("ESO PRO DATANCOM", b"-" + b"9" * 30),
        ("EXPTIME", b"9" * 25),
        ("EXPTIME", b"1E400"),
        ("EXPTIME", b"NaN"),
        ("ESO INS TEMP7 VAL", b"NaN"),
        ("MJD-OBS", b"1E10"),
        ("DATE-OBS", b"'0001-01-01T00:00:00'"),
    ],
)
def test_a_card_that_cannot_be_is_one_problem(
    project: MockProject, keyword: str, text: bytes
) -> None:
    path = with_card(project.folder / "raw", keyword, text)
    check = project.ask("check")
    assert check.out.count(f"its {keyword} is no ") == 1, check.text
    assert NAME in check.out
    assert "15 used" in check.out
    again = project.ask("check")
    assert again.out == check.out
    # Mended in place, with its old size and times.
    status = path.stat()
    good = write_raw(project.folder, "OBJECT", DATE, ifus=(1,), target="FIELD").read_bytes()
    path.write_bytes(good)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    mended = project.ask("check")
    assert NAME not in mended.out
    assert "16 used" in mended.out


def test_a_text_for_a_time_is_no_time(project: MockProject) -> None:
    with_card(project.folder / "raw", "EXPTIME", b"'long'")
    assert f"{NAME}: EXPTIME is no time above 0" in project.ask("check").out
    assert project.ask("info").status == 0


@pytest.mark.parametrize("text", [b"'caf\xe9 \x01'", b"9" * 30, b"T", b"''", b"(1.0, 2.0)"])
def test_texts_may_be_anything(project: MockProject, text: bytes) -> None:
    with_card(project.folder / "raw", "ORIGFILE", text)
    assert "16 used" in project.ask("check").out


def odd_things(folder: Path) -> Iterator[tuple[str, str]]:
    """What may lie in a folder under the name of a frame, and what is told of it."""
    (folder / NAME).mkdir()
    yield "folder", ""
    (folder / NAME).rmdir()
    os.mkfifo(folder / NAME)
    yield "fifo", "neither a file nor a folder"
    (folder / NAME).unlink()
    (folder / NAME).touch()
    yield "empty", "empty"
    (folder / NAME).unlink()
    name = os.fsencode(folder) + b"/caf\xe9.fits"
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    yield "latin", "is no UTF-8"
    Path(os.fsdecode(name)).unlink()


def test_odd_things_are_told_once_and_keep_nothing_waiting(project: MockProject) -> None:
    for what, told in odd_things(project.folder / "raw"):
        check = project.ask("check")
        assert "15 used" in check.out, what
        assert not told or check.out.count(told) == 1, check.out


@pytest.mark.parametrize("what", ["empty", "latin"])
def test_a_static_file_that_cannot_be_read_is_named_with_what_it_stops(
    project: MockProject, what: str
) -> None:
    path = project.folder / "calib" / "sky_lines.fits"
    if what == "empty":
        path.write_bytes(b"")
    else:
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/sky_lines_\xff.fits"))
    check = project.ask("check")
    assert "no SKY_LINES" in check.out
    assert check.out.count("is empty" if what == "empty" else "is no UTF-8") == 1, check.out


@pytest.mark.parametrize(
    "card",
    [b"TTYPE3  = 'DEC\x01_OFFSET", b"TFIELDS = 1E99", b"NAXIS2  = " + b"9" * 26, b"\xff" * 80],
)
def test_an_offset_list_with_any_damage_is_none(tmp_path: Path, card: bytes) -> None:
    path = tmp_path / "offsets.fits"
    columns = [
        fits.Column(name, kind, array=[value])
        for name, kind, value in (
            ("DATE_OBS", "23A", DATE), ("RA_OFFSET", "D", 0.0), ("DEC_OFFSET", "D", 0.0)
        )
    ]  # fmt: skip
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    assert read_offsets(path) is not None
    content = path.read_bytes()
    place = content.index(card[:8]) if card[:8] in content else content.index(b"TTYPE2")
    path.write_bytes(content[:place] + card.ljust(80) + content[place + 80 :])
    assert read_offsets(path) is None


@pytest.mark.parametrize("number", [0, 5, MOST, MOST + 1, 2**64 - 1])
def test_numbers_of_devices_and_inodes_fit_and_stay_apart(number: int) -> None:
    assert -MOST - 1 <= signed(number) <= MOST
    assert signed(number) % 2**64 == number


def test_times_beyond_what_fits_are_in_the_future() -> None:
    status = SimpleNamespace(
        st_dev=2**64 - 1, st_ino=2**63, st_size=1, st_mtime_ns=2**63, st_ctime_ns=-(2**70)
    )
    assert identity(status) == (-1, -(2**63), 1, MOST, -MOST)  # type: ignore[arg-type]
    assert moment(5) == 5


def test_a_log_that_was_mended_with_its_old_times_is_read(project: MockProject) -> None:
    path = project.folder / "raw" / f"MUSE.{DATE}.NL.txt"
    path.write_text("x" * 50)
    os.utime(path, ns=(10**18, 10**18))
    first = rows(project)
    path.write_text("Overall comment: all well".ljust(50))
    os.utime(path, ns=(10**18, 10**18))
    assert rows(project) != first


def rows(project: MockProject) -> list[tuple[object, ...]]:
    from musebuild.engine.project import Project

    own = Project(project.folder / "settings.yml")
    own.ingest()
    found = own.connection.execute("SELECT comment FROM weather_logs").fetchall()
    own.close()
    return found
