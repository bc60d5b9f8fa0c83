"""Headers are read right, and fast: against astropy, and against what MUSE frames hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.fits.blocks import data_size, parse
from musebuild.fits.headers import read_headers
from tests.fits.making import card, header, image, primary, raw_frame, write

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(float),
    TEXT,
)
KEYWORDS = st.one_of(
    st.from_regex(r"\A[A-Z][A-Z0-9_-]{0,7}\Z").filter(
        lambda name: name not in {"END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH"}
    ),
    st.from_regex(r"\AESO [A-Z]{2,4} [A-Z]{3}[0-9]{0,2}\Z"),
)


def test_a_raw_frame(tmp_path: Path) -> None:
    headers = read_headers(raw_frame(tmp_path / "raw.fits", cards=[("EXPTIME", 0.5)]))
    assert headers.primary["ESO DPR TYPE"] == "BIAS"
    assert headers.primary["EXPTIME"] == 0.5
    assert headers.extensions == ("CHAN01", "CHAN02", "CHAN07")
    assert headers.channels == (1, 2, 7)


def test_a_merged_calibration_has_three_extensions_for_each_ifu(tmp_path: Path) -> None:
    units = [image(f"CHAN{n:02d}.{kind}", b"x") for n in (3, 24) for kind in ("DATA", "DQ", "STAT")]
    headers = read_headers(write(tmp_path / "MASTER_BIAS.fits", primary(), *units))
    assert headers.channels == (3, 24)


def test_a_gzipped_frame_reads_as_the_plain_one(tmp_path: Path) -> None:
    plain = raw_frame(tmp_path / "raw.fits")
    packed = tmp_path / "raw.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_headers(packed) == read_headers(plain)


def compressed(path: Path, in_primary: bool) -> Path:
    """A tile-compressed frame, its cards in the primary header or in the first extension."""
    first = fits.PrimaryHDU()
    chip = fits.CompImageHDU(np.arange(400, dtype="i2").reshape(20, 20), name="CHAN05")
    (first if in_primary else chip).header["INSTRUME"] = "MUSE"
    (first if in_primary else chip).header["HIERARCH ESO DPR TYPE"] = "DARK"
    fits.HDUList([first, chip]).writeto(path)
    return path


@pytest.mark.parametrize("in_primary", [True, False])
def test_a_tile_compressed_frame(tmp_path: Path, in_primary: bool) -> None:
    headers = read_headers(compressed(tmp_path / "raw.fits.fz", in_primary))
    assert headers.primary["ESO DPR TYPE"] == "DARK"
    assert headers.primary["INSTRUME"] == "MUSE"
    # A compressed HDU's own layout never hides the primary's.
    assert headers.primary["NAXIS"] == 0
    assert headers.channels == (5,)


def test_an_extension_adds_nothing_to_a_full_primary_header(tmp_path: Path) -> None:
    path = write(
        tmp_path / "f.fits",
        primary([("INSTRUME", "MUSE")]),
        image("A", b"", [("INSTRUME", "OTHER"), ("OBJECT", "of the extension")]),
    )
    assert read_headers(path).primary["INSTRUME"] == "MUSE"
    assert "OBJECT" not in read_headers(path).primary


def test_extensions_without_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "f.fits", primary(), image("", b"a"), image("B", b"b"))
    assert read_headers(path).extensions == ("", "B")


def test_anything_may_follow_the_last_hdu(tmp_path: Path) -> None:
    path = raw_frame(tmp_path / "raw.fits")
    with path.open("ab") as file:
        file.write(b"special records" * 500)
    assert read_headers(path).channels == (1, 2, 7)


def test_the_padding_of_the_last_hdu_may_be_missing(tmp_path: Path) -> None:
    whole = primary() + image("A", b"x" * 100)
    path = write(tmp_path / "f.fits", whole[: -(2880 - 100)])
    assert read_headers(path).extensions == ("A",)


def test_strings_that_go_on() -> None:
    lines = [
        card("LONG", "It begins &"),
        b"CONTINUE  'goes on, isn''t over, &'".ljust(80),
        b"CONTINUE  'and ends.   ' / a comment".ljust(80),
        card("AFTER", 1),
    ]
    found = parse(b"".join(lines))
    assert found["LONG"] == "It begins goes on, isn't over, and ends."
    assert found["AFTER"] == 1


def test_a_continue_after_a_string_that_ended_is_no_part_of_it() -> None:
    lines = [card("SHORT", "over"), b"CONTINUE  'astray'".ljust(80)]
    assert parse(b"".join(lines)) == {"SHORT": "over"}


@pytest.mark.parametrize(
    ("line", "keyword", "value"),
    [
        (b"HIERARCH ESO DPR TYPE = 'FLAT,LAMP' / Observation type", "ESO DPR TYPE", "FLAT,LAMP"),
        (b"HIERARCH ESO TEL AIRM START = 1.213 / Airmass", "ESO TEL AIRM START", 1.213),
        (b"HIERARCH ESO DET BINX= 2", "ESO DET BINX", 2),
        (
            b"OBJECT  = 'NGC 7009 / N''s halo' / a slash and a quote",
            "OBJECT",
            "NGC 7009 / N's halo",
        ),
        (b"EXPTIME =            1.20D+02 / FORTRAN's double", "EXPTIME", 120.0),
        (b"EXTEND  =                    T /", "EXTEND", True),
        (b"EMPTY   = ''", "EMPTY", ""),
        (b"BLANKS  = '   lead'", "BLANKS", "   lead"),
    ],
)
def test_cards(line: bytes, keyword: str, value: object) -> None:
    found = parse(line.ljust(80))
    assert found == {keyword: value}
    assert type(found[keyword]) is type(value)


@pytest.mark.parametrize(
    "line",
    [
        b"COMMENT = 'looks like a value'",
        b"HISTORY   x = 1",
        b"UNDEFINE=",
        b"OPEN    = 'no end",
        b"",
    ],
)
def test_cards_without_a_value(line: bytes) -> None:
    assert "UNDEFINE" not in parse(line.ljust(80))
    assert "OPEN" not in parse(line.ljust(80))
    assert "HISTORY" not in parse(line.ljust(80))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYWORDS, VALUES, max_size=8))
def test_astropy_and_we_read_the_same(cards: dict[str, object]) -> None:
    made = fits.Header()
    for keyword, value in cards.items():
        # The standard has no room for strings that go on in a HIERARCH card of any length.
        if isinstance(value, str) and keyword.startswith("ESO"):
            value = value[:40].replace("'", "")
        made[f"HIERARCH {keyword}" if keyword.startswith("ESO") else keyword] = value
    text = made.tostring(endcard=False, padding=False).encode("ascii")
    found = parse(text)
    # Read again, since astropy shortens numbers to what fits into a card.
    for keyword, value in fits.Header.fromstring(text.decode("ascii")).items():
        assert found.pop(keyword) == (value.rstrip() if isinstance(value, str) else value)
    assert not found


@pytest.mark.parametrize(
    ("cards", "size"),
    [
        ([("NAXIS", 0)], 0),
        ([("NAXIS", 2), ("NAXIS1", 10), ("NAXIS2", 3)], 60),
        ([("NAXIS", 2), ("NAXIS1", 10), ("NAXIS2", 0)], 0),
        ([("NAXIS", 2), ("NAXIS1", 8), ("NAXIS2", 5), ("PCOUNT", 7), ("GCOUNT", 1)], 94),
        (
            [("NAXIS", 2), ("NAXIS1", 0), ("NAXIS2", 5), ("GROUPS", True), ("PCOUNT", 2),
             ("GCOUNT", 3)],
            42,
        ),
    ],
)  # fmt: skip
def test_size_of_the_data(cards: list[tuple[str, object]], size: int) -> None:
    assert data_size(b"".join(card(*one) for one in [("BITPIX", -16), *cards])) == size


def test_headers_of_many_blocks(tmp_path: Path) -> None:
    many = [(f"KEY{n}", n) for n in range(200)]
    path = write(tmp_path / "f.fits", primary(many), image("A", b"x"))
    assert read_headers(path).primary["KEY199"] == 199
    assert read_headers(path).extensions == ("A",)


def test_end_in_a_value_is_no_end(tmp_path: Path) -> None:
    lines = [card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0), card("NOTE", "END     "),
             card("AFTER", 1)]  # fmt: skip
    assert read_headers(write(tmp_path / "f.fits", header(lines))).primary["AFTER"] == 1
