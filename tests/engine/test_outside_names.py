"""Names from outside through whole builds: bundles, headers, links in the store and the tree."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
        shown = " ".join(project.ask("check").text.split())
        assert f"its {keyword} is '{value}', which cannot be a folder's name" in shown


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
    told = " ".join(project.ask("check").text.split())
    assert "OBJECT '../../P1/2' is no name (it holds a slash); give it one:" in told
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


class TestEverybody:
    """What all users of the machine may write is refused, unless the settings say so."""

    @pytest.mark.parametrize(
        "place", [".", ".musebuild/store", ".musebuild/store/locks", "reduced/0.1"]
    )
    def test_a_place_that_everybody_may_write(self, built: MockProject, place: str) -> None:
        (built.folder / place).chmod(0o1777)
        for command in ("run", "list", "check", "clean"):
            told = built.ask(command)
            assert told.status == 2
            assert f"everybody may write into {built.folder / place}" in told.text
            assert "chmod o-w" in told.text
        built.settings["shared"] = True
        built.write()
        built.build()
        built.settings["shared"] = False
        built.write()
        (built.folder / place).chmod(0o2775)
        built.build()

    def test_a_store_behind_that_everybody_may_write(self, project: MockProject) -> None:
        behind = project.folder / "behind"
        behind.mkdir()
        behind.chmod(0o777)
        project.settings["cache"] = [".musebuild/store", "behind"]
        project.write()
        assert f"everybody may write into {behind}" in project.ask("list").text


class TestLinks:
    """Nothing is written through a link that lies where musebuild writes."""

    def test_folders_of_the_store(self, built: MockProject) -> None:
        """Not even a sweep or a repair goes through them."""
        elsewhere = built.folder / "elsewhere"
        (elsewhere / "old").mkdir(parents=True)
        (elsewhere / "a.json").write_text("{}")
        (elsewhere / ("c" * 62)).write_text("somebody's")
        for kind in ("objects", "manifests"):
            (built.store / kind / "zz").symlink_to(elsewhere)
            if not (built.store / kind / "cc").exists():
                (built.store / kind / "cc").symlink_to(elsewhere)
        built.ask("cache", "verify", "--repair")
        built.ask("cache", "gc", "--max-size", "1")
        built.build()
        assert sorted(path.name for path in elsewhere.iterdir()) == ["a.json", "c" * 62, "old"]
        (built.store / "scratch").rmdir()
        (built.store / "scratch").symlink_to(elsewhere)
        told = built.ask("run")
        assert told.status == 1
        assert "scratch: it is a link, or no folder" in told.text
        assert (elsewhere / "old").is_dir()

    def test_logs_of_builds(self, project: MockProject) -> None:
        elsewhere = project.folder / "elsewhere"
        elsewhere.mkdir()
        project.reduced.mkdir(parents=True)
        (project.reduced / "logs").symlink_to(elsewhere)
        project.build("muse_bias")
        assert not list(elsewhere.iterdir())
        (project.reduced / "logs").unlink()
        (project.reduced / "logs").mkdir()
        victim = elsewhere / "victim"
        victim.write_text("somebody's")
        for number in range(1, 9):
            (project.reduced / "logs" / f"build-{number:04d}.log").symlink_to(victim)
        project.build("muse_flat")
        assert victim.read_text() == "somebody's"

    @pytest.mark.parametrize("there", [False, True])
    def test_a_database_is_not_made_through_one(self, project: MockProject, there: bool) -> None:
        victim = project.folder / "victim"
        if there:
            victim.touch()
        (project.folder / "musebuild.db").symlink_to(victim)
        told = project.ask("run", "muse_bias")
        assert told.status == 2
        assert "is a link, and leads to no database" in told.text
        assert victim.exists() is there
        assert not there or not victim.read_bytes()

    def test_a_pipe_in_its_place_keeps_nobody_waiting(self, project: MockProject) -> None:
        os.mkfifo(project.folder / "musebuild.db")
        assert "is no file" in project.ask("list").text

    def test_a_database_that_one_leads_to_is_used(self, built: MockProject) -> None:
        path = built.folder / "musebuild.db"
        path.rename(built.folder / "kept.db")
        path.symlink_to("kept.db")
        assert "0 ran" in built.build().text or built.build()
        assert path.is_symlink()

    def test_copies_of_flags(self, built: MockProject) -> None:
        victim = built.folder / "victim"
        victim.write_text("somebody's")
        (built.folder / f".musebuild.flags.csv.{os.getpid()}").symlink_to(victim)
        (built.folder / "musebuild.flags.csv").symlink_to(victim)
        exposure = "2017-06-16T01:34:56.867"
        assert built.ask("flag", "add", "SATELLITE", exposure).status == 0
        assert victim.read_text() == "somebody's"
        assert exposure in (built.folder / "musebuild.flags.csv").read_text()

    def test_files_of_a_new_project(self, project: MockProject) -> None:
        folder, victim = project.folder / "new", project.folder / "victim"
        folder.mkdir()
        for name in ("settings.yml", "dodo.py", "doit.cfg"):
            (folder / name).symlink_to(victim)
        project.ask("init", "new")
        assert not victim.exists()


def test_an_object_with_a_sign_of_patterns_is_reduced(project: MockProject) -> None:
    """As catalogues name stars: to doit its tasks would be patterns."""
    del project.settings["datasets"]
    project.write()
    for path in (project.folder / "raw").glob("*T01:3*.fits"):
        fits.setval(path, "OBJECT", value="* alf Cen")
    project.build()
    (made,) = (project.reduced / "exp_combine").iterdir()
    assert made.name.startswith("alf_Cen-")


@pytest.mark.parametrize(
    ("old", "new"),
    [("{top}/profile", "{aside}/x"), ("{tree}/../../../profile", "{aside}/../x"), ("/x", "/x")],
)
def test_the_record_of_an_adoption_moves_nothing_elsewhere(
    built: MockProject, old: str, new: str
) -> None:
    aside = built.reduced.with_name("0.1.aside-1")
    aside.mkdir()
    (aside / "x").write_text("evil")
    places = {"top": built.folder.parent, "tree": built.reduced, "aside": aside}
    record = {
        "musebuild": "adopted",
        "tree": str(built.reduced),
        "was_ours": True,
        "moved": [[old.format(**places), new.format(**places)]],
        "flags": [],
    }
    (aside / "adopted.json").write_text(json.dumps(record))
    with nothing_outside(built):
        told = built.ask("adopt", "--undo")
    assert told.status in (0, 2)
    assert "Traceback" not in told.text


class TestLocks:
    """A lock file that somebody else wrote."""

    @pytest.fixture
    def locked(self, built_once: MockProject, tmp_path_factory: pytest.TempPathFactory) -> str:
        """The text of one."""
        path = tmp_path_factory.mktemp("lock") / "settings.lock"
        assert built_once.ask("lock", "muse_bias", "-o", str(path)).status == 0
        return path.read_text()

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d["tasks"][0].update(name="../../../x:y"),
            lambda d: d["tasks"][0].update(name="muse_bias:../../x"),
            lambda d: d["tasks"][0].update(name="muse_bias:" + "x" * 300),
            lambda d: d["tasks"][0].update(name="muse_bias"),
            lambda d: d["frames"][0].update(path="../x"),
            lambda d: d["frames"][0].update(path="/etc/passwd"),
            lambda d: d["frames"][0].update(path="a\0b", place="other"),
            lambda d: d["frames"][0].update(path="x" * 300),
            lambda d: d["frames"][0].update(path="settings.yml", place="other"),
            lambda d: d["frames"][0].update(size=-1),
            lambda d: d["frames"][0].update(archive="../../x", path="not-there.fits"),
            lambda d: d["tasks"][0]["products"].extend(d["tasks"][0]["products"]),
            lambda d: d["tasks"][0]["products"][0].update(name="../../../x"),
            lambda d: d["tasks"][0]["products"][0].update(size=2**70),
            lambda d: d["tasks"][0].update(seconds=float("nan")),
            lambda d: d.update(settings=[]),
            lambda d: d["settings"].update(reduced_path="/etc", db="/etc/x.db", cache="/etc/x"),
        ],
    )  # fmt: skip
    def test_it_writes_nothing_elsewhere(
        self, project: MockProject, locked: str, change: Any
    ) -> None:
        data = json.loads(locked)
        change(data)
        (project.folder / "settings.lock").write_text(json.dumps(data))
        before = set(project.folder.parent.rglob("*"))
        told = project.ask("reproduce", "settings.lock", "--into", "again")
        again = project.folder / "again"
        new = [p for p in set(project.folder.parent.rglob("*")) - before if p != again]
        assert all(again in path.parents for path in new if path.name != "journal.jsonl"), new
        assert told.status in (0, 1, 2)
        assert "Traceback" not in told.text
        told = project.ask("run", "--locked")
        assert "Traceback" not in told.text

    @pytest.mark.parametrize("text", ["[" * 10**5, "{}", "", "NaN", "\x00", "7"])
    def test_what_is_none_is_refused(self, project: MockProject, text: str) -> None:
        (project.folder / "settings.lock").write_text(text)
        for command in (("reproduce", "settings.lock"), ("run", "--locked")):
            told = project.ask(*command)
            assert told.status == 2
            assert "is not a lock file" in told.text
