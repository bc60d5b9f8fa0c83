"""One simulated night and one real reduction, shared by all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drs.reduction import Reduction, reduce_night, reduce_parts


@pytest.fixture(scope="session")
def reduction(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reduction]:
    """The demo on a night of two IFUs, run once: simulated and reduced to a cube."""
    folder = tmp_path_factory.mktemp("reduction")
    yield reduce_night(folder / "demo")
    # Gigabytes that nobody looks at afterwards.
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def parts_of_a_cube(reduction: Reduction) -> tuple[Path, ...]:
    """Cubes of one exposure of the reduction, which hold all other bands and lines together."""
    return reduce_parts(reduction)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Path]:
    """A folder for a test that writes much; gone afterwards."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)
