"""Sky exposures: reduced where a block asks for their sky, the nearest for each exposure."""

from __future__ import annotations

import pytest

from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.blocks import BlockError
from musebuild.plan.model import Invocation, Plan
from tests.plan.making import files, frame, night, plan, reasons

SKY = "recipes: {muse_scipost: {sky: exposures}}\n"
FIRST, SECOND = "2017-06-16T01:30:00", "2017-06-16T01:31:00"
BEFORE, AFTER = "2017-06-16T01:00:00", "2017-06-16T01:31:30"
NEXT = "2017-06-17T01:00:00"


def sky(date: str, **more: object) -> RawFrame:
    """A sky exposure."""
    return frame("SKY", date, **{"object_orig": "FIELD", "dataset": "FIELD", **more})


def made(text: str, *skies: RawFrame, **more: object) -> Plan:
    """The plan of a night with sky exposures."""
    return plan(text, [*night(), *skies], **more)


def scipost(found: Plan, exposure: str = FIRST) -> Invocation:
    return found.invocations[f"muse_scipost:{exposure}"]


def taken(invocation: Invocation) -> dict[str, str]:
    """Category → what it is taken from, of the sky."""
    return {
        given.tag: given.invocation or given.path
        for given in invocation.inputs
        if given.tag.startswith("SKY_")
    }


def test_without_a_block_that_asks_nothing_of_a_plain_build_takes_them() -> None:
    found = made("datasets: {FIELD: {}}\n", sky(BEFORE))
    assert f"muse_create_sky:{BEFORE}" in found.invocations
    assert not [name for name in found.default if BEFORE in name]
    assert taken(scipost(found)) == {"SKY_LINES": "/calib/sky_lines.fits"}
    assert scipost(found).params["skymethod"] == "model"
    assert found.default == made("datasets: {FIELD: {}}\n").default


def test_each_exposure_takes_the_nearest_and_both_of_it() -> None:
    found = made(SKY, sky(BEFORE), sky(AFTER, ra=10.0, dec=-30.0))
    for exposure in (FIRST, SECOND):
        maker = f"muse_create_sky:{AFTER}"
        assert taken(scipost(found, exposure)) == {"SKY_LINES": maker, "SKY_CONTINUUM": maker}
        assert scipost(found, exposure).params["skymethod"] == "subtract-model"
    assert f"muse_scibasic:{AFTER}.ifu01" in found.default
    assert not [name for name in found.default if BEFORE in name]
    chain = found.invocations[f"muse_create_sky:{AFTER}"]
    assert {"SKY_LINES", "STD_RESPONSE", "LSF_PROFILE", "PIXTABLE_SKY"} <= {
        given.tag for given in chain.inputs
    }
    assert taken(chain) == {"SKY_LINES": "/calib/sky_lines.fits"}
    assert not reasons(found)


def test_distance_and_hours_are_told() -> None:
    place = {"ra": 10.0, "dec": 0.0}
    frames = [
        replaced if one.category != "OBJECT" else frame("OBJECT", one.date_obs, **place)
        for one in night()
        for replaced in (one,)
    ]
    found = plan(SKY, [*frames, sky(BEFORE, ra=10.05, dec=0.0)])
    quality = next(g.quality for g in scipost(found).inputs if g.tag == "SKY_CONTINUUM")
    assert quality is not None
    assert (quality.hours, quality.note, quality.level) == (-0.5, "3.0′ away", 0)


def test_the_set_up_must_agree_and_another_mode_is_told() -> None:
    other = sky(AFTER, ins_mode="WFM-NOAO-E")
    found = made(SKY, sky(BEFORE, ins_mode="WFM-AO-N"), other)
    # The sky exposure itself needs calibrations of its set-up, which the night does not have.
    assert f"muse_scibasic:{AFTER}: no raw FLAT within 1 night" in reasons(found)
    assert f"muse_scipost:{FIRST}: no raw FLAT within 1 night" in reasons(found)
    assert f"muse_scipost:{FIRST}" not in found.invocations


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        (
            SKY,
            "no raw SKY within 0 nights of 2017-06-15 (for SKY_LINES)",
            "take recipes.muse_scipost.sky out",
        ),
        (
            "recipes: {muse_scipost: {params: {skymethod: subtract-model}}}\n",
            "no raw SKY within 0 nights of 2017-06-15 (for SKY_LINES)",
            "set recipes.muse_scipost.params.skymethod: model",
        ),
        (SKY, f"muse_create_sky:{NEXT} is 1 night later", "offsets: {SKY_LINES: 1}"),
    ],
)
def test_without_a_sky_exposure_the_hint_is_told_and_is_accepted(
    text: str, reason: str, hint: str
) -> None:
    later = [*night("2017-06-16", exposures=0), sky(NEXT)] if "later" in reason else []
    found = plan(text, [*night(), *later])
    assert f"muse_scipost:{FIRST}" not in found.invocations
    assert reason in reasons(found)
    assert hint in reasons(found)
    if later:
        far = SKY.replace("exposures}", "exposures, frames: {offsets: {SKY_LINES: 1}}}")
        found = plan(far, [*night(), *later])
        maker = f"muse_create_sky:{NEXT}"
        assert taken(scipost(found)) == {"SKY_LINES": maker, "SKY_CONTINUUM": maker}


