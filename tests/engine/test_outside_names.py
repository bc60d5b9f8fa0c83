"""Names from outside through whole builds: bundles, headers, links in the store and the tree."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from astropy.io import fits
from blake3 import blake3

from musebuild.settings.path_names import part_for
from tests.support.projects import MockProject

EVIL = b"written by a bundle\n"
BIAS = "MUSE.2017-06-16T10:4[012]:37.154.fits"


@contextmanager
def nothing_outside(project: MockProject) -> Iterator[None]:
    """Nothing comes into being beside the project, nor in it out of its own places."""
    top = project.folder.parent

    def files() -> set[Path]:
        own = (project.reduced, project.folder / ".musebuild")
        return {p for p in top.rglob("*") if not any(p.is_relative_to(o) for o in own)}

    before = files()
    yield
    new = {path.name for path in files() - before}
    assert {name for name in new if not name.startswith(("musebuild.db", "journal"))} <= {"reduced"}


def with_product(whole: Path, name: str) -> Path:
    """A bundle whose manifest of a combination names one product more."""
    path, evil = whole.with_name("evil.tar"), blake3(EVIL).hexdigest()
    with tarfile.open(whole) as source, tarfile.open(path, "w") as out:

        def add(member: str, content: bytes) -> None:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))

        add(f"objects/{evil}", EVIL)
        for one in source:
            held = source.extractfile(one)
            assert held is not None
            content = held.read()
            if one.name.startswith("manifests"):
                data = json.loads(content.partition(b"\n")[2])
                if data["task"].startswith("muse_exp_combine"):
                    more = {"name": name, "object": evil, "size": len(EVIL)}
                    data["products"].append(data["products"][0] | more)
                    body = json.dumps(data, sort_keys=True, indent=1).encode()
                    seal = json.dumps({"checksum": blake3(body).hexdigest()}).encode()
                    content = seal + b"\n" + body + b"\n"
            add(one.name, content)
    return path


@pytest.fixture(scope="module")
def whole(built_once: MockProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All results as a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "whole.tar"
    assert built_once.ask("cache", "export", str(path)).status == 0
    return path


@pytest.mark.parametrize("name", ["../../../../../profile", "/abs", "muse_exp_combine.json", ".x"])
def test_a_bundle_writes_nothing_outside(project: MockProject, whole: Path, name: str) -> None:
    with nothing_outside(project):
        told = project.ask("cache", "import", str(with_product(whole, name)))
        if name != "muse_exp_combine.json":
            assert told.status == 2
            assert "cannot be used" in told.text or "does not hold" in told.text
            assert "of a product: it" in told.text
        else:
            # Which note will lie beside the products is known where they are put.
            ran = project.ask("run", "muse_exp_combine")
            assert ran.status != 0
            assert "has this name" in ran.text


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ESO TPL START", "../../../../VICTIM"),
        ("ESO TPL START", "/etc/x"),
        ("ESO TPL START", ".."),
        ("ESO TPL START", "x" * 60),
        ("ESO INS MODE", "x/../../../VICTIM"),
        ("DATE-OBS", "2017-06-16T10:40:37/../../../VICTIM"),
    ],
)
def test_text_of_a_header_leads_nowhere(project: MockProject, keyword: str, value: str) -> None:
    for path in (project.folder / "raw").glob(BIAS):
        fits.setval(path, keyword, value=value)
    with nothing_outside(project):
        told = project.ask("run", "muse_bias")
    if keyword == "ESO TPL START" and "x" * 60 not in value:
        assert told.status != 0
        told = project.ask("check")
        assert f"its {keyword} is '{value}', which cannot be a folder's name" in told.text


def test_an_object_that_no_folder_can_have_gets_a_name_of_its_own(project: MockProject) -> None:
    del project.settings["datasets"]
    project.write()
    exposures = sorted((project.folder / "raw").glob("*T01:3*.fits"))
    for path in exposures:
        fits.setval(path, "OBJECT", value="../../P1/2")
    with nothing_outside(project):
        project.build()
    (made,) = (project.reduced / "exp_combine").iterdir()
    assert made.name == part_for("../../P1/2") + "_drs"
    told = project.ask("check").text
    assert "OBJECT '../../P1/2', which cannot be a folder's name: it holds a slash" in told
    assert 'datasets: {P1_2: {OBJECT: "../../P1/2"}}' in told


def test_no_product_goes_through_a_linked_folder(project: MockProject) -> None:
    elsewhere = project.folder.parent / "elsewhere"
    elsewhere.mkdir()
    project.reduced.mkdir(parents=True)
    (project.reduced / "MASTER_BIAS").symlink_to(elsewhere)
    told = project.ask("run", "muse_bias")
    assert told.status != 0
    assert "MASTER_BIAS" in told.text
    assert "adopt" in told.text
    assert not list(elsewhere.iterdir())
    assert not project.journal, "it is told before anything runs"
    assert project.ask("adopt").status == 0
    project.build("muse_bias")
    assert not list(elsewhere.iterdir())


def test_links_in_the_place_of_locks_lead_nowhere(built: MockProject) -> None:
    """The right values of a build over them, and of the sweep after it."""
    keys = [path.parent.name + path.stem for path in (built.store / "manifests").rglob("*.json")]
    victims = built.folder / "victims"
    victims.mkdir()
    for path in (built.store / "manifests").rglob("*.json"):
        path.unlink()
    for key in [*keys, "anything", "0" * 64]:
        (victims / key).write_bytes(b"somebody's")
        (built.store / "locks" / key).symlink_to(victims / key)
    built.build()
    assert built.ask("cache", "gc").status == 0
    assert built.ask("clean").status == 0
    assert {path.read_bytes() for path in victims.iterdir()} == {b"somebody's"}
