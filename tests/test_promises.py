"""Which tests show the invariants of the design, and that hard times do no harm."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INVARIANTS = 12

HARD_TIMES: dict[str, tuple[str, ...]] = {
    "kill -9 at every step": (
        "engine/test_hard_times.py::test_killed_at_each_step",
        "cache/test_hard_times.py::test_invariants_5_and_6_killed_at_every_step",
    ),
    "SIGTERM": ("engine/test_stopping.py::test_the_first_signal_lets_running_recipes_end",),
    "Ctrl-C twice": ("engine/test_stopping.py::test_the_second_signal_stops_running_recipes",),
    "disk full at every write": (
        "cache/test_hard_times.py::test_invariants_5_and_6_a_full_disk_at_every_write",
        "cache/test_file_systems.py::test_a_file_system_that_is_really_full",
        "engine/test_hard_times.py::test_no_space_for_a_write",
    ),
    "read-only store": (
        "cache/test_file_systems.py::test_a_read_only_store_says_so_and_is_read_all_the_same",
        "engine/test_hard_times.py::test_a_store_that_became_read_only",
        "engine/test_hard_times.py::test_a_read_only_store_as_a_second_level",
    ),
    "object truncated, flipped by one bit, removed, replaced by a folder": (
        "cache/test_store.py::test_invariant_7_a_damaged_object_is_a_miss_that_names_it",
        "engine/test_hard_times.py::test_an_object_that_was_harmed",
    ),
    "ledger deleted": ("engine/test_hard_times.py::test_a_deleted_ledger_loses_nothing",),
    "ledger truncated": (
        "engine/test_hard_times.py::test_a_damaged_ledger_is_set_aside_and_made_anew",
    ),
    "ledger of an older schema": (
        "cache/test_ledger.py::test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows",
    ),
    "ledger of a newer schema": (
        "engine/test_hard_times.py::test_a_ledger_of_a_newer_musebuild_is_refused",
    ),
    "two, then eight builds at once in one folder and over one store": (
        "engine/test_stopping.py::test_invariant_8_builds_in_one_folder_run_nothing_twice",
        "engine/test_stopping.py::test_invariant_8_eight_builds_over_one_store_run_nothing_twice",
    ),
    "a raw frame changed while it is read": (
        "fits/test_digest.py::test_a_frame_that_changes_while_it_is_read",
        "engine/test_hard_times.py::test_a_raw_frame_that_changes_while_its_recipe_runs",
    ),
    "clock set back": (
        "index/test_scan.py::test_a_time_stamp_in_the_future_is_never_trusted",
        "engine/test_hard_times.py::test_a_clock_that_was_set_back",
    ),
    "the settings edited during a build": (
        "engine/test_hard_times.py::test_the_settings_edited_during_a_build",
    ),
    "a worker that hangs": ("engine/test_failures.py::test_a_hang_is_stopped_at_its_time_limit",),
    "a worker that eats memory": (
        "engine/test_failures.py::test_too_much_memory_is_stopped_at_its_limit",
    ),
}


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in names if name.startswith("test_"))


@pytest.mark.parametrize("number", range(1, INVARIANTS + 1))
def test_each_invariant_has_a_test_named_after_it(number: int) -> None:
    pattern = re.compile(rf"test_invariants?_(\d+_and_)*{number}_")
    assert any(pattern.match(name) for path in HERE.rglob("test_*.py") for name in names_in(path))


@pytest.mark.parametrize("hardship", HARD_TIMES)
def test_each_hard_time_is_shown_by_a_test(hardship: str) -> None:
    for test in HARD_TIMES[hardship]:
        file, _, name = test.partition("::")
        assert name in names_in(HERE / file), test
