"""What the names in a Python source stand for, as far as that can be told without running it."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Optional, Union

from musebuild.errors import RecipeError
from musebuild.recipes.source import find_module, parse_source
from musebuild.settings.nearest import nearest

DEEPEST = 20
"""Names that stand for names, followed so far."""
LONGEST = 10_000
"""Bits of a number, or items of a list, that is computed."""
PLAIN = bool | int | float | str | None
"""Types of values that settings know."""
_TYPES: Mapping[str, Any] = {
    "pathlib.Path": Path,
    "typing.Any": Any,
    "typing.Literal": Literal,
    "typing.Optional": Optional,
    "typing.Union": Union,
    **{f"{place}.Sequence": Sequence for place in ("typing", "collections.abc")},
    **{f"{place}.Mapping": Mapping for place in ("typing", "collections.abc")},
    **{f"typing.{one.__name__.title()}": one for one in (list, tuple, dict)},
    **{f"builtins.{one.__name__}": one for one in (bool, int, float, str, list, tuple, dict)},
}
_NUMBERS: Mapping[str, Any] = {
    f"{place}.{name}": getattr(math, name)
    for place in ("math", "numpy")
    for name in ("pi", "e", "inf", "nan")
}
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


class NotPlain(Exception):  # noqa: N818 (it is told as part of another)
    """A value that only running the source would tell; the message says what stands there."""


def _statements(body: Sequence[ast.stmt], *, branch: bool = False) -> Iterator[tuple[Any, bool]]:
    """The statements of a module, those in `if` and `try` too, and whether they are in one."""
    for one in body:
        yield one, branch
        for part in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(one, part, ())
            if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for handler in inner if part == "handlers" else ():
                    yield from _statements(handler.body, branch=True)
                yield from _statements(() if part == "handlers" else inner, branch=True)


def _bound(statement: ast.stmt) -> Iterator[tuple[str, Any]]:
    """Names that a statement binds, and to what."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield (
                alias.asname or alias.name.partition(".")[0],
                alias.name if alias.asname else alias.name.partition(".")[0],
            )
    elif isinstance(statement, ast.ImportFrom):
        place = "." * statement.level + (statement.module or "")
        for alias in statement.names:
            yield alias.asname or alias.name, (place, alias.name)
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name, statement
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value = None if isinstance(statement, ast.AugAssign) else statement.value
        for target in targets:
            yield from _assigned(target, value)
    elif type(statement).__name__ == "TypeAlias":  # of Python 3.12
        yield statement.name.id, statement.value  # type: ignore[attr-defined]


