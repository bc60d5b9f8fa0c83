"""The night: which frames are taken when, and what light falls on each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musebuild.simulation import atmosphere, spectra
from musebuild.simulation.field import Field, Pointing, demo_field, expose_field, standard_field
from musebuild.simulation.headers import FrameSpec, hour_angle, mjd, sidereal_seconds
from musebuild.simulation.instrument import NX, NY, SLICES, Instrument
from musebuild.simulation.options import SimulationOptions
from musebuild.simulation.rawframes import (
    DARK_PER_HOUR,
    HotPixels,
    hot_pixels,
    read_out,
    write_frame,
)
from musebuild.simulation.statics import ARC_ELECTRONS, write_statics
from musebuild.simulation.truth import write_truth

Float = NDArray[np.float32]

FIELD_NAME = "FIELD"
EXPOSURE = 600.0
SKY_EXPOSURE = 120.0
OVERHEAD = 71.0
"""Seconds from the end of an exposure to the start of the next."""
SKY_OFFSET = (90.0, 120.0)
"""Arcsec east and north: where the telescope looks at an empty sky."""
STANDARD_EXPOSURE = 40.0
DARK_EXPOSURE = 1800.0
FLAT_ELECTRONS = 47_600.0
SKYFLAT_ELECTRONS = 34_000.0
SEEING = 0.70
DITHER = ((0.0, 0.0), (0.6, -0.4), (-0.5, 0.5), (0.4, 0.7), (-0.7, -0.3), (0.2, -0.6))
"""Arcsec east and north: known moves of the telescope, told by the headers."""
POINTING_ERROR = 0.35
"""Arcsec: spread of the unknown part, which the alignment must find."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames of the morning's calibrations."""

    bias: int
    flat: int
    arc: int
    """Of each lamp."""
    dark: int


FULL = Counts(bias=5, flat=5, arc=3, dark=3)
SHORT = Counts(bias=5, flat=3, arc=1, dark=0)
"""Of three bias frames the slopes would be noisier than on real nights."""

# The kinds of light that fall on a detector; an image is computed once for all its frames.
Light = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Exposed:
    """A frame of the schedule and the light that it records."""

    spec: FrameSpec
    light: Light


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What was simulated."""

    raw: tuple[Path, ...]
    calib: tuple[Path, ...]
    truth: Path
    weather: Path


@dataclass(frozen=True)
class Night:
    """A schedule with its targets."""

    frames: tuple[Exposed, ...]
    field: Field
    standard: Field
    exposures: tuple[FrameSpec, ...]
    """Of the field, whether or not `frames` holds them all."""
    pointings: tuple[Pointing, ...]
    """Of the exposures."""
    standard_pointing: Pointing
    skies: tuple[SkyExposure, ...] = ()
    """Exposures of an empty field, whether or not `frames` holds them all."""


@dataclass(frozen=True, slots=True)
class SkyExposure:
    """An exposure of an empty field beside the other."""

    spec: FrameSpec
    pointing: Pointing
    lines: float
    """Strength of the sky's emission lines."""


def plan_night(options: SimulationOptions) -> Night:
    """The schedule of a night: times, headers, pointings. Pure: touches no file.

    Parameters
    ----------
    options : SimulationOptions

    Returns
    -------
    Night
    """
    evening = dt.datetime.combine(options.date(), dt.time())
    morning = evening + dt.timedelta(days=1)
    blank = FrameSpec(evening, "CALIB", "BIAS", "", evening, 1, 1, "", options.mode)

    first = morning + dt.timedelta(hours=1, minutes=34, seconds=56, milliseconds=867)
    # The field crosses the meridian soon after; RA is rounded so that a night repeats.
    field = demo_field(
        options.geometry,
        options.ifus,
        ra=round(sidereal_seconds(first) / 240 - 4.0, 2) % 360,
        dec=-30.25,
    )
    pointings = _pointings(options, field, first)
    star_time = morning + dt.timedelta(hours=9, minutes=32, seconds=26, milliseconds=112)
    standard = standard_field(ra=round(sidereal_seconds(star_time) / 240 - 9.0, 2) % 360, dec=-18.4)
    standard_pointing = Pointing(
        standard.ra,
        standard.dec,
        *_airmass_and_angle(star_time, STANDARD_EXPOSURE, standard.ra, standard.dec),
        seeing=SEEING * 1.05,
    )

    objects = _exposures(options, pointings, first)
    skies = _skies(options, field, first)
    frames = [
        *_evening_calibrations(blank, evening, first),
        *objects,
        *(Exposed(sky.spec, ("sky", number)) for number, sky in enumerate(skies)),
        _standard_exposure(options, standard_pointing, star_time),
        *_morning_calibrations(blank, morning, SHORT if options.short else FULL),
    ]
    frames.sort(key=lambda frame: frame.spec.start)
    exposures = tuple(frame.spec for frame in objects)
    return Night(tuple(frames), field, standard, exposures, pointings, standard_pointing, skies)


