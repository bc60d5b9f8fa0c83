"""The level of each association, the worst that the settings take, and masters of the archive."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from musebuild.index.model import FileFrame, RawFrame
from musebuild.plan.levels import Rule, accepting, level_of, levels_of
from musebuild.plan.model import Plan
from musebuild.plan.planned_task import setup_of
from musebuild.plan.static_files import choose_static
from tests.plan.making import files, frame, night, plan, reasons, source_of

FIELD = "datasets: {FIELD: {}}\n"
SCIBASIC = "muse_scibasic:2017-06-16T01:30:00"
SCIPOST = "muse_scipost:2017-06-16T01:30:00"
FLAT = "muse_flat:2017-06-16T11:00:00.ifu01"
CLOSE = Rule(close={"hours": 24})


def levels(made: Plan, name: str) -> dict[str, int | None]:
    """Category → level of what an invocation takes by a choice."""
    inputs = made.invocations[name].inputs
    return {w.tag: w.quality.level for w in inputs if w.quality is not None}


@pytest.mark.parametrize(
    ("rule", "away", "level"),
    [
        (CLOSE, {"hours": 24.0}, 0),
        (CLOSE, {"hours": -24.1}, 1),
        (CLOSE, {"nights": 1, "hours": 20.0}, 0),
        (CLOSE, {"nights": -1, "hours": -33.0}, 1),
        (CLOSE, {"nights": 2, "hours": 40.0}, 2),
        (CLOSE, {"hours": 1.0, "same_mode": False}, 2),
        (CLOSE, {}, 1),
        (Rule(close={"hours": 36}), {"nights": 1, "hours": 35.0}, 0),
        (Rule(close={"nights": 3}, usual=3), {"nights": -3}, 0),
        (Rule(close={"nights": 3}, usual=3), {"nights": 4}, 2),
        (Rule(close={"nights": 0}, usual=5), {"nights": 0}, 0),
        (Rule(close={"nights": 0}, usual=5), {"nights": 5}, 1),
        (Rule(close={"hours": 1, "kelvin": 1}), {"hours": 0.9, "kelvin": -0.9}, 0),
        (Rule(close={"hours": 1, "kelvin": 1}), {"hours": 1.1, "kelvin": 0.0}, 1),
        (Rule(close={"hours": 1, "kelvin": 1}), {"hours": 0.9, "kelvin": None}, 1),
        (Rule(least=2, close={"hours": 24}), {"hours": 0.0}, 2),
    ],
)
def test_levels(rule: Rule, away: dict[str, Any], level: int) -> None:
    assert level_of(rule, **away) == level


def test_a_night_with_all_its_calibrations_is_of_level_0() -> None:
    made = plan(FIELD)
    for name in made.invocations:
        # The illumination flat of the exposures is hours away from twilight and standard star.
        given = {tag: level for tag, level in levels(made, name).items() if tag != "ILLUM"}
        assert set(given.values()) <= {0}, name
    assert levels_of(made.invocations["muse_twilight:2017-06-15T22:00:00"]).count(1) == 1
    assert levels(made, f"{SCIBASIC}.ifu01")["ILLUM"] == 0
    assert levels(made, SCIPOST)["STD_RESPONSE"] == 0


def of_another_night(category: str, days: int) -> list[RawFrame]:
    """A night whose frames of a category were taken so many days later."""
    there = [f for f in night(f"2017-06-{15 + days}") if f.category == category]
    return [f for f in night() if f.category != category] + there


def test_another_night_is_of_level_1_and_farther_than_usual_of_level_2() -> None:
    raw = of_another_night("STD", 2)
    # The standard of another night needs the calibrations of its own.
    raw += [f for f in night("2017-06-17") if f.category in ("BIAS", "FLAT", "ARC", "SKYFLAT")]
    assert levels(plan(FIELD, raw), SCIPOST)["STD_RESPONSE"] == 1
    raw = of_another_night("STD", 8)
    raw += [f for f in night("2017-06-23") if f.category in ("BIAS", "FLAT", "ARC", "SKYFLAT")]
    offsets = "{offsets: {STD_RESPONSE: 8, STD_TELLURIC: 8}}"
    text = FIELD + f"recipes: {{muse_scipost: {{frames: {offsets}}}}}"
    assert levels(plan(text, raw), SCIPOST)["STD_RESPONSE"] == 2


def test_what_is_worse_is_refused_with_the_setting_that_takes_it() -> None:
    raw = of_another_night("STD", 2)
    raw += [f for f in night("2017-06-17") if f.category in ("BIAS", "FLAT", "ARC", "SKYFLAT")]
    text = FIELD + "association: {worst: {STD_RESPONSE: 0, MASTER_BIAS: 1}}"
    made = plan(text, raw)
    assert SCIPOST not in made.invocations
    told = reasons(made)
    assert "muse_standard:2017-06-18T09:30:00 is of level 1, and 0 is the worst taken" in told
    (hint,) = set(re.findall(r"association\.(worst: \{[^}]*\})", told))
    assert hint == "worst: {STD_RESPONSE: 1, MASTER_BIAS: 1}"
    made = plan(FIELD + f"association: {{{hint}}}", raw)
    assert levels(made, SCIPOST)["STD_RESPONSE"] == 1
    # Of the others it takes what is taken of them now.
    assert (
        accepting("X", 2, {"default": 1, "Y": 0}) == "association.worst: {default: 1, Y: 0, X: 2}"
    )


def test_a_hint_proposes_what_agrees_before_what_contradicts() -> None:
    raw = [f for f in night() if f.category != "FLAT"]
    raw += [
        frame("FLAT", f"2017-06-16T11:{minute}:00", ins_mode=mode, tpl_start=mode)
        for mode, minutes in (("WFM-NOAO-E", (57, 58, 59)), ("WFM-AO-N", (11, 12, 13)))
        for minute in minutes
    ]
    told = [
        line
        for line in reasons(plan(FIELD + "association: {worst: 1}", raw)).splitlines()
        if line.startswith("muse_wavecal")
    ]
    assert len(told) == 1
    # The extended flats are nearer in time.
    assert "muse_flat:WFM-NOAO-E has filter (INS OPTI1) extended, not nominal; " in told[0]
    assert "or accept the nearest: association.worst: {default: 1, TRACE_TABLE: 2}" in told[0]


def test_a_better_candidate_is_taken_where_the_nearest_night_is_refused() -> None:
    # 33 hours later, and 15 hours earlier, which is the better level.
    raw = [f for f in night() if f.category != "BIAS"]
    raw += [f for day in (14, 16) for f in night(f"2017-06-{day}") if f.category == "BIAS"]
    made = plan(FIELD, raw)
    name = f"{SCIBASIC}.ifu01"
    assert source_of(made, name, "MASTER_BIAS") == ["muse_bias:2017-06-17T10:00:00.ifu01"]
    assert levels(made, name)["MASTER_BIAS"] == 1
    made = plan(FIELD + "association: {worst: {MASTER_BIAS: 0}}", raw)
    assert source_of(made, name, "MASTER_BIAS") == ["muse_bias:2017-06-15T10:00:00.ifu01"]
    assert levels(made, name)["MASTER_BIAS"] == 0


def test_an_ao_exposure_takes_what_muse_oca_lets_it_take_after_its_own_mode() -> None:
    ao = [f for f in night(ins_mode="WFM-AO-N") if f.category != "FLAT"]
    noao = [f for f in night() if f.category == "FLAT"]
    made = plan(FIELD, [*ao, *noao])
    wavecal = "muse_wavecal:2017-06-16T12:00:00.ifu01"
    assert levels(made, wavecal)["TRACE_TABLE"] == 2
    (note,) = [
        w.quality.note
        for w in made.invocations[wavecal].inputs
        if w.tag == "TRACE_TABLE" and w.quality is not None
    ]
    assert "INS MODE WFM-NOAO-N, not WFM-AO-N" in note
    # MASTER_FLAT must be of the same INS MODE.
    assert "(for MASTER_FLAT)" in reasons(made)
    told = reasons(plan(FIELD + "association: {worst: 1}", [*ao, *noao]))
    assert "association.worst: {default: 1, TRACE_TABLE: 2}" in told
    # Those of the same mode go first, though they are of another night.
    own = [f for f in night("2017-06-16", ins_mode="WFM-AO-N") if f.category in ("FLAT", "BIAS")]
    made = plan(FIELD, [*ao, *noao, *own])
    assert source_of(made, wavecal, "TRACE_TABLE") == ["muse_flat:2017-06-17T11:00:00.ifu01"]
    assert levels(made, wavecal)["TRACE_TABLE"] == 0


@pytest.mark.parametrize(
    ("mode", "fits"), [("WFM-NOAO-E", False), ("NFM-AO-N", False), ("WFM-AO-N", True)]
)
def test_twilights_of_another_filter_or_field_are_refused(mode: str, fits: bool) -> None:
    raw = [f for f in night() if f.category != "SKYFLAT"]
    others = night(ins_mode=mode)
    raw += [f for f in others if f.category == "SKYFLAT"]
    # What the twilights need themselves, an hour later.
    raw += [
        frame(f.category, f.name[:14] + "30" + f.name[16:], ins_mode=mode, lamps=f.lamps)
        for f in others
        if f.category in ("FLAT", "ARC")
    ]
    made = plan(FIELD, raw)
    assert any(name.startswith("muse_twilight") for name in made.invocations)
    assert (f"{SCIBASIC}.ifu01" in made.invocations) == fits
    if not fits:
        assert "has filter (INS OPTI1)" in reasons(made) or "field mode" in reasons(made)


def test_a_vignetting_mask_is_for_old_twilights_only() -> None:
    name = "muse_twilight:2017-06-15T22:00:00"
    assert not source_of(plan(FIELD), name, "VIGNETTING_MASK")
    # MJD 57823 is 2017-03-11.
    for date, mask in (("2017-03-10", ["/calib/vignetting_mask.fits"]), ("2017-03-11", [])):
        made = plan(FIELD, night(date))
        assert source_of(made, f"muse_twilight:{date}T22:00:00", "VIGNETTING_MASK") == mask


def test_a_geometry_is_for_all_fields_and_one_of_the_same_goes_first() -> None:
    setup = setup_of(frame("OBJECT", "2017-06-16T01:30:00", ins_mode="NFM-AO-N"))
    wide = FileFrame("/calib/geometry_table_wfm.fits", "GEOMETRY_TABLE", "WFM-NOAO-E")
    narrow = FileFrame("/calib/z_geometry_nfm.fits", "GEOMETRY_TABLE", "NFM-AO-N")
    for folder, path in (([wide], wide.path), ([wide, narrow], narrow.path)):
        chosen = choose_static("GEOMETRY_TABLE", setup, ranges=(), folder=folder, delivered=())
        assert chosen.path == path
        assert chosen.quality is not None
        assert chosen.quality.level == 0


def test_a_file_that_the_settings_name_is_of_level_3() -> None:
    bias = tuple(
        FileFrame(f"/old/MASTER_BIAS-0{n}.fits", "MASTER_BIAS", channels=(n,)) for n in (1, 2)
    )
    index = files(named={("MASTER_BIAS", "/old"): bias})
    text = FIELD + "recipes: {muse_flat: {frames: {MASTER_BIAS: /old}}}\n"
    made = plan(text, index=index)
    assert levels(made, FLAT)["MASTER_BIAS"] == 3
    told = reasons(plan(text + "association: {worst: 2}", index=index))
    assert "MASTER_BIAS: MASTER_BIAS-01.fits is of level 3, and 2 is the worst taken" in told
    assert "accept the nearest: association.worst: {default: 2, MASTER_BIAS: 3}" in told


@pytest.mark.parametrize(
    "held",
    [
        FileFrame("/old/a.fits", "MASTER_BIAS", channels=(1,)),
        FileFrame("/old/a-01.fits", "MASTER_BIAS"),
    ],
)
def test_a_file_of_another_ifu_is_never_given(held: FileFrame) -> None:
    index = files(named={("MASTER_BIAS", held.path): (held,)})
    for block in ("muse_flat", "muse_twilight"):
        text = FIELD + f"recipes: {{{block}: {{frames: {{MASTER_BIAS: {held.path}}}}}}}\n"
        made = plan(text, index=index)
        for name, invocation in made.invocations.items():
            if invocation.block == block:
                assert name == FLAT
                assert source_of(made, name, "MASTER_BIAS") == [held.path]
        assert f"MASTER_BIAS: {held.path} lacks IFU 2" in reasons(made)


def master(ifu: int, date: str = "2017-06-16T10:00:00", **more: Any) -> RawFrame:
    """A master bias that the archive delivers: one file for each IFU."""
    name = f"M.MUSE.{date}.{ifu:03d}.fits"
    given = {"is_raw": False, "path": f"/raw/{name}", "filename": name, "channels": (ifu,)}
    return frame("MASTER_BIAS", date, **{**given, **more})


def test_masters_of_the_archive_on_request_each_ifu_its_own() -> None:
    raw = [f for f in night() if f.category != "BIAS"] + [master(1), master(2)]
    told = reasons(plan(FIELD, raw))
    assert "was delivered by the archive, and is taken only on request" in told
    hints = set(re.findall(r"recipes\.(\w+)\.frames: (\{MASTER_BIAS: [^}]*\})", told))
    blocks = {block: {"frames": yaml.safe_load(hint)} for block, hint in hints}
    everywhere = re.search(r"association\.(prefer: \{[^}]*\})", told)
    assert everywhere is not None
    for text in (
        FIELD + f"association: {{{everywhere[1]}}}",
        FIELD + "association: {prefer: master}",
        FIELD + yaml.safe_dump({"recipes": blocks}),
    ):
        made = plan(text, raw)
        for ifu in (1, 2):
            flat = f"muse_flat:2017-06-16T11:00:00.ifu0{ifu}"
            path = f"/raw/M.MUSE.2017-06-16T10:00:00.00{ifu}.fits"
            assert source_of(made, flat, "MASTER_BIAS") == [path]
            assert levels(made, flat)["MASTER_BIAS"] == 2
    made = plan(FIELD + "association: {prefer: master}", raw)
    assert len(source_of(made, "muse_twilight:2017-06-15T22:00:00", "MASTER_BIAS")) == 2
    assert SCIPOST in made.invocations


def test_masters_go_before_raw_frames_where_they_are_preferred_and_fit() -> None:
    prefer = FIELD + "association: {prefer: {MASTER_BIAS: master}}"
    raw = night()
    mine = ["muse_bias:2017-06-16T10:00:00.ifu01"]
    assert source_of(plan(FIELD, [*raw, master(1), master(2)]), FLAT, "MASTER_BIAS") == mine
    made = plan(prefer, [*raw, master(1), master(2)])
    assert source_of(made, FLAT, "MASTER_BIAS") == ["/raw/M.MUSE.2017-06-16T10:00:00.001.fits"]
    for other in (
        [master(2)],
        [master(1, "2017-06-19T10:00:00")],
        [master(1, read_mode="SCI2.0")],
    ):
        assert source_of(plan(prefer, [*raw, *other]), FLAT, "MASTER_BIAS") == mine
    text = FIELD + "association: {prefer: master, worst: 1}"
    assert source_of(plan(text, [*raw, master(1)]), FLAT, "MASTER_BIAS") == mine


def test_masters_that_are_asked_for_and_do_not_fit_are_told() -> None:
    text = FIELD + "recipes: {muse_flat: {frames: {MASTER_BIAS: master}}}"
    told = reasons(plan(text, [*night(), master(1, "2017-06-19T10:00:00"), master(2)]))
    assert "the archive delivered no MASTER_BIAS that fits" in told
    assert "M.MUSE.2017-06-19T10:00:00.001.fits is 3 nights later" in told
    assert "no MASTER_BIAS that fits 2017-06-15, IFU 1 (" in told


def test_of_several_ifus_the_one_is_told_that_has_no_master() -> None:
    raw = [f for f in night() if f.category != "BIAS"] + [master(1)]
    told = reasons(plan(FIELD + "association: {prefer: master}", raw))
    assert "M.MUSE.2017-06-16T10:00:00.001.fits lacks IFU 2" in told
    assert "001.fits )" not in told


def test_one_file_with_all_ifus_serves_them_all() -> None:
    raw = [f for f in night() if f.category != "BIAS"] + [master(1, channels=(1, 2))]
    made = plan(FIELD + "association: {prefer: master}", raw)
    path = "/raw/M.MUSE.2017-06-16T10:00:00.001.fits"
    assert source_of(made, "muse_twilight:2017-06-15T22:00:00", "MASTER_BIAS") == [path]


def test_muse_lsf_takes_the_flat_of_its_night_unless_it_is_left_out() -> None:
    lsf = "muse_lsf:2017-06-16T12:00:00.ifu01"
    assert source_of(plan(FIELD), lsf, "MASTER_FLAT") == [FLAT]
    text = FIELD + "recipes: {muse_lsf: {frames: {exclude: MASTER_FLAT}}}"
    assert not source_of(plan(text), lsf, "MASTER_FLAT")
    assert not source_of(plan(FIELD), lsf.replace("lsf", "wavecal"), "MASTER_FLAT")