def _assigned(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, Any]]:
    """Names that an assignment binds: `LMIN, LMAX = 4500.0, 9500.0` binds two."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        values: Sequence[ast.expr | None] = [None] * len(target.elts)
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            values = value.elts
        for one, part in zip(target.elts, values, strict=True):
            yield from _assigned(one, part)


class Module:
    """A Python source.

    Parameters
    ----------
    file : Path
        Its file.
    depth : int
        How many modules led to it.

    Raises
    ------
    RecipeError
        It cannot be read or parsed.
    """

    def __init__(self, file: Path, depth: int = 0) -> None:
        self.file = file
        self.depth = depth
        self.bound: dict[str, list[tuple[Any, bool]]] = {}
        for statement, branch in _statements(parse_source(file).body):
            for name, meaning in _bound(statement):
                self.bound.setdefault(name, []).append((meaning, branch))
        self._others: dict[str, Module | None] = {}

    def meaning(self, name: str) -> Any:
        """What a name stands for: a name, an import, an expression, a definition; None: unclear."""
        found = [meaning for meaning, _ in self.bound.get(name, ())]
        if all(isinstance(one, str | tuple) for one in found):
            return found[0] if found else None
        return found[0] if len(found) == 1 else None

    def other(self, place: str) -> Module | None:
        """The module that an import names, if its source can be read."""
        if place not in self._others:
            self._others[place] = None
            file = _imported_file(place, self.file)
            if file is not None and self.depth < DEEPEST:
                self._others[place] = Module(file, self.depth + 1)
        return self._others[place]

    def dotted(self, node: ast.expr) -> str:
        """The full name of what an expression names, such as `pathlib.Path`; empty: it is none."""
        if isinstance(node, ast.Attribute):
            before = self.dotted(node.value)
            return before and f"{before}.{node.attr}"
        if not isinstance(node, ast.Name):
            return ""
        if node.id not in self.bound:
            return f"builtins.{node.id}"
        meaning = self.meaning(node.id)
        if isinstance(meaning, tuple):
            return ".".join(meaning)
        return meaning if isinstance(meaning, str) else ""

    def _elsewhere(self, node: ast.expr) -> tuple[Module, ast.expr] | None:
        """The expression that a name stands for, and the module where it stands."""
        if isinstance(node, ast.Name):
            meaning = self.meaning(node.id)
            if isinstance(meaning, ast.expr):
                return self, meaning
            place, name = meaning if isinstance(meaning, tuple) else ("", "")
        elif isinstance(node, ast.Attribute):
            place, name = self.dotted(node.value), node.attr
        else:
            return None
        other = self.other(place) if place else None
        return None if other is None else (other, ast.copy_location(ast.Name(name), node))

    def type_of(self, node: ast.expr, depth: int = 0) -> Any:
        """An annotation as a type; one that no recipe may have is a class of that name."""
        unknown = type(ast.unparse(node)[:80], (), {})
        if depth > DEEPEST:
            return unknown
        if isinstance(node, ast.Constant):
            if node.value is None:
                return type(None)
            try:
                inner = ast.parse(str(node.value).strip(), mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return unknown
            return self.type_of(inner, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            both = self.type_of(node.left, depth + 1), self.type_of(node.right, depth + 1)
            return Union[both]  # noqa: UP007 (what stands there is known only now)
        if isinstance(node, ast.Subscript):
            return self._parametrised(node, depth, unknown)
        known = _TYPES.get(self.dotted(node).replace("typing_extensions.", "typing."))
        if known is not None:
            return known
        found = self._elsewhere(node)
        return unknown if found is None else found[0].type_of(found[1], depth + 1)

    def _parametrised(self, node: ast.Subscript, depth: int, unknown: Any) -> Any:
        """`list[Path]`, `Literal["a", "b"]`, …"""
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if self.dotted(node.value).endswith(".Annotated"):
            return self.type_of(inner[0], depth + 1)
        outer = self.type_of(node.value, depth + 1)
        try:
            if outer is Literal:
                return Literal[tuple(map(self.value_of, inner))]
            found = tuple(
                ... if ast.unparse(one) == "..." else self.type_of(one, depth + 1) for one in inner
            )
            return outer[found if len(found) > 1 else found[0]]
        except (TypeError, NotPlain):
            return unknown

    def value_of(self, node: ast.expr, depth: int = 0) -> Any:
        """The value of an expression of plain values, constants and arithmetic.

        Raises
        ------
        NotPlain
            Only running it would tell.
        """
        deeper = depth + 1
        try:
            if depth > DEEPEST:
                raise NotPlain("it is nested too deep, or its names go round in a circle")
            if isinstance(node, ast.Constant) and isinstance(node.value, PLAIN):
                return node.value
            if isinstance(node, ast.List | ast.Tuple):
                found = [self.value_of(one, deeper) for one in node.elts]
                return tuple(found) if isinstance(node, ast.Tuple) else found
            if isinstance(node, ast.Dict) and None not in node.keys:
                pairs = zip(node.keys, node.values, strict=True)
                return {self.value_of(k, deeper): self.value_of(v, deeper) for k, v in pairs if k}
            if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
                return _OPERATORS[type(node.op)](self.value_of(node.operand, deeper))
            if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
                return _computed(
                    node.op, self.value_of(node.left, deeper), self.value_of(node.right, deeper)
                )
            if isinstance(node, ast.Call) and self.dotted(node.func) == "builtins.float":
                return float(*(self.value_of(one, deeper) for one in node.args))
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise NotPlain(f"{_shown(node)} is no value ({error})") from None
        if self.dotted(node) in _NUMBERS:
            return _NUMBERS[self.dotted(node)]
        found_at = self._elsewhere(node)
        if found_at is None:
            raise NotPlain(f"it is {_shown(node)}")
        return found_at[0].value_of(found_at[1], deeper)


def _computed(by: ast.operator, left: Any, right: Any) -> Any:
    """The result of an operation, unless it is too large to be meant."""
    size = 0
    if isinstance(by, ast.Add) and isinstance(left, str | list | tuple):
        size = len(left) + len(right)
    elif not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError("only numbers are computed")
    elif isinstance(by, ast.Pow) and isinstance(left, int) and isinstance(right, int):
        size = left.bit_length() * abs(right)
    if size > LONGEST:
        raise ValueError("it is too large")
    return _OPERATORS[type(by)](left, right)


def _shown(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}…"


def _imported_file(place: str, origin: Path) -> Path | None:
    """The source that an import means, seen from the file where it stands."""
    dots = len(place) - len(place.lstrip("."))
    parts = place.lstrip(".").split(".") if place.strip(".") else []
    base = origin.parent
    for _ in range(dots - 1):
        base = base.parent
    found = base.joinpath(*parts)
    for file in (found.with_suffix(".py"), found / "__init__.py"):
        if file.is_file() and file != origin:
            return file
    return None if dots else find_module(place)


def find_function(file: Path, function: str, name: str) -> tuple[Module, ast.FunctionDef]:
    """The definition of a function, where it stands: imports are followed.

    Parameters
    ----------
    file : Path
        The module that has it.
    function : str
        Its name there.
    name : str
        What messages call the recipe.

    Raises
    ------
    RecipeError
        There is none, or it is not defined with `def`, once.
    """
    module, wanted = Module(file), function
    while True:
        found = module.bound.get(wanted, [])
        meanings = [meaning for meaning, _ in found]
        definitions = [one for one in meanings if not _is_overload(module, one)]
        last = definitions[-1] if definitions else None
        if isinstance(module.meaning(wanted), tuple):
            place, wanted = module.meaning(wanted)
            other = module.other(place)
            if other is None:
                raise RecipeError(
                    f"The function of the recipe {name} cannot be found",
                    where=str(module.file),
                    why=f"it is imported from {place}, whose source cannot be read",
                    remedy="name the module that defines it: module:function",
                )
            module = other
            continue
        if last is None:
            names = [n for n, m in module.bound.items() if isinstance(m[-1][0], ast.FunctionDef)]
            near = nearest(function, [one for one in names if not one.startswith("_")])
            raise RecipeError(
                f"There is no function {wanted} in {module.file}",
                why=f"did you mean {' or '.join(near)}?" if near else None,
                remedy="correct the name behind the colon",
            )
        alone = len(definitions) == 1 or not any(
            branch or not isinstance(meaning, ast.FunctionDef) for meaning, branch in found
        )
        if isinstance(last, ast.FunctionDef) and alone:
            return module, last
        kind = {ast.ClassDef: "a class", ast.AsyncFunctionDef: "an `async def`"}.get(
            type(last), "made by running code"
        )
        raise RecipeError(
            f"The recipe {name} is no function defined with `def`, once",
            where=str(module.file),
            why=f"{wanted} is {kind}" if not alone or kind else None,
            remedy="define it with one `def`, outside of `if` and `try` where there are several",
        )


def _is_overload(module: Module, meaning: Any) -> bool:
    return isinstance(meaning, ast.FunctionDef) and any(
        module.dotted(one).endswith(".overload") for one in meaning.decorator_list
    )
