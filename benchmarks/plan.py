"""How long planning takes: ten years of nights as plain data, in one process.

    python benchmarks/plan.py [--nights 2900] [--ifus 1] [--exposures 5]

Prints wall and user seconds of `make_plan`, best of three, against a peer of the same run: making
as many plain records with the same number of inputs, which any planner must do. Then the same for
a tenth of the nights: the time for one invocation must not grow with the number of nights.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from pathlib import Path

from benchmarks.ten_years import EXPOSURES, NIGHTS, files, settings_text, ten_years
from musebuild.cache.model import Input
from musebuild.index.model import RawFrame
from musebuild.plan.build import make_plan
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.catalogue import load_catalogue
from musebuild.settings.make import make_settings
from musebuild.settings.model import Settings
from musebuild.settings.nodes import plain_data
from musebuild.settings.reading import read_text
from musebuild.settings.schema import coerce


def read_settings(text: str) -> Settings:
    """Settings from YAML text."""
    root = coerce(read_text(text, "settings.yml"))
    return make_settings(Path("/project/settings.yml"), root, plain_data(root))


def planned(settings: Settings, frames: list[RawFrame]) -> tuple[Plan, float, float]:
    """A plan, and the wall and user seconds that it took."""
    catalogue = load_catalogue()
    index = files()
    gc.collect()
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    began = time.perf_counter()
    gc.disable()  # as a command does
    plan = make_plan(settings, frames, index, catalogue)
    wall = time.perf_counter() - began
    gc.enable()
    return plan, wall, resource.getrusage(resource.RUSAGE_SELF).ru_utime - user


def records(plan: Plan) -> float:
    """Wall seconds to make the plan's records anew, all decisions being known."""
    gc.collect()
    began = time.perf_counter()
    kept = []
    for i in plan.invocations.values():
        inputs = tuple(
            Input(w.tag, w.kind, w.path, w.invocation, w.category, w.filter, w.ifu, w.order,
                  w.quality)
            for w in i.inputs
        )  # fmt: skip
        kept.append(
            Invocation(i.name, i.block, i.recipe, i.label, inputs, dict(i.params), i.products,
                       i.folder, i.ifu, i.night, i.run, i.dataset, i.ins_mode, i.notes)
        )  # fmt: skip
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=NIGHTS)
    parser.add_argument("--ifus", type=int, default=1)
    parser.add_argument("--exposures", type=int, default=EXPOSURES)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    ifus = range(1, given.ifus + 1)
    settings = read_settings(settings_text(ifus))
    for nights in (given.nights, given.nights // 10):
        frames = list(ten_years(nights, channels=ifus, exposures=given.exposures))
        times = []
        for _ in range(given.rounds):
            plan, wall, user = planned(settings, frames)
            times.append((wall, user))
        peer = min(records(plan) for _ in range(given.rounds))
        wall, user = min(times)
        inputs = sum(len(invocation.inputs) for invocation in plan.invocations.values())
        print(
            f"{len(frames)} frames, {nights} nights: {len(plan.invocations)} invocations "
            f"({len(plan.default)} by default, {len(plan.left_out)} left out), {inputs} inputs: "
            f"{wall:.2f} s wall, {user:.2f} s user, {wall / len(plan.invocations) * 1e6:.0f} µs "
            f"each; the records alone {peer:.2f} s: {wall / peer:.1f} times that"
        )


if __name__ == "__main__":
    main()
