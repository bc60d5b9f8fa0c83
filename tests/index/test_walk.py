"""Nothing below the raw folder drops out in silence."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from musebuild.index.frames import raw_frames
from musebuild.index.scan import problems, scan
from musebuild.index.walk import AGAIN, HIDDEN_FOLDER, BadFile, Kind, walk
from tests.index.test_scan import open_db, settings
from tests.support.frames import write_raw

DATE = "2017-06-16T10:40:37.154"
NAME = f"MUSE.{DATE}.fits"


@pytest.fixture
def raw(raw: Path) -> Path:
    write_raw(raw, "BIAS", DATE)
    return raw


def looked_at(raw: Path) -> tuple[list[str], dict[str, BadFile], Counter[str]]:
    """Names of what is read, what is wrong by name, and the number of other files."""
    others: Counter[str] = Counter()
    read, wrong = [], {}
    for path, _, bad in walk(str(raw), others):
        if bad is None:
            read.append(Path(path).name)
        else:
            wrong[Path(path).name] = bad
    return read, wrong, others


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.fits.Z", Kind.PACKED),
        ("a.FITS.bz2", Kind.PACKED),
        ("a.fits.fz.gz", Kind.PACKED),
        ("a.fits.xz", Kind.PACKED),
        ("a.fit.gz", Kind.PACKED),
        ("a.fit", Kind.ENDING),
        ("a.FTS", Kind.ENDING),
        ("a.fits.1", Kind.ENDING),
        ("a.fits (2)", Kind.ENDING),
        ("a.fits~", Kind.ENDING),
        (f"MUSE.{DATE}", Kind.ENDING),
        ("a.fits.part", Kind.UNFINISHED),
        ("a.fits.fz.crdownload", Kind.UNFINISHED),
    ],
)
def test_what_looks_like_a_frame_and_is_not_read_is_named(raw: Path, name: str, kind: Kind) -> None:
    (raw / name).write_bytes(b"x")
    read, wrong, others = looked_at(raw)
    assert read == [NAME]
    assert {bad: told.kind for bad, told in wrong.items()} == {name: kind}
    assert not others


@pytest.mark.parametrize("name", ["a.FITS", "a.Fits.FZ", "a (1).fits", "é ü.fits", "a.part.fits"])
def test_spellings_that_are_read(raw: Path, name: str) -> None:
    (raw / NAME).rename(raw / name)
    assert looked_at(raw) == ([name], {}, Counter())


def test_other_files_are_counted_by_their_endings(raw: Path) -> None:
    for name in ("a.pdf", "b.PDF", "c.xml", "a.fits.md5", "README", ".DS_Store", "a.fitsch"):
        (raw / name).write_bytes(b"")
    (raw / ".hidden").mkdir()
    (raw / "gone.txt").symlink_to("nowhere.txt")
    read, wrong, others = looked_at(raw)
    assert (read, wrong) == ([NAME], {})
    counted = {".pdf": 2, ".xml": 1, ".md5": 1, "": 1, ".*": 1, ".fitsch": 1, ".txt": 1}
    assert others == counted
    db, chosen = open_db(raw.parent), settings(raw.parent)
    assert scan(db, chosen).others == counted
    assert dict(db.execute("SELECT * FROM other_files").fetchall()) == counted


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".bz2", bz2.compress), (".xz", lzma.compress), (".gz", gzip.compress)],
)
def test_what_the_hint_says_unpacks_it(raw: Path, ending: str, pack: object) -> None:
    assert callable(pack)
    # As the archive once sent them, and with a name that a shell would take apart.
    plain = raw / ("it's a; frame.fits" + (".fz" if ending == ".gz" else ""))
    content = (raw / NAME).read_bytes()
    (raw / NAME).unlink()
    Path(f"{plain}{ending}").write_bytes(pack(content))
    db, chosen = open_db(raw.parent), settings(raw.parent)
    (told,) = scan(db, chosen).problems
    command = told.remedy.removeprefix("unpack it: ")
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"there is no {command.split()[0]}")
    subprocess.run(command, shell=True, check=True)
    assert scan(db, chosen).problems == []
    assert plain.read_bytes() == content


def test_a_copy_is_renamed_as_the_hint_says(raw: Path) -> None:
    (raw / NAME).rename(raw / "a b.fits (1)")
    (_, wrong, _) = looked_at(raw)
    command = wrong["a b.fits (1)"].remedy.partition(": ")[2]
    subprocess.run(shlex.split(command), check=True)
    assert looked_at(raw)[0] == ["a b.fits"]


def test_links(raw: Path, tmp_path: Path) -> None:
    (raw / "here.fits").symlink_to(NAME)
    (raw / "gone.fits").symlink_to("nowhere.fits")
    (raw / "disk").symlink_to(tmp_path / "not-mounted")
    (raw / "round.fits").symlink_to("round.fits")
    (raw / "circle").symlink_to(raw)
    (raw / "dev.fits").symlink_to("/dev/zero")
    read, wrong, others = looked_at(raw)
    assert sorted(read) == [NAME, "here.fits"]
    assert {name: bad.kind for name, bad in wrong.items()} == {
        "gone.fits": Kind.LINK,
        "disk": Kind.LINK,
        "round.fits": Kind.LINK,
        "dev.fits": Kind.SPECIAL,
    }
    assert "not-mounted" in wrong["disk"].message
    assert not others


def test_neither_file_nor_folder_keeps_nobody_waiting(raw: Path) -> None:
    os.mkfifo(raw / "pipe.fits")
    with socket.socket(socket.AF_UNIX) as listening:
        place = os.open(raw, os.O_RDONLY)
        try:
            # The path of a socket may be no longer than 107 bytes.
            listening.bind(f"/proc/self/fd/{place}/socket.fits")
        finally:
            os.close(place)
        (raw / "folder.fits").mkdir()
        write_raw(raw / "folder.fits", "BIAS", "2017-06-16T10:41:37.154")
        db, chosen = open_db(raw.parent), settings(raw.parent)
        report = scan(db, chosen)
    assert {Path(bad.path).name for bad in report.problems} == {"pipe.fits", "socket.fits"}
    assert {bad.kind for bad in report.problems} == {Kind.SPECIAL}
    assert len(raw_frames(db, chosen)) == 2


def test_a_name_that_is_no_text_is_one_problem(raw: Path) -> None:
    shutil.copy(raw / NAME, os.fsencode(raw) + b"/caf\xe9.fits")
    Path(os.fsdecode(os.fsencode(raw) + b"/\xff")).mkdir()
    shutil.copy(raw / NAME, os.fsencode(raw) + b"/\xff/a.fits")
    Path(os.fsdecode(os.fsencode(raw) + b"/caf\xe9.fits.Z")).write_bytes(b"")
    Path(os.fsdecode(os.fsencode(raw) + b"/caf\xe9.pdf")).write_bytes(b"")
    db, chosen = open_db(raw.parent), settings(raw.parent)
    report = scan(db, chosen)
    assert sorted(Path(bad.path).name for bad in report.problems) == [
        "\\xff",
        "caf\\xe9.fits",
        "caf\\xe9.fits.Z",
    ]
    assert {bad.kind for bad in report.problems} == {Kind.NAME}
    assert report.others == {".pdf": 1}
    assert scan(db, chosen).problems == report.problems


def test_a_problem_is_told_again_until_it_is_mended(raw: Path) -> None:
    shutil.copy(raw / NAME, raw / "b.fits.Z")
    (raw / "c.fits.gz").write_bytes(gzip.compress((raw / NAME).read_bytes())[:-20])
    (raw / "d.fits").write_bytes(b"")
    db, chosen = open_db(raw.parent), settings(raw.parent)
    first = scan(db, chosen).problems
    assert [bad.kind for bad in first] == [Kind.PACKED, Kind.UNREADABLE, Kind.UNREADABLE]
    assert scan(db, chosen).problems == first
    assert list(map(str, problems(db))) == list(map(str, first))
    kinds = dict(db.execute("SELECT path, kind FROM bad_files").fetchall())
    assert kinds[str(Path("raw") / "b.fits.Z")] == "packed"
    # A frame becomes a link that leads nowhere, and comes back.
    moved = (raw / NAME).rename(raw.parent / "disk.fits")
    (raw / NAME).symlink_to(moved)
    assert len(raw_frames(db, chosen)) == 1
    moved.rename(raw.parent / "other.fits")
    assert [bad.kind for bad in scan(db, chosen).problems].count(Kind.LINK) == 1
    assert raw_frames(db, chosen) == []
    (raw.parent / "other.fits").rename(moved)
    assert scan(db, chosen).problems == first
    assert len(raw_frames(db, chosen)) == 1


_AS_NOBODY = """
import os, sys
from collections import Counter
from musebuild.index.walk import walk
from musebuild.index.readers import read_row
os.setgid(65534)
os.setuid(65534)
for path, _, bad in walk(sys.argv[1], Counter()):
    bad = bad or read_row(path)
    print(os.path.basename(path), getattr(bad, "kind", ""), getattr(bad, "message", ""), sep="|")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_is_told(raw: Path) -> None:
    # Others may look as far as this folder.
    for folder in [raw, *raw.parents][:-1]:
        if folder.stat().st_uid == 0 and str(folder) != "/tmp":
            folder.chmod(folder.stat().st_mode | 0o755)
    for name in ("shut", "listed"):
        (raw / name).mkdir()
        write_raw(raw / name, "BIAS", "2017-06-16T10:41:37.154")
    (raw / "shut").chmod(0o700)
    (raw / "listed").chmod(0o744)
    (raw / NAME).chmod(0o600)
    (raw / "link").symlink_to("shut")
    ran = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, raw], capture_output=True, text=True, check=False
    )
    told = {line.split("|")[0]: line.split("|")[1:] for line in ran.stdout.splitlines()}
    assert set(told) == {NAME, "shut", "MUSE.2017-06-16T10:41:37.154.fits"} or set(told) == {
        NAME,
        "link",
        "MUSE.2017-06-16T10:41:37.154.fits",
    }, ran
    assert all("Permission denied" in message for _, message in told.values())
    assert "folder" in {kind for kind, _ in told.values()}


def test_folders_that_are_not_looked_into_are_counted(raw: Path) -> None:
    for name in (".snapshot", ".Trash"):
        (raw / name).mkdir()
        write_raw(raw / name, "BIAS", DATE)
    (raw / "night").mkdir()
    (raw / "again").symlink_to("night")
    (raw / "night" / "round").symlink_to("..")
    read, wrong, others = looked_at(raw)
    assert (read, wrong) == ([NAME], {})
    assert others == {HIDDEN_FOLDER: 2, AGAIN: 1}
