"""What a view takes from what builds remembered is what it would find itself."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from musebuild.engine import fingerprints, plan_cache, view
from musebuild.engine.fingerprints import Looks, Places, identities, identity_bytes, tree_hash
from musebuild.engine.kept_records import KeptInvocations
from musebuild.engine.plan_rows import entry_of, pack, unpack
from musebuild.engine.project import Project
from musebuild.engine.resolve import State, slim
from musebuild.engine.run import BuildRunner
from musebuild.engine.view import View, look, resolved
from musebuild.errors import UsageError
from musebuild.index.model import Condition
from musebuild.plan.model import ADDED, Candidate, Choosing, Clause
from musebuild.plan.names import closure, select
from tests.support.frames import write_raw, write_static
from tests.support.projects import ALL, MockProject, make_mock_project
from tests.support.waiting import no_new_children, wait_until
from tests.torture.edits import SETTINGS_EDITS, block, product, some, toggle

STEPS = 70
ASKED: tuple[tuple[str, ...], ...] = (
    (),
    ("muse_lsf",),
    ("science",),
    ("muse_scipost:2017-06-16T01:34:56.867",),
    ("muse_sci*", "muse_bias"),
    ("2017-06-16T01:36:56.867",),
)
"""What is asked for, from one step to the next."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, night: Path) -> MockProject:
    """A project that is built once, and changed by each test in turn."""
    project = make_mock_project(tmp_path_factory.mktemp("remembered") / "project", night)
    project.make()
    return project


def opened(project: MockProject) -> Project:
    return Project(project.folder / "settings.yml")


def is_recalled(found: View) -> bool:
    """Whether a view rests on what was remembered."""
    return isinstance(found.plan.invocations, KeptInvocations)


def seen(project: MockProject, asked: Sequence[str] = ()) -> str:
    """What a view would look at: `everything`, `some` of it or `nothing`."""
    own = opened(project)
    try:
        found = look(own, asked)
        return ("nothing" if found.over else "some") if is_recalled(found) else "everything"
    finally:
        own.close()


def run(project: MockProject, *arguments: str) -> int:
    """A build in this process."""
    return project.ask("run", *arguments).status


def settle(project: MockProject) -> None:
    """Build until nothing is left to look at: what is a moment old is not believed yet."""
    wait_until(
        lambda: run(project) == 0 and seen(project) == "nothing", "a build that is remembered"
    )


def compare(project: MockProject, asked: Sequence[str] = (), *, needed: bool = False) -> str:
    """Hold a view against planning and resolving everything; what it rests on."""
    ours, theirs = opened(project), opened(project)
    try:
        try:
            select(theirs.plan, asked)
        except UsageError:
            with pytest.raises(UsageError):
                look(ours, asked)
            return "everything"
        found = look(ours, asked, needed=needed)
        recalled, known = is_recalled(found), found.same
        looked = [name for part in found._parts for name in part.names]
        found.complete()
        plan = theirs.plan
        names = closure(plan, select(plan, asked) if asked else plan.default)
        full = resolved(theirs, names)
        whole = look(theirs, asked, needed=needed, whole=True).complete()
        # The same states with the same reasons, in the order of the plan.
        assert looked == [name for name in names if name in found.states]
        for name in names:
            expected = replace(slim(full[name]), manifest=None)
            if name in found.states:
                if found.states[name].state is State.FAILED:
                    expected = whole.states[name]
                assert found.states[name] == expected
            assert found.state(name).state in (full[name].state, State.FAILED)
        for name in found.plan.invocations:
            assert found.plan.invocations[name] == plan.invocations[name]
            manifest = found.manifests.get(name)
            if name in full and full[name].manifest is not None:
                assert manifest is None or manifest.products == full[name].manifest.products
        rest = [full[name] for name in names if name not in found.states]
        assert known == len(rest)
        assert found.seconds == pytest.approx(
            sum(r.manifest.seconds for r in rest if r.manifest is not None)
        )
        # What is told of them is the same, too.
        assert list(found.entries()) == list(whole.entries())
        assert found.left_out == whole.left_out
        assert list(found.problems) == list(whole.problems)
        assert list(found.file_problems) == list(whole.file_problems)
        return ("some" if looked else "nothing") if recalled else "everything"
    finally:
        ours.close()
        theirs.close()


def edit(path: Path) -> None:
    if not path.exists():
        return
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(bytes(2880))