def _sequence(
    spec: FrameSpec, light: Light, count: int, start: dt.datetime, step: float, milliseconds: int
) -> list[Exposed]:
    """Frames of one template, `step` seconds apart."""
    return [
        Exposed(
            replace(
                spec,
                start=start + dt.timedelta(seconds=10 + step * number, milliseconds=milliseconds),
                template_start=start,
                number=number + 1,
                of=count,
            ),
            light,
        )
        for number in range(count)
    ]


def _after(start: dt.datetime, count: int, step: float) -> dt.datetime:
    """When the template after a sequence starts."""
    return start + dt.timedelta(seconds=step * count + 120)


def _evening_calibrations(
    blank: FrameSpec, evening: dt.datetime, first: dt.datetime
) -> list[Exposed]:
    """Sky flats at dusk; the illumination flat just before the first exposure."""
    sky_flat = replace(
        blank,
        dpr_type="FLAT,SKY",
        template="MUSE_wfm_cal_skyflat",
        origin="MUSE_WFM_SKYFLAT",
        exposure=8.0,
        target="Twilight",
        object_name="FLAT,SKY",
        temperature=10.5,
    )
    illumination = replace(
        blank,
        dpr_type="FLAT,LAMP,ILLUM",
        template="MUSE_wfm_cal_illum",
        origin="MUSE_WFM_ILLUM",
        exposure=1.155,
        lamps=("FF1", "FF2"),
    )
    dusk = evening + dt.timedelta(hours=22, minutes=4, seconds=55)
    return [
        *_sequence(sky_flat, ("skyflat", 0), 3, dusk, 80.0, 147),
        *_sequence(illumination, ("lamp", 0), 1, first - dt.timedelta(minutes=10), 60.0, 150),
    ]


def _skies_before(options: SimulationOptions, number: int) -> int:
    """How many sky exposures precede an exposure: each exposure is followed by one in its turn."""
    turns, rest = divmod(options.sky, options.exposures)
    return number * turns + min(number, rest)


def _moment(options: SimulationOptions, first: dt.datetime, number: int) -> dt.datetime:
    """When an exposure of the field starts."""
    skies = _skies_before(options, number)
    seconds = number * (EXPOSURE + OVERHEAD) + skies * (SKY_EXPOSURE + OVERHEAD)
    return first + dt.timedelta(seconds=seconds)


def _line_strength(number: float) -> float:
    """Strength of the sky's emission lines, which grows from exposure to exposure."""
    return 1.0 + 0.08 * number


def _skies(options: SimulationOptions, field: Field, first: dt.datetime) -> tuple[SkyExposure, ...]:
    """Exposures of an empty field, in the template of the others, each after one of them."""
    east, north = SKY_OFFSET
    ra = round(field.ra + east / 3600 / np.cos(np.radians(field.dec)), 6)
    dec = round(field.dec + north / 3600, 6)
    found = []
    for after in range(options.exposures):
        count = _skies_before(options, after + 1) - _skies_before(options, after)
        for turn in range(count):
            # Well off the slot of any exposure, so that no two frames have one name.
            seconds = EXPOSURE + OVERHEAD - 11 + turn * (SKY_EXPOSURE + OVERHEAD)
            start = _moment(options, first, after) + dt.timedelta(seconds=seconds)
            spec = replace(
                _exposure_spec(options, start, first, ra, dec, SEEING),
                dpr_type="SKY",
                exposure=SKY_EXPOSURE,
                number=after + 2 + _skies_before(options, after) + turn,
            )
            pointing = Pointing(
                ra, dec, *_airmass_and_angle(start, SKY_EXPOSURE, ra, dec), seeing=SEEING
            )
            found.append(SkyExposure(spec, pointing, _line_strength(after + 0.5)))
    return tuple(found)


