"""What blocks name and what is not there, as `musebuild check` tells it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.projects import MockProject

LATER = "2017-06-16T01:34:56.876"


@pytest.mark.parametrize(
    ("block", "keys", "told"),
    [
        (
            "muse_exp_combine",
            {"select": {"raw": {"name": [LATER]}}},
            (f"there is no exposure {LATER}", "did you mean 2017-06-16T01:34:56.867"),
        ),
        (
            "muse_exp_combine",
            {"names_with_selection": {"one": {"raw": {"name": LATER}}}},
            (f"there is no exposure {LATER}", "FIELD_one"),
        ),
        (
            "muse_exp_combine",
            {"select": {"raw": "EXPTIME > 9000"}},
            ("select takes 0 of 2 exposures",),
        ),
        (
            "muse_scibasic",
            {"frames": {"include": ["MASTER_DARK"]}},
            ("no task of muse_scibasic takes a MASTER_DARK: no MASTER_DARK within 1 night",),
        ),
    ],
)
def test_what_matches_nothing_is_a_warning(
    project: MockProject, block: str, keys: dict[str, Any], told: tuple[str, ...]
) -> None:
    project.settings["recipes"][block] = {**project.settings["recipes"].get(block, {}), **keys}
    project.write()
    checked = project.ask("check")
    assert checked.status == 0, checked.text
    for text in ("warning: ", *told):
        assert text in checked.text