def half_built(project: MockProject) -> None:
    """A build that ends before its first recipe: it remembers what it looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildRunner, "run_all", lambda *args: None)
        run(project)


def moved(project: MockProject) -> None:
    """The whole project lies elsewhere."""
    other = project.folder.with_name("elsewhere" if project.folder.name != "elsewhere" else "home")
    project.folder.rename(other)
    project.folder = other


def selecting(project: MockProject) -> None:
    """Members are chosen by what is measured on products, or all are taken."""
    toggle(block(project, "muse_exp_combine"), "names_with_selection",
           {"all": {"qa_reduced": "name IS NOT NULL"}})  # fmt: skip


Change = Callable[[MockProject, random.Random], object]
CHANGES: dict[str, Change] = {
    "parameter": lambda p, c: p.params(
        c.choice(["muse_bias", "muse_flat", "muse_scibasic", "muse_scipost", "muse_exp_combine"]),
        **{c.choice(["nlow", "crsigma", "lambdamin"]): c.choice([1, 2.5, "x", True])},
    ),
    **SETTINGS_EDITS,
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
    "half a build": lambda p, c: half_built(p),
    "a build": lambda p, c: run(p, "-c"),
    "a build of some": lambda p, c: run(p, "-c", *c.choice(ASKED)),
    "a list": lambda p, c: p.ask("list", "--status"),
    "moved": lambda p, c: moved(p),
    "selection": lambda p, c: selecting(p),
}
GENTLE = ("parameter", "product gone", "product edited", "manifest gone", "object gone",
          "forgotten", "half a build", "a build of some", "a list", "moved")  # fmt: skip
"""Changes that leave the graph as it is: that is where the file is used."""


def test_a_view_is_what_a_full_plan_finds_after_any_change(
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
        asked = chance.choice(ASKED) if number % 2 else ()
        found.append(compare(shared, asked, needed=number % 3 == 0))
    assert found.count("some") > STEPS / 6
    assert "nothing" in found
    assert "everything" in found


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


@pytest.fixture
def without_plan(settled: MockProject, monkeypatch: pytest.MonkeyPatch) -> MockProject:
    """The same, and from now on nothing is planned."""

    def planned(*args: object, **more: object) -> None:
        raise AssertionError("everything was planned anew")

    monkeypatch.setattr("musebuild.plan.build.make_plan", planned)
    monkeypatch.setattr("musebuild.index.scan.scan", planned)
    monkeypatch.setattr("musebuild.index.frames.raw_frames", planned)
    return settled


UNLOADED = """
import sys
from musebuild.cli.main import main
status = main(["run"])
slow = ("doit", "jsonschema", "numpy", "psutil", "sqlite_utils", "astropy", "rich")
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
    without_plan: MockProject,
) -> None:
    settled = without_plan
    before = len(settled.journal)
    value = round(random.random(), 6)
    settled.params("muse_scipost", skymodel_fraction=value)
    ran = settled.make()
    assert settled.ran_since(before) == {"muse_scipost": 2, "muse_exp_combine": 1}
    assert f"3 ran, 0 restored, {ALL - 3} up to date" in ran.out
    # Found up to date, it is remembered; and set back, all comes from the store.
    settle(settled)
    del settled.settings["recipes"]["muse_scipost"]["params"]["skymodel_fraction"]
    settled.write()
    assert f"0 ran, 3 restored, {ALL - 3} up to date" in settled.make().out


def test_named_tasks_and_lists_of_them_plan_nothing(without_plan: MockProject) -> None:
    for asked, count in ((["muse_bias"], 2), (["muse_scipost:2017-06-16T01:34:56.867"], 20)):
        assert f"Everything is up to date ({count} tasks)" in without_plan.make(*asked).out
        assert "1 up to date" in without_plan.ask("list", "--status", *asked).out
    assert "up to date" in without_plan.ask("status", "science").out
    without_plan.params("muse_exp_combine", lambdamin=4805.5)
    assert "Everything is up to date" in without_plan.make("muse_scipost").out
    assert "1 to run" in without_plan.ask("list", "--status", "muse_exp_combine").out


