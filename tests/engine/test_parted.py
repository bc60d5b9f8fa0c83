"""Datasets in parts, single exposures, and datasets of which something cannot be done: builds."""

from __future__ import annotations

import pytest

from tests.support.frames import write_raw
from tests.support.projects import MockProject

ALIGN, COMBINE = "muse_exp_align", "muse_exp_combine"


@pytest.fixture
def one_ifu(project: MockProject) -> MockProject:
    project.settings["ifus"] = 1
    del project.settings["datasets"]
    project.write()
    return project


def expose(project: MockProject, *times: str, target: str = "FIELD", **more: object) -> None:
    for time in times:
        write_raw(project.folder / "raw", "OBJECT", f"2017-06-16T{time}", target=target, **more)  # type: ignore[arg-type]


def cubes(project: MockProject) -> set[str]:
    found = project.reduced.glob("exp_combine/*/DATACUBE_FINAL.fits")
    return {path.parent.name for path in found}


def test_a_stray_exposure_is_reduced_and_stops_no_dataset(one_ifu: MockProject) -> None:
    expose(one_ifu, "02:34:56.867", target="STRAY")
    checked = one_ifu.ask("check")
    assert checked.status == 0
    assert checked.text.count("STRAY has 1 exposure: there is nothing to align or combine") == 1
    ran = one_ifu.ask("run")
    assert ran.status == 0
    assert f"{ALIGN}:STRAY_drs, {COMBINE}:STRAY_drs: STRAY has 1 exposure" in ran.text
    assert cubes(one_ifu) == {"FIELD_drs"}
    assert list(one_ifu.reduced.glob("scipost/2017-06-16T02:34:56.867/DATACUBE_FINAL*.fits"))


def test_what_cannot_be_done_in_one_dataset_stops_no_other(one_ifu: MockProject) -> None:
    lost = {"mode": "NFM-AO-N"}
    expose(one_ifu, "02:34:56.867", "02:44:56.867", target="OTHER", **lost)
    expose(one_ifu, "03:34:56.867", "03:44:56.867", **lost)
    ran = one_ifu.ask("run")
    assert ran.status == 1
    assert ran.text.index("Cannot be done:") < ran.text.index("muse_bias")
    assert ran.text.index("note: FIELD: its 4 exposures are combined in 2 parts: FIELD.NFM (2)") < (
        ran.text.index("muse_bias")
    )
    assert cubes(one_ifu) == {"FIELD.WFM_drs"}
    made = len(one_ifu.journal)
    again = one_ifu.ask("run")
    assert again.status == 1, "it is still not all that was asked for"
    assert "Everything is up to date" in again.text
    assert len(one_ifu.journal) == made
    alone = one_ifu.ask("run", "OTHER")
    assert alone.status != 0
    assert "OTHER" in alone.text
    assert one_ifu.ask("run", "FIELD.WFM").status == 0
    assert len(one_ifu.journal) == made
    one_ifu.settings["targets"] = ["FIELD.WFM"]
    one_ifu.write()
    assert one_ifu.ask("run").status == 0, "nobody asks for the rest"


def test_nothing_is_begun_of_a_dataset_of_which_something_cannot_be_done(
    one_ifu: MockProject,
) -> None:
    date = "2017-06-18T01:34:56.867"
    write_raw(one_ifu.folder / "raw", "OBJECT", date, target="LATER", mode="WFM-AO-N")
    write_raw(one_ifu.folder / "raw", "OBJECT", "2017-06-16T05:00:00.867", target="LATER")
    one_ifu.settings["datasets"] = {"FIELD": {}, "LATER": {"split_by": []}}
    one_ifu.write()
    ran = one_ifu.ask("run")
    assert ran.status == 1
    assert "So nothing was begun of LATER. `doit --continue` does what can be done" in ran.text
    assert not list(one_ifu.reduced.glob("sci*/2017-06-16T05:00:00.867"))
    assert cubes(one_ifu) == {"FIELD_drs"}
    done = len(one_ifu.journal)
    again = one_ifu.ask("run")
    assert "So nothing was begun of LATER" in again.text
    assert len(one_ifu.journal) == done
    assert one_ifu.ask("run", "--continue").status == 1
    assert list(one_ifu.reduced.glob("sci*/2017-06-16T05:00:00.867"))
