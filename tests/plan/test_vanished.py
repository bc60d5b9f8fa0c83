"""What builds used and cannot be read any more stops what would take it, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from musebuild.index.model import Loss
from musebuild.plan.vanished import stop, told_losses
from tests.plan.making import dependents, night, plan

RAW = night() + night("2017-06-16", exposures=3)
WHOLE = plan(raw=RAW)


def lost(*paths: str, where: str = "", why: str = "is not there any more") -> list[Loss]:
    return [Loss(path, where or path, why) for path in paths]


@profile(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([one.path for one in RAW]), unique=True))
def test_exactly_what_takes_it_is_stopped(paths: list[str]) -> None:
    direct = [
        name
        for name, one in WHOLE.invocations.items()
        if any(wanted.path in paths for wanted in one.inputs)
    ]
    stopped = set(dependents(WHOLE, direct))
    found = stop(WHOLE, lost(*paths))
    assert set(found.invocations) == WHOLE.invocations.keys() - stopped
    assert all(found.invocations[name] is WHOLE.invocations[name] for name in found.invocations)
    assert set(found.default) == set(WHOLE.default) - stopped
    assert all(not stopped.intersection(members) for members in found.groups.values())
    assert set(found.units) <= found.groups.keys()
    told = [left for left in found.left_out if left.vanished]
    assert {left.name for left in told} == {WHOLE.invocations[name].task for name in stopped}
    assert all(left.reason and left.causes[0].hint and not left.blocks_others for left in told)


def test_a_folder_is_told_once_for_all_below() -> None:
    paths = [f"/p/raw/n1/{n}.fits" for n in range(3)]
    told = told_losses(lost(*paths, where="/p/raw/n1", why="is empty (disk not mounted?)"), "/p/")
    assert set(told.values()) == {"raw/n1 is empty (disk not mounted?): 3 frames of it were used"}


def test_files_of_one_folder_are_told_together() -> None:
    paths = [f"/p/raw/{n}.fits" for n in range(4)]
    told = told_losses(lost(*paths), "/p/")
    assert set(told.values()) == {
        "4 frames of raw are not there any more: 0.fits, 1.fits and 2 more"
    }
    assert told_losses(lost(paths[0]), "/p/") == {
        paths[0]: "raw/0.fits is not there any more",
    }


def test_what_is_not_needed_stops_nothing_that_is_asked_for() -> None:
    extra = night("2017-05-01", exposures=0)
    whole = plan(raw=[*RAW, *extra])
    found = stop(whole, lost(*(one.path for one in extra)))
    assert found.default == whole.default
    assert any(left.vanished for left in found.left_out)
    assert not any(left.error for left in found.left_out if left.vanished)
