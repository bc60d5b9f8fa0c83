"""MuseRed's settings work unchanged: each that it accepts is accepted, with its meaning."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from musebuild.check.everything import check_project
from musebuild.engine.project import Project
from musebuild.settings.load import load_settings
from musebuild.settings.model import ALWAYS

SETTINGS = Path(__file__).parent / "data" / "musered.yml"


def test_nothing_is_refused_that_musered_accepts(tmp_path: Path) -> None:
    shutil.copy(SETTINGS, tmp_path / "settings.yml")
    # Its own database lies there, and is left alone.
    with sqlite3.connect(tmp_path / "musered.db") as db:
        db.execute("CREATE TABLE raw (id INTEGER, name TEXT)")
    db.close()
    (tmp_path / "reduced/0.1/scipost").mkdir(parents=True)
    project = Project(tmp_path / "settings.yml")
    problems = check_project(project)
    project.close()
    assert [str(one) for one in problems if one.severity == "error"] == []
    told = "\n".join(one.message for one in problems)
    assert "DATACUBE_FINAL.fits does not exist" not in told, "the plan makes it"


def test_what_it_means_is_known() -> None:
    blocks = load_settings(SETTINGS).blocks
    mosaic = blocks["mpdaf_combine_mosaic"]
    assert mosaic.params == {"method": "pysigclip", "mosaic": True}
    grid = "./reduced/0.1/exp_combine/UDF/DATACUBE_FINAL.fits"
    assert mosaic.frames.sources["OUTPUT_WCS"] == ((grid, ALWAYS),)
    assert blocks["mpdaf_combine"].params == {"method": "sigclip", "version": 0.1}
    assert set(blocks["muse_std_combine"].params) == {"method", "lmin", "lmax", "nl"}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("method: median, lmin", "method: medain, lmin", "medain cannot be used here"),
        ("nl: 3700", "n1: 3700", "has no parameter n1"),
        ("gto_logs:", "gto_log:", "no table gto_log"),
        ("PINKSKY > 1", "PINKSKI > 1", "no column PINKSKI"),
        ("cache_cubes: true", "cache_cube: true", "has no parameter cache_cube"),
        ("{conditions: Clear}", "{condition: Clear}", "no column condition"),
    ],
)
def test_a_slip_in_one_is_told(right: str, wrong: str, told: str, tmp_path: Path) -> None:
    text = SETTINGS.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "settings.yml").write_text(text.replace(right, wrong), encoding="utf-8")
    project = Project(tmp_path / "settings.yml")
    problems = check_project(project)
    project.close()
    (error,) = [one for one in problems if one.severity == "error"]
    assert told in error.message
    assert error.nearest or error.allowed
