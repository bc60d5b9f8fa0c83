"""Where a Python recipe's code lies: loading its function, and the hash of its source."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from blake3 import blake3

from musebuild.errors import RecipeError
from musebuild.settings.nearest import nearest

GROUP = "musebuild.recipes"
"""Entry points of packages that bring recipes."""
CODE_VERSION = 1
"""Raised whenever the hash of a source changes though the source does not."""


def entry_points() -> dict[str, str]:
    """Recipes that installed packages register: name → `module:function`."""
    return {entry.name: entry.value for entry in metadata.entry_points(group=GROUP)}


@contextlib.contextmanager
def _beside(folder: Path | None) -> Iterator[None]:
    """Let modules that lie in a folder be imported."""
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def find_source(text: str, folder: Path) -> tuple[str, str, str]:
    """What `module:function` or `file.py:function` means.

    Parameters
    ----------
    text : str
        From the settings.
    folder : Path
        Where relative paths start, and where modules are looked for that are not installed.

    Returns
    -------
    plugin : str
        `module:function`, without a path: part of the key.
    location : str
        Absolute path of the file; empty: import the module.
    function : str

    Raises
    ------
    RecipeError
        There is no such file or module.
    """
    place, _, function = text.rpartition(":")
    if not place or not function.isidentifier():
        raise RecipeError(
            f"{text} names no function",
            remedy="write it as module:function, or as path/of/file.py:function",
        )
    if place.endswith(".py") or "/" in place:
        file = (folder / Path(place).expanduser()).absolute()
        if not file.is_file():
            raise RecipeError(
                f"The file of the recipe {text} does not exist",
                where=str(file),
                remedy="correct the path; relative ones start from the folder of the settings",
            )
        return f"{file.stem}:{function}", str(file), function
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        if importlib.util.find_spec(place) is not None:
            return text, "", function
    parts = folder.joinpath(*place.split("."))
    for file in (parts.with_suffix(".py"), parts / "__init__.py"):
        if file.is_file():
            return text, str(file), function
    raise RecipeError(
        f"The module of the recipe {text} cannot be found",
        why=f"it is not installed, and there is no {place.replace('.', '/')}.py in {folder}",
        remedy="install its package, correct the name, or name its file: path/of/file.py:function",
    )


def load_function(plugin: str, location: str) -> Callable[..., Any]:
    """The function of a recipe.

    Parameters
    ----------
    plugin, location : str
        As `find_source` gives them.

    Raises
    ------
    RecipeError
        Its module cannot be imported, or holds no such function.
    """
    place, _, name = plugin.rpartition(":")
    try:
        module = _load_file(Path(location)) if location else importlib.import_module(place)
    except Exception as error:  # a module may raise anything while it is imported
        raise RecipeError(
            f"The module of the recipe {plugin} cannot be imported",
            where=_place_of(error, location) or location or place,
            why=f"{type(error).__name__}: {error}",
            remedy="mend the module, or install what it imports",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        near = nearest(name, [one for one in vars(module) if not one.startswith("_")])
        raise RecipeError(
            f"There is no function {name} in {location or place}",
            why=f"did you mean {' or '.join(near)}?" if near else None,
            remedy="correct the name behind the colon",
        )
    found: Callable[..., Any] = function
    return found


def _load_file(file: Path) -> Any:
    name = f"musebuild_recipe_{blake3(str(file).encode()).hexdigest(8)}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _beside(file.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _place_of(error: BaseException, location: str) -> str:
    """File and line in a person's own file where something was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    trace = error.__traceback__
    found = ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if location and Path(file).parent == Path(location).parent:
            found = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def source_file(plugin: str, location: str) -> Path:
    """The file that holds a recipe's module; raises RecipeError where it has none."""
    if location:
        return Path(location)
    place = plugin.rpartition(":")[0]
    spec = importlib.util.find_spec(place)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise RecipeError(
            f"The source of the recipe {plugin} cannot be read",
            why="only Python source can be hashed into the key",
            remedy="put the function into a .py file that calls the compiled module",
        )
    return Path(spec.origin)


def code_hash(file: Path) -> str:
    """Hash of a recipe's source: its file, and what it imports from its own folder and below.

    Comments, docstrings and layout do not count.

    Raises
    ------
    RecipeError
        A file cannot be read or parsed.
    """
    folder = file.parent
    roots = [folder]
    top = folder
    while (top / "__init__.py").is_file():
        top = top.parent
    if top != folder:
        roots.append(top)
    done: dict[Path, str] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        tree = _parse(path)
        waiting += [p for p in _imported(tree, path, roots) if p.is_relative_to(folder)]
        _strip(tree)
        done[path] = ast.dump(tree)
    hasher = blake3(b"musebuild code %d\n" % CODE_VERSION)
    # The file itself may have any name; what it imports is known by its name.
    others = sorted((str(p.relative_to(folder)), dump) for p, dump in done.items() if p != file)
    for name, dump in [("", done[file]), *others]:
        data = dump.encode()
        hasher.update(f"{name}\0{len(data)}\n".encode() + data)
    return hasher.hexdigest()


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise RecipeError(
            "The source of a recipe cannot be read",
            where=f"{path}{line}",
            why=getattr(error, "strerror", None) or getattr(error, "msg", None) or str(error),
            remedy="mend the file",
        ) from error


def _imported(tree: ast.Module, path: Path, roots: list[Path]) -> list[Path]:
    found: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(root, alias.name) for alias in node.names for root in roots]
        elif isinstance(node, ast.ImportFrom):
            bases = roots
            if node.level:
                base = path.parent
                for _ in range(node.level - 1):
                    base = base.parent
                bases = [base]
            parts = [node.module or "", *(f"{node.module or ''}.{a.name}" for a in node.names)]
            names = [(base, part.strip(".")) for base in bases for part in parts]
        else:
            continue
        for base, name in names:
            place = base.joinpath(*name.split(".")) if name else base
            files = (place.with_suffix(".py"), place / "__init__.py")
            found += [file for file in files if file.is_file()]
    return found


def _strip(tree: ast.Module) -> None:
    """Take docstrings out of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body[:1] = [] if len(node.body) > 1 else [ast.Pass()]
