"""What a build takes from what an earlier one remembered is what it would find itself."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from musebuild.cli.main import main
from musebuild.engine.fingerprints import Watch, watched
from musebuild.engine.planfile import packed, unpacked
from musebuild.engine.probe import ProjectWorld
from musebuild.engine.project import Project
from musebuild.engine.remembered import (
    MARK,
    Rest,
    is_remembered,
    place_of,
    recall,
)
from musebuild.engine.resolve import Resolution, State, slim
from musebuild.engine.run import BuildRunner
from musebuild.engine.settled import Settled
from musebuild.index.meta import meta
from musebuild.plan.model import ADDED
from musebuild.plan.names import closure
from musebuild.settings.load import load_settings
from musebuild.settings.model import Settings
from tests.support.frames import write_raw, write_static
from tests.support.projects import ALL, MockProject, make_mock_project
from tests.support.waiting import wait_until

STEPS = 60


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project that is built once, and changed by each test in turn."""
    project = make_mock_project(tmp_path_factory.mktemp("remembered") / "project", night)
    project.build()
    return project


def opened(project: MockProject) -> Project:
    return Project(project.folder / "settings.yml")


def recalled(project: MockProject) -> Settled | Rest | None:
    own = opened(project)
    try:
        return recall(own, [])
    finally:
        own.close()


def run(project: MockProject, *arguments: str) -> int:
    """A build in this process."""
    return main(["run", "-d", str(project.folder), *arguments])


def settle(project: MockProject) -> None:
    """Build until nothing is left to look at: what is a moment old is not believed yet."""
    wait_until(
        lambda: run(project) == 0 and isinstance(recalled(project), Settled),
        "a build that is remembered",
    )


def bare_of(resolution: Resolution) -> Resolution:
    """Less the reason: who looks first takes damage away, so that the next finds nothing."""
    return replace(slim(resolution), reason="", detail="")


def compare(project: MockProject) -> str:
    """Hold what is remembered against planning and resolving everything; what it was."""
    ours, theirs = opened(project), opened(project)
    try:
        known = recall(ours, [])
        if known is None:
            return "nothing"
        # Were it no longer to be planned, nothing may be known of it.
        plan = theirs.plan
        names = closure(plan, plan.default)
        full = {n: bare_of(r) for n, r in ProjectWorld(theirs).resolve(names).items()}
        looked: dict[str, Resolution] = {}
        if isinstance(known, Rest):
            world = ProjectWorld(ours)
            survey = world.survey(known.names, known.plan, known.manifests)
            looked = {resolution.name: bare_of(resolution) for resolution in survey}
            for name in known.plan.invocations:
                assert known.plan.invocations[name] == plan.invocations[name]
            settled = known.settled
        else:
            settled = known
        # In the order of the plan, and the same findings.
        assert list(looked) == [name for name in names if name in looked]
        assert looked == {name: full[name] for name in looked}
        rest = [full[name] for name in names if name not in looked]
        assert {r.state for r in rest} <= {State.UP_TO_DATE}
        assert settled.tasks == len(rest)
        assert settled.saved_seconds == pytest.approx(
            sum(r.manifest.seconds for r in rest if r.manifest is not None)
        )
        assert settled.left_out == plan.left_out
        assert list(settled.problems) == [str(p) for p in theirs.scan_report.problems]
        return "rest" if looked else "settled"
    finally:
        ours.close()
        theirs.close()


def some(paths: Iterable[Path], chance: random.Random) -> Path:
    """Any of them; where there is none, one that is not there."""
    return chance.choice(sorted(paths) or [Path("/nowhere/at/all")])


def product(project: MockProject, chance: random.Random) -> Path:
    return some(project.reduced.rglob("*.fits"), chance)


def edit(path: Path) -> None:
    if not path.exists():
        return
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(bytes(2880))


def toggle(mapping: dict[str, Any], name: str, value: Any) -> None:
    if name in mapping:
        del mapping[name]
    else:
        mapping[name] = value


def block(project: MockProject, name: str) -> dict[str, Any]:
    found: dict[str, Any] = project.settings["recipes"].setdefault(name, {})
    return found


