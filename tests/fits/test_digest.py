"""Content digests: what changes them, what does not, and files that change meanwhile."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.errors import FrameError
from musebuild.fits import digest as digest_module
from musebuild.fits import hashing
from musebuild.fits.digest import digest_frame
from tests.fits.making import Cards, card, header, image, primary, raw_frame, write

FRAMES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(["GAIN", "RON", "OBJECT"]), st.integers(0, 99)),
                 max_size=3, unique_by=lambda one: one[0]),
        st.binary(min_size=1, max_size=3000),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip
"""Cards and data of IFUs 1, 2, …"""


def build(units: list[tuple[Cards, bytes]], first: Cards = ()) -> bytes:
    """A frame of IFUs."""
    return primary([("INSTRUME", "MUSE"), *first]) + b"".join(
        image(f"CHAN{n:02d}", data, cards) for n, (cards, data) in enumerate(units, 1)
    )


@settings(max_examples=60, deadline=None)
@given(units=FRAMES, data=st.data())
def test_invariant_3_any_pixel_counts_for_its_own_ifu_only(
    units: list[tuple[Cards, bytes]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("f")
    before = digest_frame(write(folder / "a.fits", build(units)))
    which = data.draw(st.integers(0, len(units) - 1))
    cards, content = units[which]
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    units[which] = (cards, bytes(changed))
    after = digest_frame(write(folder / "b.fits", build(units)))
    assert after.content != before.content
    assert after.primary == before.primary
    for ifu in range(1, len(units) + 1):
        assert (after.for_ifu(ifu) != before.for_ifu(ifu)) == (ifu == which + 1)


@settings(max_examples=60, deadline=None)
@given(units=FRAMES, data=st.data())
def test_invariant_3_any_card_counts_for_its_own_ifu_only(
    units: list[tuple[Cards, bytes]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("f")
    before = digest_frame(write(folder / "a.fits", build(units)))
    which = data.draw(st.integers(0, len(units) - 1))
    cards, content = units[which]
    units[which] = ([*cards, ("ESO DET CHIP ID", data.draw(st.integers()))], content)
    after = digest_frame(write(folder / "b.fits", build(units)))
    assert after.content != before.content
    for ifu in range(1, len(units) + 1):
        assert (after.for_ifu(ifu) != before.for_ifu(ifu)) == (ifu == which + 1)


@settings(max_examples=20, deadline=None)
@given(units=FRAMES, name=st.text("abc/ü ", min_size=1, max_size=8).map(str.strip).filter(bool))
def test_names_and_times_of_files_do_not_count(
    units: list[tuple[Cards, bytes]], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("f")
    one = write(folder / "a.fits", build(units))
    other = write(folder / f"{name.replace('/', '_')}.fits", build(units))
    os.utime(other, (1, 1))
    assert digest_frame(one) == digest_frame(other)


class TestPartsByIfu:
    def test_a_card_of_the_primary_header_counts_for_all(self, tmp_path: Path) -> None:
        one = digest_frame(raw_frame(tmp_path / "a.fits", cards=[("EXPTIME", 1.0)]))
        other = digest_frame(raw_frame(tmp_path / "b.fits", cards=[("EXPTIME", 2.0)]))
        assert one.extensions == other.extensions
        assert all(one.for_ifu(n) != other.for_ifu(n) for n in (1, 2, 7))

    def test_each_ifu_has_its_own(self, tmp_path: Path) -> None:
        digest = digest_frame(raw_frame(tmp_path / "a.fits"))
        assert len({digest.content, *(digest.for_ifu(n) for n in (1, 2, 7))}) == 4

    def test_ifus_beside_it_do_not_count(self, tmp_path: Path) -> None:
        many = digest_frame(raw_frame(tmp_path / "a.fits", ifus=(1, 2, 7)))
        few = digest_frame(raw_frame(tmp_path / "b.fits", ifus=(7,)))
        assert many.for_ifu(7) == few.for_ifu(7)
        assert many.content != few.content

    def test_a_frame_not_divided_by_ifu_counts_whole(self, tmp_path: Path) -> None:
        path = write(tmp_path / "lines.fits", primary(), image("LINES", b"x"))
        digest = digest_frame(path)
        assert digest.for_ifu(7) == digest.content

    def test_all_extensions_of_a_merged_calibration(self, tmp_path: Path) -> None:
        def of(variance: bytes) -> tuple[str, str]:
            units = [
                image(f"CHAN{n:02d}.{kind}", variance if (n, kind) == (7, "STAT") else b"x")
                for n in (6, 7)
                for kind in ("DATA", "DQ", "STAT")
            ]
            digest = digest_frame(write(tmp_path / "MASTER_FLAT.fits", primary(), *units))
            return digest.for_ifu(6), digest.for_ifu(7)

        assert of(b"1")[0] == of(b"2")[0]
        assert of(b"1")[1] != of(b"2")[1]


class TestLayout:
    def test_the_order_of_extensions_counts(self, tmp_path: Path) -> None:
        one, other = image("CHAN01", b"1"), image("CHAN02", b"2")
        first = digest_frame(write(tmp_path / "a.fits", primary(), one, other))
        second = digest_frame(write(tmp_path / "b.fits", primary(), other, one))
        assert first.content != second.content
        # An invocation of one IFU does not see its neighbours.
        assert first.for_ifu(1) == second.for_ifu(1)

    def test_the_name_of_an_extension_counts(self, tmp_path: Path) -> None:
        one = digest_frame(write(tmp_path / "a.fits", primary(), image("U", b"1")))
        other = digest_frame(write(tmp_path / "b.fits", primary(), image("V", b"1")))
        assert one.content != other.content

    def test_extensions_of_one_name_or_none(self, tmp_path: Path) -> None:
        units = [image("A", b"1"), image("A", b"2"), image("", b"3"), image("", b"4")]
        digest = digest_frame(write(tmp_path / "a.fits", primary(), *units))
        assert list(digest.extensions) == ["A", "A#2", "#3", "#4"]
        assert len(set(digest.extensions.values())) == 4

    def test_blanks_that_keep_room_in_a_header_do_not_count(self, tmp_path: Path) -> None:
        start = [card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0), card("EXPTIME", 1.0)]
        roomy = [*start[:3], b" " * 80 * 50, start[3], b" " * 80 * 40]
        plain = digest_frame(write(tmp_path / "a.fits", header(start), image("A", b"x")))
        padded = digest_frame(write(tmp_path / "b.fits", header(roomy), image("A", b"x")))
        assert (tmp_path / "b.fits").stat().st_size > (tmp_path / "a.fits").stat().st_size
        assert plain == padded

    def test_what_fills_the_last_block_does_not_count(self, tmp_path: Path) -> None:
        zeros = digest_frame(write(tmp_path / "a.fits", primary(), image("A", b"x")))
        blanks = digest_frame(write(tmp_path / "b.fits", primary(), image("A", b"x", filling=b" ")))
        assert zeros == blanks

    def test_data_and_cards_cannot_stand_for_each_other(self, tmp_path: Path) -> None:
        line = card("GAIN", 1.0)
        in_header = image("A", b"", extra=[line])
        in_data = image("A", line)
        first = digest_frame(write(tmp_path / "a.fits", primary(), in_header))
        second = digest_frame(write(tmp_path / "b.fits", primary(), in_data))
        assert first.content != second.content


class TestPacked:
    def test_gzip_has_the_digest_of_what_is_in_it(self, tmp_path: Path) -> None:
        plain = raw_frame(tmp_path / "raw.fits")
        packed = tmp_path / "raw.fits.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert digest_frame(packed) == digest_frame(plain)
        bytes_of_both = [digest_frame(p, whole_bytes=True).bytes for p in (packed, plain)]
        assert bytes_of_both == [blake3(p.read_bytes()).hexdigest() for p in (packed, plain)]

    def test_tile_compression_has_digests_by_ifu(self, tmp_path: Path) -> None:
        def of(name: str, level: int) -> digest_module.FrameDigest:
            units: list[object] = [fits.PrimaryHDU()]
            for n in (1, 7):
                pixels = np.arange(900, dtype="i2").reshape(30, 30)
                pixels[0, 0] = level if n == 7 else 0
                units.append(fits.CompImageHDU(pixels, name=f"CHAN{n:02d}"))
            fits.HDUList(units).writeto(tmp_path / name, checksum=True)
            return digest_frame(tmp_path / name)

        first, same, other = of("a.fits.fz", 1), of("b.fits.fz", 1), of("c.fits.fz", 2)
        assert first == same
        assert first.for_ifu(1) == other.for_ifu(1)
        assert first.for_ifu(7) != other.for_ifu(7)


def test_bytes_of_the_whole_file(tmp_path: Path) -> None:
    path = raw_frame(tmp_path / "raw.fits")
    with path.open("ab") as file:
        file.write(b"after the last HDU" * 700)
    plain, both = digest_frame(path), digest_frame(path, whole_bytes=True)
    assert both.bytes == blake3(path.read_bytes()).hexdigest()
    assert plain.bytes == ""
    assert (both.content, both.extensions) == (plain.content, plain.extensions)


@pytest.mark.parametrize("piece", [1, 17, 2880, 4096, 1 << 21])
@pytest.mark.parametrize("packed", [False, True])
def test_digests_agree_between_sizes_of_pieces(
    piece: int, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = raw_frame(tmp_path / "raw.fits")
    if packed:
        path = tmp_path / "raw.fits.gz"
        path.write_bytes(gzip.compress((tmp_path / "raw.fits").read_bytes()))
    expected = digest_frame(tmp_path / "raw.fits")
    monkeypatch.setattr(hashing, "PIECE", piece)
    assert digest_frame(path) == expected
    assert digest_frame(path, whole_bytes=True).bytes == blake3(path.read_bytes()).hexdigest()


def test_invariant_10_golden_digests(tmp_path: Path) -> None:
    """A change of these makes every cache worthless: raise DIGEST_VERSION, and say so."""
    path = raw_frame(
        tmp_path / "raw.fits",
        cards=[("DATE", "2026-01-01T00:00:00"), ("ESO PRO REC1 PARAM3 NAME", "overscan")],
    )
    digest = digest_frame(path)
    assert digest.content == GOLDEN["content"]
    assert digest.primary == GOLDEN["primary"]
    assert digest.extensions["CHAN07"] == GOLDEN["CHAN07"]
    assert digest.for_ifu(7) == GOLDEN["IFU 7"]


GOLDEN = {
    "content": "90533620c886edf275650ed99db66aad806984123f0f2520cd5573eed8764395",
    "primary": "3451d922d77e5bcc7bb927c8f3ac360ab27329724f7b7da8b433f7ab79938d60",
    "CHAN07": "52c2952cc6277e4477c98513494ca2ca0624fa1d883e6aacdd1563d0bf9e1d9b",
    "IFU 7": "c0d716c82c9ad4108e711c230c80ec9d2b921985aac829823b365089d361032d",
}


def cut(path: Path) -> None:
    """Cut the file short, as a transfer that begins anew does."""
    os.truncate(path, 2880 * 2 + 100)


def overwrite(path: Path) -> None:
    """Change a pixel that was not read yet."""
    with path.open("r+b") as file:
        file.seek(-3000, os.SEEK_END)
        file.write(b"\xff")
    os.utime(path, (10, 10))


def append(path: Path) -> None:
    """Let the file grow."""
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    """Put another file of the same size and time at its place."""
    status = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [cut, overwrite, append, replace, Path.unlink])
@pytest.mark.parametrize("whole_bytes", [False, True])
def test_a_frame_that_changes_while_it_is_read(
    change: Callable[[Path], None],
    whole_bytes: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = raw_frame(tmp_path / "raw.fits")
    real, done = hashing.pieces, []

    def meanwhile(file: object, size: int) -> Iterator[memoryview]:
        if not done:
            done.append(change(path))
        return real(file, size)  # type: ignore[arg-type]

    monkeypatch.setattr(digest_module, "pieces", meanwhile)
    with pytest.raises(FrameError) as caught:
        digest_frame(path, whole_bytes=whole_bytes)
    assert path.name in caught.value.what
    assert caught.value.remedy


def test_a_frame_that_shrinks_under_large_reads_raises_and_kills_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "raw.fits", primary(), image("CHAN01", bytes(12 << 20)))
    units = digest_module.units

    def meanwhile(file: object, where: Path) -> Iterator[object]:
        for unit in units(file, where):  # type: ignore[arg-type]
            if unit.index:
                os.truncate(path, 5 << 20)
            yield unit

    with pytest.MonkeyPatch.context() as patch, pytest.raises(FrameError, match="truncated"):
        patch.setattr(digest_module, "units", meanwhile)
        digest_frame(path)
