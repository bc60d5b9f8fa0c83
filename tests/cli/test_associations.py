"""`musebuild associations`: what is used for what, and how well it fits."""

from __future__ import annotations

import json
import sqlite3

from tests.support.projects import MockProject

SCIPOST = "muse_scipost"


def test_the_tree_goes_down_to_the_raw_frames(project: MockProject) -> None:
    ran = project.ask("associations", SCIPOST)
    assert ran.status == 0, ran.text
    lines = ran.out.splitlines()
    assert lines[0].startswith("muse_scipost:")
    taken = {line.split(":")[0].strip() for line in lines[1:]}
    assert {"PIXTABLE_OBJECT", "STD_RESPONSE", "MASTER_BIAS", "BIAS", "OFFSET_LIST"} <= taken
    bias = next(line for line in lines if line.strip().startswith("MASTER_BIAS:"))
    assert "(2 IFUs)" in bias or ".ifu" not in bias
    assert "[same night," in bias
    opened = [line for line in lines if line.strip().startswith("BIAS:")]
    assert len(opened) == len(set(opened)), "a task is opened once"


def test_json_has_every_field_and_ifus_stay_apart_on_request(project: MockProject) -> None:
    data = json.loads(project.ask("associations", "--format", "json", "--ifus", "muse_flat").out)
    tasks = {task["task"]: task["inputs"] for task in data["tasks"]}
    flats = [name for name in tasks if name.startswith("muse_flat:")]
    assert len(flats) == 2
    assert all(name.endswith((".ifu01", ".ifu02")) for name in flats)
    for name in flats:
        bias = next(one for one in tasks[name] if one["tag"] == "MASTER_BIAS")
        assert bias["source"].rpartition(".")[2] == name.rpartition(".")[2]
        assert bias["quality"]["grade"] == "same night"


def test_graphs_hold_each_task_that_is_used(project: MockProject) -> None:
    dot = project.ask("associations", "--format", "dot", "muse_flat").out
    assert '"muse_bias:' in dot
    assert "MASTER_BIAS (same night" in dot
    mermaid = project.ask("associations", "--format", "mermaid", "muse_flat").out
    assert mermaid.startswith("graph LR\n")
    assert "MASTER_BIAS (same night" in mermaid


def test_the_ledger_keeps_what_was_chosen_and_how_well_it_fits(built: MockProject) -> None:
    data = json.loads(built.ask("associations", "--format", "json", "--ifus").out)
    # A path that lies in the project is kept as relative to it.
    planned = {
        (task["task"], one["tag"], one["source"].removeprefix(f"{built.folder}/")): one["quality"]
        for task in data["tasks"]
        for one in task["inputs"]
        if one["quality"] is not None
    }
    with sqlite3.connect(built.folder / "musebuild.db") as connection:
        rows = connection.execute(
            "SELECT task, tag, source, grade, nights, hours, kelvin, note, level FROM associations"
        ).fetchall()
        keys = dict(connection.execute("SELECT task, key FROM associations").fetchall())
        tasks = dict(connection.execute("SELECT task, key FROM tasks").fetchall())
    connection.close()
    names = ("grade", "nights", "hours", "kelvin", "note", "level")
    assert {row[:3]: dict(zip(names, row[3:], strict=True)) for row in rows} == planned
    assert "same night" in {row[3] for row in rows}
    assert all(tasks[task] == key for task, key in keys.items())


def test_what_is_missing_is_shown_with_what_would_mend_it(project: MockProject) -> None:
    for path in (project.folder / "raw").iterdir():
        # Without standard star there is no response.
        if b"'STD " in path.read_bytes()[:28800] or b"'STD'" in path.read_bytes()[:28800]:
            path.unlink()
    out = project.ask("associations", SCIPOST).out
    assert "Cannot be done: 2 exposures of FIELD. 1 cause:" in out
    assert "1. no raw STD within 5 nights of 2017-06-15 (for STD_RESPONSE, STD_TELLURIC)" in out
    assert "hint: `musebuild retrieve --missing`, or add raw STD frames of those nights" in out


def test_names_and_formats_that_do_not_exist_are_refused(project: MockProject) -> None:
    ran = project.ask("associations", "muse_scipots")
    assert ran.status == 2
    assert "muse_scipost" in ran.err
    ran = project.ask("associations", "--format", "jsn")
    assert ran.status == 2
    assert "did you mean json" in ran.err
