"""The sky of sky exposures, through the real engine."""

from __future__ import annotations

from collections import Counter

from tests.support.frames import write_raw
from tests.support.projects import MockProject

BEFORE, BETWEEN = "2017-06-16T01:33:00.000", "2017-06-16T01:36:00.000"
FIRST, SECOND = "2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"


def expose(project: MockProject, date: str, value: int = 0) -> None:
    """A sky exposure 2.5 arcmin north of nothing in particular."""
    write_raw(
        project.folder / "raw", "SKY", date, target="FIELD", value=value,
        cards={"RA": 150.0, "DEC": -30.0, "ESO DPR CATG": "SCIENCE", "EXPTIME": 120.0},
    )  # fmt: skip


def test_a_changed_sky_exposure_reruns_what_depends_on_it(project: MockProject) -> None:
    expose(project, BEFORE)
    expose(project, BETWEEN)
    # Nothing asks for them: they are told, and not reduced.
    assert "2 SKY frames are not used" in project.ask("check").text
    project.make()
    assert "muse_create_sky" not in {run["recipe"] for run in project.journal}
    assert "not needed (SKY 2)" in project.ask("list").out

    block = project.settings["recipes"].setdefault("muse_scipost", {})
    block.get("params", {}).pop("skymethod", None)
    block["sky"] = "exposures"
    project.write()
    assert "SKY frame" not in project.ask("check").text
    before = len(project.journal)
    project.make()
    ran = project.ran_since(before)
    assert (ran["muse_create_sky"], ran["muse_scibasic"]) == (1, 2)
    scipost = next(run for run in project.journal[::-1] if run["recipe"] == "muse_scipost")
    tags = Counter(text.partition(":")[0] for text in scipost["inputs"])
    assert tags["SKY_LINES"] == tags["SKY_CONTINUUM"] == 1
    told = project.ask("associations", f"muse_scipost:{FIRST}").out
    assert f"muse_create_sky:{BETWEEN}" in told
    assert "+0.0 h" in told
    assert "level 0" in told

    expose(project, BEFORE, value=7)
    # That exposure is the nearest of none.
    assert "Everything is up to date" in project.make().text
    expose(project, BETWEEN, value=7)
    before = len(project.journal)
    project.make()
    assert project.ran_since(before) == {
        "muse_scibasic": 2, "muse_create_sky": 1, "muse_scipost": 2, "muse_exp_combine": 1,
    }  # fmt: skip
    assert "Everything is up to date" in project.make().text
