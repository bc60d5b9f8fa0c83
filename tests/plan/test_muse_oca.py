"""What must agree between an exposure and each of its calibrations, as ESO's own rules have it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from musebuild.index.model import RawFrame
from musebuild.plan.planned_task import setup_of
from musebuild.recipes.catalogue import load_catalogue
from musebuild.recipes.model import Need
from tests.plan.making import frame

OCA = Path("/usr/share/cpl-plugins")
NAMES = {"muse_wave": "muse_wavecal"}
"""Actions of muse.oca that are called otherwise than the recipe."""
KEYWORDS = {
    "INS.MODE": "ins_mode",
    "INS.OPTI1.FILTER": "filter",
    "INS.OPTI2.NAME": "field",
    "DET.READ.CURID": "read_mode",
}
CHANGED = {
    # INS MODE changes with the field and with the filter, too.
    "ins_mode": {"ins_mode": "WFM-AO-N"},
    "field": {"ins_mode": "NFM-NOAO-N", "field": "NFM"},
    "filter": {"ins_mode": "WFM-NOAO-E", "filter": "extended"},
    "read_mode": {"read_id": "2", "read_mode": "SCI2.0"},
    "binning": {"binx": 2},
}
TABLE = {
    "MASTER_BIAS": {"read_mode", "binning"},
    "MASTER_DARK": {"read_mode", "binning"},
    "MASTER_FLAT": {"ins_mode", "field", "filter", "read_mode", "binning"},
    "TRACE_TABLE": {"field", "filter", "read_mode", "binning"},
    "WAVECAL_TABLE": {"field", "filter", "read_mode", "binning"},
    "LSF_PROFILE": {"ins_mode", "field", "filter", "read_mode", "binning"},
    "TWILIGHT_CUBE": {"field", "filter"},
    "STD_RESPONSE": {"ins_mode", "field", "filter"},
    "STD_TELLURIC": {"ins_mode", "field", "filter"},
    # A raw frame, of which the master bias of the exposure is subtracted.
    "ILLUM": {"field", "read_mode", "binning"},
    "ASTROMETRY_WCS": {"field"},
    "GEOMETRY_TABLE": set(),
    "BADPIX_TABLE": set(),
    "NONLINEARITY_GAIN": {"read_mode"},
    "VIGNETTING_MASK": set(),
    "LINE_CATALOG": set(),
    "EXTINCT_TABLE": set(),
    "STD_FLUX_TABLE": set(),
    "TELLURIC_REGIONS": set(),
    "FILTER_LIST": set(),
    "SKY_LINES": set(),
}
"""Category → what must not differ; a difference in anything else is accepted."""


def taken_as(**changes: object) -> RawFrame:
    """A frame in WFM-NOAO-N, with changes."""
    known = {"field": "WFM", "filter": "nominal", "read_id": "1", "read_mode": "SCI1.0"}
    return frame("OBJECT", "2017-06-16T01:30:00", **{**known, **changes})


def refused(need: Need) -> set[str]:
    """The changes of a calibration's set-up for which it is refused."""
    ours = setup_of(taken_as())
    return {
        name
        for name, changes in CHANGED.items()
        if setup_of(taken_as(**changes)).agrees(ours, need.match)
    }


def needs() -> list[tuple[str, Need]]:
    """Recipe and need, of all that muse.oca has rules on."""
    return [
        (recipe.name, need)
        for recipe in load_catalogue().values()
        for need in recipe.needs
        if need.category in TABLE
        and recipe.name != "muse_scipost_make_cube"
        # What a sky exposure tells is no static list, and has a rule of its own.
        and need.recipe != "muse_create_sky"
    ]


def test_each_category_agrees_by_its_own_rule() -> None:
    for recipe, need in needs():
        if need.source != "named":
            assert refused(need) == TABLE[need.category], f"{need.category} of {recipe}"
    assert {need.category for _, need in needs()} == set(TABLE)


def test_a_sky_exposure_agrees_in_field_and_filter() -> None:
    found = [
        (recipe.name, need)
        for recipe in load_catalogue().values()
        for need in recipe.needs
        if need.recipe == "muse_create_sky" and not need.of
    ]
    assert {name for name, _ in found} == {"muse_scipost", "muse_scipost_make_cube"}
    assert all(refused(need) == {"field", "filter"} for _, need in found)


@pytest.mark.parametrize("category", TABLE)
def test_a_keyword_that_is_lacking_refuses_nothing(category: str) -> None:
    match = next(need.match for _, need in needs() if need.category == category)
    nothing = {"ins_mode": "", "field": "", "filter": "", "read_id": "", "read_mode": ""}
    ours = setup_of(taken_as())
    for name in nothing:
        assert not setup_of(taken_as(**{name: ""})).agrees(ours, match)
    assert not setup_of(taken_as(**nothing)).agrees(ours, match)


def test_without_ins_mode_the_light_path_is_compared() -> None:
    ours = setup_of(taken_as())
    other = setup_of(taken_as(ins_mode="", filter="extended"))
    assert other.agrees(ours, ("ins_mode",)) == "ins_mode"


def test_a_read_out_mode_is_told_by_its_number() -> None:
    ours = setup_of(taken_as())
    assert not setup_of(taken_as(read_mode="other name")).agrees(ours, ("read_mode",))
    assert setup_of(taken_as(read_id="2")).agrees(ours, ("read_mode",))
    # The index has the number where the name is missing: it is no name.
    assert not setup_of(taken_as(read_mode="1")).agrees(
        setup_of(taken_as(read_id="")), ("read_mode",)
    )


def rules_of(text: str) -> dict[tuple[str, str], tuple[set[str], float | None]]:
    """(Recipe, category) → criteria of a muse.oca, and the MJD before which it is taken."""
    text = re.sub(r"//[^\n]*", "", text)
    found = {}
    for action, body in re.findall(r"^action (\w+)\s*\{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        for category, rest in re.findall(r"select file as (\w+) from calibFiles(.*?);", body, re.S):
            pairs = re.findall(r"inputFile\.([\w.]+)==([\w.]+)", rest)
            assert all(one == other for one, other in pairs)
            criteria = {KEYWORDS[one] for one, _ in pairs if one != "INSTRUME"}
            old = re.search(r"inputFile\.MJD-OBS\s*<\s*([\d.]+)", rest)
            found[NAMES.get(action, action), category] = (criteria, float(old[1]) if old else None)
    return found


def test_the_rules_are_those_of_the_pipeline_that_is_installed() -> None:
    installed = sorted(OCA.glob("muse-*/gasgano/config/muse.oca"))
    if not installed:
        pytest.skip("no muse.oca is installed")
    rules = rules_of(installed[-1].read_text(encoding="utf-8", errors="replace"))
    assert len(rules) > 50
    compared = 0
    for recipe, need in needs():
        if need.source == "named" or (recipe, need.category) not in rules:
            continue
        criteria, before = rules[recipe, need.category]
        expected = {"field", "filter", "ins_mode"} if "ins_mode" in criteria else set()
        expected |= criteria
        # What the recipes themselves refuse: another binning, and an illumination flat, which is
        # a raw frame here, with another read-out than the master bias.
        more = refused(need) - expected
        assert more <= ({"binning", "read_mode"} if need.source == "raw" else {"binning"})
        assert expected <= refused(need), f"{need.category} of {recipe}"
        assert need.before == before, f"{need.category} of {recipe}"
        compared += 1
    assert compared > 40
