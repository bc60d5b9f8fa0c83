"""What a build uses is what its keys say, whoever changed files and put their times back."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from musebuild.engine.project import Project
from musebuild.index.digests import identity
from musebuild.workers.input_watch import InputWatch
from musebuild.workers.orders import Vouched, WorkOrder
from tests.support.frames import write_raw
from tests.support.in_process import InProcessExecutor
from tests.support.projects import MockProject

EXPOSURES = ("2017-06-16T01:34:56.867", "2017-06-16T01:36:56.867")
BIAS = "MUSE.2017-06-16T10:41:37.154.fits"


def contents(project: MockProject) -> dict[str, bytes]:
    """Products of the reduced tree, less what was moved aside."""
    paths = sorted(project.reduced.rglob("*.fits"))
    return {str(path.relative_to(project.reduced)): path.read_bytes() for path in paths}


def image(project: MockProject, number: int) -> Path:
    return project.reduced / "rec" / EXPOSURES[number] / "IMAGE_FOV_0001.fits"


def change(path: Path) -> None:
    """Change the last bytes of a file, and put back its mode and its times."""
    status = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(-4000, os.SEEK_END)
        file.write(bytes(byte ^ 1 for byte in file.read(1)) or b"x")
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_product_copied_over_another_with_its_times(built: MockProject) -> None:
    right = contents(built)
    built.build()
    image(built, 1).chmod(0o644)
    shutil.copy2(image(built, 0), image(built, 1))
    assert contents(built) != right
    listed = built.ask("list", "--status").out.splitlines()
    (line,) = (line for line in listed if "object damaged" in line)
    assert line.startswith("to run")
    assert f" muse_scipost_rec:{EXPOSURES[1]} " in line
    before = len(built.journal)
    built.build()
    assert contents(built) == right
    assert built.ran_since(before) == {"muse_scipost": 1}
    assert built.journal[-1]["recipe"] == "muse_scipost"
    # What follows is made from what was restored.
    built.params("muse_exp_align", rsearch="30.,4.")
    built.build()
    built.params("muse_exp_align")
    assert "Everything is up to date" in built.build().out


def test_a_product_that_was_taken_out_and_damaged_is_not_restored(built: MockProject) -> None:
    right = contents(built)
    change(image(built, 1))
    shutil.rmtree(built.reduced)
    ran = built.build()
    assert "1 ran, " in ran.out
    assert contents(built) == right


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """What happens after the first orders went out, and before their recipes begin."""
    todo: list[Callable[[], None]] = []
    real = InProcessExecutor.submit

    def submit(self: InProcessExecutor, order: WorkOrder) -> None:
        while todo:
            todo.pop()()
        real(self, order)

    monkeypatch.setattr(InProcessExecutor, "submit", submit)
    yield todo
    assert not todo


def test_a_raw_frame_that_changes_after_the_look(
    built: MockProject, meddle: list[Callable[[], None]]
) -> None:
    built.params("muse_bias", overscan="vpoly")
    frame = built.folder / "raw" / BIAS

    def exchange() -> None:
        status = frame.stat()
        write_raw(frame.parent, "BIAS", BIAS[5:-5], tpl="2017-06-16T10:40:27", value=3)
        os.utime(frame, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert frame.stat().st_size == status.st_size

    meddle.append(exchange)
    ran = built.ask("run", "muse_bias")
    assert ran.status == 1
    assert f"{BIAS} changed since its digest was found: run again" in ran.text
    again = built.build("muse_bias")
    assert "2 ran" in again.out
    assert "Everything is up to date" in built.build("muse_bias").out


def test_an_object_that_changes_after_the_look(
    built: MockProject, meddle: list[Callable[[], None]]
) -> None:
    right = contents(built)
    built.params("muse_exp_align", rsearch="30.,4.")
    meddle.append(lambda: change(image(built, 1)))
    ran = built.ask("run")
    assert ran.status == 1
    assert "changed since its digest was found: run again" in ran.text
    built.build()
    names = [name for name in right if name.startswith("rec/")]
    now = contents(built)
    assert [now[name] for name in names] == [right[name] for name in names]


def watch(path: Path, vouched: Vouched) -> InputWatch:
    fields = dict.fromkeys(("task", "key", "recipe", "plugin", "runner", "scratch", "result"), "")
    nothing = {"preimage": {}, "drs": {}, "params": {}, "products": (), "store": ()}
    inputs = (("TAG", str(path), path.name),)
    return InputWatch(WorkOrder(**fields, **nothing, inputs=inputs, vouched=(vouched,)))


def test_a_recipe_begins_only_on_what_its_key_says(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(b"x" * 5000)
    right = Vouched(blake3(b"x" * 5000).hexdigest(), True)
    first = watch(path, right)
    assert first.refusal() is None
    assert first.changed() is None
    # Somebody links it meanwhile.
    os.link(path, tmp_path / "link")
    assert first.changed() is None
    change(path)
    told = first.changed()
    assert told is not None and "while the recipe ran" in told.failure
    told = watch(path, right).refusal()
    assert told is not None and told.kind == "changed input"
    # What vouches for it is what it looks like: it is not read then.
    seen = Vouched("0" * 64, True, None, identity(path.stat()))
    assert watch(path, seen).refusal() is None
    path.unlink()
    told = watch(path, right).refusal()
    assert told is not None and told.kind == "missing input"


def test_what_was_dropped_on_purpose_is_made_again_once_its_bytes_are_needed(
    built: MockProject,
) -> None:
    right = image(built, 1).read_bytes()
    with contextlib.closing(Project(built.folder / "settings.yml")) as project:
        store, name = project.store, f"muse_scipost_rec:{EXPOSURES[1]}"
        (key, _), *_ = project.ledger.keys_of_tasks()[name]
        manifest = store.lookup(key).manifest
        assert manifest is not None
        objects = tuple(product.object for product in manifest.products)
        store.write_manifest(replace(manifest, dropped=objects))
        for one in objects:
            store.set_aside(store.path(one))
    shutil.rmtree(image(built, 1).parent)
    assert "Everything is up to date" in built.build().out
    built.params("muse_exp_align", rsearch="30.,4.")
    before = len(built.journal)
    ran = built.ask("run")
    assert ran.status == 1
    assert f"is gone, which muse_scipost_rec:{EXPOSURES[1]} made" in ran.text
    built.build()
    assert built.ran_since(before)["muse_scipost"] >= 1
    assert image(built, 1).read_bytes() == right
