"""Bytes of inputs: a forecast and a build count alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musebuild.cache.ledger import Sample
from musebuild.cache.model import Input, Manifest, Product, UsedInput
from musebuild.engine.input_sizes import ExpectedMemory, InputSizes
from musebuild.engine.tasks import Plugins
from musebuild.fits.digest import FrameDigest
from musebuild.plan.model import Invocation, Plan
from musebuild.recipes.catalogue import load_catalogue

BIAS = "muse_bias:2026-01-01:01"
MADE = Product("MASTER_BIAS", "MASTER_BIAS-01.fits", "object", "digest", 700)


def sizes(manifests: dict[str, Manifest]) -> InputSizes:
    bias = Invocation(BIAS, "muse_bias", "muse_bias", "", (), {}, ("MASTER_BIAS",), "")
    plan = Plan({BIAS: bias}, (), {}, ())
    plugins = Plugins(plan, load_catalogue())
    return InputSizes(manifests, plugins, {("muse_bias", "MASTER_BIAS"): 650.0})


def test_a_plan_and_what_became_of_it_have_as_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "raw.fits"
    path.write_bytes(bytes(2400))
    known = {str(path): FrameDigest("", "", {f"CHAN{ifu:02d}": "" for ifu in range(1, 13)})}
    raw = Input("FLAT", "raw", str(path), ifu=3)
    master = Input("MASTER_BIAS", "product", invocation=BIAS, category="MASTER_BIAS")
    manifest = Manifest("key", {}, (MADE,), "", BIAS, "2026", 1.0, 1.0, 1, 1)
    planned, made = sizes({}), sizes({BIAS: manifest})
    for one in (planned, made):
        one.learn([raw, master], known)
        assert one.of([raw]) == 200, "the share of one IFU of twelve"
        assert one.of([replace(raw, ifu=None)]) == 2400
    assert planned.of([raw, master]) == 200 + 650, "what earlier runs made"
    assert made.of([raw, master]) == 200 + 700
    resolved = [UsedInput.of(raw, "digest"), UsedInput.of(master, "digest", MADE)]
    assert made.of(resolved) == planned.of(resolved) == 200 + 700


def test_a_frame_that_was_not_looked_into_holds_all_ifus(tmp_path: Path) -> None:
    path = tmp_path / "raw.fits"
    path.write_bytes(bytes(2400))
    raw, gone = Input("FLAT", "raw", str(path), ifu=3), Input("FLAT", "raw", "/no/such", ifu=3)
    found = sizes({})
    found.learn([raw, gone], {})
    assert found.of([raw, gone]) == 100


def test_memory_is_what_was_seen_or_declared() -> None:
    recipe = load_catalogue()["muse_bias"]
    declared = ExpectedMemory({}).of(recipe, 1000)
    assert declared == int(recipe.memory_base + 1000 * recipe.memory_per_input_byte)
    assert ExpectedMemory({"muse_bias": [Sample(100, 1.0, 500)]}).of(recipe, 1000) == 5000
