"""`musebuild qc outliers`: values far from those of the other products."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from musebuild.engine.project import Project
from musebuild.index import qc
from musebuild.report.outliers import LEAST, clip, find_outliers, scatter_of
from musebuild.report.qc import Parameters
from tests.support.projects import MockProject, make_mock_project

EXPOSURE = "2017-06-16T01:34:56.867"
RON = (2.5, 2.6, 2.4, 2.55, 2.45, 2.52)


def filled(folder: Path, night: Path) -> MockProject:
    """Six exposures of two IFUs: the first one's IFU 2 is unlike the others'."""
    project = make_mock_project(folder, night)
    own = Project(project.folder / "settings.yml")
    names = [EXPOSURE, *(f"2017-06-16T02:0{n}:00" for n in range(1, 6))]
    for ifu in (1, 2):
        for n, (name, ron) in enumerate(zip(names, RON, strict=True)):
            hdu = fits.PrimaryHDU()
            hdu.header["DATE-OBS"] = name
            cards = {"RON": 9.0 if (ifu, n) == (2, 0) else ron, "N": 3}
            for word, value in cards.items():
                hdu.header[f"HIERARCH ESO QC {word}"] = value
            path = folder / f"{n}-{ifu}.fits"
            hdu.writeto(path)
            task = f"muse_scibasic:{name}.ifu{ifu:02d}"
            made = qc.Made(f"{ifu}{n}", task, "2026", (("PIXTABLE_OBJECT", path.name, path),))
            qc.record(own.connection, [made])
    own.close()
    return project


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    return filled(tmp_path_factory.mktemp("outliers") / "project", night)


def found(project: MockProject, *arguments: str) -> list[dict[str, Any]]:
    ran = project.ask("qc", "outliers", "--format", "json", *arguments)
    assert ran.status == 0, ran.err
    rows: list[dict[str, Any]] = json.loads(ran.out)
    return rows


def test_the_odd_one_is_found_within_its_ifu(asked: MockProject) -> None:
    (row,) = found(asked)
    assert (row["name"], row["ifu"], row["parameter"]) == (EXPOSURE, 2, "QC_RON")
    assert row["category"] == "PIXTABLE_OBJECT"
    others = np.array(RON[1:])
    median = np.median(others)
    scatter = 1.482602218505602 * np.median(np.abs(others - median))
    assert row["median"] == pytest.approx(median)
    assert row["scatter"] == pytest.approx(scatter)
    assert row["deviation"] == pytest.approx((9.0 - median) / scatter)
    assert found(asked, "PIXTABLE_OBJECT", "--param", "RON") == [row]
    assert found(asked, "--sigma", "200") == []
    assert found(asked, "--param", "N") == []


def test_for_people_and_programs(asked: MockProject) -> None:
    out = asked.ask("qc", "--outliers").out
    assert f"muse_scibasic:{EXPOSURE}.ifu02" in out
    assert "1 of 24 values lie more than 5 σ from the others." in out
    assert "None of 24 values lies" in asked.ask("qc", "--outliers", "--sigma", "200").out
    form = asked.ask("qc", "--outliers", "--format", "csv").out
    assert [row["value"] for row in csv.DictReader(io.StringIO(form))] == ["9.0"]
    form = asked.ask("qc", "--outliers", "--format", "ecsv").out
    assert list(Table.read(form, format="ascii.ecsv")["value"]) == [9.0]


def test_few_values_are_not_judged(asked: MockProject) -> None:
    out = asked.ask("qc", "--outliers", "--date", EXPOSURE).out
    assert "None of 4 values" in out
    assert f"4 parameters of an IFU have fewer than {LEAST} values" in out


def test_exposures_with_outliers_are_flagged_on_request(tmp_path: Path, night: Path) -> None:
    project = filled(tmp_path / "project", night)
    assert "1 exposure flagged" in project.ask("qc", "--outliers", "--flag", "BAD_SLICE").out
    (flag,) = json.loads(project.ask("flag", "find", "BAD_SLICE", "--format", "json").out)
    assert flag["exposure"] == EXPOSURE
    assert flag["reason"] == "qc outliers: QC_RON of IFU 2 is 9, not 2.52"
    again = project.ask("qc", "--outliers", "--flag", "BAD_SLICE", "--format", "json")
    assert "0 exposures flagged (1 had it already)" in again.err
    assert json.loads(again.out)
    quiet = project.ask("qc", "--outliers", "--sigma", "200", "--flag", "SATELLITE")
    assert "no exposure among them" in quiet.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("outliers", "--sigma", "x"), "--sigma wants a number above 0, not x"),
        (("outliers", "--sigma", "-1"), "wants a number above 0, not -1"),
        (("outliers", "--sigma", "nan"), "wants a number above 0, not nan"),
        (("outliers", "--maxiters", "1.5"), "wants a whole number above 0, not 1.5"),
        (("outliers", "--flag", "BAD_SLIC"), "did you mean BAD_SLICE"),
        (("--outliers", "--plot", "PIXTABLE_OBJECT"), "not both"),
        (("outliers", "PIXTABLE_OBJEC"), "did you mean PIXTABLE_OBJECT"),
        (("outliers", "--param", "RONN"), "no quality parameter RONN"),
        (("--sigma", "3"), "no option --sigma\n  why: it belongs to musebuild qc outliers"),
    ],
)
def test_bad_input_is_answered(asked: MockProject, arguments: tuple[str, ...], told: str) -> None:
    ran = asked.ask("qc", *arguments)
    assert ran.status == 2, ran.text
    assert told in ran.err
    assert "Traceback" not in ran.text


def test_before_anything_is_made(project: MockProject) -> None:
    assert "There is no number to look at" in project.ask("qc", "--outliers").out
    assert found(project) == []


# the numbers


def test_where_most_are_the_same_the_mean_deviation_tells() -> None:
    same = np.array([[0.0]] * 9 + [[1.0]])
    assert scatter_of(same) == pytest.approx(1.2533 * 0.18, rel=0.5)
    assert clip(same).outside[:, 0].tolist() == [False] * 9 + [True]
    half = np.array([[0.0]] * 6 + [[1.0]] * 4)
    assert not clip(half).outside.any(), "so many are no exception"


def test_texts_and_missing_values_are_passed_over() -> None:
    fixed = tuple(qc.FIXED)
    about = {"task": "t:a", "hdu": 0}
    head = [about.get(name) for name in fixed]
    rows = tuple((*head, value, "text") for value in (1.0, None, 1.1, 0.9, 1.0, 1.05, 7.0))
    result = find_outliers(Parameters("A", fixed, ("QC_A", "QC_B"), rows))
    assert [row["value"] for row in result.rows] == [7.0]
    assert (result.looked_at, result.too_few) == (6, 0)


@given(
    values=st.lists(st.integers(-1024, 1024).map(lambda n: n / 1024), min_size=LEAST, max_size=30),
    far=st.floats(1e3, 1e6),
    sign=st.sampled_from([-1, 1]),
    shift=st.floats(-10, 10),
    scale=st.sampled_from([0.5, 1, 4]),
)
def test_what_is_far_is_outside_whatever_the_unit(
    values: list[float], far: float, sign: int, shift: float, scale: float
) -> None:
    data = np.array([[value] for value in [*values, *values, sign * far]])
    outside = clip(data).outside
    assert outside[-1, 0]
    # A power of two changes no digit; a column beside it changes nothing either.
    beside = np.hstack([data * scale, np.full_like(data, shift)])
    assert (clip(beside).outside[:, 0] == outside[:, 0]).all()
    assert not clip(beside).outside[:, 1].any()


def test_only_like_is_compared_with_like() -> None:
    fixed = tuple(qc.FIXED)

    def row(block: str, product: str, value: float) -> tuple[Any, ...]:
        about = {"task": f"{block}:x", "name": "x", "product": product, "hdu": 0}
        return (*(about.get(name) for name in fixed), value)

    many = [row("a", "IMAGE_FOV_0001.fits", 1 + n / 100) for n in range(9)]
    odd = [row("b", "IMAGE_FOV_0001.fits", 9.0), row("a", "IMAGE_FOV_0002.fits", 9.0)]
    result = find_outliers(Parameters("IMAGE_FOV", fixed, ("QC_A",), (*many, *odd)))
    assert (result.rows, result.too_few) == ((), 2)
    same = [*many, row("a", "IMAGE_FOV_0001.fits", 9.0)]
    assert len(find_outliers(Parameters("IMAGE_FOV", fixed, ("QC_A",), tuple(same))).rows) == 1
