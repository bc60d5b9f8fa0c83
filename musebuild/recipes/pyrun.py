"""Python recipes, in this process: inputs and parameters in, products out, a log beside them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from musebuild.errors import FrameError, MusebuildError
from musebuild.recipes.functions import read_signature
from musebuild.recipes.logs import MOST_ERRORS, MOST_WARNINGS, messages, read_log
from musebuild.recipes.model import Argument, ProductRule, RecipeCall, RecipeOutcome
from musebuild.recipes.parameters import fit
from musebuild.recipes.source import code_hash, load_function, source_file
from musebuild.settings.path_names import ENDINGS

FORMAT = "%(asctime)s [%(padded)s] %(place)s: %(message)s"


class _Formatter(logging.Formatter):
    """`10:35:25 [ INFO  ] mpdaf_combine: text`, as the pipeline's logs are."""

    def format(self, record: logging.LogRecord) -> str:
        record.padded = f"{record.levelname:^7}"
        record.place = record.funcName if record.funcName != "_showwarnmsg" else "warning"
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        return super().format(record)


class PythonRunner:
    """Calls the function of a Python recipe."""

    def run(self, call: RecipeCall) -> RecipeOutcome:
        """Run a recipe."""
        # Lazy imports inside the function find what lies beside its file, too.
        location = str(call.options.get("location") or "")
        if location:
            sys.path.insert(0, str(Path(location).parent))
        try:
            with _logged(call):
                return self._run(call, location)
        except MusebuildError as error:
            _note(call.log, str(error))
            told = [error.what, *(f"{error.why}".splitlines() if error.why else [])]
            failure = f"{error.what} ({error.where})" if error.where else error.what
            if error.remedy:
                told.append(f"hint: {error.remedy}")
            return RecipeOutcome((), failure=failure, errors=tuple(told[1:]), kind="recipe")
        except MemoryError:
            return RecipeOutcome((), failure="it ran out of memory", kind="memory")
        except Exception as error:  # whatever a recipe raises is its failure
            lines = traceback.format_exception(error)
            _note(call.log, "".join(lines))
            return RecipeOutcome(
                (),
                failure=f"the recipe raised {type(error).__name__}: {error}",
                errors=tuple(_own_lines(error)[-MOST_ERRORS:]),
                kind="python",
            )

    def _run(self, call: RecipeCall, location: str) -> RecipeOutcome:
        wanted = str(call.options.get("code") or "")
        file = source_file(call.plugin, location)
        if wanted and code_hash(file) != wanted:
            return RecipeOutcome(
                (),
                failure=f"the source of {call.plugin} changed after the build began: run again",
                kind="changed input",
            )
        function = load_function(call.plugin, location)
        read = read_signature(file, call.plugin.rpartition(":")[2])
        frames: dict[str, list[Path]] = {}
        for tag, path in call.inputs:
            frames.setdefault(tag, []).append(Path(path))
        positional = [_files(one, frames.pop(one.category, [])) for one in read.arguments]
        if frames:
            return RecipeOutcome(
                (), failure=f"{call.plugin} takes no {', '.join(sorted(frames))}", kind="parameter"
            )
        named: dict[str, Any] = {}
        for name, value in call.params.items():
            if name not in read.parameters:
                return RecipeOutcome(
                    (), failure=f"{call.plugin} has no parameter {name}", kind="parameter"
                )
            named[name] = fit(value, read.parameters[name])
        os.chdir(call.folder)
        returned = function(*positional, **named)
        products = _products(returned, call)
        for category, made in products:
            if made.name.lower().endswith(ENDINGS):
                stamp(made, category, call)
        lines = read_log(call.log)
        told = tuple(messages(lines, "WARNING")[:MOST_WARNINGS])
        return RecipeOutcome(tuple((c, str(p)) for c, p in products), warnings=told)


def _files(argument: Argument, files: list[Path]) -> Any:
    """What the function gets for an input.

    Raises
    ------
    MusebuildError
        There are none, or too many.
    """
    if argument.many:
        if not files and argument.required:
            raise FrameError(
                f"there is no {argument.category}, and the recipe needs one or more",
                remedy=f"name one with `frames: {{{argument.category}: FILE}}` in its block",
            )
        return files
    if len(files) > 1:
        names = ", ".join(path.name for path in files[:4])
        raise FrameError(
            f"there are {len(files)} {argument.category}, and the recipe takes one: {names}",
            remedy=f"annotate the argument {argument.name} with list[Path] to get them all",
        )
    if not files and argument.required:
        raise FrameError(
            f"there is no {argument.category}, and the recipe needs one",
            remedy=f"name one with `frames: {{{argument.category}: FILE}}` in its block",
        )
    return files[0] if files else None


