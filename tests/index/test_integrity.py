"""Check sums of frames, from single bits to the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.engine.project import Project
from musebuild.fits.checksum import judge, verify_frame
from musebuild.index.integrity import findings, pending, verify_frames
from tests.support.projects import MockProject


def write(path: Path, *, checksum: bool | str = True, size: int = 500) -> Path:
    rng = np.random.default_rng(size)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(rng.integers(0, 60000, size).astype(np.uint16), name="CHAN01"),
            fits.BinTableHDU.from_columns(
                [fits.Column("a", "E", array=rng.random(size).astype("f4"))], name="T"
            ),
        ]
    )
    hdus.writeto(path, checksum=checksum, overwrite=True)
    return path


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 5000))
def test_what_astropy_writes_is_good(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    verdict = verify_frame(write(tmp_path_factory.mktemp("good") / "a.fits", size=size))
    assert (verdict.status, verdict.hdus, verdict.checked) == ("good", 3, 3)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_bit_is_seen(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("bad") / "a.fits")
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(whole))
    assert judge(path).status == "damaged"


@pytest.mark.parametrize("card", [b"XTENSION= 'IMAGE   '", b"CHECKSUM= '", b"DATASUM = '"])
@pytest.mark.parametrize("place", range(9))
def test_a_damaged_card_hides_nothing(tmp_path: Path, card: bytes, place: int) -> None:
    path = write(tmp_path / "a.fits")
    whole = bytearray(path.read_bytes())
    whole[whole.index(card, 2880) + place] ^= 2
    path.write_bytes(bytes(whole))
    assert judge(path).status == "damaged"


def test_zeros_after_the_last_hdu_are_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes() + b"\0" * 2880)
    assert judge(path).status == "good"


def test_it_tells_data_from_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits")
    with fits.open(path) as hdus:
        start = hdus[1].fileinfo()["datLoc"]
        header = hdus[2].fileinfo()["hdrLoc"]
    good = path.read_bytes()
    path.write_bytes(good[: start + 5] + b"\xff" + good[start + 6 :])
    assert judge(path).faults == ("HDU 1 (CHAN01): its data are not those that were written",)
    place = good.index(b"TFORM1", header) + 40
    path.write_bytes(good[:place] + b"/" + good[place + 1 :])
    assert judge(path).faults == ("HDU 2 (T): its header is not the one that was written",)


def test_packed_files_and_files_without_sums(tmp_path: Path) -> None:
    assert judge(write(tmp_path / "a.fits.gz")).status == "good"
    assert judge(write(tmp_path / "b.fits", checksum="datasum")).status == "good"
    assert judge(write(tmp_path / "c.fits", checksum=False)).status == "unverified"
    (tmp_path / "d.fits").write_bytes(write(tmp_path / "b.fits").read_bytes()[:4000])
    assert "truncated" in judge(tmp_path / "d.fits").faults[0]


@pytest.fixture
def summed(project: MockProject) -> MockProject:
    """The mock night with check sums, and one frame damaged."""
    paths = sorted((project.folder / "raw").iterdir())
    for path in paths:
        with fits.open(path) as hdus:
            hdus.writeto(path, checksum=True, overwrite=True)
    data = bytearray(paths[3].read_bytes())
    data[-2000] ^= 255
    paths[3].write_bytes(bytes(data))
    return project


def test_a_damaged_frame_is_told_and_remembered(summed: MockProject) -> None:
    ran = summed.ask("check-integrity")
    assert ran.status == 1
    assert "16 frames: 15 good, 1 damaged" in ran.out
    assert "its data are not those that were written" in ran.out
    assert "its data are not those" in summed.ask("info", "--problems").out
    report = json.loads(summed.ask("check-integrity", "--report", "--format", "json").out)
    assert sorted({row["status"] for row in report}) == ["damaged", "good"]
    assert len(report) == 16


def test_what_was_verified_is_not_verified_again(summed: MockProject) -> None:
    own = Project(summed.folder / "settings.yml")
    paths = [frame.path for frame in own.raw]
    stopped = verify_frames(own.connection, paths, threads=1)
    seen = [next(stopped).path for _ in range(5)]
    stopped.close()
    # Stopped in the middle: what was done is done.
    left = pending(own.connection, paths)
    assert not set(left) & set(seen)
    assert len(left) == len(paths) - len(findings(own.connection))
    assert len(list(verify_frames(own.connection, left))) == len(left)
    assert pending(own.connection, paths) == []
    Path(paths[0]).write_bytes(Path(paths[0]).read_bytes())
    assert pending(own.connection, paths) == paths[:1]
    own.close()


def test_report_verifies_nothing_and_dates_choose(summed: MockProject) -> None:
    assert "Nothing was verified yet" in summed.ask("check-integrity", "--report").out
    assert "2 frames" in summed.ask("check-integrity", "2017-06-16T01:3*").out
    report = json.loads(summed.ask("check-integrity", "--report", "--format", "json").out)
    assert len(report) == 2
    ran = summed.ask("check-integrity", "2017-06-14")
    assert ran.status == 2
    assert "did you mean 2017-06-15" in ran.err
