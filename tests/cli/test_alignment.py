"""`musebuild alignment`: lists of offsets as tables, as settings and as pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table
from matplotlib.figure import Figure

from musebuild.errors import FrameError, UsageError
from musebuild.fits.offsets import Offset
from musebuild.report.alignment import Alignment, Shift, settings_text
from musebuild.report.alignment_plot import (
    brightest,
    common_grid,
    draw_alignment,
    mean_of,
    on_grid,
    picture_moved,
    read_image,
    write_plot,
)
from tests.support.projects import MockProject, make_mock_project

FIRST, SECOND = "2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867"
HAND = "exp_align_by_hand:FIELD_by_hand"
STARS = ((10.0004, -30.0003), (9.9996, 2e-4 - 30), (10.0001, 4e-4 - 30))
"""RA and DEC [deg]."""


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project with a list by hand, made, and one of the pipeline, not made."""
    project = make_mock_project(tmp_path_factory.mktemp("alignment") / "project", night)
    project.settings["recipes"]["exp_align_by_hand"] = {
        "offsets": {
            FIRST: {"RA_OFFSET": 0, "DEC_OFFSET": 0},
            SECOND: {"RA_OFFSET": 1e-4, "DEC_OFFSET": -5e-5, "scale": 1.1},
        }
    }
    project.write()
    project.build("exp_align_by_hand")
    return project


def test_what_each_exposure_is_shifted_by(listed: MockProject) -> None:
    text = listed.ask("alignment").out
    assert f"{HAND} (FIELD): 2 exposures" in text
    assert f"{SECOND}" in text
    assert "muse_exp_align:FIELD_drs (FIELD) is not made yet: `doit muse_exp_align:FIELD_drs`" in (
        text
    )
    rows = json.loads(listed.ask("alignment", "OFFSET_LIST_by_hand", "--format", "json").out)
    assert [row["exposure"] for row in rows] == [FIRST, SECOND]
    second = rows[1]
    assert second["list"] == HAND
    assert (second["RA_OFFSET"], second["DEC_OFFSET"], second["scale"]) == (1e-4, -5e-5, 1.1)
    assert second["north"] == pytest.approx(-0.18)
    for name in (HAND, "exp_align_by_hand", "FIELD"):
        assert HAND in listed.ask("alignment", name, "--format", "csv").out


def test_a_list_as_settings_gives_the_same_list(listed: MockProject) -> None:
    text = listed.ask("alignment", HAND, "--format", "settings").out
    offsets = yaml.load(text, yaml.BaseLoader)["recipes"]["exp_align_by_hand"]["offsets"]
    assert list(offsets) == [FIRST, SECOND]
    assert float(offsets[SECOND]["north"]) == pytest.approx(-0.18)
    assert float(offsets[SECOND]["scale"]) == 1.1


def test_a_file_of_the_settings(listed: MockProject) -> None:
    rows = {"DATE_OBS": [SECOND, FIRST, "2018-01-01T00:00:00"], "RA_OFFSET": [1e-4, 0, 0]}
    Table(rows | {"DEC_OFFSET": [0.0, 0, 0]}).write(listed.folder / "mine.fits")
    settings = json.loads(json.dumps(listed.settings))
    settings["recipes"]["muse_scipost"]["frames"] = {"OFFSET_LIST": "mine.fits"}
    (listed.folder / "file.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    asked = ("alignment", "--settings", "file.yml", "mine.fits")
    rows = json.loads(listed.ask(*asked, "--format", "json").out)
    assert [(row["exposure"], row["RA_OFFSET"]) for row in rows] == [
        (FIRST, 0), (SECOND, 1e-4), ("2018-01-01T00:00:00", 0)]  # fmt: skip
    assert "2018-01-01" not in listed.ask(*asked, "--format", "settings").out


def test_lists_that_there_are_not(listed: MockProject) -> None:
    ran = listed.ask("alignment", "OFFSET_LIST_hand")
    assert ran.status == 2
    assert "did you mean OFFSET_LIST_by_hand" in ran.text
    ran = listed.ask("alignment", "muse_exp_align", "--plot")
    assert "nothing to draw" in ran.text
    assert "is not made yet" in ran.text
    none = {name: value for name, value in listed.settings.items() if name != "recipes"}
    (listed.folder / "none.yml").write_text(yaml.safe_dump(none), encoding="utf-8")
    ran = listed.ask("alignment", "--settings", "none.yml")
    assert "the settings ask for no list of offsets" in ran.text


def test_a_picture_of_the_command(listed: MockProject) -> None:
    ran = listed.ask("alignment", "--plot")
    assert ran.out == "alignment_FIELD_by_hand.png\n"
    assert (listed.folder / ran.out.strip()).read_bytes().startswith(b"\x89PNG")
    ran = listed.ask("alignment", HAND, "--plot", "-o", "missing/a.png")
    assert ran.status == 2
    assert "cannot be written" in ran.text


def image(path: Path, *, ra: float = 0.0, dec: float = 0.0, centre: float = 10.0) -> Path:
    """An image of the stars, whose header puts them that far off [deg]."""
    header = fits.Header(
        [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN"), ("CUNIT1", "deg"), ("CUNIT2", "deg"),
         ("CRPIX1", 20.0), ("CRPIX2", 15.0), ("CD1_1", -0.2 / 3600), ("CD1_2", 0.0),
         ("CD2_1", 0.0), ("CD2_2", 0.2 / 3600), ("CRVAL1", (centre + ra) % 360),
         ("CRVAL2", -30 + dec)]
    )  # fmt: skip
    y, x = np.indices((30, 40))
    data = np.zeros((30, 40))
    for star_ra, star_dec in STARS:
        px = 19 - (star_ra - 10) * np.cos(np.radians(30)) * 3600 / 0.2
        py = 14 + (star_dec + 30) * 3600 / 0.2
        data += np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2 / 1.5**2)
    data[0] = np.nan
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, header, name="DATA")]).writeto(path)
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> Alignment:
    """An alignment of two exposures, the second of which appears 1.0 arcsec off."""
    offset = Offset(SECOND, 8e-4 / 3, -2e-4)
    images = {
        FIRST: image(tmp_path / "1.fits"),
        SECOND: image(tmp_path / "2.fits", ra=offset.ra, dec=offset.dec),
    }
    shifts = (Shift(FIRST, Offset(FIRST, 0, 0), -30), Shift(SECOND, offset, -30))
    return Alignment("muse_exp_align:FIELD_drs", "FIELD", shifts, images=images)


