"""One invocation in a fresh process: links, recipe, products into the store, manifest last."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import faulthandler
import json
import os
import resource
import shutil
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from musebuild.cache.model import Manifest, Product
from musebuild.cache.owner import describe
from musebuild.cache.place import write_atomically
from musebuild.cache.steps import step
from musebuild.cache.store import OWNER_FILE, Store
from musebuild.errors import MusebuildError
from musebuild.fits.digest import digest_frame
from musebuild.fits.hashing import hash_file
from musebuild.index import qc
from musebuild.index.digests import Identity
from musebuild.recipes.inputs import refusal
from musebuild.recipes.model import ProductRule, RecipeCall, RecipeOutcome
from musebuild.recipes.runners import runner
from musebuild.workers.failures import keep_log, keep_scratch
from musebuild.workers.input_watch import InputWatch
from musebuild.workers.orders import WorkOrder, WorkResult
from musebuild.workers.parameters import made_of
from musebuild.workers.product_checks import check_products, filter_name, is_frame

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PROBE = 1 << 16
"""Bytes that must find room for a disk not to be full."""
KEPT = ("PATH", "LD_LIBRARY_PATH", "TZ", "CPLDIR")
"""Variables of the person's environment that recipes get: those that find programs and
libraries. Whatever else the DRS reads is in the order, and in the key."""


def recipe_environment(order: WorkOrder, outside: Mapping[str, str]) -> dict[str, str]:
    """The clean environment in which a recipe runs."""
    kept = {name: outside[name] for name in KEPT if name in outside}
    return (
        kept
        | {
            "HOME": order.scratch,
            "TMPDIR": order.scratch,
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": str(order.threads),
            "OPENBLAS_NUM_THREADS": "1",
        }
        | dict(order.env)
    )


def _link(order: WorkOrder) -> tuple[tuple[str, str], ...]:
    folder = Path(order.scratch) / "in"
    folder.mkdir(exist_ok=True)
    linked = []
    for tag, path, name in order.inputs:
        link = folder / name
        link.symlink_to(path)
        linked.append((tag, str(link)))
    return tuple(linked)


def _run(order: WorkOrder, log: Path) -> RecipeOutcome:
    inputs = _link(order)
    step("inputs linked")
    output = Path(order.scratch) / "out"
    output.mkdir(exist_ok=True)
    inputs_now = InputWatch(order)
    if refused := inputs_now.refusal():
        return refused
    call = RecipeCall(
        recipe=order.recipe,
        plugin=order.plugin,
        params=order.params,
        inputs=inputs,
        folder=output,
        log=log,
        threads=order.threads,
        recipe_path=order.drs.get("path", ""),
        drs_version=order.drs.get("version", ""),
        expected=tuple(ProductRule(**rule) for rule in order.products),
        options=order.options,
    )
    if order.runner != "python" and (refused := refusal(call)):
        return refused
    outcome = runner(order.runner).run(call)
    step("recipe ended")
    if outcome.failure:
        return outcome
    if changed := inputs_now.changed():
        return replace(changed, warnings=outcome.warnings)
    return check_products(outcome, call.expected)


def _store_products(outcome: RecipeOutcome, store: Store) -> tuple[Product, ...]:
    products = []
    for category, name in outcome.products:
        path = Path(name)
        if is_frame(path):
            digest = digest_frame(path, whole_bytes=True)
            content, whole, filtered = digest.content, digest.bytes, filter_name(path)
        else:
            # A plot has no header: its content is its bytes.
            content = whole = hash_file(path)
            filtered = ""
        size = path.stat().st_size
        step("product hashed")
        products.append(
            Product(
                category=category,
                name=path.name,
                object=store.put(path, whole),
                digest=content,
                size=size,
                filter=filtered,
            )
        )
    return tuple(products)


def perform(order: WorkOrder) -> WorkResult:
    """Run an invocation, in this process, and leave its result file.

    Parameters
    ----------
    order : WorkOrder
        What to run. The environment is set already, and nothing else runs in this process.

    Returns
    -------
    WorkResult
        Also written to `order.result`, atomically, as the last thing.
    """
    scratch = Path(order.scratch)
    log = scratch / f"{order.recipe}.log"
    store = Store([Path(root) for root in order.store])
    began, cpu = time.monotonic(), cpu_seconds()
    outcome = _outcome(order, log)
    seconds, cpu = time.monotonic() - began, cpu_seconds() - cpu
    result: WorkResult | None = None
    if not outcome.failure:
        try:
            result = _keep(order, outcome, store, log, seconds, cpu)
        except MusebuildError as error:
            outcome = RecipeOutcome((), failure=str(error), kind="store")
    if result is None:
        result = _failed(order, outcome, store, log, seconds)
    else:
        _clear(scratch)
    write_atomically(Path(order.result), result.to_json())
    step("result written")
    if result.ok:
        _leave_result_only(scratch, order.result)
    return result


def _outcome(order: WorkOrder, log: Path) -> RecipeOutcome:
    """What became of the recipe; whatever is raised is this invocation's failure."""
    try:
        return _run(order, log)
    except MusebuildError as error:
        return RecipeOutcome((), failure=str(error), kind="musebuild")
    except OSError as error:
        place = error.filename or order.scratch
        return RecipeOutcome((), failure=f"{error.strerror or error}: {place}", kind="files")
    except Exception as error:
        return RecipeOutcome(
            (), failure=f"{type(error).__name__}: {error}", errors=_trace(error), kind="python"
        )


