"""`musebuild check`: names, dates, selections, places and passwords, each told with its place."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from musebuild.check.everything import check_project
from musebuild.engine.project import Project
from musebuild.settings.problems import Problem


@dataclass
class Folder:
    """A project without raw frames: what can be said of the settings alone."""

    path: Path

    def check(self, text: str) -> list[Problem]:
        """All that is said, but for folders that are not there."""
        settings = self.path / "settings.yml"
        settings.write_text(f"cpl: {{runner: mock}}\nraw_path: later\n{text}", encoding="utf-8")
        found = check_project(Project(settings))
        return [problem for problem in found if problem.keys != ("raw_path",)]

    def one(self, text: str) -> Problem:
        """The only problem."""
        found = self.check(text)
        assert len(found) == 1, "\n".join(map(str, found))
        return found[0]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_sound_file_has_nothing_said_against_it(folder: Folder) -> None:
    assert folder.check("recipes: {muse_scipost: {params: {save: cube}}}") == []


def test_each_problem_underlines_the_text(folder: Folder) -> None:
    problem = folder.one("recipes:\n  muse_flat:\n    frames:\n      exclude: [MASTER_BIASS]\n")
    assert (problem.position.line, problem.position.column, problem.length) == (6, 16, 14)
    assert str(problem).splitlines()[1:3] == [
        "  6 |       exclude: [MASTER_BIASS]",
        "    |                ^^^^^^^^^^^^^^",
    ]


def test_mistakes_of_all_kinds_are_told_at_once(folder: Folder) -> None:
    found = folder.check(
        "ifus: 99\n"
        "runs: {R: {start_date: 2017-02-01, end_date: 2017-01-01}}\n"
        "resources: {memory: 20}\n"
        "recipes:\n"
        "  muse_scipots: {}\n"
        "  muse_scipost: {from_recipe: [1], exclude_flags: SATELITE}\n"
        "  muse_exp_combine: {from_recipe: muse_scipost, select: {raw: 'EXPTME > 1'}}\n"
        "  muse_flat: {frames: {exclude: MASTER_BIASS}}\n"
    )
    assert [problem.position.line for problem in found] == [3, 4, 5, 7, 8, 8, 9, 10]


def test_what_the_file_does_not_say_underlines_nothing(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yml"
    settings.write_text("cpl: {runner: mock}\n", encoding="utf-8")
    (problem,) = check_project(Project(settings))
    assert problem.keys == ("raw_path",)
    assert "^" not in str(problem)


# blocks


def test_every_wrong_block_is_told_not_only_the_first(folder: Folder) -> None:
    found = folder.check(
        "recipes:\n"
        "  muse_scipots: {}\n"
        "  other: {recipe: muse_sciposd}\n"
        "  muse_scipost: {from_recipe: muse_scibasik}\n"
        "  muse_exp_align: {from_recipe: muse_scipost}\n"
        "  muse_flat: {frames: {exclude: MASTER_BIASS}}\n"
    )
    told = [problem.message for problem in found]
    assert told == [
        "recipes.muse_scipots: there is no recipe muse_scipots",
        "recipes.other.recipe: there is no recipe muse_sciposd",
        "recipes.muse_scipost.from_recipe: there is no block muse_scibasik",
        "recipes.muse_flat.frames.exclude: muse_flat takes no MASTER_BIASS",
    ]
    assert [p.nearest[:1] for p in found[:3]] == [
        ("muse_scipost",),
        ("muse_scipost",),
        ("muse_scibasic",),
    ]
    assert [p.position.line for p in found[:3]] == [4, 5, 6]


def test_blocks_that_take_from_each_other_in_a_circle(folder: Folder) -> None:
    found = folder.check(
        "recipes:\n"
        "  muse_scipost_a: {from_recipe: muse_scipost_b}\n"
        "  muse_scipost_b: {from_recipe: muse_scipost_a}\n"
    )
    assert any("circle" in problem.message for problem in found)
    assert any("muse_scipost_a → muse_scipost_b" in problem.found for problem in found)


def test_a_block_below_one_that_is_switched_off_goes_with_it_in_any_order(folder: Folder) -> None:
    assert not folder.check(
        "recipes:\n"
        "  muse_exp_combine: {from_recipe: muse_scipost_b}\n"
        "  muse_scipost_b: {from_recipe: muse_scibasic_b, params: {save: individual}}\n"
        "  muse_scibasic_b: {enabled: false}\n"
        "  muse_scipost: {from_recipe: muse_scibasic}\n"
    )


def test_products_that_the_source_does_not_make(folder: Folder) -> None:
    problem = folder.one(
        "recipes:\n"
        "  muse_scipost: {params: {save: 'cube,skymodel'}}\n"
        "  muse_exp_combine: {from_recipe: muse_scipost}\n"
    )
    assert "takes PIXTABLE_REDUCED from muse_scipost, which makes none" in problem.message
    assert "save: individual" in problem.remedy
    assert problem.position.line == 5


def test_images_in_a_filter_that_the_source_does_not_make(folder: Folder) -> None:
    problem = folder.one(
        "recipes:\n"
        "  muse_scipost: {params: {filter: 'white,Johnson_V'}}\n"
        "  muse_exp_align: {from_recipe: muse_scipost, filt: Cousins_R}\n"
    )
    assert "no images in the filter Cousins_R" in problem.message
    assert problem.allowed == "white, Johnson_V"


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        (
            "muse_scipost_a: {init: {output_dir: x}}\n  muse_scipost_b: {init: {output_dir: x/}}",
            "muse_scipost_a and muse_scipost_b would write the same folder x/…",
        ),
        ("muse_scipost_a: {init: {output_dir: scibasic}}", "muse_scibasic and muse_scipost_a"),
        (
            "muse_exp_align: {}\n  muse_exp_align_b: {init: {output_dir: exp_align}}",
            "would write the same folder exp_align/drs",
        ),
    ],
)
def test_two_blocks_that_write_the_same_place(folder: Folder, blocks: str, told: str) -> None:
    problem = folder.one(f"recipes:\n  {blocks}\n")
    assert told in problem.message
    assert "output_dir" in problem.remedy


def test_selections_that_would_write_the_same_place(folder: Folder) -> None:
    found = folder.check(
        "datasets: {A: {}, A_B: {}}\n"
        "recipes:\n"
        "  muse_scipost: {params: {save: individual}}\n"
        "  muse_exp_combine:\n"
        "    names_with_selection: {X: {raw: EXPTIME > 1}, Y: {raw: EXPTIME > 2}}\n"
        "  muse_exp_combine_b:\n"
        "    init: {output_dir: exp_combine}\n"
        "    names_with_selection: {Y: {raw: EXPTIME > 3}, Z: {raw: EXPTIME > 4}}\n"
        "  muse_exp_combine_c:\n"
        "    names_with_selection: {C: {raw: EXPTIME > 3}, B_C: {raw: EXPTIME > 4}}\n"
    )
    assert [(p.position.line, p.message.partition(": ")[2]) for p in found] == [
        (10, "muse_exp_combine and muse_exp_combine_b would write the same folder exp_combine/Y"),
        (
            12,
            "B_C of the dataset A and C of the dataset A_B would both be muse_exp_combine_c:A_B_C",
        ),
    ]


def test_what_never_meets_may_share_a_folder(folder: Folder) -> None:
    assert not folder.check(
        "recipes:\n"
        "  muse_standard: {init: {output_dir: x}}\n"
        "  muse_scipost: {init: {output_dir: x}}\n"
        "  muse_exp_align: {name: a}\n"
        "  muse_exp_align_b: {name: b, init: {output_dir: exp_align}}\n"
    )


def test_categories_that_a_recipe_does_not_take(folder: Folder) -> None:
    found = folder.check(
        "recipes:\n"
        "  muse_scipost:\n"
        "    frames:\n"
        "      offsets: {STD_RESPONS: 3}\n"
        "      OFFSETS_LIST: a.fits\n"
    )
    assert [(p.keys[-1], p.nearest[0]) for p in found if p.severity == "error"] == [
        ("STD_RESPONS", "STD_RESPONSE"),
        ("OFFSETS_LIST", "OFFSET_LIST"),
    ]


def test_to_leave_out_what_another_recipe_takes_is_only_a_warning(folder: Folder) -> None:
    problem = folder.one("recipes: {muse_bias: {frames: {exclude: MASTER_DARK}}}\n")
    assert problem.severity == "warning"
    assert "muse_bias takes no MASTER_DARK" in problem.message
    found = folder.check("recipes: {muse_bias: {frames: {MASTER_DARK: dark.fits}}}\n")
    assert "error" in {problem.severity for problem in found}


def test_categories_that_no_recipe_knows(folder: Folder) -> None:
    found = folder.check(
        "frames: {exclude: {BAIS: x, 'FLAT,LAMP': x, MASTER_FLATS: [x], SKYFLAT: x, DARK: x}}\n"
        "static_calib: {GEOMETRY_TABEL: g.fits}\n"
    )
    errors = [problem for problem in found if problem.severity == "error"]
    assert [(problem.message.partition(": ")[2], problem.nearest[0]) for problem in errors] == [
        ("there is no DPR type or category BAIS", "BIAS"),
        ("there is no DPR type or category MASTER_FLATS", "MASTER_FLAT"),
        ("no recipe takes GEOMETRY_TABEL", "GEOMETRY_TABLE"),
    ]
    assert [problem.position.column for problem in errors] == [20, 45, 16]


def test_a_source_that_a_block_of_raw_frames_does_not_have(folder: Folder) -> None:
    problem = folder.one("recipes: {muse_flat: {from_recipe: muse_nothing}}\n")
    assert problem.message == "recipes.muse_flat.from_recipe: there is no block muse_nothing"
    problem = folder.one("recipes: {muse_flat: {from_recipe: muse_bias}}\n")
    assert (problem.severity, "has no effect" in problem.message) == ("warning", True)


def test_a_parameter_that_a_python_recipe_does_not_take(folder: Folder) -> None:
    problem = folder.one(
        "recipes: {muse_scipost: {}, mpdaf_combine: {from_recipe: muse_scipost, "
        "params: {nclipp: 3}}}\n"
    )
    assert problem.message.endswith(": mpdaf_combine has no parameter nclipp")
    assert problem.nearest == ("nclip",)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("mosaic: true, method: pysigclip", "a mosaic needs the grid that it lies on"),
        ("output_wcs: muse_scipost, method: sigclip", "no mosaic with the method sigclip"),
    ],
)
def test_a_mosaic_that_cannot_be_made(folder: Folder, params: str, told: str) -> None:
    text = "recipes: {muse_scipost: {}, mpdaf_combine: {from_recipe: muse_scipost, params: {%s}}}"
    assert told in folder.one(text % params).message


# names


def test_flags(folder: Folder) -> None:
    text = "flags: {MINE: about}\nrecipes: {muse_exp_combine: {exclude_flags: [MINE, SATELITE]}}\n"
    found = [p for p in folder.check(text) if "flag" in p.message]
    with_values = text.replace("[MINE, SATELITE]", "{MINE: 2, SATELITE: 1}")
    assert [
        p.message.rpartition(": ")[2] for p in folder.check(with_values) if "flag" in p.message
    ] == ["there is no flag SATELITE"]
    assert [(p.message, p.nearest) for p in found] == [
        ("recipes.muse_exp_combine.exclude_flags.1: there is no flag SATELITE", ("SATELLITE",))
    ]


def test_runs_and_datasets_in_conditions(folder: Folder) -> None:
    text = (
        "datasets: {IC4406: {}}\n"
        "runs: {GTO17: {start_date: 2017-04-01}}\n"
        "frames: {exclude: {raw: [{run: [GTO17, GTO71]}, {OBJECT: IC4460}, {nigth: a}]}}\n"
    )
    found = folder.check(text)
    assert [(p.severity, p.message.partition(": ")[2], p.nearest[0]) for p in found] == [
        ("error", "there is no run GTO71", "GTO17"),
        ("warning", "there is no dataset IC4460", "IC4406"),
        ("error", "the table of raw frames has no column nigth", "night"),
    ]


def test_columns_of_additional_keywords_are_known(folder: Folder) -> None:
    text = "frames: {exclude: {raw: {TEL_FOO: 1}}}\n"
    assert "no column TEL_FOO" in folder.one(text).message
    assert not folder.check(f"additional_keywords: [ESO TEL FOO]\n{text}")


def test_targets(folder: Folder) -> None:
    text = "datasets: {IC4406: {}}\ntargets: [IC4460, calib, 'muse_*', muse_bias]\n"
    problem = folder.one(text)
    assert problem.message == "targets.0: there is no task or group IC4460"
    assert problem.nearest == ("IC4406",)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{raw: 'EXPTIME > 100); DELETE FROM raw; --'}", "closed and was never opened"),
        ("{raw: 'name IN (SELECT name FROM flags)'}", "reads flags"),
        ("{raw: 'EXPTME > 100'}", "has no column EXPTME"),
        ("{rwa: 'EXPTIME > 100'}", "no table rwa"),
        ("{qc_MASTER_BAIS: 'QC_X > 100'}", "no table qc_MASTER_BAIS"),
        ("{qc_IMAGE_FOV: {prodct: a}}", "no column prodct"),
        ("{gto_logs: {rnk: A}}", "no column rnk"),
        ("{flags: 'SATELITE > 1'}", "no column SATELITE"),
        ("{raw: {EXPTME: 100}}", "no column EXPTME"),
        ("{flags: {flag: SATELITE}}", "no flag SATELITE"),
    ],
)
@pytest.mark.parametrize("key", ["select", "names_with_selection"])
def test_selections(folder: Folder, key: str, given: str, told: str) -> None:
    given = given if key == "select" else f"{{BEST: {given}}}"
    found = folder.check(f"recipes:\n  muse_scipost:\n    {key}: {given}\n")
    (problem,) = [p for p in found if "select" in p.message]
    assert told in problem.message
    assert problem.severity == "error"
    assert problem.position.line == 5


def test_names_and_values_of_archive_filters(folder: Folder) -> None:
    found = folder.check(
        "datasets:\n"
        "  A:\n"
        "    archive_filter:\n"
        "      obs_targ_nam: IC4406\n"
        "      tel_ambi_wind: 3\n"
        "      night: 2017-06\n"
        "      exptime: long\n"
        "      coord1: here\n"
        "      stime: 2017-06-01\n"
        "      starttime: noon\n"
        "  B: {archive_filter: {stime: 2017-06-02, etime: 2017-06-01}}\n"
        "  C: {archive_filter: {night: 2017-06-15..2017-06-18, exptime: 100..900, coord1: 14 22 26,"
        " coord2: -44 09 04, prog_id: 60.A-9100, starttime: 3}}\n"
        "  D: {archive_filter: {coord1: 10, coord_sys: gal}}\n"
    )
    assert [(p.position.line, p.severity, p.message.rpartition("archive_filter.")[2])
            for p in found] == [
        (6, "error", "obs_targ_nam: the archive is not known to have obs_targ_nam to ask for"),
        (7, "warning", "tel_ambi_wind: the archive is not known to have tel_ambi_wind to ask for"),
        (8, "error", "night: night 2017-06 is no date"),
        (9, "error", "exptime: exptime long is no number"),
        (10, "error", "coord1: coord1, coord2 and box do not make a position"),
        (12, "error", "starttime: starttime noon is no hour"),
        (13, "error", "stime: archive_filter ends (2017-06-01 12:00:00) before it begins "
         "(2017-06-02 12:00:00)"),
    ]  # fmt: skip
    assert found[0].nearest[0] == "obs_targ_name"


# dates


def test_a_range_that_is_reversed(folder: Folder) -> None:
    text = "static_calib: {BADPIX_TABLE: {a.fits: {start_date: 2017-02-01, end_date: 2017-01-01}}}"
    problem = folder.one(text)
    assert "ends (2017-01-01) before it begins (2017-02-01)" in problem.message


def test_nothing_follows_from_a_range_with_a_mistake(folder: Folder) -> None:
    problem = folder.one(
        "runs:\n"
        "  A: {start_date: 2017-02-30, end_date: 2017-03-01}\n"
        "  B: {start_date: 2017-01-01, end_date: 2017-12-31}\n"
    )
    assert problem.message == "there is no date 2017-02-30"


def test_ranges_that_overlap_are_warnings(folder: Folder) -> None:
    found = folder.check(
        "runs:\n"
        "  A: {start_date: 2017-01-01, end_date: 2017-02-01}\n"
        "  B: {start_date: 2017-02-01, end_date: 2017-03-01}\n"
        "  C: {start_date: 2017-03-02}\n"
        "static_calib:\n"
        "  BADPIX_TABLE:\n"
        "    a.fits: {end_date: 2017-02-01}\n"
        "    b.fits: {start_date: 2017-01-01}\n"
        "    c.fits: {start_date: 2016-01-01, end_date: 2016-02-01}\n"
    )
    assert {p.severity for p in found} == {"warning"}
    assert [p.message for p in found] == [
        "runs.B: its nights 2017-02-01 belong to the run A, too",
        "static_calib.BADPIX_TABLE.b.fits: it is not used in the nights 2017-01-01 to 2017-02-01",
        "static_calib.BADPIX_TABLE.c.fits: it is never used",
    ]
    assert "a.fits stands before it" in found[1].remedy


# files


def test_the_grid_of_a_mosaic_that_is_not_there(folder: Folder) -> None:
    text = "recipes: {muse_scipost: {}, mpdaf_combine: {from_recipe: muse_scipost, params: {%s}}}"
    problem = folder.one(text % "output_wcs: grid.fits")
    assert problem.severity == "warning"
    assert problem.message == "recipes.mpdaf_combine.params.output_wcs: grid.fits does not exist"
    assert problem.line[problem.position.column - 1 :].startswith("grid.fits")


def test_files_that_do_not_exist_are_warnings(folder: Folder) -> None:
    (folder.path / "calib").mkdir()
    (folder.path / "calib" / "badpix_table.fits").touch()
    found = folder.check(
        "muse_calib_path: calib\n"
        "GTO_logs: {db: logs.db}\n"
        "static_calib: {BADPIX_TABLE: {badpix_tabel.fits: {}}}\n"
        "recipes: {muse_scipost: {frames: {OFFSET_LIST: offsets/mine.fits, "
        "OUTPUT_WCS: 'reduced/0.1/scipost/*/DATACUBE_FINAL.fits'}}}\n"
    )
    assert {p.severity for p in found} == {"warning"}
    told = "\n".join(map(str, found))
    assert "logs.db does not exist" in told
    assert "badpix_tabel.fits is not in" in told
    assert "did you mean badpix_table.fits" in told
    assert "offsets/mine.fits does not exist" in told
    assert "DATACUBE_FINAL.fits does not exist" not in told, "a block makes it"


def test_a_file_in_place_of_a_folder_and_a_folder_in_place_of_the_database(folder: Folder) -> None:
    (folder.path / "there").touch()
    (folder.path / "raw").mkdir()
    found = folder.check("reduced_path: there\ncache: there\nmuse_calib_path: there\ndb: raw\n")
    assert [(p.keys, p.severity) for p in found] == [
        (("reduced_path",), "error"),
        (("cache",), "error"),
        (("muse_calib_path",), "error"),
        (("db",), "error"),
    ]
    assert "there is a file, and must be a folder" in found[0].message
    assert "raw is a folder, and must be a file" in found[-1].message


def test_a_database_of_another_tool_is_left_alone(folder: Folder) -> None:
    connection = sqlite3.connect(folder.path / "musered.db")
    connection.execute("CREATE TABLE raw (name)")
    connection.close()
    problem = folder.one("db: musered.db\n")
    assert problem.severity == "warning"
    assert "musebuild.db beside it is used" in problem.message


def test_the_pipeline_that_is_not_there_is_a_warning(folder: Folder) -> None:
    found = folder.check("x-none: {}\n")
    assert not found
    settings = folder.path / "settings.yml"
    settings.write_text("cpl: {recipe_path: nowhere}\n", encoding="utf-8")
    found = [p for p in check_project(Project(settings)) if p.keys[0] == "cpl"]
    assert [(p.keys, p.severity) for p in found] == [(("cpl", "recipe_path"), "warning")]


# passwords


def test_passwords_are_told_and_not_shown(folder: Folder) -> None:
    found = folder.check(
        "retrieve_data: {username: me, proxy_password: hunter2, store_password: true}\n"
        "mirror: 'https://me:hunter2@example.org/'\n"
        "api_token: hunter2\n"
    )
    assert [(p.severity, p.message) for p in found] == [
        ("warning", "retrieve_data.proxy_password: a password in the settings file"),
        ("warning", "mirror: an address with a password"),
        ("warning", "api_token: a password in the settings file"),
    ]
    assert "hunter2" not in json.dumps([p.to_dict() for p in found]) + "".join(map(str, found))


def test_a_password_is_told_once(folder: Folder) -> None:
    problem = folder.one("retrieve_data: {username: me, password: hunter2}\n")
    assert "can be read by everybody" in problem.message
    assert "hunter2" not in str(problem)


def test_what_machines_are_told_has_all_that_people_are(folder: Folder) -> None:
    told: dict[str, Any] = folder.one("recipes: {muse_scipots: {}}\n").to_dict()
    assert told["key"] == "recipes.muse_scipots"
    assert told["file"].endswith("settings.yml")
    assert (told["line"], told["column"], told["length"]) == (3, 11, 12)
    assert told["nearest"][0] == "muse_scipost"
    assert told["remedy"]
