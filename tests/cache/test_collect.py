"""What garbage collection drops, and what it never does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from musebuild.cache.collect import YOUNG, StoredObject, decide, objects_of
from musebuild.cache.model import Manifest, Product


def result(key: str, task: str, size: int, seconds: float, *, name: str = "") -> Manifest:
    product = Product("X", "x.fits", name or f"o{key}", "d", size)
    made = f"2026-01-{int(key):02d}" if key.isdigit() else "2026-01-01"
    return Manifest(key, {"recipe": "muse_x"}, (product,), "", task, made, seconds, 0.0, 0, 0)


def stored(*manifests: Manifest, links: int = 1) -> dict[str, StoredObject]:
    return {
        p.object: StoredObject(p.object, p.size, links, 0.0) for m in manifests for p in m.products
    }


def test_what_is_cheap_to_make_again_goes_first() -> None:
    quick, slow = result("1", "a", 100, 1.0), result("2", "b", 100, 50.0)
    found = decide([slow, quick], stored(slow, quick), (), max_size=100)
    assert [drop.task for drop in found.drops] == ["a"]
    assert (found.before, found.after, found.seconds) == (200, 100, 1.0)


def test_what_the_plan_needs_stays_whatever_is_asked() -> None:
    results = [result("1", "a", 100, 1.0), result("2", "a", 100, 1.0)]
    found = decide(results, stored(*results), {"1"}, max_size=0, keep_versions=0)
    assert [drop.key for drop in found.drops] == ["2"]
    assert found.needed == 1


def test_what_lies_in_some_reduced_tree_stays() -> None:
    one = result("1", "a", 100, 1.0)
    assert decide([one], stored(one, links=2), (), max_size=0).drops == ()


def test_the_newest_versions_of_a_task_stay() -> None:
    results = [result(str(n), "a", 10, 1.0) for n in range(1, 6)]
    found = decide(results, stored(*results), {"1"}, keep_versions=3)
    # The plan's is one of the three.
    assert sorted(drop.key for drop in found.drops) == ["2", "3"]


def test_shared_bytes_stay_while_one_result_needs_them() -> None:
    first, second = result("1", "a", 100, 1.0, name="o"), result("2", "b", 100, 1.0, name="o")
    found = decide([first, second], stored(first), {"2"}, max_size=0)
    assert [drop.bytes for drop in found.drops] == [0]
    assert found.objects == ()


def test_objects_without_a_manifest_go_when_they_are_old() -> None:
    old, young = StoredObject("old", 5, 1, 0.0), StoredObject("young", 5, 1, 2.0 * YOUNG)
    found = decide([], {"old": old, "young": young}, (), now=2.5 * YOUNG)
    assert (found.objects, found.unused_bytes, found.after) == (("old",), 5, 5)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 50), st.floats(0, 100), st.integers(0, 5)),
        max_size=12,
    ),
    st.sets(st.integers(0, 11)),
    st.integers(0, 400),
    st.one_of(st.none(), st.integers(0, 3)),
)
def test_needed_results_keep_all_their_objects(
    made: list[tuple[int, int, float, int]], needed: set[int], limit: int, versions: int | None
) -> None:
    sizes = {f"o{shared}": size for _, size, _, shared in made}
    results = [
        result(str(n), f"t{task}", sizes[f"o{shared}"], seconds, name=f"o{shared}")
        for n, (task, _, seconds, shared) in enumerate(made)
    ]
    keys = {str(n) for n in needed}
    found = decide(results, stored(*results), keys, max_size=limit, keep_versions=versions)
    dropped = {drop.key for drop in found.drops}
    assert not dropped & keys
    kept = {name for m in results if m.key not in dropped for name in objects_of(m)}
    assert not kept & set(found.objects)
    assert found.after == sum(sizes[name] for name in kept)
    assert found.after <= limit or all(m.key in dropped | keys for m in results)
