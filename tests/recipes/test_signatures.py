"""Signatures of recipes of one's own, read from the source without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from musebuild.errors import RecipeError
from musebuild.recipes.functions import Signature, read_signature
from musebuild.recipes.source import code_hash, find_module

HEAD = """
raise SystemExit("it was run")
import math, typing as t
import numpy as np
from pathlib import Path as P
from typing import Literal as L, Optional
from musebuild.recipes import recipe as r
import musebuild.recipes as mr
N, M = 3, 2 * 60
Numbers = int | float
FRAMES = list[P]
MORE = {"group_by": "dataset"}
"""


def read(folder: Path, source: str) -> Signature:
    """The signature of `f` in a source, after its usual head."""
    (folder / "me.py").write_text(HEAD + source, encoding="utf-8")
    return read_signature(folder / "me.py", "f")


@pytest.mark.parametrize(
    ("text", "kinds", "default"),
    [
        ("float = N", ("float",), 3),
        ("'float | None' = None", ("float", "none"), None),
        ("Numbers = M", ("int", "float"), 120),
        ("L['a', 'b'] = 'b'", ("str",), "b"),
        ("t.List[float] = [-1e-5, +2]", ("list",), [-1e-5, 2]),
        ("tuple[int, ...] = (1, 2)", ("list",), [1, 2]),
        ("Optional[int] = None", ("int", "none"), None),
        ("t.Annotated[float, 'm'] = np.pi", ("float",), 3.141592653589793),
        ("float = float('inf')", ("float",), float("inf")),
        ("t.Dict[str, float] = {'a': math.inf}", ("dict",), {"a": float("inf")}),
        ("str = other.NAME", ("str",), "elsewhere"),
        ("str = NAME", ("str",), "elsewhere"),
    ],
)
def test_what_stands_there_is_what_python_would_make_of_it(
    tmp_path: Path, text: str, kinds: tuple[str, ...], default: object
) -> None:
    (tmp_path / "other.py").write_text("NAME = 'elsewhere'\n")
    head = "import other\nfrom other import NAME\n"
    made = read(tmp_path, f"{head}def f(a: P, *, x: {text}): ...\n").parameters["x"]
    assert (made.kinds, made.default, made.required) == (kinds, default, False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(a: P, *, x: float = time()): ...", "it is time()"),
        ("def f(a: P, *, x: int = 10 ** 10 ** 10): ...", "too large"),
        ("def f(a: P, *, x: str = 'a' * 10 ** 9): ...", "only numbers are computed"),
        ("Q = Q\ndef f(a: P, *, x: int = Q): ...", "go round in a circle"),
        ("def f(a: P, *, x: complex = 1j): ...", "no type that can be used"),
        ("N = 4\ndef f(a: P, *, x: int = N): ...", "it is N"),
        ("async def f(a: P): ...", "an `async def`"),
        ("f = lambda a: a", "made by running code"),
        ("def f(a: P): ...\nf = wrap(f)", "made by running code"),
        ("class f: ...", "a class"),
        ("if N:\n    def f(a: P): ...\nelse:\n    def f(b: P): ...", "once"),
        ("from nowhere_at_all import f", "nowhere_at_all"),
        ("from me import f", "cannot be found"),
        ("def ff(a: P): ...", "did you mean ff"),
        ("def f(a: P, **more): ...", "*more"),
        ("@r(['A'])\ndef f(a: P): ...", "has a name"),
        ("@r(product=['A'])\ndef f(a: P): ...", "'products'"),
        ("@r(products=[x for x in y])\ndef f(a: P): ...", "it is [x for x in y]"),
        ("x = " + "-" * 100_000 + "1\ndef f(a: P): ...", "nested too deep"),
        ("def f(a: " + "P | " * 2000 + "P): ...", "nested too deep"),
    ],
)
def test_what_only_running_would_tell_is_refused_with_its_place(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, text)
    assert told in str(caught.value)
    assert "me.py" in str(caught.value)


def test_declarations_definitions_elsewhere_and_the_last_of_several_are_read(
    tmp_path: Path,
) -> None:
    made = read(
        tmp_path, "@mr.recipe(products=['A'], **MORE)\n@t.final\ndef f(a: FRAMES): '''Do.'''"
    )
    assert made.declared == {"products": [{"category": "A"}], "group_by": "dataset"}
    assert made.arguments[0].many
    assert made.description == "Do."
    (tmp_path / "far.py").write_text("from pathlib import Path\ndef g(b: Path): ...\n")
    assert read(tmp_path, "from far import g as f\n").arguments[0].name == "b"
    assert read(tmp_path, "def f(a: P): ...\ndef f(c: P): ...\n").arguments[0].name == "c"


def test_modules_are_found_without_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pack/__init__.py", "pack/inner/steps.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('it was run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    # `inner` is a package without a file.
    assert find_module("pack.inner.steps") == tmp_path / "pack/inner/steps.py"
    assert find_module("pack") == tmp_path / "pack/__init__.py"
    for none in (
        "pack.none",
        "pack.inner",
        "pack.inner.steps.more",
        "sys",
        "math",
        "",
        "..",
        "a..b",
    ):
        assert find_module(none) is None


def test_a_source_that_is_nested_too_deep_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "me.py").write_text("x = " + "-" * 100_000 + "1\n")
    with pytest.raises(RecipeError, match="nested too deep"):
        code_hash(tmp_path / "me.py")