def test_what_fails_each_time_is_all_that_is_looked_at_each_time(settled: MockProject) -> None:
    settled.rule(task="muse_exp_align:*", fail="it never works")
    settled.params("muse_exp_align", rsmax=round(10 + random.random(), 6))
    # With settings of another shape, so that all is planned anew, and something is stale.
    settled.settings["ifus"] = [1, 2]
    settled.write()
    assert run(settled) == 1
    own = opened(settled)
    try:
        found = look(own)
        looked = {name.partition(":")[0] for part in found._parts for name in part.names}
    finally:
        own.close()
    assert looked == {"muse_exp_align", "muse_scipost", "muse_exp_combine"}


def test_what_was_not_looked_at_below_a_change_is_looked_at_when_it_is_asked_for(
    settled: MockProject,
) -> None:
    # The block is made anew, and comes out otherwise; what takes it is not asked for.
    settled.rule(recipe="muse_scipost", salt="another")
    settled.params("muse_scipost", skymodel_fraction=0.77)
    wait_until(lambda: run(settled, "muse_scipost") == 0 and seen(settled, ["muse_scipost"])
               == "nothing", "named tasks that are remembered")  # fmt: skip
    assert compare(settled) == "some"
    assert "waits" not in settled.ask("list", "--status").out
    before = len(settled.journal)
    assert run(settled) == 0
    assert settled.ran_since(before) == {"muse_exp_combine": 1}


