"""What reruns after a change, through the real engine with the mock runner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from musebuild.cache.keys import key_of
from musebuild.cache.store import Store
from tests.support.frames import write_raw
from tests.support.projects import ALL, MockProject
from tests.support.waiting import descendants, wait_until, wait_until_gone


def bias_frame(project: MockProject) -> Path:
    return project.folder / "raw" / "MUSE.2017-06-16T10:41:37.154.fits"


def change_bias(project: MockProject, value: int) -> None:
    write_raw(
        project.folder / "raw",
        "BIAS",
        "2017-06-16T10:41:37.154",
        tpl="2017-06-16T10:40:27",
        value=value,
    )


def test_the_first_build_runs_everything_once(project: MockProject) -> None:
    ran = project.make()
    assert f"{ALL} ran, 0 restored" in ran.out
    assert project.ran_since(0) == {
        "muse_bias": 2,
        "muse_flat": 2,
        "muse_wavecal": 2,
        "muse_lsf": 2,
        "muse_twilight": 1,
        "muse_scibasic": 6,
        "muse_standard": 1,
        "muse_scipost": 4,
        "muse_exp_align": 1,
        "muse_exp_combine": 1,
    }
    assert (project.reduced / "exp_combine/FIELD_drs/DATACUBE_FINAL.fits").is_file()


def test_a_second_build_runs_nothing(built: MockProject) -> None:
    before = len(built.journal)
    assert "Everything is up to date" in built.make().out
    assert len(built.journal) == before


def test_a_changed_parameter_reruns_that_and_what_depends_on_it(built: MockProject) -> None:
    before = len(built.journal)
    built.params("muse_scipost", skymodel_fraction=0.2)
    built.make()
    assert built.ran_since(before) == {"muse_scipost": 2, "muse_exp_combine": 1}


def test_touched_or_copied_raw_files_rerun_nothing(built: MockProject) -> None:
    before = len(built.journal)
    for path in (built.folder / "raw").glob("*.fits"):
        copy = path.with_suffix(".copy")
        shutil.copyfile(path, copy)
        copy.rename(path)
        os.utime(path)
    built.make()
    assert len(built.journal) == before


def test_raw_files_that_moved_rerun_nothing(built: MockProject) -> None:
    before = len(built.journal)
    (built.folder / "raw").rename(built.folder / "elsewhere")
    built.settings["raw_path"] = "elsewhere"
    built.write()
    built.make()
    assert len(built.journal) == before


def test_one_changed_bias_frame_reruns_its_dependents(built: MockProject) -> None:
    before = len(built.journal)
    change_bias(built, 1)
    built.make()
    # Every recipe depends on the bias in the end.
    assert sum(built.ran_since(before).values()) == before


def test_one_changed_ifu_reruns_its_own_calibrations_only(built: MockProject) -> None:
    from astropy.io import fits

    before = len(built.journal)
    with fits.open(bias_frame(built), mode="update") as hdus:
        hdus["CHAN02"].data[0, 0] += 1
    built.make()
    again = [run for run in built.journal[before:] if run["nifu"] is not None]
    assert {run["nifu"] for run in again if run["recipe"] == "muse_bias"} == {2}
    assert {run["nifu"] for run in again if run["recipe"] in ("muse_flat", "muse_wavecal")} == {2}


def test_invariant_3_early_cutoff_stops_at_a_product_that_is_the_same(built: MockProject) -> None:
    built.rule(recipe="muse_bias", constant=True)
    built.make("-a")
    before = len(built.journal)
    # Its bytes differ all the same.
    built.rule(recipe="muse_bias", cards={"DATE": "2030-01-01T00:00:00"})
    change_bias(built, 2)
    built.make()
    assert built.ran_since(before) == {"muse_bias": 2}


def test_invariant_4_a_frame_set_back_runs_nothing(built: MockProject) -> None:
    original = bias_frame(built).read_bytes()
    change_bias(built, 1)
    built.make()
    before = len(built.journal)
    bias_frame(built).write_bytes(original)
    ran = built.make()
    assert len(built.journal) == before
    assert f"0 ran, {ALL} restored" in ran.out


def test_invariant_4_a_parameter_set_back_runs_nothing(built: MockProject) -> None:
    built.params("muse_scipost", skymodel_fraction=0.2)
    built.make()
    before = len(built.journal)
    del built.settings["recipes"]["muse_scipost"]["params"]["skymodel_fraction"]
    built.write()
    ran = built.make()
    assert len(built.journal) == before
    assert "0 ran, 3 restored" in ran.out


def test_a_deleted_reduced_tree_comes_back_without_a_recipe(built: MockProject) -> None:
    before = len(built.journal)
    files = {p.relative_to(built.folder): p.read_bytes() for p in built.reduced.rglob("*.fits")}
    shutil.rmtree(built.folder / "reduced")
    built.make()
    assert len(built.journal) == before
    assert files == {
        p.relative_to(built.folder): p.read_bytes() for p in built.reduced.rglob("*.fits")
    }


def test_one_deleted_product_comes_back(built: MockProject) -> None:
    before = len(built.journal)
    cube = built.reduced / "exp_combine/FIELD_drs/DATACUBE_FINAL.fits"
    cube.unlink()
    assert "0 ran, 1 restored" in built.make().out
    assert cube.is_file()
    assert len(built.journal) == before


def test_invariant_5_nothing_finished_runs_again_after_kill_9(project: MockProject) -> None:
    project.rule(recipe="muse_standard", hold="gate")
    process = project.start("-n", "2")
    wait_until(lambda: project.manifests() >= 4)
    started = descendants(process.pid)
    process.kill()
    process.wait()
    wait_until_gone(started)
    finished = project.manifests()
    started = len(project.journal)
    project.unrule()
    ran = project.make()
    assert finished + len(project.journal) - started == ALL, ran.text
    assert "Everything is up to date" in project.make().out


def test_invariant_7_a_deleted_object_is_noticed_and_made_again(built: MockProject) -> None:
    before = len(built.journal)
    flat = built.reduced / "MASTER_FLAT/2017-06-16T10:48:07.WFM-NOAO-N/MASTER_FLAT-01.fits"
    content = flat.read_bytes()
    objects = built.store / "objects"
    target = next(p for p in objects.glob("*/*") if p.read_bytes() == content)
    target.unlink()
    assert "object missing" in built.ask("list", "--status").out
    built.make()
    assert built.ran_since(before) == {"muse_flat": 1}
    assert flat.is_file()


def test_invariant_7_a_damaged_object_is_noticed_and_made_again(built: MockProject) -> None:
    before = len(built.journal)
    flat = built.reduced / "MASTER_FLAT/2017-06-16T10:48:07.WFM-NOAO-N/MASTER_FLAT-01.fits"
    content = flat.read_bytes()
    target = next(p for p in (built.store / "objects").glob("*/*") if p.read_bytes() == content)
    target.chmod(0o644)
    damaged = bytearray(content)
    damaged[-100] ^= 1
    target.write_bytes(bytes(damaged))
    ran = built.make()
    assert built.ran_since(before) == {"muse_flat": 1}, ran.text
    assert flat.read_bytes() != bytes(damaged)


def test_one_more_exposure_runs_only_what_is_new(built: MockProject) -> None:
    before = len(built.journal)
    write_raw(
        built.folder / "raw",
        "OBJECT",
        "2017-06-16T02:10:00.000",
        tpl="2017-06-16T01:34:08",
        target="FIELD",
    )
    built.make()
    assert built.ran_since(before) == {
        # The first pass only for the new one; the second for all, since all have new offsets.
        "muse_scibasic": 2,
        "muse_scipost": 4,
        "muse_exp_align": 1,
        "muse_exp_combine": 1,
    }


def test_a_new_version_reuses_everything(built: MockProject) -> None:
    before = len(built.journal)
    built.settings["version"] = "0.2"
    built.write()
    assert f"0 ran, {ALL} restored" in built.make().out
    assert (built.folder / "reduced/0.2/exp_combine/FIELD_drs/DATACUBE_FINAL.fits").is_file()
    assert len(built.journal) == before


def test_an_edited_product_is_kept_aside_and_made_right(built: MockProject) -> None:
    cube = built.reduced / "exp_combine/FIELD_drs/DATACUBE_FINAL.fits"
    right = cube.read_bytes()
    text = bytearray(right)
    text[-1] ^= 255
    cube.unlink()
    cube.write_bytes(bytes(text))
    ran = built.make()
    assert "had been edited" in ran.out
    assert cube.read_bytes() == right
    assert next(cube.parent.glob("*.edited-1")).read_bytes() == bytes(text)


def test_invariant_9_every_decision_can_be_explained(built: MockProject) -> None:
    """What the store keeps of an invocation is enough to tell what made it run."""

    def preimages(task: str) -> list[dict[str, Any]]:
        store = Store([built.store])
        found = [m for m in store.manifests() if m.task == task]
        assert all(key_of(m.preimage) == m.key for m in found)
        return [dict(m.preimage) for m in sorted(found, key=lambda m: m.made)]

    task = "muse_scipost:2017-06-16T01:34:56.867"
    (before,) = preimages(task)
    built.params("muse_scipost", skymodel_fraction=0.2)
    built.make(task)
    (now,) = [found for found in preimages(task) if found != before]
    assert now["params"].pop("skymodel_fraction") == 0.2
    assert now == before
    change_bias(built, 1)
    built.make("muse_bias")
    for ifu in (1, 2):
        old, new = preimages(f"muse_bias:2017-06-16T10:40:27.ifu{ifu:02d}")
        changed = [a for a, b in zip(old["inputs"], new["inputs"], strict=True) if a != b]
        assert [tag for tag, _ in changed] == ["BIAS"]