def _exposure_spec(
    options: SimulationOptions,
    start: dt.datetime,
    first: dt.datetime,
    ra: float,
    dec: float,
    seeing: float,
) -> FrameSpec:
    """An exposure of the template of the field, the first of all."""
    template = (
        "noao_obs_genericoffset" if options.mode == "WFM-NOAO-N" else "ao_obs_genericoffsetLGS"
    )
    return FrameSpec(
        start,
        "SCIENCE",
        "OBJECT",
        f"MUSE_wfm-{template}",
        first - dt.timedelta(seconds=48),
        1,
        options.exposures + options.sky,
        "MUSE_WFM_OBS",
        options.mode,
        exposure=EXPOSURE,
        object_name=FIELD_NAME,
        target=FIELD_NAME,
        ra=ra,
        dec=dec,
        seeing=seeing,
    )


def _pointings(
    options: SimulationOptions, field: Field, first: dt.datetime
) -> tuple[Pointing, ...]:
    """Where the exposures of the field look: dithered as the headers say, and a little off."""
    rng = np.random.default_rng([options.seed, 0, 100])
    pointings = []
    for number in range(options.exposures):
        east, north = DITHER[number % len(DITHER)]
        ra = round(field.ra + east / 3600 / np.cos(np.radians(field.dec)), 6)
        dec = round(field.dec + north / 3600, 6)
        error = rng.normal(0, POINTING_ERROR, 2).clip(-0.7, 0.7) if number else np.zeros(2)
        pointings.append(
            Pointing(
                ra,
                dec,
                *_airmass_and_angle(_moment(options, first, number), EXPOSURE, ra, dec),
                seeing=SEEING * (1 + 0.04 * (number % 3)),
                offset_east=round(float(error[0]), 4),
                offset_north=round(float(error[1]), 4),
            )
        )
    return tuple(pointings)


def _exposures(
    options: SimulationOptions, pointings: tuple[Pointing, ...], first: dt.datetime
) -> list[Exposed]:
    """The exposures of the field, one template."""
    found = []
    for number, at in enumerate(pointings):
        start = _moment(options, first, number)
        spec = _exposure_spec(options, start, first, at.ra, at.dec, at.seeing)
        place = number + 1 + _skies_before(options, number)
        found.append(Exposed(replace(spec, number=place), ("object", number)))
    return found


def _standard_exposure(
    options: SimulationOptions, pointing: Pointing, start: dt.datetime
) -> Exposed:
    """The standard star, at the end of the night."""
    return Exposed(
        FrameSpec(
            start,
            "CALIB",
            "STD",
            "MUSE_wfm-noao_cal_specphot",
            start - dt.timedelta(seconds=68),
            1,
            1,
            "MUSE_WFM_STD",
            options.mode,
            exposure=STANDARD_EXPOSURE,
            object_name="STD",
            target="SIMSTAR",
            ra=pointing.ra,
            dec=pointing.dec,
            seeing=pointing.seeing,
        ),
        ("standard", 0),
    )


def _morning_calibrations(blank: FrameSpec, morning: dt.datetime, counts: Counts) -> list[Exposed]:
    """What is taken by day with the dome closed, one template after the other."""
    bias = replace(blank, dpr_type="BIAS", template="MUSE_cal_bias", origin="MUSE_CAL_BIAS")
    flat = replace(
        blank,
        dpr_type="FLAT,LAMP",
        template="MUSE_wfm_cal_specflat",
        origin="MUSE_WFM_FLAT",
        exposure=0.35,
        lamps=("FF1", "FF2"),
    )
    dark = replace(
        blank,
        dpr_type="DARK",
        template="MUSE_cal_dark",
        origin="MUSE_CAL_DARK",
        exposure=DARK_EXPOSURE,
    )
    biases = morning + dt.timedelta(hours=10, minutes=40, seconds=27)
    flats = _after(biases, counts.bias, 68.0)
    arcs = _after(flats, counts.flat, 70.0)
    darks = arcs + dt.timedelta(minutes=20)
    return [
        *_sequence(bias, ("dark", 0), counts.bias, biases, 68.0, 154),
        *_sequence(flat, ("lamp", 0), counts.flat, flats, 70.0, 159),
        *_arcs(blank, arcs, counts.arc),
        *_sequence(dark, ("dark", int(DARK_EXPOSURE)), counts.dark, darks, DARK_EXPOSURE + 70, 173),
    ]


