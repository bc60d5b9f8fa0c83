"""Where products come from, and the store kept in bounds, on one built project."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from prov.model import ProvDocument

from musebuild.cli.main import main
from tests.support.in_process import call_main
from tests.support.projects import MockProject, make_mock_project

Call = Callable[..., str]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project that was built once, for all tests here."""
    project = make_mock_project(tmp_path_factory.mktemp("provenance") / "project", night)
    assert call_main(["run", "-q", "-d", str(project.folder)]) == 0
    return project


@pytest.fixture
def call(once: MockProject, capsys: pytest.CaptureFixture[str]) -> Call:
    """What a command prints."""

    def run(command: str, *arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        assert main([command, "-d", str(once.folder), *arguments]) == status
        captured = capsys.readouterr()
        return captured.out + captured.err

    return run


def cube(project: MockProject) -> Path:
    return next(project.reduced.rglob("DATACUBE_FINAL.fits"))


def test_the_tree_leads_to_the_raw_frames(once: MockProject, call: Call) -> None:
    text = call("provenance", str(cube(once)))
    assert text.startswith("DATACUBE_FINAL.fits  <- muse_exp_combine:FIELD_drs\n")
    assert "BIAS: MUSE.2017-06-16T10:41:37.154.fits" in text
    assert "skymethod=model" in text
    assert "LINE_CATALOG: line_catalog.fits  (file)" in text
    # Its header has the time of the first exposure only.
    assert "\nexposures: 2, 1200 s in all, from 2017-06-16T01:34:56.867 to " in text
    # Every raw frame of the night but none twice in the count.
    assert text.endswith(f"{len(list((once.folder / 'raw').glob('*.fits')))} raw frames in all\n")


def test_a_copy_is_known_and_an_edited_file_is_not(
    once: MockProject, call: Call, tmp_path: Path
) -> None:
    shutil.copy(cube(once), tmp_path / "mine.fits")
    assert "muse_exp_combine:FIELD_drs" in call("provenance", str(tmp_path / "mine.fits"))
    (tmp_path / "mine.fits").write_bytes(b"edited")
    text = call("provenance", str(tmp_path / "mine.fits"), status=2)
    assert "is not a product of this project" in text
    assert "there is no file" in call("provenance", "nothing.fits", status=2)


def test_w3c_prov_reads_back(once: MockProject, call: Call, tmp_path: Path) -> None:
    text = call("provenance", str(cube(once)), "--format", "prov-json")
    document = ProvDocument.deserialize(content=text, format="json")
    records = json.loads(text)
    labels = {str(e["prov:label"]) for e in records["entity"].values()}
    assert {"DATACUBE_FINAL.fits", "MUSE.2017-06-16T10:41:37.154.fits"} <= labels
    assert {str(a["prov:label"]) for a in records["activity"].values()} >= {
        "muse_bias:2017-06-16T10:40:27.ifu01",
        "muse_exp_combine:FIELD_drs",
    }
    assert len(list(document.get_records())) > 60
    assert "wasGeneratedBy" in call("provenance", str(cube(once)), "--format", "prov-n")


def test_an_ro_crate_holds_the_product_and_its_history(
    once: MockProject, call: Call, tmp_path: Path
) -> None:
    call("provenance", str(cube(once)), "--format", "ro-crate", "-o", str(tmp_path / "c.zip"))
    with zipfile.ZipFile(tmp_path / "c.zip") as crate:
        assert crate.read("DATACUBE_FINAL.fits") == cube(once).read_bytes()
        graph = json.loads(crate.read("ro-crate-metadata.json"))["@graph"]
    actions = [e for e in graph if e["@type"] == "CreateAction"]
    assert "muse_exp_combine:FIELD_drs" in {a["name"] for a in actions}
    ids = {e["@id"] for e in graph}
    assert all(o["@id"] in ids for a in actions for o in a["object"])
    assert "folder or a zip" in call("provenance", "x", "--format", "ro-crate", status=2)


def test_results_are_carried_to_another_store(
    once: MockProject, call: Call, tmp_path: Path, night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "flats.tar"
    assert "4 results" in call("cache", "export", str(archive), "muse_flat")
    other = make_mock_project(tmp_path / "other", night)
    assert main(["cache", "-d", str(other.folder), "import", str(archive)]) == 0
    assert call_main(["run", "-q", "-d", str(other.folder), "muse_flat"]) == 0
    assert "0 ran, 4 restored" in capsys.readouterr().out
    assert other.journal == []

    data = bytearray(archive.read_bytes())
    data[data.index(b"ESO PRO CATG") + 30] ^= 1
    archive.write_bytes(data)
    third = make_mock_project(tmp_path / "third", night)
    assert main(["cache", "-d", str(third.folder), "import", str(archive)]) == 2
    assert "does not hold results that can be used" in capsys.readouterr().err
    assert third.objects() == set()


def test_gc_keeps_what_the_plan_needs_and_tells_the_price(once: MockProject, call: Call) -> None:
    change = ("--set", "recipes.muse_scipost.params.lambdamin=4800.0")
    assert call_main(["run", "-q", "-d", str(once.folder), "muse_scipost", *change]) == 0
    assert call_main(["run", "-q", "-d", str(once.folder)]) == 0
    before, ran = once.objects(), len(once.journal)
    told = call("cache", "gc", "--max-size", "1 kB", "--dry-run")
    assert "2 results would be dropped" in told
    assert "muse_scipost" in told
    assert "to make them again" in told
    assert once.objects() == before
    assert "2 results dropped" in call("cache", "gc", "--max-size", "1 kB")
    assert once.objects() < before
    assert main(["cache", "-d", str(once.folder), "verify"]) == 0
    assert call_main(["run", "-q", "-d", str(once.folder)]) == 0
    assert len(once.journal) == ran
    assert call_main(["run", "-q", "-d", str(once.folder), "muse_scipost", *change]) == 0
    assert len(once.journal) == ran + 2
    assert "--max-size" in call("cache", "gc", "--max-size", "much", status=2)
