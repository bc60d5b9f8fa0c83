"""Lists of offsets from the settings to what is made; lists and masks that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from musebuild.fits.offsets import Offset, read_offsets
from musebuild.recipes.inputs import refusal
from musebuild.recipes.model import RecipeCall
from tests.support.projects import MockProject

FIRST, SECOND = "2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"
LISTED = "exp_align_by_hand/FIELD_by_hand/OFFSET_LIST.fits"


@pytest.fixture
def by_hand(project: MockProject) -> MockProject:
    """A project whose offsets stand in the settings."""
    recipes = project.settings["recipes"]
    del recipes["muse_exp_align"], recipes["muse_scipost_rec"]
    recipes["exp_align_by_hand"] = {
        "init": {"output_dir": "exp_align_by_hand"},
        "offsets": {
            FIRST: {"RA_OFFSET": 0, "DEC_OFFSET": 0},
            SECOND: {"RA_OFFSET": 1e-4, "DEC_OFFSET": -2e-5, "scale": 1.1},
        },
    }
    for block in ("muse_scipost", "muse_exp_combine"):
        recipes[block]["frames"] = {"OFFSET_LIST": "OFFSET_LIST_by_hand"}
    project.write()
    return project


def test_offsets_by_hand_are_made_and_come_back(by_hand: MockProject) -> None:
    by_hand.build("exp_align_by_hand")
    assert not by_hand.journal, "it waits for no frame"
    made = (Offset(FIRST, 0.0, 0.0), Offset(SECOND, 1e-4, -2e-5, 1.1))
    assert read_offsets(by_hand.reduced / LISTED) == made
    offset = by_hand.settings["recipes"]["exp_align_by_hand"]["offsets"][SECOND]
    offset["RA_OFFSET"] = 2e-4
    by_hand.write()
    by_hand.build("exp_align_by_hand")
    assert read_offsets(by_hand.reduced / LISTED) == (made[0], Offset(SECOND, 2e-4, -2e-5, 1.1))
    offset["RA_OFFSET"] = 1e-4
    by_hand.write()
    assert "0 ran, 1 restored" in by_hand.build("exp_align_by_hand").text, "going back is free"
    assert read_offsets(by_hand.reduced / LISTED) == made
    assert by_hand.manifests() == 2


def test_an_exposure_that_there_is_not_has_its_place_in_the_settings(by_hand: MockProject) -> None:
    offsets = by_hand.settings["recipes"]["exp_align_by_hand"]["offsets"]
    offsets["2017-06-16T01:36:56.868"] = offsets.pop(SECOND)
    by_hand.write()
    told = by_hand.ask("check")
    lines = (by_hand.folder / "settings.yml").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "56.868" in text)
    assert told.status == 2
    assert f"settings.yml:{line}:" in told.text
    assert "an exposure that there is not" in told.text
    assert f"offsets lacks {SECOND} of the 2 exposures of FIELD" in told.text
    ran = by_hand.ask("run", "muse_exp_combine")
    assert ran.status != 0
    assert not by_hand.journal, "nothing ran"


def write_list(path: Path, *dates: str) -> Path:
    """A list of offsets."""
    table = Table({"DATE_OBS": dates, "RA_OFFSET": [0.0] * len(dates),
                   "DEC_OFFSET": [0.0] * len(dates)})  # fmt: skip
    table.write(path)
    return path


def test_a_file_that_lacks_an_exposure(project: MockProject) -> None:
    write_list(project.folder / "mine.fits", FIRST)
    project.settings["recipes"]["muse_scipost"]["frames"] = {"OFFSET_LIST": "mine.fits"}
    project.write()
    told = project.ask("check").text
    assert f"mine.fits has no offset for {SECOND}" in told
    assert not project.journal
    write_list(project.folder / "all.fits", FIRST, SECOND)
    (project.folder / "all.fits").rename(project.folder / "mine.fits")
    assert "mine.fits" not in project.ask("check").text


def test_a_list_that_another_recipe_makes_is_read_before_it_is_taken(project: MockProject) -> None:
    (project.folder / "mine.py").write_text(
        "from pathlib import Path\n"
        "from astropy.table import Table\n"
        "from musebuild.recipes.functions import recipe\n\n"
        "@recipe(products=['OFFSET_LIST'], group_by='dataset', from_recipe='muse_scipost_rec',\n"
        "        suffix='mine')\n"
        "def align(image_fov: list[Path]) -> Path:\n"
        f"    table = Table({{'DATE_OBS': ['{FIRST}'], 'RA_OFFSET': [0.0], 'DEC_OFFSET': [0.0]}})\n"
        "    table.write('OFFSET_LIST.fits')\n"
        "    return Path('OFFSET_LIST.fits')\n",
        encoding="utf-8",
    )
    recipes = project.settings["recipes"]
    recipes["mine"] = {"recipe": "mine.py:align"}
    del recipes["muse_exp_align"]
    for block in ("muse_scipost", "muse_exp_combine"):
        recipes[block]["frames"] = {"OFFSET_LIST": "OFFSET_LIST_mine"}
    project.settings["ifus"] = 1
    project.write()
    ran = project.ask("run", "--continue")
    assert ran.status == 1
    assert f"OFFSET_LIST.fits has no offset for {SECOND}" in ran.text
    scipost = [run for run in project.journal if run["recipe"] == "muse_scipost"]
    assert len([run for run in scipost if "OFFSET_LIST:OFFSET_LIST.fits" in run["inputs"]]) == 1
    assert len(list(project.reduced.glob(f"*/{FIRST}/PIXTABLE_REDUCED*"))) == 1
    assert not list(project.reduced.glob(f"*/{SECOND}/PIXTABLE_REDUCED*"))


def test_lists_that_are_none(tmp_path: Path) -> None:
    pixtable = tmp_path / "PIXTABLE_OBJECT.fits"
    fits.PrimaryHDU(header=fits.Header([("DATE-OBS", FIRST)])).writeto(pixtable)

    def said(path: Path) -> str:
        call = RecipeCall("muse_scipost", "muse_scipost", {}, (
            ("PIXTABLE_OBJECT", str(pixtable)), ("OFFSET_LIST", str(path))),
            tmp_path, tmp_path / "log")  # fmt: skip
        refused = refusal(call)
        return refused.failure if refused else ""

    assert not said(write_list(tmp_path / "good.fits", FIRST, SECOND))
    assert f"has no offset for {FIRST}" in said(write_list(tmp_path / "other.fits", SECOND))
    assert f"has no offset for {FIRST}" in said(write_list(tmp_path / "empty.fits"))
    other = tmp_path / "table.fits"
    Table({"DATE_OBS": [FIRST]}).write(other)
    text = tmp_path / "text.fits"
    text.write_text("no FITS file")
    for path in (other, text, pixtable, tmp_path / "missing.fits"):
        assert "is no list of offsets" in said(path)


LIMITS = {"X LOW": -37.5, "X HIGH": 37.5, "Y LOW": -23.5, "Y HIGH": 23.5}
"""Of a pixel table of 76 x 48 pixels, as the pipeline writes them."""


@pytest.mark.parametrize(
    ("shape", "value", "sky", "said"),
    [
        ((48, 76), 1, False, ""),
        ((49, 78), 1, False, ""),
        ((10, 12), 1, False, "is a mask of 12 x 10 pixels, and the field has 76 x 48"),
        ((300, 300), 1, False, "is a mask of 300 x 300 pixels"),
        ((60, 60), 1, True, ""),
        ((48, 76), 0, False, "selects no pixel"),
        ((3, 48, 76), 1, False, "holds no image that could be a mask"),
    ],
)
def test_masks_of_the_sky(
    tmp_path: Path, shape: tuple[int, ...], value: int, sky: bool, said: str
) -> None:
    header = fits.Header()
    for name, limit in LIMITS.items():
        header[f"HIERARCH ESO DRS MUSE PIXTABLE LIMITS {name}"] = limit
    fits.PrimaryHDU(header=header).writeto(tmp_path / "PIXTABLE_OBJECT.fits")
    image = fits.PrimaryHDU(np.full(shape, value, np.uint8))
    image.header["CTYPE1"] = "RA---TAN" if sky else "PIXEL"
    image.writeto(tmp_path / "mask.fits")
    inputs = [("PIXTABLE_OBJECT", "PIXTABLE_OBJECT.fits"), ("SKY_MASK", "mask.fits")]
    call = RecipeCall("muse_scipost", "muse_scipost", {},
                      tuple((tag, str(tmp_path / name)) for tag, name in inputs),
                      tmp_path, tmp_path / "log")  # fmt: skip
    refused = refusal(call)
    assert bool(refused) == bool(said)
    assert refused is None or (said in refused.failure and refused.kind == "input")