@pytest.mark.parametrize(
    ("block", "wrong"),
    [
        (
            "muse_scipost: {sky: exposures, params: {skymethod: model}}",
            "goes with subtract-model, not with model",
        ),
        ("muse_scipost: {sky: exposures, frames: {exclude: SKY_CONTINUUM}}", "frames.exclude"),
        ("muse_exp_combine: {sky: exposures}", "subtracts no sky"),
    ],
)
def test_what_contradicts_is_refused_with_what_mends_it(block: str, wrong: str) -> None:
    with pytest.raises(BlockError, match=wrong) as error:
        made(f"recipes: {{{block}}}\n", sky(BEFORE))
    assert "take recipes." in (error.value.remedy or "") or "take SKY" in (error.value.remedy or "")


def test_the_list_of_static_calib_is_that_of_create_sky_alone() -> None:
    text = SKY + "static_calib: {SKY_LINES: {sky_lines.fits: {}}}\n"
    found = made(text, sky(BEFORE))
    maker = f"muse_create_sky:{BEFORE}"
    assert taken(scipost(found))["SKY_LINES"] == maker
    assert taken(found.invocations[maker]) == {"SKY_LINES": "/calib/sky_lines.fits"}


def test_a_block_of_ones_own_chooses_sky_exposures_and_parameters() -> None:
    text = (
        "recipes:\n"
        "  muse_scibasic_sky: {recipe: muse_scibasic, DPR_TYPE: SKY}\n"
        "  muse_create_sky_own: {from_recipe: muse_scibasic_sky, params: {fraction: 0.5}}\n"
        "  muse_scipost: {sky: exposures, frames: {SKY_LINES: muse_create_sky_own}}\n"
    )
    found = made(text, sky(BEFORE))
    maker = f"muse_create_sky_own:{BEFORE}"
    assert taken(scipost(found)) == {"SKY_LINES": maker, "SKY_CONTINUUM": maker}
    assert found.invocations[maker].params["fraction"] == 0.5
    assert f"muse_scibasic_sky:{FIRST}" not in " ".join(found.invocations)


def test_a_named_list_wants_its_continuum() -> None:
    block = "muse_scipost: {sky: exposures, frames: {SKY_LINES: calib/mine.fits}}"
    key = ("SKY_LINES", "calib/mine.fits")
    index = files(named={key: (FileFrame("/project/calib/mine.fits", "SKY_LINES"),)})
    found = plan(f"recipes: {{{block}}}\n", [*night(), sky(BEFORE)], index)
    assert "no SKY_CONTINUUM to go with it" in reasons(found)


def test_a_mask_is_that_of_its_exposure() -> None:
    def masks(*names: str) -> Plan:
        named = tuple(FileFrame(f"/project/masks/{name}", "SKY_MASK") for name in names)
        index = files(named={("SKY_MASK", "masks/*.fits"): named})
        text = (
            "recipes:\n"
            "  muse_create_sky: {frames: {SKY_MASK: masks/*.fits}}\n"
            "  muse_scipost: {sky: exposures, frames: {SKY_MASK: masks/*.fits}}\n"
        )
        return plan(text, [*night(exposures=1), sky(f"{BEFORE}.000")], index)

    found = masks(f"sky_{FIRST}.fits", f"{BEFORE.replace(':', '')}.000.fits")
    assert taken(scipost(found))["SKY_MASK"] == f"/project/masks/sky_{FIRST}.fits"
    maker = found.invocations[f"muse_create_sky:{BEFORE}.000"]
    assert taken(maker)["SKY_MASK"] == f"/project/masks/{BEFORE.replace(':', '')}.000.fits"
    # A mask that was drawn on one exposure is never taken for another.
    found = masks(f"{BEFORE}.000.fits")
    assert "holds none for the exposure" in reasons(found)
    # One that names none is taken for all.
    assert taken(scipost(masks("all.fits")))["SKY_MASK"] == "/project/masks/all.fits"