def _keep(
    order: WorkOrder, outcome: RecipeOutcome, store: Store, log: Path, seconds: float, cpu: float
) -> WorkResult:
    """Put the products into the store, and their manifest last.

    Raises
    ------
    MusebuildError
        The store cannot take them.
    """
    products = _store_products(outcome, store)
    step("products stored")
    manifest = Manifest(
        key=order.key,
        preimage=dict(order.preimage),
        products=products,
        log=keep_log(log, store),
        task=order.task,
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu, 3),
        peak_memory=max(usage.ru_maxrss for usage in usages()) * 1024,
        input_bytes=order.input_bytes,
        warnings=outcome.warnings,
        host=socket.gethostname(),
    )
    store.write_manifest(manifest)
    step("manifest written")
    return WorkResult(
        order.task,
        True,
        manifest=asdict(manifest),
        seconds=seconds,
        quality=qc.parameters_of(made_of(manifest, store)),
        looks=_looks(products, store),
        log=manifest.log,
    )


def _looks(products: Sequence[Product], store: Store) -> dict[str, Identity]:
    """What the objects look like that were put into the store just now."""
    names = {product.object for product in products}
    found = {name: store.known_identity(store.text_path(name), name) for name in names}
    return {name: known for name, known in found.items() if known is not None}


def _failed(
    order: WorkOrder, outcome: RecipeOutcome, store: Store, log: Path, seconds: float
) -> WorkResult:
    """The result of an invocation that failed; its log is kept, its scratch folder if wanted."""
    scratch = Path(order.scratch)
    failure = outcome.failure
    kind = outcome.kind
    # A recipe tells of a full disk in many words, none of which are these.
    if reason := no_room(scratch):
        failure = (
            f"the disk is full ({reason}): {store.root}. Make room there, then run "
            f"`doit` again: nothing finished is lost. The recipe said: {failure}"
        )
        kind = "disk"
    if not order.keep_failed:
        # First what may be large: its log wants room, too.
        _clear(scratch)
    return WorkResult(
        order.task,
        False,
        seconds=seconds,
        failure={
            "message": failure,
            "errors": list(outcome.errors),
            "return_code": outcome.return_code,
            "kind": kind,
            "scratch": keep_scratch(order) if order.keep_failed else "",
        },
        log=keep_log(log, store),
    )


def usages() -> list[resource.struct_rusage]:
    """What this process and those that it started took."""
    return [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]


def cpu_seconds() -> float:
    """CPU time of this process and of those that it started."""
    return sum(usage.ru_utime + usage.ru_stime for usage in usages())


def no_room(folder: Path) -> str:
    """Why no file can grow in a folder (no space, a quota, a limit); empty where one can."""
    probe = folder / ".probe"
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return str(error.strerror) if error.errno in FULL else ""
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return ""


def _clear(scratch: Path) -> None:
    for name in ("in", "out"):
        shutil.rmtree(scratch / name, ignore_errors=True)


def _leave_result_only(scratch: Path, result: str) -> None:
    """Remove what is left beside the result, so that the driver has little to remove."""
    kept = (OWNER_FILE, Path(result).name)
    with contextlib.suppress(OSError), os.scandir(scratch) as entries:
        for entry in entries:
            if entry.name not in kept:
                Path(entry.path).unlink()


def _trace(error: BaseException) -> tuple[str, ...]:
    return tuple("".join(traceback.format_exception(error)).splitlines()[-12:])


def enter(order: WorkOrder) -> None:
    """Make this process the worker of an order: its environment, its folder, its output."""
    environment = recipe_environment(order, dict(os.environ))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(order.scratch)
    with (Path(order.scratch) / "worker.out").open("ab", buffering=0) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    # A crash of this process itself, in the C code of a Python package, tells where it was.
    faulthandler.enable(2)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    claim(order)


def claim(order: WorkOrder) -> None:
    """Note this process as the owner of an order's scratch folder."""
    write_atomically(Path(order.scratch) / OWNER_FILE, json.dumps(describe()))