def look(project: MockProject) -> None:
    """A build that ends before its first recipe: it remembers what it looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildRunner, "run_all", lambda *args: None)
        run(project)


Change = Callable[[MockProject, random.Random], object]
CHANGES: dict[str, Change] = {
    "parameter": lambda p, c: p.params(
        c.choice(["muse_bias", "muse_flat", "muse_scibasic", "muse_scipost", "muse_exp_combine"]),
        **{c.choice(["nlow", "crsigma", "lambdamin"]): c.choice([1, 2.5, "x", True])},
    ),
    "what is made": lambda p, c: p.params(
        "muse_scipost", save=c.choice(["cube,individual", "cube,skymodel,individual"])
    ),
    "filters": lambda p, c: p.params(
        "muse_scipost_rec", filter=c.choice(["white", "white,Cousins_R"])
    ),
    "frames": lambda p, c: toggle(
        block(p, "muse_scibasic").setdefault("frames", {}), "exclude", ["ILLUM"]
    ),
    "offsets": lambda p, c: toggle(
        block(p, "muse_scibasic").setdefault("frames", {}), "offsets", {"TWILIGHT_CUBE": 5}
    ),
    "folder": lambda p, c: toggle(block(p, "muse_exp_combine"), "init", {"output_dir": "other"}),
    "common": lambda p, c: toggle(p.settings["recipes"], "common", {"output_dir": "all"}),
    "declared": lambda p, c: toggle(p.settings["recipes"], "muse_lsf", {}),
    "IFUs": lambda p, c: toggle(p.settings, "ifus", [c.choice([1, 2])]),
    "targets": lambda p, c: toggle(p.settings, "targets", ["muse_scibasic"]),
    "dataset": lambda p, c: toggle(p.settings["datasets"], "OTHER", {}),
    "product gone": lambda p, c: product(p, c).unlink(missing_ok=True),
    "product edited": lambda p, c: edit(product(p, c)),
    "manifest gone": lambda p, c: some((p.store / "manifests").glob("*/*"), c).unlink(
        missing_ok=True
    ),
    "object gone": lambda p, c: some((p.store / "objects").glob("*/*"), c).unlink(missing_ok=True),
    "raw touched": lambda p, c: os.utime(c.choice(sorted((p.folder / "raw").glob("*.fits")))),
    "raw changed": lambda p, c: write_raw(
        p.folder / "raw",
        "BIAS",
        "2017-06-16T10:41:37.154",
        tpl="2017-06-16T10:40:27",
        value=c.randrange(9),
    ),
    "static changed": lambda p, c: write_static(
        p.folder / "calib", "LINE_CATALOG", value=c.randrange(9)
    ),
    "forgotten": lambda p, c: p.ask("forget", "muse_lsf"),
    "flag": lambda p, c: p.ask("flag", "add", "SATELLITE", "2017-06-16T01:34:56.867"),
    "clean": lambda p, c: p.ask("clean", "muse_scipost"),
    "version": lambda p, c: p.settings.update(version=c.choice(["0.1", "0.2"])),
    "look": lambda p, c: look(p),
}
GENTLE = ("parameter", "product gone", "product edited", "manifest gone", "object gone",
          "forgotten", "look")  # fmt: skip
"""Changes that leave the graph as it is: that is where the file is used."""


def test_what_is_remembered_is_what_a_full_plan_finds_after_any_change(
    shared: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is a moment old is believed here, so that more is remembered to be held against it.
    monkeypatch.setattr("musebuild.index.digests.TICK_NS", 0)
    chance = random.Random(11)
    settle(shared)
    found = [compare(shared)]
    for number in range(STEPS):
        name = chance.choice(sorted(CHANGES) if number % 4 == 0 else GENTLE)
        CHANGES[name](shared, chance)
        shared.write()
        found.append(compare(shared))
    assert found.count("rest") > STEPS / 6
    assert "settled" in found
    assert "nothing" in found


@pytest.fixture
def settled(
    tmp_path: Path, shared: MockProject, night: Path, monkeypatch: pytest.MonkeyPatch
) -> MockProject:
    """The project with its first settings, all built and remembered."""
    monkeypatch.setattr("musebuild.index.digests.TICK_NS", 0)
    fresh = make_mock_project(tmp_path / "settings", night).settings
    shared.settings = fresh
    shared.unrule()
    settle(shared)
    return shared


def without_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing is planned."""

    def planned(*args: object, **more: object) -> None:
        raise AssertionError("everything was planned anew")

    monkeypatch.setattr("musebuild.plan.build.make_plan", planned)
    monkeypatch.setattr("musebuild.index.scan.scan", planned)
    monkeypatch.setattr("musebuild.index.frames.raw_frames", planned)


