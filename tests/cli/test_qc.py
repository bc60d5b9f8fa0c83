"""`musebuild qc`: tables that fill while products are made."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table

from tests.support.projects import MockProject, make_mock_project

CARDS = {"ESO QC BIAS MASTER MEDIAN": 500.25, "ESO QC BIAS RON": 2.5}


def build(project: MockProject) -> MockProject:
    project.rule(recipe="muse_bias", cards=CARDS)
    project.rule(recipe="muse_bias", ifu=2, cards={"ESO QC BIAS MASTER MEDIAN": 510})
    project.build("muse_bias")
    return project


@pytest.fixture
def bias(project: MockProject) -> MockProject:
    """A project with two bias products, to be changed."""
    return build(project)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """The same, only to be asked."""
    return build(make_mock_project(tmp_path_factory.mktemp("qc") / "project", night))


def rows(project: MockProject, *arguments: str) -> list[dict[str, Any]]:
    ran = project.ask("qc", "MASTER_BIAS", "--format", "json", *arguments)
    assert ran.status == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def test_parameters_are_there_as_soon_as_the_product_is(bias: MockProject) -> None:
    first, second = rows(bias)
    assert (first["ifu"], first["QC_BIAS_MASTER_MEDIAN"], first["QC_BIAS_RON"]) == (1, 500.25, 2.5)
    assert (second["ifu"], second["QC_BIAS_MASTER_MEDIAN"]) == (2, 510)
    assert {row["night"] for row in (first, second)} == {"2017-06-15"}
    assert "MASTER_BIAS" in bias.ask("qc").out
    assert "510" in bias.ask("qc", "MASTER_BIAS").out


def test_only_current_products_unless_history_is_asked_for(bias: MockProject) -> None:
    before = rows(bias)
    bias.unrule()
    bias.rule(recipe="muse_bias", cards={"ESO QC BIAS MASTER MEDIAN": 9.0})
    bias.params("muse_bias", overscan="none")
    bias.build("muse_bias")
    assert {row["QC_BIAS_MASTER_MEDIAN"] for row in rows(bias)} == {9.0}
    assert len(rows(bias, "--history")) == 4
    # Going back is free, and brings the parameters back.
    del bias.settings["recipes"]["muse_bias"]
    bias.write()
    bias.build("muse_bias")
    assert rows(bias) == before


@pytest.mark.parametrize("how", ["rebuild", "build"])
def test_a_lost_database_is_filled_again_from_the_store(bias: MockProject, how: str) -> None:
    before = rows(bias)
    for path in bias.folder.glob("musebuild.db*"):
        path.unlink()
    ran = bias.ask("cache", "rebuild") if how == "rebuild" else bias.ask("run", "muse_bias")
    assert ran.status == 0, ran.text
    assert rows(bias) == before
    assert len(bias.journal) == 2


def test_a_store_shared_by_two_projects_gives_both_their_parameters(
    bias: MockProject, project: MockProject
) -> None:
    other = bias.folder.with_name("other")
    shutil.copytree(bias.folder, other, ignore=shutil.ignore_patterns("musebuild.db*", "reduced"))
    second = MockProject(other, bias.settings, bias.rules)
    assert "2 restored" in second.build("muse_bias").out
    assert len(rows(second)) == 2


def test_formats_hold_the_same(asked: MockProject) -> None:
    expected = rows(asked)
    read = list(csv.DictReader(io.StringIO(asked.ask("qc", "MASTER_BIAS", "--format", "csv").out)))
    assert [row["QC_BIAS_MASTER_MEDIAN"] for row in read] == ["500.25", "510"]
    table = Table.read(asked.ask("qc", "MASTER_BIAS", "--format", "ecsv").out, format="ascii.ecsv")
    assert list(table["QC_BIAS_MASTER_MEDIAN"]) == [r["QC_BIAS_MASTER_MEDIAN"] for r in expected]


def test_dates_and_parameters_choose(asked: MockProject) -> None:
    assert len(rows(asked, "--date", "2017-06-15")) == 2
    assert len(rows(asked, "--date", "2017-06-16T10:40:27")) == 2
    assert "QC_BIAS_RON" not in rows(asked, "--param", "*MEDIAN")[0]
    assert "QC_BIAS_RON" in rows(asked, "--param", "ESO QC BIAS RON")[0]


@pytest.mark.parametrize("by", ["ifu", "night"])
def test_a_plot(asked: MockProject, by: str) -> None:
    ran = asked.ask("qc", "plot", "MASTER_BIAS", "--by", by, "-o", "bias.png")
    assert ran.status == 0, ran.err
    assert (asked.folder / "bias.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("MASTER_BAIS",), "did you mean MASTER_BIAS"),
        (("MASTER_BIAS", "--date", "2017-06-16"), "MASTER_BIAS"),
        (("MASTER_BIAS", "--param", "RONN"), "QC_BIAS_RON"),
        (("MASTER_BIAS", "--format", "jason"), "did you mean json"),
        (("MASTER_BIAS", "--plot", "--by", "nights"), "did you mean night"),
        (("plot", "MASTER_BIAS", "-o", "no/such/folder.png"), "cannot be written"),
        (("MASTER_BIAS", "--plot", "-o", "bias.xyz"), "cannot be written"),
        (("--plot",), "wants a category"),
        (("A", "B"), "takes one category"),
    ],
)
def test_bad_input_is_answered(asked: MockProject, arguments: tuple[str, ...], told: str) -> None:
    ran = asked.ask("qc", *arguments)
    assert ran.status == 2, ran.text
    assert told in ran.err
    assert "Traceback" not in ran.text


def test_before_anything_is_made(project: MockProject) -> None:
    assert "Nothing was made yet" in project.ask("qc").out
    assert "nothing was made yet" in project.ask("qc", "MASTER_BIAS").err


def test_the_sky_of_each_exposure_is_in_qa_reduced(project: MockProject) -> None:
    # No alignment, and one IFU: what is measured comes after.
    save = {"save": "cube,skymodel,individual", "skymethod": "model"}
    project.settings["recipes"] = {"muse_scipost": {"params": save}}
    project.settings["ifus"] = [1]
    names = ["2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"]
    wavelengths = [5000.0, 7000.0, 9000.0]
    for n, name in enumerate(names, 1):
        flux = [10.0 * n, 20.0 * n, 30.0 * n]
        table = {"SKY_SPECTRUM": {"lambda": wavelengths, "data": flux}}
        project.rule(recipe="muse_scipost", label=name, tables=table)
    project.build("muse_scipost")
    query = "SELECT name, block, skyB, skyV, skyR FROM qa_reduced ORDER BY name"
    expected = [
        (names[0], "muse_scipost", 10.0, 20.0, 30.0),
        (names[1], "muse_scipost", 20.0, 40.0, 60.0),
    ]

    def found() -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(project.folder / "musebuild.db")) as connection:
            return connection.execute(query).fetchall()

    assert found() == expected
    shown = project.ask("qc", "qa_reduced", "--param", "sky*").out.splitlines()
    assert shown[0].split() == ["task", "skyB", "skyV", "skyR"]
    assert shown[1].split() == [f"muse_scipost:{names[0]}", "10", "20", "30"]
    asked = ("qc", "qa_reduced", "--format", "json", "--date", names[1])
    assert [row["skyR"] for row in json.loads(project.ask(*asked).out)] == [60.0]
    overview = [line.split() for line in project.ask("qc").out.splitlines()]
    assert ["qa_reduced", "2", "2", "17"] in overview
    assert ["qa_raw", "3", "3", "24"] in overview
    seeing = project.ask("qc", "outliers", "qa_raw").out
    assert "fewer than 5 values" in seeing or "no number" in seeing
    for again in (("run", "muse_scipost"), ("cache", "rebuild")):
        for path in project.folder.glob("musebuild.db*"):
            path.unlink()
        do = project.ask if again[0] == "cache" else project.run
        assert do(*again).status == 0
        assert found() == expected, again
    # Products of a second store are told again, too, though nothing needs to be done.
    project.settings["cache"] = ["new", ".musebuild/store"]
    project.write()
    project.build("muse_scipost")
    assert project.ask("cache", "rebuild").status == 0
    project.build("muse_scipost")
    assert found() == expected