def _arcs(blank: FrameSpec, start: dt.datetime, repeats: int) -> list[Exposed]:
    """Arc lamps, one after the other, in one template."""
    lamps = [(lamp, name) for lamp, name in enumerate(spectra.ARC_LINES) for _ in range(repeats)]
    return [
        Exposed(
            replace(
                blank,
                start=start + dt.timedelta(seconds=20 + 75 * number, milliseconds=866),
                template_start=start,
                number=number + 1,
                of=len(lamps),
                dpr_type="WAVE",
                template="MUSE_wfm_cal_wave",
                origin="MUSE_WFM_WAVE",
                exposure=1.0,
                lamps=(name,),
            ),
            ("arc", lamp),
        )
        for number, (lamp, name) in enumerate(lamps)
    ]


def _airmass_and_angle(
    start: dt.datetime, seconds: float, ra: float, dec: float
) -> tuple[float, float]:
    # Simpson's weights over the exposure, as the DRS takes them (Stetson).
    airmass, angles = 0.0, []
    for part, weight in ((0.0, 1 / 6), (0.5, 4 / 6), (1.0, 1 / 6)):
        moment = start + dt.timedelta(seconds=part * seconds)
        zenith, angle = atmosphere.altitude_and_parallactic_angle(hour_angle(moment, ra), dec)
        airmass += weight * atmosphere.airmass(zenith)
        angles.append(angle)
    return airmass, (angles[0] + angles[-1]) / 2


def simulate(options: SimulationOptions, night: Night | None = None) -> SimulationReport:
    """Write a simulated night.

    Parameters
    ----------
    options : SimulationOptions
    night : Night, optional
        The schedule, from `plan_night` of the same options; with fewer frames, if only some
        are wanted.

    Returns
    -------
    SimulationReport
        The files, all written beside their place and renamed.

    Raises
    ------
    UsageError
        The options cannot be met.
    """
    options.check()
    night = night or plan_night(options)
    raw, calib = options.folder / "raw", options.folder / "calib"
    raw.mkdir(parents=True, exist_ok=True)
    calib.mkdir(parents=True, exist_ok=True)
    instruments = [
        Instrument(ifu, options.geometry, options.ifus, options.seed) for ifu in options.ifus
    ]
    hot = {instrument.ifu: hot_pixels(instrument.rng(5)) for instrument in instruments}
    centre = field_centre(instruments)
    total = len(night.frames)
    files: list[Path] = []
    for number, exposed, path in _written(options, night, instruments, hot, centre, raw):
        files.append(path)
        if options.progress:
            options.progress(exposed.spec.filename, number, total)
    date = night.frames[0].spec.name
    statics = write_statics(calib, date, options.mode, instruments, night.standard, hot)
    truth = write_truth(
        options.folder / "truth.ecsv",
        options,
        night.field,
        night.pointings,
        night.exposures,
        [(sky.spec, sky.pointing, sky.lines) for sky in night.skies],
    )
    weather = write_weather_log(raw, night, options)
    return SimulationReport(tuple(files), tuple(statics), truth, weather)


def field_centre(instruments: list[Instrument]) -> tuple[float, float]:
    """Middle of the lit field in the geometry table's coordinates: the DRS puts RA, DEC there.

    The extreme pixel centres of a slice stand for its ends; they are nearly symmetrical, the
    rest is below a hundredth of a spaxel.
    """
    x = np.concatenate([i.sky_x for i in instruments])
    y = np.concatenate([i.sky_y for i in instruments])
    return float(x.min() + x.max()) / 2, float(y.min() + y.max()) / 2


def frame_rng(options: SimulationOptions, spec: FrameSpec, ifu: int) -> np.random.Generator:
    """Random numbers of one frame: the same whichever other frames the night holds."""
    return np.random.default_rng([options.seed, ifu, round(mjd(spec.start) * 86_400_000)])


def _written(
    options: SimulationOptions,
    night: Night,
    instruments: list[Instrument],
    hot: dict[int, HotPixels],
    centre: tuple[float, float],
    folder: Path,
) -> Iterator[tuple[int, Exposed, Path]]:
    """Write frame after frame; frames of one light share its image while they follow closely."""
    images: dict[tuple[Light, int], Float] = {}

    def read(instrument: Instrument, exposed: Exposed) -> NDArray[np.uint16]:
        key = (exposed.light, instrument.ifu)
        if key not in images:
            images[key] = _light(options, night, instrument, exposed.light, centre)
        electrons = images[key]
        seconds = exposed.spec.exposure
        if seconds > 30:
            electrons = electrons + np.float32(DARK_PER_HOUR * seconds / 3600)
            x, y, level = hot[instrument.ifu]
            electrons[y, x] += level * np.float32(seconds / 3600)
        rng = frame_rng(options, exposed.spec, instrument.ifu)
        return read_out(electrons if exposed.spec.dpr_type != "BIAS" else None, rng)

    for number, exposed in enumerate(night.frames, 1):
        # Only the lamp's image is needed again later in the night.
        for key in [key for key in images if key[0] not in (exposed.light, ("lamp", 0))]:
            del images[key]
        path = write_frame(
            folder,
            exposed.spec,
            {i.ifu: partial(read, i, exposed) for i in instruments},
            compress=options.compress,
            rng=frame_rng(options, exposed.spec, 0),
        )
        yield number, exposed, path