UNLOADED = """
import sys
from musebuild.cli.main import main
status = main(["run"])
slow = ("jsonschema", "numpy", "psutil", "sqlite_utils", "astropy", "rich")
ours = ("check.everything", "engine.build_state", "explain.lock", "index.scan", "plan.build")
loaded = [name for name in (*slow, *(f"musebuild.{name}" for name in ours)) if name in sys.modules]
print("loaded:", *loaded)
sys.exit(status)
"""


def test_a_remembered_build_loads_nothing_that_only_others_need(settled: MockProject) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNLOADED],
        cwd=settled.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert "Everything is up to date" in done.stdout


def test_a_parameter_reruns_its_block_and_what_takes_it_without_a_plan(
    settled: MockProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_plan(monkeypatch)
    before = len(settled.journal)
    value = round(random.random(), 6)
    settled.params("muse_scipost", skymodel_fraction=value)
    assert run(settled) == 0
    assert settled.ran_since(before) == {"muse_scipost": 2, "muse_exp_combine": 1}
    assert f"3 ran, 0 restored, {ALL - 3} up to date" in capsys.readouterr().out
    # Found up to date, it is remembered; and set back, all comes from the store.
    settle(settled)
    del settled.settings["recipes"]["muse_scipost"]["params"]["skymodel_fraction"]
    settled.write()
    capsys.readouterr()
    assert run(settled) == 0
    assert f"0 ran, 3 restored, {ALL - 3} up to date" in capsys.readouterr().out


def test_what_fails_each_time_does_not_make_a_build_look_at_the_rest(
    settled: MockProject,
) -> None:
    settled.rule(task="muse_exp_align:*", fail="it never works")
    settled.params("muse_exp_align", rsmax=round(10 + random.random(), 6))
    # With settings of another shape, so that all is planned anew, and something is stale.
    settled.settings["ifus"] = [1, 2]
    settled.write()
    assert run(settled) == 1
    wait_until(lambda: run(settled) == 1 and isinstance(recalled(settled), Rest), "a rest")
    known = recalled(settled)
    assert isinstance(known, Rest)
    looked = {name.partition(":")[0] for name in known.names}
    assert {"muse_exp_align", "muse_scipost", "muse_exp_combine"} <= looked
    assert not looked & {"muse_bias", "muse_flat", "muse_wavecal", "muse_lsf", "muse_scibasic"}


def damages(path: Path) -> list[Callable[[], object]]:
    whole = path.read_bytes()
    chance = random.Random(3)

    def flip() -> None:
        data = bytearray(whole)
        for _ in range(3):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(data))

    return [
        *[flip] * 12,
        *(lambda n=n: path.write_bytes(whole[:n]) for n in (0, 10, 60, len(whole) // 2)),
        lambda: path.write_bytes(whole + b"\0"),
        lambda: path.write_bytes(b"musebuild plan 2\n" + bytes(200)),
        lambda: path.write_bytes(b"a diary"),
        lambda: (path.unlink(), path.mkdir()),
    ]


def test_a_damaged_or_foreign_file_is_as_if_it_were_not_there(settled: MockProject) -> None:
    own = opened(settled)
    path = place_of(own)
    own.close()
    whole = path.read_bytes()
    settled.params("muse_scipost", skymodel_fraction=0.25)
    for damage in damages(path):
        damage()
        # Where a flipped bit lies in a part that is not needed, the file still counts.
        assert compare(settled) in ("nothing", "rest")
        if path.is_dir():
            path.rmdir()
        path.write_bytes(whole)
    assert compare(settled) == "rest"
    # Another musebuild's is replaced.
    path.write_bytes(b"musebuild plan 0\n" + whole)
    assert run(settled) == 0
    assert path.read_bytes()[:20] == whole[:20]
    assert path.read_bytes() != whole
    wait_until(lambda: run(settled) == 0 and isinstance(recalled(settled), Settled), "it is back")


def test_another_database_does_not_know_the_file(settled: MockProject) -> None:
    own = opened(settled)
    mark = meta(own.connection, MARK)
    own.connection.execute("UPDATE meta SET value = 'another' WHERE name = ?", [MARK])
    own.connection.commit()
    own.close()
    assert mark
    assert recalled(settled) is None


def test_a_file_of_others_in_its_place_is_not_touched(settled: MockProject) -> None:
    own = opened(settled)
    path = place_of(own)
    own.close()
    path.write_text("a diary", encoding="utf-8")
    assert run(settled) == 0
    assert path.read_text(encoding="utf-8") == "a diary"
    path.unlink()


def test_a_build_that_dies_while_it_writes_leaves_the_file_as_it_was(
    settled: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = opened(settled)
    path = place_of(own)
    own.close()
    before = path.read_bytes()
    settled.params("muse_scipost", skymodel_fraction=0.35)
    run(settled)

    class Died(BaseException):
        pass

    def dies(*args: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("musebuild.engine.remembered.set_meta", dies)
        with pytest.raises(Died):
            run(settled)
    # The new file was there already, and the database does not know it.
    assert path.read_bytes() != before
    assert recalled(settled) is None
    assert run(settled) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        settled.settings["ifus"] = [1, 2]
        settled.write()
        with pytest.raises(Died):
            run(settled)
    assert not list(settled.folder.glob(".*.part"))


def test_invocations_come_back_as_they_were(settled: MockProject) -> None:
    own = opened(settled)
    try:
        for invocation in own.plan.invocations.values():
            params = {k: v for k, v in invocation.params.items() if k not in ADDED}
            assert unpacked(packed(invocation), params) == invocation
        # The parameters of the block are those of now.
        assert unpacked(packed(invocation), {"new": 1}).params == {"new": 1}
    finally:
        own.close()


def test_a_watch_hashes_files_as_a_later_look_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musebuild.engine.fingerprints.PIECE", 3)
    paths = [tmp_path / f"{n}" for n in range(7)]
    for number in (0, 3, 6, 7):
        watch = Watch()
        for path in paths[:number]:
            path.write_text(path.name, encoding="utf-8")
            watch.add(str(path), path.stat())
        assert watch.digest() == watched(map(str, paths[:number]))
    assert watch.newest == max(path.stat().st_ctime_ns for path in paths)


def test_selections_by_tables_that_a_build_changes_are_not_remembered(tmp_path: Path) -> None:
    def asking(**extra: Any) -> Settings:
        path = tmp_path / "settings.yml"
        path.write_text(json.dumps({"recipes": {"b": extra}}), encoding="utf-8")
        return load_settings(path, environment={})

    assert is_remembered(asking())
    assert is_remembered(asking(select={"raw": "x"}, exclude_flags=True))
    assert is_remembered(asking(names_with_selection={"all": None, "some": {"flags": "x"}}))
    assert is_remembered(asking(select={"raw": "x", "qa_raw": "x", "flags": "x"}))
    assert not is_remembered(asking(select={"raw": "x", "qa_reduced": "x"}))
    assert not is_remembered(asking(names_with_selection={"some": {"qa_reduced": "x"}}))


def test_a_store_that_moved_or_came_back_is_looked_at(settled: MockProject) -> None:
    moved = settled.store.with_name("moved")
    shutil.copytree(settled.store, moved)
    shutil.rmtree(settled.store)
    moved.rename(settled.store)
    assert compare(settled) == "rest"
    settle(settled)