DOUBTS: dict[str, Callable[[MockProject], object]] = {
    "settings": lambda p: p.params("muse_scipost", skymodel_fraction=0.3),
    "raw frame added": lambda p: write_raw(
        p.folder / "raw", "BIAS", "2017-06-16T10:43:37.154", tpl="2017-06-16T10:40:27"
    ),
    "raw frame touched": lambda p: os.utime(next((p.folder / "raw").glob("*.fits"))),
    "raw frame gone": lambda p: next((p.folder / "raw").glob("*T10:40:37*")).unlink(),
    "static changed": lambda p: write_static(p.folder / "calib", "LINE_CATALOG", value=1),
    "static added": lambda p: write_static(p.folder / "calib", "RAMAN_LINES"),
    "product edited": lambda p: edit(next(p.reduced.rglob("DATACUBE_FINAL.fits"))),
    "product gone": lambda p: next(p.reduced.rglob("DATACUBE_FINAL.fits")).unlink(),
    "manifest gone": lambda p: next((p.store / "manifests").glob("*/*")).unlink(),
    "store gone": lambda p: shutil.rmtree(p.store),
    "ledger gone": lambda p: [path.unlink() for path in p.folder.glob("musebuild.db*")],
    "forgotten": lambda p: p.ask("forget", "muse_bias"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_any_doubt_means_looking_anew(built: MockProject, doubt: str) -> None:
    settle(built)
    DOUBTS[doubt](built)
    assert seen(built) != "nothing"
    # Two bias frames are too few.
    assert run(built) == (1 if doubt == "raw frame gone" else 0)
    if doubt != "raw frame gone":
        settle(built)
        assert compare(built) == "nothing"


def test_a_content_change_that_hides_its_time_is_a_doubt(settled: MockProject) -> None:
    frame = next((settled.folder / "raw").glob("*T10:40:37*"))
    status, whole = frame.stat(), frame.read_bytes()
    content = bytearray(whole)
    content[-2880] ^= 1
    before = len(settled.journal)
    frame.write_bytes(bytes(content))
    os.utime(frame, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert seen(settled) == "everything"
    assert run(settled) == 0
    assert len(settled.journal) > before
    frame.write_bytes(whole)
    settle(settled)


def test_an_environment_that_the_drs_reads_is_a_doubt(
    settled: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSE_EXPCOMBINE_SOMETHING", "1")
    assert compare(settled) == "some"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("__version__", "99.0"),
        ("KEY_VERSION", 99),
        ("DIGEST_VERSION", 99),
        ("VERSION", 99),
        ("catalogue_digest", lambda: "another"),
        ("source_hash", lambda: "another"),
    ],
)
def test_another_musebuild_plans_anew(
    settled: MockProject, monkeypatch: pytest.MonkeyPatch, name: str, other: object
) -> None:
    assert seen(settled) == "nothing"
    monkeypatch.setattr(fingerprints, name, other)
    assert seen(settled) == "everything"


def test_a_moved_project_is_up_to_date_at_once(
    without_plan: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(*args: object) -> None:
        raise AssertionError("a frame was hashed")

    monkeypatch.setattr("musebuild.engine.hashing.digest_frame", hashed)
    moved(without_plan)
    assert f"Everything is up to date ({ALL} tasks)" in without_plan.make().out
    assert "15 up to date" in without_plan.ask("list", "--status").out
    # What is asked for and looked at is found where it lies now.
    without_plan.params("muse_scipost", skymodel_fraction=0.5)
    assert "3 ran" in without_plan.make().out


def test_a_look_changes_nothing(settled: MockProject) -> None:
    target = settled.reduced / "exp_combine" / "FIELD_drs" / "DATACUBE_FINAL.fits"
    damaged = next(p for p in (settled.store / "objects").glob("*/*") if p.samefile(target))
    edit(damaged)
    manifest = next((settled.store / "manifests").glob("*/*"))
    manifest.write_text("no manifest", encoding="utf-8")
    touched = next(p for p in (settled.store / "objects").glob("*/*") if p.stat().st_nlink > 1
                   and not p.samefile(target))  # fmt: skip
    touched.touch()

    def files() -> dict[str, tuple[int, int, int]]:
        return {
            str(path): (path.lstat().st_ino, path.lstat().st_size, path.lstat().st_ctime_ns)
            for root in (settled.store, settled.reduced)
            for path in sorted(root.rglob("*"))
        }

    def listed() -> str:
        # Of the disk the rest of the machine takes, too.
        return re.sub(r"\(\S+ GB free\)", "", settled.ask("list", "--status").out)

    before = files()
    told = listed()
    assert "object damaged" in told or "manifest damaged" in told
    for command in (["list", "--why"], ["status"], ["why", "muse_exp_combine"], ["plan"],
                    ["info", "muse_exp_combine"], ["run", "--dry-run"], ["check"]):  # fmt: skip
        settled.ask(*command)
    assert listed() == told
    assert files() == before
    assert run(settled) == 0
    assert "damaged" not in listed()
    assert not damaged.exists() or damaged.stat().st_size != before[str(damaged)][1]
    settle(settled)


def columns(project: MockProject) -> Iterator[tuple[str, int, Any]]:
    """Name of a column, number of the row, and value, of all that is kept."""
    with sqlite3.connect(project.folder / "musebuild.db") as connection:
        cursor = connection.execute("SELECT * FROM plan_cache")
        names = [one[0] for one in cursor.description]
        for row in cursor.fetchall():
            yield from ((name, row[0], value) for name, value in zip(names, row, strict=True))


def put(project: MockProject, column: str, number: int, value: Any) -> None:
    connection = sqlite3.connect(project.folder / "musebuild.db")
    with connection:
        connection.execute(f'UPDATE plan_cache SET "{column}" = ? WHERE piece = ?', [value, number])
    connection.close()


def test_damage_is_as_if_the_row_were_not_there(settled: MockProject) -> None:
    settled.params("muse_scipost", skymodel_fraction=0.25)
    assert compare(settled) == "some"
    chance = random.Random(3)
    kept: dict[str, list[tuple[str, int, Any]]] = {}
    for one in columns(settled):
        if one[0] != "piece" and one[2]:
            kept.setdefault(one[0], []).append(one)
    assert len(kept) == 16
    # Any row of each column, and one that is read closely.
    for column, number, value in [
        one for rows in kept.values() for one in (chance.choice(rows), rows[-1])
    ]:
        if isinstance(value, int):
            worse: Any = value ^ 1
        else:
            data = bytearray(value if isinstance(value, bytes) else value.encode())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(6)
            worse = bytes(data) if isinstance(value, bytes) else data.decode(errors="replace")
        put(settled, column, number, worse)
        assert compare(settled) in ("everything", "some"), (column, number)
        assert compare(settled, ["muse_exp_combine"]) in ("everything", "some"), (column, number)
        put(settled, column, number, value)
    assert compare(settled) == "some"


def test_what_another_build_remembers_meanwhile_stays(settled: MockProject) -> None:
    settled.params("muse_scipost", skymodel_fraction=0.125)
    ours = opened(settled)
    found = look(ours, remember=True)
    settled.settings["ifus"] = [1]
    settled.write()
    assert run(settled) == 0
    kept = list(columns(settled))
    found.complete()
    ours.close()
    assert list(columns(settled)) == kept


def test_a_build_that_dies_while_it_remembers_leaves_what_there_was(
    settled: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def dies(*args: object) -> None:
        raise Died

    before = list(columns(settled))
    with monkeypatch.context() as patch:
        patch.setattr(plan_cache, "set_meta", dies)
        settled.settings["ifus"] = [1, 2]
        settled.write()
        with pytest.raises(Died):
            run(settled)
    assert list(columns(settled)) == before


def test_invocations_come_back_as_they_were(settled: MockProject) -> None:
    selecting(settled)
    settled.write()
    own = opened(settled)
    try:
        places = Places(own)
        for invocation in own.plan.invocations.values():
            params = {k: v for k, v in invocation.params.items() if k not in ADDED}
            data = json.loads(json.dumps(pack(invocation, params, places)))
            assert unpack(data, params, places) == invocation
        assert any(one.choosing for one in own.plan.invocations.values())
        # The parameters of the block are those of now.
        assert unpack(data, {"new": 1}, places).params == {"new": 1}
        condition = Condition("reduced", "nbwarn < ?", (1,), ("nbwarn",), (), True)
        clause = Clause("best", frozenset("ab"), (condition,))
        choosing = Choosing((Candidate("a", "A", ("x",), (("x", "C"),)),), (clause,), "t", 1, 2)
        one = replace(invocation, choosing=choosing, params=params)
        data = json.loads(json.dumps(pack(one, params, places)))
        assert unpack(data, params, places) == one
        assert entry_of(invocation).task == invocation.task
    finally:
        own.close()


def test_files_are_compared_as_they_were_looked_at(tmp_path: Path) -> None:
    looks = Looks()
    for name in ("a", "b"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        looks.placed.append((str(tmp_path / name), (tmp_path / name).stat()))
    os.link(tmp_path / "a", tmp_path / "object")
    os.utime(tmp_path / "b", (-10, -10))
    looks.placed[:] = [(path, Path(path).stat()) for path, _ in looks.placed]
    looks.stored.append((str(tmp_path / "object"), (tmp_path / "object").stat()))
    files = looks.files()
    # A hard link and its object are one file.
    assert [Path(path).name for path, _ in files] == ["a", "b"]
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert identities(["a", "b"], folder) == identity_bytes(files)
        assert identities([str(tmp_path / "a"), "c"], folder)[40:] == bytes(40)
    finally:
        os.close(folder)


def test_a_folder_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    place = tmp_path / "one"
    (place / "night").mkdir(parents=True)
    (place / "night" / "frame").write_text("x", encoding="utf-8")
    (place / "again").symlink_to(".")
    before = tree_hash(str(place))
    place = place.rename(tmp_path / "two")
    assert tree_hash(str(place)) == before
    (place / "night" / "new").touch()
    assert tree_hash(str(place)) != before


def test_a_store_that_moved_or_came_back_is_looked_at(settled: MockProject) -> None:
    other = settled.store.with_name("moved")
    shutil.copytree(settled.store, other)
    shutil.rmtree(settled.store)
    other.rename(settled.store)
    assert compare(settled) == "some"
    settle(settled)


def test_what_an_earlier_musebuild_kept_beside_the_database_goes(settled: MockProject) -> None:
    old = settled.folder / "musebuild.db.plan"
    for text, stays in (("musebuild plan 3\n", False), ("a diary", True)):
        old.write_text(text, encoding="utf-8")
        os.utime(next((settled.folder / "raw").glob("*.fits")))
        assert run(settled) == 0
        assert old.exists() == stays
    old.unlink()


def test_frames_that_were_just_written_are_known_once_they_were_built(
    project: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a file system whose clock ticks so slowly that a build falls into one tick.
    monkeypatch.setattr("musebuild.index.digests.TICK_NS", 1_500_000_000)
    project.settings["targets"] = ["muse_bias"]
    project.write()
    for frame in (project.folder / "raw").glob("*.fits"):
        os.utime(frame)
    project.make()
    assert "1 up to date" in project.ask("list", "--status").out
    assert "not yet hashed" not in project.ask("info", "muse_bias").out
    assert compare(project) in ("nothing", "some", "everything")


def test_a_second_process_looks_at_the_frames_of_a_large_project(
    settled: MockProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "LARGE", 0)
    with no_new_children():
        assert seen(settled) == "nothing"
    os.utime(next((settled.folder / "raw").glob("*.fits")))
    with no_new_children():
        assert seen(settled) == "everything"
    settle(settled)
