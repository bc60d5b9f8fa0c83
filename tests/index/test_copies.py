"""One exposure is one exposure, whatever its files are called."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits

from musebuild.fits.digest import digest_frame
from musebuild.index.digests import DigestMemory, identity
from musebuild.index.frames import raw_frames
from musebuild.index.integrity import verify_frames
from musebuild.index.model import RawFrame
from musebuild.index.scan import scan
from tests.index.test_scan import open_db, settings
from tests.support.frames import write_raw, write_static

DATE = "2017-06-16T01:34:56.867"
NAME = f"MUSE.{DATE}.fits"


def frames(raw: Path) -> list[RawFrame]:
    db, chosen = open_db(raw.parent), settings(raw.parent)
    scan(db, chosen)
    found = raw_frames(db, chosen)
    db.close()
    return found


def used(raw: Path) -> list[str]:
    return [frame.filename for frame in frames(raw) if not frame.excluded]


def add_sums(path: Path) -> None:
    with fits.open(path) as hdus:
        hdus.writeto(path, overwrite=True, checksum=True)


def packed(source: Path, target: Path) -> None:
    with fits.open(source) as hdus:
        made = [hdus[0], *(fits.CompImageHDU(h.data, h.header) for h in hdus[1:])]
        fits.HDUList(made).writeto(target)


def zipped(source: Path, target: Path) -> None:
    target.write_bytes(gzip.compress(source.read_bytes()))


def sent(source: Path, target: Path) -> None:
    """As the archive sends what the instrument wrote: with its name and new check sums."""
    shutil.copy(source, target)
    fits.setval(target, "ARCFILE", value=NAME)
    fits.setval(target, "ORIGFILE", value="MUSE_OBS167_0001.fits")


@pytest.mark.parametrize("category", ["OBJECT", "BIAS", "ILLUM"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("MUSE_OBS167_0001.fits", shutil.copy),
        ("MUSE.2017-06-16T01_34_56.867.fits", shutil.copy),
        ("MUSE.2017-06-16T01:34:56.867 (1).fits", shutil.copy),
        ("MUSE_OBS167_0001.fits", sent),
        (f"{NAME}.gz", zipped),
        (f"{NAME}.fz", packed),
    ],
)
def test_copies_count_once(
    raw: Path, category: str, named: bool, name: str, copy: Callable[[Path, Path], object]
) -> None:
    cards = {"DATE-OBS": DATE[:19]} | ({"ARCFILE": NAME} if named else {})
    first = write_raw(raw, category, DATE, target="FIELD", cards=cards)
    if copy is packed:
        add_sums(first)
    (raw / "copies").mkdir()
    copy(first, raw / "copies" / name)
    found = frames(raw)
    (kept,) = (frame for frame in found if not frame.excluded)
    (left,) = (frame for frame in found if frame.excluded)
    assert left.excluded == f"the same exposure as {kept.path}"
    assert (kept.filename, kept.name) == (NAME, DATE)


def test_different_frames_of_one_second_are_two(raw: Path) -> None:
    second = {"DATE-OBS": DATE[:19]}
    for number, more in enumerate(("", "1")):
        path = write_raw(raw, "OBJECT", f"{DATE[:-1]}{number}", target="FIELD", cards=second)
        path.rename(raw / f"exposure{more}.fits")
    found = frames(raw)
    assert [frame.excluded for frame in found] == ["", ""]
    assert [frame.name for frame in found] == [f"{DATE[:-1]}0", f"{DATE[:-1]}1"]


def test_check_sums_tell_frames_apart(raw: Path) -> None:
    for value in (1, 2):
        path = write_raw(raw, "BIAS", DATE, value=value)
        add_sums(path)
        path.rename(raw / f"{value}.fits")
    assert len(used(raw)) == 2
    # Exposures of one name could not be told apart: that is said.
    for path in raw.glob("*.fits"):
        fits.setval(path, "ESO DPR TYPE", value="OBJECT")
    assert [bool(frame.excluded) for frame in frames(raw)] == [False, True]
    assert "another exposure has its date" in frames(raw)[1].excluded
    assert frames(raw)[1].differs


@pytest.mark.parametrize("summed", [True, False])
def test_there_is_one_instrument(raw: Path, summed: bool) -> None:
    """Of one moment: half a file, as a transfer leaves it that makes room first; a mended card."""
    first = write_raw(raw, "OBJECT", DATE, target="FIELD")
    if summed:
        add_sums(first)
    whole = first.read_bytes()
    (raw / "copy.fits").write_bytes(whole)
    first.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    (half,) = (frame for frame in frames(raw) if frame.excluded)
    assert (half.filename, half.differs) == (NAME, "it holds 1 IFU and not 2")
    first.write_bytes(whole)
    fits.setval(raw / "copy.fits", "OBJECT", value="Field of mine")
    (other,) = (frame for frame in frames(raw) if frame.excluded)
    assert (other.filename, other.differs) == ("copy.fits", "its primary header differs")


def test_names_in_the_archive_tell_frames_apart(raw: Path) -> None:
    for number in (1, 2):
        cards = {"ARCFILE": f"MUSE.{DATE[:-1]}{number}.fits"}
        write_raw(raw, "BIAS", DATE, cards=cards).rename(raw / f"{number}.fits")
    assert len(used(raw)) == 2


def test_masters_of_different_ifus_are_not_one(raw: Path) -> None:
    for ifu in (1, 2):
        name = f"M.MUSE.2017-06-16T10:00:0{ifu}.000.fits"
        path = write_static(raw, "MASTER_BIAS", value=ifu, name=name)
        fits.setval(path, "EXTNAME", value=f"CHAN{ifu:02d}", ext=1)
        # What a pipeline makes has the name of the first raw frame.
        fits.setval(path, "ARCFILE", value=NAME)
        fits.setval(path, "MJD-OBS", value=57920.0)
    assert len(used(raw)) == 2
    shutil.copy(path, raw / "copy.fits")
    assert len(used(raw)) == 2


def test_of_two_copies_the_whole_one_is_taken(raw: Path) -> None:
    first = write_raw(raw, "OBJECT", DATE, target="FIELD", cards={"ARCFILE": NAME})
    add_sums(first)
    (raw / "other").mkdir()
    copy = raw / "other" / "a longer name of the same frame.fits"
    shutil.copy(first, copy)
    assert used(raw) == [NAME]
    whole = first.read_bytes()
    # A transfer that broke off.
    first.write_bytes(whole[: len(whole) - 3000])
    assert used(raw) == [copy.name]
    # Some IFUs are missing.
    with fits.open(copy) as hdus:
        hdus[:-1].writeto(first, overwrite=True)
    assert used(raw) == [copy.name]
    # A bit fell over, as `check-integrity` found.
    first.write_bytes(whole[:-2880] + b"\1" + whole[-2879:])
    assert used(raw) == [NAME]
    db = open_db(raw.parent)
    assert [one.status for one in verify_frames(db, [str(first), str(copy)])].count("damaged") == 1
    db.close()
    assert used(raw) == [copy.name]


def test_a_copy_that_the_settings_exclude_is_not_the_one_that_is_used(raw: Path) -> None:
    first = write_raw(raw, "OBJECT", DATE, target="FIELD", cards={"ARCFILE": NAME})
    shutil.copy(first, raw / "copy of it.fits")
    db = open_db(raw.parent)
    chosen = settings(raw.parent, frames={"exclude": {"OBJECT": [NAME]}})
    scan(db, chosen)
    assert [f.filename for f in raw_frames(db, chosen) if not f.excluded] == ["copy of it.fits"]


def both(raw: Path, change: Callable[[Path], object], *, named: bool = True) -> list[RawFrame]:
    """Two files of one name in the archive, of which the second differs."""
    cards = {"ARCFILE": NAME} if named else {}
    first = write_raw(raw, "OBJECT", DATE, target="FIELD", cards=cards)
    add_sums(first)
    other = raw / "other.fits"
    shutil.copy(first, other)
    change(other)
    return frames(raw)


def damage(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-2880] + b"\1" + whole[-2879:])


def other_data(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus[1].data = hdus[1].data + 1
    add_sums(path)


def fewer(path: Path) -> None:
    with fits.open(path) as hdus:
        hdus[:-1].writeto(path, overwrite=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_data, "its data differ (DATASUM)"),
        (fewer, "it holds 1 IFU and not 2"),
        (lambda path: fits.setval(path, "OBJECT", value="OTHER"), "its primary header differs"),
        (lambda path: None, ""),
    ],
)
def test_files_of_one_exposure_that_differ_are_told(
    raw: Path, change: Callable[[Path], object], told: str
) -> None:
    kept, left = sorted(both(raw, change), key=lambda frame: bool(frame.excluded))
    assert (kept.filename, kept.differs) == (NAME, "")
    assert left.excluded == f"the same exposure as {kept.path}"
    assert left.differs == told


def test_of_two_that_differ_the_one_that_is_known_to_be_damaged_is_not_used(raw: Path) -> None:
    both(raw, other_data)
    damage(raw / NAME)
    db = open_db(raw.parent)
    scan(db, settings(raw.parent))
    list(verify_frames(db, [str(raw / NAME), str(raw / "other.fits")]))
    db.close()
    assert used(raw) == ["other.fits"]
    # Why is told by the check sums.
    assert [frame.differs for frame in frames(raw)] == ["", ""]


def test_contents_are_compared_where_builds_have_read_them(raw: Path) -> None:
    both(raw, damage)
    assert [frame.differs for frame in frames(raw)] == ["", ""]
    db = open_db(raw.parent)
    memory = DigestMemory(db)
    for path in raw.glob("*.fits"):
        memory.remember(path, digest_frame(path), identity(path.stat()))
    memory.commit()
    db.close()
    (left,) = (frame for frame in frames(raw) if frame.excluded)
    assert (left.filename, left.differs) == ("other.fits", "its contents differ")


@pytest.mark.parametrize("which", ["extension", "shape"])
def test_headers_of_extensions_tell_frames_apart(raw: Path, which: str) -> None:
    """Without name in the archive and check sums."""
    first = write_raw(raw, "BIAS", DATE)
    other = raw / "other.fits"
    shutil.copy(first, other)
    assert len(used(raw)) == 1
    if which == "extension":
        fits.setval(other, "ESO DET CHIP NAME", value="another", ext=1)
    else:
        with fits.open(other, mode="update") as hdus:
            hdus[1].data = hdus[1].data[:-1]
    assert len(used(raw)) == 2


def test_what_is_packed_without_check_sums_is_the_same_frame(raw: Path) -> None:
    first = write_raw(raw, "BIAS", DATE)
    packed(first, raw / "packed.fits.fz")
    assert used(raw) == [NAME]
    # The packer summed the tables that it made.
    add_sums_as_packed(raw / "packed.fits.fz")
    assert used(raw) == [NAME]


def add_sums_as_packed(path: Path) -> None:
    with fits.open(path, disable_image_compression=True) as hdus:
        hdus.writeto(path, overwrite=True, checksum=True)