def _light(
    options: SimulationOptions,
    night: Night,
    instrument: Instrument,
    light: Light,
    centre: tuple[float, float],
) -> Float:
    kind, index = light
    response = spectra.throughput(options.mode)
    response = response / spectra.throughput("WFM-NOAO-N").max()
    if kind == "dark":
        return np.zeros((NY, NX), dtype=np.float32)
    if kind == "lamp":
        shape = spectra.lamp() * response
        return instrument.expose(shape / shape.max() * FLAT_ELECTRONS / spectra.PIXEL)
    if kind == "skyflat":
        shape = spectra.solar() * response
        # The sky lights the field evenly but for a slow fall towards its edges.
        along = np.asarray(1 - 0.02 * ((np.arange(SLICES) - 23.5) / 23.5) ** 2, dtype=np.float64)
        level = SKYFLAT_ELECTRONS / spectra.PIXEL
        return instrument.expose(shape / shape.max() * level, along)
    if kind == "arc":
        wavelengths, strengths = spectra.arc(list(spectra.ARC_LINES)[index])
        lines = spectra.line_spectrum(wavelengths, [s * ARC_ELECTRONS for s in strengths])
        return instrument.expose(lines * response)
    if kind == "standard":
        return expose_field(
            instrument, night.standard, night.standard_pointing, centre, options.mode,
            STANDARD_EXPOSURE, 1.0,
        )  # fmt: skip
    if kind == "sky":
        sky = night.skies[index]
        empty = Field(sky.pointing.ra, sky.pointing.dec, ())
        return expose_field(
            instrument, empty, sky.pointing, centre, options.mode, SKY_EXPOSURE, sky.lines
        )
    return expose_field(
        instrument, night.field, night.pointings[index], centre, options.mode, EXPOSURE,
        _line_strength(index),
    )  # fmt: skip


def write_weather_log(folder: Path, night: Night, options: SimulationOptions) -> Path:
    """The night log of the exposures (`.NL.txt`), as the archive delivers it."""
    specs = night.exposures
    first = specs[0]
    seeing = [spec.seeing for spec in specs]
    lines = [
        "General weather conditions:",
        f'Seeing:          {min(seeing):.2f} - {max(seeing):.2f}"',
        f"Humidity:        {atmosphere.HUMIDITY:.0f} - {atmosphere.HUMIDITY:.0f} %",
        "Wind:            1.9 - 2.1 m/s",
        f"Temperature:     {atmosphere.TEMPERATURE - 1:.1f} - {atmosphere.TEMPERATURE + 1:.1f} C",
        "Overall comment: simulated",
        "-" * 51,
        "",
        "Weather observations:",
        "Time\tConditions\tComment",
        "22:04\tClear\tsimulated night",
        "01:00\tClear\t",
        "09:30\tClear\t",
        "-" * 51,
        "",
        "OB:         1755413",
        "Instrument: MUSE",
        f"Name:       {first.target}",
        f"Target:     {first.target}",
        "-" * 51,
        "",
        "Files produced and additional information",
        "-" * 51,
        "OBS.ID: 1755413",
        f"OBS.START: {first.template_start.isoformat(timespec='seconds')}",
        "-" * 51,
        f"Template: {first.template}",
        "Data Product: SCIENCE/OBJECT/IFU",
        f"Mode: {options.mode}",
        "-" * 51,
        "Original Filename\tArchive Filename\tTPL.EXPNO/NEXP\tEXPTIME\tAIRMASS\tDIMM\t",
        *(
            f"{s.origin}_{s.number:04d}.fits\tMUSE.{s.name}\t{s.number}/{s.of}\t{s.exposure}"
            f"\t{pointing.airmass:.3f}\t{s.seeing:.2f}\t"
            for s, pointing in zip(specs, night.pointings, strict=True)
        ),
        "",
    ]
    path = folder / f"MUSE.{first.name}.NL.txt"
    beside = path.with_name(f".{path.name}.part")
    beside.write_text("\n".join(lines), encoding="utf-8")
    beside.replace(path)
    return path
