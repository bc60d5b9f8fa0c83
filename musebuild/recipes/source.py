"""Where a Python recipe's code lies: its source, the hash of it, and, for a build, its function."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import sys
import warnings
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
    parts = folder.joinpath(*place.split("."))
    beside = [parts.with_suffix(".py"), parts / "__init__.py"]
    if importable(place) and find_module(place) not in beside:
        return text, "", function
    for file in beside:
        if file.is_file():
            return text, str(file), function
    raise RecipeError(
        f"The module of the recipe {text} cannot be found",
        why=f"it is not installed, and there is no {place.replace('.', '/')}.py in {folder}",
        remedy="install its package, correct the name, or name its file: path/of/file.py:function",
    )


def _spec(name: str, places: list[str] | None) -> Any:
    """As `importlib` finds a module, whose package need not be imported."""
    for finder in sys.meta_path:
        # What a finder raises is as good as nothing found.
        with contextlib.suppress(Exception):
            spec = finder.find_spec(name, places)
            if spec is not None:
                return spec
    return None


def _module_spec(name: str) -> Any:
    """The specification of a module, with nothing imported.

    `importlib.util.find_spec` executes the packages around it.
    """
    places: list[str] | None = None
    spec = None
    before = ""
    for part in name.split("."):
        if not part.isidentifier():
            return None
        spec = _spec(f"{before}{part}", places)
        if spec is not None:
            places = list(spec.submodule_search_locations or ())
        else:
            # A package without a file, in a package that is not imported.
            places = [str(Path(one, part)) for one in places or () if Path(one, part).is_dir()]
            if not places:
                return None
        before += f"{part}."
    return spec


def importable(name: str) -> bool:
    """Whether a module can be imported, as far as that can be told without doing so."""
    return _module_spec(name) is not None


def find_module(name: str) -> Path | None:
    """The Python source of a module that can be imported; None where it has none."""
    spec = _module_spec(name)
    origin = str(spec.origin or "") if spec is not None else ""
    return Path(origin) if origin.endswith(".py") and Path(origin).is_file() else None


def load_function(plugin: str, location: str) -> Callable[..., Any]:
    """The function of a recipe, for a build: its module is executed.

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
    file = find_module(place)
    if file is None:
        raise RecipeError(
            f"The source of the recipe {plugin} cannot be read",
            why="only Python source can be hashed into the key",
            remedy="put the function into a .py file that calls the compiled module",
        )
    return file


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
        tree = parse_source(path)
        waiting += [p for p in _imported(tree, path, roots) if p.is_relative_to(folder)]
        _strip(tree)
        try:
            done[path] = ast.dump(tree)
        except RecursionError as error:
            raise unreadable(str(path), error) from error
    hasher = blake3(b"musebuild code %d\n" % CODE_VERSION)
    # The file itself may have any name; what it imports is known by its name.
    others = sorted((str(p.relative_to(folder)), dump) for p, dump in done.items() if p != file)
    for name, dump in [("", done[file]), *others]:
        data = dump.encode()
        hasher.update(f"{name}\0{len(data)}\n".encode() + data)
    return hasher.hexdigest()


def parse_source(path: Path) -> ast.Module:
    """A Python source as a tree.

    Raises
    ------
    RecipeError
        It cannot be read or parsed.
    """
    try:
        with warnings.catch_warnings():
            # Of a strange escape in a text: the build tells when it runs the file.
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise unreadable(f"{path}:{line}" if line else str(path), error) from error


def unreadable(where: str, error: Exception) -> RecipeError:
    """A source that cannot be read or parsed."""
    told = getattr(error, "strerror", None) or getattr(error, "msg", None) or str(error)
    deep = isinstance(error, RecursionError | MemoryError)
    return RecipeError(
        "The source of a recipe cannot be read",
        where=where,
        why="it is nested too deep" if deep else told,
        remedy="mend the file",
    )


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