def test_images_lie_on_each_other_where_the_offsets_are_right(drawn: Alignment) -> None:
    second = drawn.shifts[1].offset
    pictures = [read_image(path) for path in drawn.images.values()]
    shifted = [pictures[0], picture_moved(pictures[1], second.ra, second.dec)]
    grid = common_grid([*pictures, *shifted])
    before, after = (
        mean_of([on_grid(picture, grid) for picture in some]) for some in (pictures, shifted)
    )
    assert np.nanmax(after) > 1.4 * np.nanmax(before)
    single = on_grid(pictures[0], grid)
    both = np.isfinite(single) & np.isfinite(after)
    assert np.abs(after - single)[both].max() < 0.02
    places = brightest(after, 8, 4.0)
    assert len(places) >= len(STARS)
    sky = grid.wcs.wcs_pix2world([(x, y) for y, x in places[:3]], 0)
    for star in STARS:
        assert np.abs((sky - star) * 3600).max(axis=1).min() < 0.15


def test_a_grid_across_the_zero_of_right_ascension(tmp_path: Path) -> None:
    pictures = [read_image(image(tmp_path / f"{n}.fits", centre=c)) for n, c in
                enumerate((359.999, 0.001))]  # fmt: skip
    grid = common_grid(pictures)
    assert grid.shape[1] < 100
    assert np.isfinite(on_grid(pictures[1], grid)).sum() > 1000


def test_panels_of_a_picture(drawn: Alignment, tmp_path: Path) -> None:
    figure = Figure()
    draw_alignment(drawn, figure)
    titles = [panel.get_title() for panel in figure.axes if panel.get_visible()]
    assert titles == [
        "offsets",
        "mean, without the list",
        "mean, with the list (2)",
        f"1: {FIRST}",
        f"2: {SECOND}",
    ]
    write_plot(drawn, tmp_path / "a.svg")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    with pytest.raises(UsageError, match="nothing to draw"):
        write_plot(Alignment("x", "FIELD"), tmp_path / "b.png")


def test_images_that_the_list_has_shifted_are_moved_back_for_comparison(
    drawn: Alignment, tmp_path: Path
) -> None:
    in_place = Alignment(
        drawn.name, drawn.dataset, drawn.shifts, shifted=True,
        images={name: image(tmp_path / f"s{n}.fits") for n, name in enumerate(drawn.images)},
    )  # fmt: skip
    means = []
    for one in (drawn, in_place):
        figure = Figure()
        draw_alignment(one, figure)
        means.append([np.nanmax(figure.axes[n].images[0].get_array()) for n in (1, 2)])
    assert means[0] == pytest.approx(means[1], rel=0.05)


def test_what_is_no_image(tmp_path: Path) -> None:
    table = tmp_path / "table.fits"
    fits.PrimaryHDU().writeto(table)
    text = tmp_path / "text.fits"
    text.write_text("no FITS file")
    for path in (table, text):
        with pytest.raises(FrameError):
            read_image(path)
    assert settings_text([]) == ""
