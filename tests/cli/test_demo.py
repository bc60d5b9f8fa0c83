"""The demo: it simulates, and gives what it simulated to a build. `tests/drs` runs all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.cli.main import main
from musebuild.cli.simulate import progress
from musebuild.errors import MusebuildError
from musebuild.simulation import SimulationOptions, is_outdated
from musebuild.simulation.night import plan_night
from musebuild.simulation.truth import EDITION, write_truth
from musebuild.workers.executor import Executor
from tests.support.frames import mock_night


def test_the_demo_simulates_a_night_and_gives_it_to_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    simulated: list[SimulationOptions] = []

    def simulate(options: SimulationOptions) -> None:
        simulated.append(options)
        mock_night(options.folder)
        (options.folder / "truth.ecsv").touch()

    def no_recipe() -> Executor:
        raise MusebuildError("no recipe runs in this test")

    monkeypatch.setattr("musebuild.simulation.simulate", simulate)
    monkeypatch.setattr("musebuild.cli.demo.GIGABYTES", 0)
    assert main(["demo", str(folder)], executor=no_recipe) != 0
    told = capsys.readouterr()
    assert f"1. Simulating a MUSE night in {folder}" in told.out
    assert "2. Reducing it with the MUSE pipeline" in told.out
    assert "no recipe runs in this test" in told.err
    assert simulated == [SimulationOptions(folder, progress=progress)]
    # The night is there: only the reduction goes on.
    assert main(["demo", str(folder)], executor=no_recipe) != 0
    assert f"The night in {folder} is simulated already." in capsys.readouterr().out
    assert len(simulated) == 1


def test_a_night_that_an_older_musebuild_simulated_is_simulated_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    options = SimulationOptions(folder)
    field = plan_night(options).field

    def simulate(_: SimulationOptions) -> None:
        write_truth(folder / "truth.ecsv", options, field, (), ())

    def no_recipe() -> Executor:
        raise MusebuildError("no recipe runs in this test")

    mock_night(folder)
    simulate(options)
    truth = folder / "truth.ecsv"
    assert not is_outdated(truth)
    now = truth.read_text()
    # The first had no edition at all.
    truth.write_text(now.replace(f"# - {{edition: {EDITION}}}\n", ""))
    assert truth.read_text() != now
    assert is_outdated(truth)
    monkeypatch.setattr("musebuild.simulation.simulate", simulate)
    monkeypatch.setattr("musebuild.cli.demo.GIGABYTES", 0)
    assert main(["demo", str(folder)], executor=no_recipe) != 0
    out = capsys.readouterr().out
    assert f"An older musebuild simulated the night in {folder}: made anew.\n1. Simulat" in out
    assert truth.read_text() == now
    assert main(["demo", str(folder)], executor=no_recipe) != 0
    assert "is simulated already" in capsys.readouterr().out
