"""What fails, how it is told, and that nothing wrong enters the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.mounts import file_system
from tests.support.projects import MockProject
from tests.support.waiting import PATIENCE

FLAT = "muse_flat:2017-06-16T10:48:07.ifu02"


def test_a_failure_stops_what_depends_on_it(project: MockProject) -> None:
    project.rule(recipe="muse_flat", ifu=2, fail="no slices were found", return_code=255)
    ran = project.ask("run")
    assert ran.status == 1
    for part in (FLAT, "muse_flat", "255", "no slices were found", "log: "):
        assert part in ran.out, ran.out
    assert "muse_exp_combine" not in project.ran_since(0)
    assert not list(project.reduced.glob("MASTER_FLAT/*/*-02.fits"))
    log = next(line for line in ran.out.splitlines() if "log: " in line).split("log: ")[1]
    assert "no slices were found" in Path(log).read_text(encoding="utf-8")


def test_continue_goes_on_with_what_does_not_depend(project: MockProject) -> None:
    project.rule(recipe="muse_standard", fail="the star was not found")
    ran = project.ask("run", "--continue")
    assert ran.status == 1
    done = project.ran_since(0)
    assert done["muse_lsf"] == 2
    assert done["muse_scibasic"] == 6
    assert "muse_scipost" not in done
    assert "muse_scipost:2017-06-16T01:34:56.867: it needs muse_standard" in ran.out
    before = len(project.journal)
    project.unrule()
    project.build()
    assert project.ran_since(before) == {
        "muse_standard": 1,
        "muse_scipost": 4,
        "muse_exp_align": 1,
        "muse_exp_combine": 1,
    }


TRAPS: list[tuple[dict[str, Any], str]] = [
    ({"fail": "it went wrong"}, "it went wrong (the recipe returned 1)"),
    ({"errors_left": ["cpl_table_load: No such filter"]}, "left errors behind"),
    ({"missing": ["TRACE_TABLE"]}, "made no TRACE_TABLE"),
    ({"no_rows": ["TRACE_TABLE"]}, "TRACE_TABLE has no rows"),
    ({"crash": True}, "crashed in the C library (SIGSEGV)"),
    ({"kill": True}, "was killed (SIGKILL)"),
]


@pytest.mark.parametrize(("behaviour", "message"), TRAPS, ids=lambda v: str(v)[:24])
def test_each_trap_is_told_for_what_it_is(
    project: MockProject, behaviour: dict[str, Any], message: str
) -> None:
    project.build("muse_bias")
    manifests, objects = project.manifests(), project.objects()
    project.rule(recipe="muse_flat", ifu=2, **behaviour)
    ran = project.ask("run", FLAT)
    assert ran.status == 1
    assert message in ran.out
    assert FLAT in ran.out
    assert "Traceback" not in ran.text
    assert project.manifests() == manifests
    # A failed recipe leaves its log, and no product.
    left = project.objects() - objects
    assert all(
        b"SIMPLE" not in (project.store / "objects" / n[:2] / n[2:]).read_bytes()[:80] for n in left
    )
    assert not list(project.reduced.glob("MASTER_FLAT/*/*-02.fits"))
    project.unrule()
    project.build(FLAT)
    assert project.manifests() == manifests + 1


def test_a_full_disk_is_told_as_such(project: MockProject, tmp_path: Path) -> None:
    with file_system("tmpfs", tmp_path, size="2m") as disk:
        project.settings["cache"] = str(disk / "store")
        project.rule(recipe="muse_bias", ifu=1, fill=True)
        ran = project.ask("run", "-n", "1", "muse_bias:*.ifu01")
        assert ran.status == 1
        assert f"the disk is full (No space left on device): {disk / 'store'}" in ran.out
        assert "The recipe said: error writing" in ran.out
        assert "mock of muse_bias" in project.ask("log", "--last-failure").out
        project.unrule()
        project.build("muse_bias")


def test_a_hang_is_stopped_at_its_time_limit(project: MockProject) -> None:
    project.rule(recipe="muse_bias", ifu=1, hang=True)
    project.settings["recipes"]["muse_bias"] = {"time_limit": "1 s"}
    project.write()
    ran = project.ask("run", "muse_bias")
    assert ran.status == 1
    assert "longer than its time limit" in ran.out
    assert "time_limit in the block recipes.muse_bias" in ran.out


def test_too_much_memory_is_stopped_at_its_limit(project: MockProject) -> None:
    project.rule(recipe="muse_bias", ifu=1, memory="600 MB", seconds=200)
    project.settings["recipes"]["muse_bias"] = {"memory": "300 MB"}
    project.write()
    ran = project.ask("run", "muse_bias")
    assert ran.status == 1
    assert "took more memory than its limit" in ran.out


def test_a_slice_that_was_not_traced_is_told(project: MockProject) -> None:
    project.rule(recipe="muse_flat", ifu=2, nan_rows=["TRACE_TABLE"])
    ran = project.build("muse_flat")
    assert "Warnings of recipes: muse_flat 1" in ran.out
    info = project.ask("info", "muse_flat:*.ifu02").out
    assert "TRACE_TABLE-02.fits: 1 of 3 rows hold NaN (2)" in info


def test_warnings_are_counted(project: MockProject) -> None:
    project.rule(recipe="muse_bias", ifu=1, warnings=["bad columns", "hot pixels"])
    ran = project.build("muse_bias")
    assert "Warnings of recipes: muse_bias 2" in ran.out
    assert "warning: bad columns" in project.ask("info", "muse_bias").out


def test_keep_failed_keeps_a_script_that_repeats_the_call(project: MockProject) -> None:
    project.rule(recipe="muse_bias", ifu=1, fail="it went wrong")
    ran = project.ask("run", "--keep-failed", "muse_bias")
    kept = [p for p in (project.store / "scratch").iterdir() if (p / "run-again.sh").exists()]
    assert len(kept) == 1
    assert str(kept[0]) in ran.out
    assert "muse_bias --nifu=1" in (kept[0] / "run-again.sh").read_text(encoding="utf-8")
    assert "MASTER" not in (kept[0] / "frames.sof").read_text(encoding="utf-8")
    for line in (kept[0] / "frames.sof").read_text(encoding="utf-8").splitlines():
        assert (kept[0] / line.split()[0]).exists()
    # What runs now may take its time.
    project.settings["recipes"]["muse_bias"] = {}
    project.unrule()
    project.build("muse_bias")
    assert kept[0].exists()


@pytest.mark.parametrize(
    "behaviour", [{"crash": True}, {"kill": True}, {"hang": True}], ids=lambda b: next(iter(b))
)
def test_what_a_dead_worker_leaves_is_kept(project: MockProject, behaviour: dict[str, Any]) -> None:
    project.rule(recipe="muse_bias", ifu=1, warnings=["its last words"], **behaviour)
    project.settings["recipes"]["muse_bias"] = {"time_limit": "1 s"} if "hang" in behaviour else {}
    project.write()
    ran = project.ask("run", "--keep-failed", "muse_bias:*.ifu01")
    assert ran.status == 1
    (kept,) = (project.store / "scratch").iterdir()
    assert f"kept: {kept} " in ran.out
    assert (kept / "in" / "MUSE.2017-06-16T10:40:37.154.fits").exists()
    assert "muse_bias --nifu=1" in (kept / "run-again.sh").read_text(encoding="utf-8")
    project.unrule()
    project.build("muse_bias")
    assert kept.exists()
    # Its log lies in the store, where no later build takes it away.
    assert "its last words" in project.ask("log", "--last-failure").out
    if "crash" in behaviour:
        assert "Fatal Python error: Segmentation fault" in ran.out
        assert "mock.py" in ran.out


def test_an_input_that_vanishes_during_the_build_is_told(project: MockProject) -> None:
    project.rule(recipe="muse_bias", hold="gate")
    process = project.start("-n", "2", "muse_flat")
    lost = project.folder / "raw" / "MUSE.2017-06-16T10:48:17.159.fits"
    lost.unlink()
    project.release("gate")
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert lost.name in out
    assert "cannot be read" in out


def test_a_product_that_others_made_is_never_overwritten(project: MockProject) -> None:
    place = project.reduced / "MASTER_BIAS/2017-06-16T10:40:27.WFM-NOAO-N/MASTER_BIAS-01.fits"
    place.parent.mkdir(parents=True)
    place.write_text("mine", encoding="utf-8")
    ran = project.ask("run", "muse_bias")
    assert ran.status == 1
    assert "musebuild did not make" in ran.text
    assert not project.journal, "it is refused before the first recipe runs"
    place.unlink()
    # And where it comes while the recipe runs, as late as can be.
    project.rule(recipe="muse_bias", hold="gate")
    process = project.start("muse_bias", "-c")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("mine", encoding="utf-8")
    project.release("gate")
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "musebuild did not make it" in out
    assert place.read_text(encoding="utf-8") == "mine"
    place.unlink()
    before = len(project.journal)
    project.build("muse_bias")
    assert len(project.journal) - before <= 1
