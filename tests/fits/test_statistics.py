"""Statistics of pixels, held against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musebuild.errors import FrameError
from musebuild.fits import statistics
from musebuild.fits.statistics import compare_statistics, statistics_of


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(">f4"), np.dtype("<f4"), np.dtype("f8"), np.dtype("i4")]),
        hnp.array_shapes(max_dims=2, max_side=9),
        elements={"min_value": -1000, "max_value": 1000},
    ),
    st.integers(1, 7),
)
def test_statistics_are_those_of_numpy(array: np.ndarray, rows: int) -> None:
    if array.dtype.kind == "f":
        array.flat[0] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "ROWS", rows)
        found = statistics_of(array)
    values = array[np.isfinite(array)].astype(float)
    assert found.size == array.size
    assert found.invalid == array.size - values.size
    if not values.size:
        assert np.isnan(found.mean)
        return
    assert found.median == np.median(values)
    assert (found.least, found.most) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean(), abs=1e-9)
    assert found.std == pytest.approx(values.std(), abs=1e-9)


def test_arrays_that_differ_are_told_side_by_side(tmp_path: Path) -> None:
    def write(name: str, image: list[float], value: float, size: int) -> Path:
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("lambda", "E", array=np.array([1.0, value])),
                fits.Column("name", "3A", array=np.array(["a", "b"])),
            ],
            name="LINES",
        )
        hdus = [
            fits.PrimaryHDU(),
            fits.ImageHDU(np.array(image, dtype=np.float32), name="DATA"),
            fits.ImageHDU(np.ones(3), name="SAME"),
            table,
            fits.ImageHDU(np.zeros(size), name="SHAPE"),
        ]
        fits.HDUList(hdus).writeto(tmp_path / name)
        return tmp_path / name

    nan = float("nan")
    one = write("one.fits", [1, 2, nan, 4], 5.0, 2)
    two = write("two.fits", [1, 5, nan, 8], 6.0, 3)
    pairs = {pair.name: pair for pair in compare_statistics(one, two)}
    assert pairs.keys() == {"DATA", "LINES.lambda", "SHAPE"}
    data = pairs["DATA"]
    assert (data.differing, data.largest) == (2, 4.0)
    assert data.rms == pytest.approx(np.sqrt((9 + 16) / 3))
    assert data.first is not None and data.second is not None
    assert (data.first.invalid, data.first.median, data.second.median) == (1, 2.0, 5.0)
    assert pairs["SHAPE"].differing is None
    assert compare_statistics(one, one) == []
    (tmp_path / "bad.fits").write_bytes(b"no frame")
    with pytest.raises(FrameError):
        compare_statistics(one, tmp_path / "bad.fits")
