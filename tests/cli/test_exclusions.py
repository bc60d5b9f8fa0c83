"""Entries of `frames.exclude` that match nothing are told, with what was meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.projects import MockProject

FIRST = "2017-06-16T01:34:56.867"


def told(project: MockProject, rules: dict[str, Any]) -> list[dict[str, Any]]:
    project.settings["frames"] = {"exclude": rules}
    project.write()
    found = json.loads(project.ask("check", "--format", "json").out)
    return [one for one in found if "it leaves nothing out" in one["message"]]


@pytest.mark.parametrize(
    ("category", "mistyped", "meant"),
    [
        ("OBJECT", "2017-06-16T01:34:56.876", FIRST),
        ("BIAS", "2017-06-16T10:40:72", "2017-06-16T10:40:27"),
        ("MASTER_BIAS", "2017-06-16T10:40:72", "2017-06-16T10:40:27"),
        ("STD_RESPONSE", "2017-06-16T09:32:26.121", "2017-06-16T09:32:26.112"),
        ("raw", f"MUSE.{FIRST}.fit", f"MUSE.{FIRST}.fits"),
    ],
)
def test_a_mistyped_name(project: MockProject, category: str, mistyped: str, meant: str) -> None:
    (one,) = told(project, {category: [mistyped]})
    assert one["severity"] == "warning"
    assert mistyped in one["message"]
    assert meant in one["nearest"]
    # What is proposed is right.
    assert not told(project, {category: [meant]})


def test_conditions_on_columns(project: MockProject) -> None:
    (night,) = told(project, {"raw": [{"night": ["2017-06-15", "2017-06-99"]}]})
    assert "no raw frame has night 2017-06-99" in night["message"]
    (both,) = told(project, {"raw": [{"DPR_TYPE": "BIAS", "EXPTIME": 600.0}]})
    assert "all of this together" in both["message"]
    assert not told(project, {"raw": [{"DPR_TYPE": "BIAS", "EXPTIME": 1.0}]})
    assert not told(project, {"STD_RESPONSE": [{"night": "2017-06-15"}]})
    # By the template's start, too.
    assert not told(project, {"STD_RESPONSE": ["2017-06-16T09:31:18"]})
    starts = {"OBJECT": ["2017-06-16T01:34:08"], "MASTER_FLAT": ["2017-06-16T10:48:07"]}
    assert not told(project, starts)
