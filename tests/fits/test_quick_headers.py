"""The quick way of reading a few cards tells what the careful one tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.errors import FrameError
from musebuild.fits.headers import read_headers
from musebuild.fits.quick_headers import read_wanted
from tests.fits.making import primary, write

WANTED = ("INSTRUME", "OBJECT", "DATE-OBS", "ESO DPR TYPE", "ESO OBS NAME", "MJD-OBS")
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=100)


def same(path: Path) -> None:
    """Both ways agree on the wanted cards and the extensions."""
    careful, quick = read_headers(path), read_wanted(str(path), WANTED)
    assert quick.extensions == careful.extensions
    assert quick.primary == {k: v for k, v in careful.primary.items() if k in WANTED}


@settings(max_examples=60, deadline=None)
@given(
    cards=st.dictionaries(st.sampled_from(WANTED), TEXT | st.integers() | st.booleans()),
    comments=st.integers(0, 500),
    names=st.lists(TEXT.filter(lambda name: len(name) < 60), max_size=4),
)
def test_any_header(
    tmp_path_factory: pytest.TempPathFactory,
    cards: dict[str, str | int | bool],
    comments: int,
    names: list[str],
) -> None:
    primary = fits.PrimaryHDU()
    for number in range(comments):
        primary.header.add_comment(f"EXTNAME = 'no' {number} END")
    for name, value in cards.items():
        primary.header[f"HIERARCH {name}" if " " in name else name] = value
    hdus = [
        fits.ImageHDU(np.zeros((2, 3 + n), np.int16), name=name) for n, name in enumerate(names)
    ]
    path = tmp_path_factory.mktemp("any") / "any.fits"
    fits.HDUList([primary, *hdus]).writeto(path)
    same(path)


def test_compressed_frames(tmp_path: Path) -> None:
    header = fits.Header({"INSTRUME": "MUSE", "HIERARCH ESO DPR TYPE": "BIAS"})
    data = np.arange(600, dtype=np.int16).reshape(20, 30)
    inside = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, header, name="CHAN01")])
    inside.writeto(tmp_path / "a.fits.fz")
    whole = fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(data, name="CHAN02")])
    whole.writeto(tmp_path / "b.fits.gz")
    for path in tmp_path.iterdir():
        same(path)
    assert read_wanted(str(tmp_path / "a.fits.fz"), WANTED).primary["ESO DPR TYPE"] == "BIAS"


@pytest.mark.parametrize("cut", [0, 100, 2880, 4000, 5760, 8000])
def test_a_damaged_file_is_told_in_the_same_words(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((40, 60), np.int16), name="CHAN01")]
    fits.HDUList(hdus).writeto(path)
    path.write_bytes(path.read_bytes()[:cut])
    try:
        read_headers(path)
    except FrameError as error:
        with pytest.raises(FrameError) as caught:
            read_wanted(str(path), WANTED)
        assert str(caught.value) == str(error)
    else:
        same(path)


def test_of_a_keyword_that_stands_twice_the_first_counts(tmp_path: Path) -> None:
    cards = [("OBJECT", "FIRST"), ("ESO DPR TYPE", "BIAS"), ("OBJECT", "OTHER")]
    twice = [*cards, ("ESO DPR TYPE", "DARK")]
    for number, extra in enumerate(([], [b"LONG    = 'a&'".ljust(80), b"CONTINUE  'b'".ljust(80)])):
        path = write(tmp_path / f"{number}.fits", primary([("INSTRUME", "MUSE"), *twice], extra))
        with fits.open(path) as hdus:
            assert hdus[0].header["OBJECT"] == "FIRST"
        for headers in (read_wanted(str(path), {"INSTRUME", "OBJECT"}), read_headers(path)):
            assert headers.primary["OBJECT"] == "FIRST"
        assert read_wanted(str(path), {"ESO DPR TYPE"}).primary == {"ESO DPR TYPE": "BIAS"}


def test_a_string_goes_on_where_it_began(tmp_path: Path) -> None:
    lines = [b"LONG    = 'a&'", b"CONTINUE  'b'", b"LONG    = 'x&'", b"CONTINUE  'y'"]
    path = write(tmp_path / "a.fits", primary([], [line.ljust(80) for line in lines]))
    assert read_headers(path).primary["LONG"] == "ab"
