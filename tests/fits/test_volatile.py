"""Invariant 3: the list of cards that do not count, one test for each entry, and what counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.fits.digest import digest_frame
from musebuild.fits.volatile import READ_LATER, VOLATILE, is_volatile
from tests.fits.making import card, image, primary, write

EXAMPLES: dict[str, list[tuple[str, object, object]]] = {
    "DATE": [("DATE", "2026-01-01T00:00:00", "2026-01-02T09:30:00")],
    "CHECKSUM": [("CHECKSUM", "WBdGZ9bFWBbFW9bF", "pIgFpHZEpHfEpHZE")],
    "DATASUM": [("DATASUM", "2503531142", "998")],
    "PIPEFILE": [("PIPEFILE", "MASTER_BIAS-01.fits", "bias.fits")],
    r"ESO PRO REC\d+ (?:RAW|CAL)\d+ NAME": [
        ("ESO PRO REC1 RAW1 NAME", "MUSE.2017-06-16T01:34:56.867.fits", "a.fits"),
        ("ESO PRO REC12 CAL31 NAME", "MASTER_BIAS-01.fits", "b.fits"),
    ],
    r"ESO PRO REC\d+ PARAM\d+ (?:NAME|VALUE)": [
        ("ESO PRO REC1 PARAM7 NAME", "nifu", "resample"),
        ("ESO PRO REC2 PARAM10 VALUE", "1", "24"),
    ],
    "ARCFILE": [("ARCFILE", "MUSE.2017-06-16T01:34:56.867.fits", "x.fits")],
    "ORIGFILE": [("ORIGFILE", "MUSE_WFM_BIAS167_0001.fits", "x.fits")],
}
"""Entry of the list → keyword, a value, another value."""

COUNTS = [
    ("DATE-OBS", "2017-06-16T01:34:56.867", "2017-06-16T01:34:56.868"),
    ("MJD-OBS", 57920.0, 57920.1),
    ("EXPTIME", 1.0, 2.0),
    ("DATAMD5", "0123", "4567"),
    ("OBJECT", "DATE", "PIPEFILE"),
    ("ESO PRO CATG", "MASTER_BIAS", "MASTER_DARK"),
    ("ESO PRO REC1 ID", "muse_bias", "muse_dark"),
    ("ESO PRO REC1 PIPE ID", "muse/2.8.7", "muse/2.10"),
    ("ESO PRO REC1 RAW1 CATG", "BIAS", "DARK"),
    ("ESO PRO REC1 CAL1 DATAMD5", "0123", "4567"),
    ("ESO PRO DATANCOM", 3, 4),
    ("ESO QC BIAS MASTER1 RON", 2.8, 2.9),
    ("ESO INS TEMP1 VAL", 10.0, 10.1),
    ("ESO OCS ARCFILE NAME", "a", "b"),
]
"""Keyword, a value, another value; among them near neighbours of the list."""


def of(path: Path, *cards: tuple[str, object], extra: list[bytes] | None = None) -> tuple[str, str]:
    """Content digest and digest for IFU 7, cards standing in the primary header and in CHAN07."""
    lines = extra or []
    frame = write(
        path,
        primary([("INSTRUME", "MUSE"), *cards], lines),
        image("CHAN07", b"pixels", cards, lines),
    )
    digest = digest_frame(frame)
    return digest.content, digest.for_ifu(7)


def test_each_entry_of_the_list_has_examples_and_a_reason() -> None:
    assert EXAMPLES.keys() == VOLATILE.keys()
    assert all(len(reason) > 10 for reason in VOLATILE.values())


@pytest.mark.parametrize(
    ("keyword", "one", "other"), [example for some in EXAMPLES.values() for example in some]
)
def test_invariant_3_volatile_cards_do_not_count(
    keyword: str, one: object, other: object, tmp_path: Path
) -> None:
    path = tmp_path / "f.fits"
    without = of(path)
    assert of(path, (keyword, one)) == without
    assert of(path, (keyword, other)) == without


@pytest.mark.parametrize("keyword", ["CHECKSUM", "DATASUM"])
def test_comments_of_check_sums_do_not_count(keyword: str, tmp_path: Path) -> None:
    path = tmp_path / "f.fits"
    earlier = of(path, extra=[card(keyword, "1", "updated 2026-01-01T00:00:00")])
    assert of(path, extra=[card(keyword, "1", "updated 2026-01-02T00:00:00")]) == earlier


@pytest.mark.parametrize(("keyword", "one", "other"), COUNTS)
def test_invariant_3_all_other_cards_count(
    keyword: str, one: object, other: object, tmp_path: Path
) -> None:
    path = tmp_path / "f.fits"
    digests = [of(path), of(path, (keyword, one)), of(path, (keyword, other))]
    assert len({content for content, _ in digests}) == 3
    assert len({ifu for _, ifu in digests}) == 3


def test_comments_of_other_cards_count(tmp_path: Path) -> None:
    path = tmp_path / "f.fits"
    assert of(path, extra=[card("EXPTIME", 1.0, "[s]")]) != of(
        path, extra=[card("EXPTIME", 1.0, "[min]")]
    )


def test_a_volatile_string_that_goes_on_is_left_out_with_what_follows(tmp_path: Path) -> None:
    def lines(name: str) -> list[bytes]:
        return [card("PIPEFILE", "a long name &"), f"CONTINUE  '{name}'".ljust(80).encode()]

    path = tmp_path / "f.fits"
    assert of(path, extra=lines("one")) == of(path, extra=lines("another")) == of(path)


def test_a_string_that_goes_on_counts_to_its_end(tmp_path: Path) -> None:
    def lines(name: str) -> list[bytes]:
        return [card("OBJECT", "a long name &"), f"CONTINUE  '{name}'".ljust(80).encode()]

    path = tmp_path / "f.fits"
    assert of(path, extra=lines("one")) != of(path, extra=lines("another"))


def parameters(*pairs: tuple[str, str]) -> list[tuple[str, object]]:
    """Cards of recorded parameters, numbered from 1."""
    cards: list[tuple[str, object]] = []
    for number, (name, value) in enumerate(pairs, 1):
        cards += [
            (f"ESO PRO REC1 PARAM{number} NAME", name),
            (f"ESO PRO REC1 PARAM{number} VALUE", value),
        ]
    return cards


@pytest.mark.parametrize("name", sorted(READ_LATER))
def test_invariant_3_parameters_that_a_later_recipe_reads_count(name: str, tmp_path: Path) -> None:
    path = tmp_path / "MASTER_BIAS.fits"
    one = of(path, *parameters((name, "vpoly")))
    assert one != of(path, *parameters((name, "offset")))
    assert one != of(path)


def test_the_number_of_a_recorded_parameter_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "MASTER_BIAS.fits"
    alone = of(path, *parameters(("overscan", "vpoly"), ("ovscsigma", "30.")))
    among = of(
        path,
        *parameters(("nifu", "1"), ("overscan", "vpoly"), ("ron", "2"), ("ovscsigma", "30.")),
    )
    assert alone == among


def test_a_parameter_of_another_recipe_in_the_history_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "f.fits"
    first = [("ESO PRO REC1 PARAM1 NAME", "overscan"), ("ESO PRO REC1 PARAM1 VALUE", "none")]
    second = [("ESO PRO REC2 PARAM1 NAME", "overscan"), ("ESO PRO REC2 PARAM1 VALUE", "none")]
    assert of(path, *first) != of(path, *second)


def test_is_volatile_takes_whole_keywords() -> None:
    assert is_volatile("DATE")
    assert not is_volatile("DATE-OBS")
    assert not is_volatile("UPDATE")
