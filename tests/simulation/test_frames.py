"""Raw frames look like those of the archive."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from musebuild.fits.classify import classify
from musebuild.simulation import SimulationOptions, SimulationReport
from musebuild.simulation.headers import BIAS_LEVELS, GAINS, RON, primary_header
from musebuild.simulation.instrument import NX, NY, Instrument
from musebuild.simulation.night import plan_night
from musebuild.simulation.rawframes import RAW_NX, RAW_NY, SCAN
from tests.simulation.conftest import simulate_few


def frame_of(night: SimulationReport, dpr_type: str) -> Path:
    return next(p for p in night.raw if fits.getval(p, "ESO DPR TYPE") == dpr_type)


def test_headers_name_what_the_archive_names(small_night: SimulationReport) -> None:
    for path in small_night.raw:
        header = fits.getheader(path)
        assert path.name == header["ARCFILE"] == f"MUSE.{header['DATE-OBS']}.fits"
        assert header["ORIGFILE"].startswith("MUSE_")
        assert header["INSTRUME"] == "MUSE"
        assert header["ESO INS MODE"] == "WFM-NOAO-N"
        assert header["ESO TPL START"] <= header["DATE-OBS"]
        assert header["ESO TPL ID"].startswith("MUSE_")
        assert header["ESO DPR CATG"] in ("CALIB", "SCIENCE")
        assert header["ESO DPR TECH"] == "IFU"
        assert {"ESO OBS ID", "ESO OBS TARG NAME", "ESO INS TEMP7 VAL", "MJD-OBS"} <= set(header)
        channel = fits.getheader(path, "CHAN01")
        assert (channel["NAXIS1"], channel["NAXIS2"]) == (RAW_NX, RAW_NY)
        assert channel["ESO DET OUT4 GAIN"] == GAINS[3]


def test_exposures_say_where_they_looked(small_night: SimulationReport) -> None:
    header = fits.getheader(frame_of(small_night, "OBJECT"))
    assert header["ESO DPR CATG"] == "SCIENCE"
    assert header["EXPTIME"] == 600
    assert 1 <= header["ESO TEL AIRM START"] < 1.1
    assert {"RA", "DEC", "LST", "ESO TEL AMBI FWHM START", "ESO TEL PARANG END"} <= set(header)
    assert header["ESO INS DROT MODE"] == "SKY"


def test_only_the_lamp_of_an_arc_burns(small_night: SimulationReport) -> None:
    header = fits.getheader(frame_of(small_night, "WAVE"))
    burning = [
        header[f"ESO INS LAMP{n} NAME"]
        for n in range(1, header["ESO INS LAMPNUM"] + 1)
        if header[f"ESO INS LAMP{n} ST"]
    ]
    assert burning == ["CU-LAMP-Ne"]


@pytest.mark.parametrize("night", ["small_night", "small_ao_night"])
def test_checksums_are_valid(night: str, request: pytest.FixtureRequest) -> None:
    report: SimulationReport = request.getfixturevalue(night)
    for path in (*report.raw, *report.calib):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with fits.open(path, checksum=True, disable_image_compression=True) as hdus:
                assert all("CHECKSUM" in hdu.header and hdu.data is not ... for hdu in hdus)


def test_adaptive_optics_leaves_its_table_with_exposures(
    small_night: SimulationReport, small_ao_night: SimulationReport
) -> None:
    with fits.open(frame_of(small_ao_night, "OBJECT")) as hdus:
        assert hdus[0].header["ESO INS MODE"] == "WFM-AO-N"
        table = hdus["SPARTA_ATM_DATA"].data
        assert len(table) > 1
        assert {"LGS1_SEEING", "LGS4_R0"} <= set(table.names)
    for path in (frame_of(small_ao_night, "BIAS"), *small_night.raw):
        with fits.open(path) as hdus:
            assert "SPARTA_ATM_DATA" not in hdus


def test_sodium_light_is_blocked_with_adaptive_optics(
    small_night: SimulationReport, small_ao_night: SimulationReport
) -> None:
    instrument = Instrument(1, "compact", (1,), 1)
    place = instrument.maps[10]
    columns = slice(place.first_column, place.first_column + place.wavelength.shape[1])

    def sodium_over_green(night: SimulationReport) -> float:
        raw = fits.getdata(frame_of(night, "OBJECT"), "CHAN01").astype(float)
        image = raw[SCAN : SCAN + NY // 2, SCAN : SCAN + NX // 2][:, columns] - BIAS_LEVELS[0]
        lit = (place.coverage > 0.8)[: NY // 2]
        wavelength = place.wavelength[: NY // 2]
        green, sodium = (
            image[lit & (np.abs(wavelength - centre) < 50)].mean() for centre in (5700, 5915)
        )
        return float(sodium / green)

    assert sodium_over_green(small_night) > 0.8
    assert sodium_over_green(small_ao_night) < 0.1


def test_a_bias_has_level_and_noise_of_its_outputs(small_night: SimulationReport) -> None:
    image = fits.getdata(frame_of(small_night, "BIAS"), "CHAN01").astype(float)
    assert image.shape == (RAW_NY, RAW_NX)
    outputs = (image[:2120, :2112], image[:2120, 2112:], image[2120:, 2112:], image[2120:, :2112])
    for quadrant, level, noise, gain in zip(outputs, BIAS_LEVELS, RON, GAINS, strict=True):
        assert np.median(quadrant) == pytest.approx(level, abs=0.6)
        assert quadrant.std() * gain == pytest.approx(noise, rel=0.03)


def test_light_falls_only_inside_the_scans(small_night: SimulationReport) -> None:
    image = fits.getdata(frame_of(small_night, "WAVE"), "CHAN01").astype(float)
    assert image.max() > 20_000
    for dark in (image[:SCAN], image[-SCAN:], image[:, :SCAN], image[:, 2080:2144]):
        assert dark.max() < 1300


def test_compression_changes_no_pixel(tmp_path: Path, small_night: SimulationReport) -> None:
    packed = simulate_few(SimulationOptions(tmp_path, compress=True), "BIAS")
    (path,) = packed.raw
    plain = frame_of(small_night, "BIAS")
    assert path.name == f"{plain.name}.fz"
    assert path.stat().st_size < plain.stat().st_size / 2
    assert fits.getheader(path)["ARCFILE"] == plain.name
    with fits.open(path) as packed_hdus, fits.open(plain) as plain_hdus:
        assert [hdu.name for hdu in packed_hdus] == [hdu.name for hdu in plain_hdus]
        np.testing.assert_array_equal(packed_hdus["CHAN01"].data, plain_hdus["CHAN01"].data)


def test_two_ifus_lie_side_by_side_in_the_real_geometry(tmp_path: Path) -> None:
    options = SimulationOptions(tmp_path, ifus=(10, 11), geometry="real")
    # The standard star stands on the border of the two.
    report = simulate_few(options, "STD")
    with fits.open(report.raw[0]) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["CHAN10", "CHAN11"]
        for hdu in hdus[1:]:
            assert hdu.data.max() > 1500
        assert not np.array_equal(hdus[1].data, hdus[2].data)
    geometry = fits.getdata(next(p for p in report.calib if p.name == "geometry_table.fits"))
    assert len(geometry) == 96
    for ifu in (10, 11):
        rows = geometry[geometry["SubField"] == ifu]
        assert np.ptp(rows["y"]) == 11
        assert sorted(set(rows["x"])) == [-112.5, -37.5, 37.5, 112.5]
    night = plan_night(options)
    # Two IFUs are 4.8 arcsec high: sources must stay inside, wherever the telescope points.
    reach = max(abs(source.north) for source in (*night.field.points, *night.field.nebulae))
    assert reach < 1.2


def test_the_weather_log_names_the_exposures(small_night: SimulationReport) -> None:
    text = small_night.weather.read_text(encoding="utf-8")
    assert small_night.weather.name.endswith(".NL.txt")
    assert frame_of(small_night, "OBJECT").stem in text
    assert "Clear" in text


@pytest.mark.parametrize("mode", ["WFM-NOAO-N", "WFM-AO-N"])
def test_each_frame_is_what_it_says(tmp_path: Path, mode: str) -> None:
    wanted = {
        "BIAS": "BIAS",
        "DARK": "DARK",
        "FLAT,LAMP": "FLAT",
        "FLAT,LAMP,ILLUM": "ILLUM",
        "FLAT,SKY": "SKYFLAT",
        "WAVE": "ARC",
        "OBJECT": "OBJECT",
        "SKY": "SKY",
        "STD": "STD",
    }
    for frame in plan_night(SimulationOptions(tmp_path, mode=mode)).frames:
        assert classify(primary_header(frame.spec)).category == wanted[frame.spec.dpr_type]
