"""Files that are no frames: an error that names the file, says why, and what mends it."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits

from musebuild.errors import FrameError
from musebuild.fits import blocks
from musebuild.fits.digest import digest_frame
from musebuild.fits.headers import read_headers
from musebuild.fits.offsets import listed_exposures
from tests.fits.making import card, header, image, primary, raw_frame, write

READERS = (read_headers, digest_frame)


def said(read: Callable[[Path], object], path: Path) -> FrameError:
    """The error of reading a file; it names the file, where it is, why, and a remedy."""
    with pytest.raises(FrameError) as caught:
        read(path)
    error = caught.value
    assert path.name in error.what
    assert error.where == str(path)
    assert error.why
    assert error.remedy
    return error


@pytest.mark.parametrize("read", READERS)
class TestNoFrames:
    def test_an_empty_file(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        assert "is empty" in said(read, write(tmp_path / "raw.fits")).what

    def test_a_text_file(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        path = write(tmp_path / "raw.fits", b"night log\nseeing 0.8\n" * 300)
        error = said(read, path)
        assert "is not a FITS file" in error.what
        assert "night log" in str(error.why)

    @pytest.mark.parametrize(
        "page", [b"<!DOCTYPE html><html>Sign in", b"\n <HTML><body>403", b"<?xml version='1.0'?>"]
    )
    def test_a_web_page(self, read: Callable[[Path], object], tmp_path: Path, page: bytes) -> None:
        error = said(read, write(tmp_path / "raw.fits", page))
        assert "is a web page" in error.what
        assert "login" in str(error.why)

    def test_a_missing_file(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        assert "No such file" in str(said(read, tmp_path / "raw.fits").why)

    def test_a_folder(self, read: Callable[[Path], object], tmp_path: Path) -> None:
        (tmp_path / "raw.fits").mkdir()
        assert "directory" in str(said(read, tmp_path / "raw.fits").why)

    def test_a_name_of_gzip_without_gzip(
        self, read: Callable[[Path], object], tmp_path: Path
    ) -> None:
        path = raw_frame(tmp_path / "raw.fits.gz")
        assert "gzip" in str(said(read, path).why)

    def test_a_header_without_an_end(
        self, read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "MOST_BLOCKS", 3)
        lines = b"".join(card(f"KEY{n}", n) for n in range(36 * 4))
        path = write(tmp_path / "raw.fits", card("SIMPLE", True) + lines)
        assert "without an end" in said(read, path).what

    def test_a_header_that_leads_backwards(
        self, read: Callable[[Path], object], tmp_path: Path
    ) -> None:
        lines = [card("XTENSION", "IMAGE"), card("BITPIX", 8), card("NAXIS", 1),
                 card("NAXIS1", -2880)]  # fmt: skip
        path = write(tmp_path / "raw.fits", primary(), header(lines))
        assert "-2,880 bytes" in str(said(read, path).why)

    def test_a_disk_that_cannot_read(
        self, read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        path = raw_frame(tmp_path / "raw.fits")
        monkeypatch.setattr(blocks, "_header", broken)
        assert said(read, path).why == "Input/output error"


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (1000, "inside the header of HDU 0"),
        (2880 + 900, "inside the header of HDU 1"),
        (2880 * 2 + 4999, "HDU 1 should end at byte 10,760; the file has 10,759"),
        (2880 * 2 + 5760 + 2880 + 7, "HDU 2 should end"),
    ],
)
def test_a_truncated_frame(
    read: Callable[[Path], object], packed: bool, kept: int, why: str, tmp_path: Path
) -> None:
    content = raw_frame(tmp_path / "whole.fits").read_bytes()[:kept]
    path = tmp_path / ("raw.fits.gz" if packed else "raw.fits")
    path.write_bytes(gzip.compress(content) if packed else content)
    error = said(read, path)
    assert "is truncated" in error.what
    assert why in str(error.why)
    assert "fetch it again" in str(error.remedy)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_file(read: Callable[[Path], object], damage: str, tmp_path: Path) -> None:
    content = bytearray(gzip.compress(raw_frame(tmp_path / "whole.fits").read_bytes()))
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0xFF
    path = tmp_path / "raw.fits.gz"
    path.write_bytes(content)
    said(read, path)


def test_a_frame_of_which_only_the_end_of_the_padding_is_missing_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "f.fits", (primary() + image("A", b"x" * 10))[:-1])
    assert digest_frame(path).extensions.keys() == {"A"}


@pytest.mark.parametrize("card", ["TFORM2  =", "NAXIS2  =", "TFIELDS =", "TTYPE1  ="])
def test_an_offset_list_with_a_damaged_card_is_none(card: str, tmp_path: Path) -> None:
    path = tmp_path / "OFFSET_LIST.fits"
    columns = [
        fits.Column("DATE_OBS", "23A", array=["2017-06-16T01:34:56.867"]),
        fits.Column("RA_OFFSET", "D", array=[0.0]),
        fits.Column("DEC_OFFSET", "D", array=[0.0]),
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    assert listed_exposures(path) == ("2017-06-16T01:34:56.867",)
    whole = path.read_bytes()
    assert card.encode() in whole
    path.write_bytes(whole.replace(card.encode(), card.replace(card[3], "X", 1).encode()))
    assert listed_exposures(path) is None