def _products(returned: Any, call: RecipeCall) -> list[tuple[str, Path]]:
    """The products that a function names, checked."""
    categories = {rule.category for rule in call.expected}
    if isinstance(returned, str | Path) and len(categories) == 1:
        returned = {next(iter(categories)): returned}
    if not isinstance(returned, Mapping):
        raise FrameError(
            f"the recipe returned {type(returned).__name__}, not its products",
            remedy='return a mapping of categories to files: {"DATACUBE_FINAL": path}',
        )
    found: list[tuple[str, Path]] = []
    folder = call.folder.resolve()
    for category, value in returned.items():
        if category not in categories:
            raise FrameError(
                f"the recipe made {category}, which is not among its products "
                f"({', '.join(sorted(categories))})",
                remedy="name it under `products` of the recipe's declaration",
            )
        for one in value if isinstance(value, list | tuple) else [value]:
            path = (folder / one).resolve()
            if path.parent != folder or not path.is_file():
                raise FrameError(
                    f"the recipe names {one} as {category}, and there is no such file",
                    remedy="write products into the current folder, without subfolders",
                )
            found.append((str(category), call.folder / path.name))
    names = [path.name for _, path in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FrameError(
            f"the recipe names {', '.join(twice)} as two products",
            remedy="give each product a file of its own",
        )
    return sorted(found)


def stamp(path: Path, category: str, call: RecipeCall) -> None:
    """Write a product's category and provenance into its header, as the pipeline does.

    `ESO PRO CATG`, `ESO PRO REC1 ID`, and name and category of each input. These names do not
    belong to a frame's content digest.
    """
    # Here, since every build imports this module, and few run Python recipes.
    from astropy.io import fits

    with fits.open(path, mode="update", output_verify="ignore") as hdus:
        header = hdus[0].header
        header["HIERARCH ESO PRO CATG"] = (category, "category of this frame")
        for old in [key for key in header if str(key).startswith("ESO PRO REC")]:
            del header[old]
        header["HIERARCH ESO PRO REC1 ID"] = (call.plugin.rpartition(":")[2], "recipe")
        for number, (tag, name) in enumerate(call.inputs, 1):
            # Names that are too long for a card are cut: they only inform.
            header[f"HIERARCH ESO PRO REC1 RAW{number} NAME"] = Path(name).name[-44:]
            header[f"HIERARCH ESO PRO REC1 RAW{number} CATG"] = tag


@contextlib.contextmanager
def _logged(call: RecipeCall) -> Iterator[None]:
    """Send log messages, warnings and prints to the log."""
    handler = logging.FileHandler(call.log, encoding="utf-8")
    handler.setFormatter(_Formatter(FORMAT, datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    kept = [os.dup(1), os.dup(2)]
    descriptor = os.open(call.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in enumerate(kept, 1):
            os.dup2(old, number)
            os.close(old)
        os.close(descriptor)
        root.removeHandler(handler)
        logging.captureWarnings(False)
        handler.close()


def _note(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n")


def _own_lines(error: BaseException) -> list[str]:
    """Where a recipe failed: file, line and code, innermost last."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).name == Path(__file__).name:
            continue
        found.append(f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}")
    return found


def by_hand(
    plugin: str, params: Mapping[str, Any], sof: str, products: Sequence[str], location: str = ""
) -> list[str]:
    """The command that repeats a call of a Python recipe, as `esorex` does for the pipeline's.

    Parameters
    ----------
    plugin, location : str
        Where its function is.
    params : mapping
        Parameters.
    sof : str
        Set-of-frames file: a path and a category in each line.
    products : sequence of str
        Categories that it makes; they are written into the current folder.
    """
    command = [sys.executable, "-m", "musebuild.recipes.pyrun", plugin, sof]
    command += [f"--params={json.dumps(dict(params), sort_keys=True)}"]
    command += [f"--products={','.join(products)}"]
    return command + ([f"--location={location}"] if location else [])


def main(arguments: Sequence[str]) -> int:
    """Run a Python recipe by hand (`by_hand`); its exit status."""
    plugin, sof, *options = arguments
    given = dict(option.removeprefix("--").split("=", 1) for option in options)
    lines = [line.rsplit(None, 1) for line in Path(sof).read_text(encoding="utf-8").splitlines()]
    call = RecipeCall(
        recipe=plugin,
        plugin=plugin,
        params=json.loads(given.get("params", "{}")),
        inputs=tuple((tag, str(Path(path).absolute())) for path, tag in lines),
        folder=Path.cwd(),
        log=Path.cwd() / f"{plugin.rpartition(':')[2]}.log",
        expected=tuple(ProductRule(name) for name in given.get("products", "").split(",")),
        options={"location": given.get("location", "")},
    )
    outcome = PythonRunner().run(call)
    for line in (outcome.failure, *outcome.errors) if outcome.failure else ():
        print(line, file=sys.stderr)
    for category, path in outcome.products:
        print(f"{category} {path}")
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
