"""Fields of the sky: footprints that overlap, one with the next."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians

from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.index.model import RawFrame
from musebuild.plan.fields import connected, field_names, fields, footprint, overlap
from tests.plan.making import frame

FIRST = "2017-06-16T01:30:00"
PLACES = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-89.99, 89.99))


def pointing(
    ra: float | None, dec: float | None, angle: float | None = 0.0, *, mode: str = "WFM-NOAO-N"
) -> RawFrame:
    return frame("OBJECT", FIRST, ra=ra, dec=dec, posang=angle, ins_mode=mode)


def beside(at: RawFrame, east: float, north: float = 0.0, **more: object) -> RawFrame:
    """An exposure so many arcsec away."""
    dec = (at.dec or 0.0) + north / 3600
    ra = ((at.ra or 0.0) + east / 3600 / cos(radians(at.dec or 0.0))) % 360
    return replace(at, ra=ra, dec=dec, **more)


def meet(a: RawFrame, b: RawFrame) -> bool:
    return overlap(footprint(a), footprint(b))


def test_squares_of_the_sky() -> None:
    one = pointing(10.0, -45.0)
    assert meet(one, beside(one, 59.5)), "side by side"
    assert not meet(one, beside(one, 61.5))
    assert meet(one, beside(one, 59, 59)), "by their corners"
    turned = beside(one, 70.0, posang=45.0)
    assert meet(one, turned), "a corner reaches further than a side"
    assert not meet(one, beside(one, 74.0, posang=45.0))
    assert not meet(beside(one, 0, posang=45.0), beside(one, 45, 45, posang=45.0))
    narrow = replace(one, field="NFM")
    assert not meet(narrow, beside(narrow, 9.0))
    assert meet(narrow, beside(one, 33.0)), "a narrow field within reach of a wide one"
    assert meet(pointing(0.001, 0.0), pointing(359.999, 0.0)), "across 24 h"
    assert meet(pointing(0.0, 89.995), pointing(180.0, 89.998)), "across the pole"
    # At the pole north of one is not that of the other: the second stands on its corner.
    assert meet(pointing(0.0, 89.99), pointing(45.0, 89.99)) is meet(
        pointing(100.0, 89.99), pointing(145.0, 89.99)
    )


def test_a_chain_is_one_field_and_what_has_no_place_is_in_none() -> None:
    chain = [beside(pointing(10.0, 0.0), 50.0 * n) for n in range(5)]
    names = [replace(f, name=f"{n}") for n, f in enumerate(chain)]
    assert [[f.name for f in group] for group in fields(names)] == [["0", "1", "2", "3", "4"]]
    del names[2]
    assert [[f.name for f in group] for group in fields(names)] == [["0", "1"], ["3", "4"]]
    assert fields([pointing(None, None), pointing("10 20", 5.0), pointing(float("nan"), 0.0)]) == []  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([0, 30, 45])),
             min_size=1, max_size=7),
    PLACES,
    st.floats(0, 360),
    st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_fields_depend_neither_on_the_order_nor_on_where_on_the_sky(
    steps: list[tuple[int, int, int]], place: tuple[float, float], turn: float, random: object
) -> None:
    def groups(order: list[int], ra: float, dec: float) -> list[list[int]]:
        middle = pointing(ra, dec)
        placed = [
            footprint(beside(middle, 42.5 * x, 42.5 * y, posang=float(angle)))
            for x, y, angle in (steps[n] for n in order)
        ]
        return sorted(sorted(order[n] for n in group) for group in connected(placed))

    straight = list(range(len(steps)))
    mixed = straight[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    here = groups(straight, 180.0, 0.0)
    assert groups(mixed, 180.0, 0.0) == here
    assert groups(straight, (180.0 + turn) % 360, 0.0) == here, "also across 24 h"
    # Away from the poles a small part of the sky is flat.
    dec = max(-60.0, min(60.0, place[1]))
    assert groups(straight, place[0], round(dec)) == here
    assert sum(map(len, here)) == len(steps)


@given(PLACES, PLACES, st.floats(0, 360), st.floats(0, 360))
@settings(max_examples=50, deadline=None)
def test_overlap_is_mutual_and_a_quarter_turn_changes_nothing(
    a: tuple[float, float], shift: tuple[float, float], angle: float, other: float
) -> None:
    one = pointing(*a, angle)
    two = beside(one, shift[0] / 4, shift[1], posang=other)
    assert meet(one, one)
    assert meet(one, two) == meet(two, one)
    assert meet(replace(one, posang=angle + 90), two) == meet(one, two)


def test_names_tell_fields_apart_and_stay_when_another_exposure_comes() -> None:
    one, two = pointing(215.609208, -44.15056), pointing(10.0, 3.5)
    assert field_names([[one], [two]]) == ["J142226-440902", "J004000+033000"]
    assert field_names([[one, beside(one, 30)], [two]]) == field_names([[one], [two]])
    assert field_names([[one], [beside(one, 2.0)]]) == ["J142226.2-440902", "J142226.3-440902"]
    assert field_names([[pointing(15.0, -0.0)]]) == ["J010000+000000"]


def test_a_deep_field_costs_little() -> None:
    deep = [beside(pointing(10.0, 0.0), n % 7, n % 5) for n in range(2000)]
    assert len(connected([footprint(f) for f in deep])) == 1
