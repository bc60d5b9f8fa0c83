"""What is first on the longest path starts first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from musebuild.engine.tasks import longest_paths


def test_the_longest_path_counts() -> None:
    needs = {"bias": [], "flat": ["bias"], "lsf": ["flat"], "twilight": ["flat"],
                  "science": ["twilight"], "cube": ["science", "lsf"]}  # fmt: skip
    seconds = {"bias": 10, "flat": 15, "lsf": 40, "twilight": 20, "science": 10, "cube": 30}
    found = longest_paths(needs, seconds)
    assert found["cube"] == 30
    assert found["lsf"] == 70
    assert found["twilight"] == 60
    assert found["bias"] == 95


def test_what_is_up_to_date_does_not_count() -> None:
    assert longest_paths({"b": ["a"], "c": ["b"]}, {"b": 1, "c": 2}) == {"b": 3, "c": 2}


@given(st.data())
def test_nothing_is_less_urgent_than_what_waits_for_it(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    needs = {str(n): [str(m) for m in range(n) if data.draw(st.booleans())] for n in range(size)}
    seconds = {name: data.draw(st.floats(0.1, 100)) for name in needs}
    found = longest_paths(needs, seconds)
    for name, needed in needs.items():
        for other in needed:
            assert found[other] >= seconds[other] + found[name] - 1e-9
