"""Putting products of 100 GB into place: what counts is how many there are, not how large.

    python -m benchmarks.restore [--files 1000] [--gigabytes 100]

The objects are sparse files, so that they take no disk; each is a product of an invocation of
its own, and is put into place as a build restores it: a link, a note, a row of the ledger. The
peers, in the same run: a bare `os.link` of each, and as many products of 10 kB.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path

from musebuild.cache.model import Manifest, Product
from musebuild.cache.store import OBJECT_TIME
from musebuild.engine.project import Project

SMALL = 10_000
"""Bytes of a small product."""


def objects(project: Project, number: int, size: int) -> list[Manifest]:
    """Make sparse objects of a size [bytes], one of each invocation's products."""
    made = []
    for count in range(number):
        name = secrets.token_hex(32)
        path = project.store.object_path(project.store.root, name)
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
        path.chmod(0o444)
        # As `Store.put` leaves them: who has touched none need not be read.
        os.utime(path, (OBJECT_TIME, OBJECT_TIME))
        project.store.verified.was_changed_by_us(str(path), name, path.lstat())
        product = Product("PIXTABLE_OBJECT", f"PIXTABLE_OBJECT-{count:05d}.fits", name, name, size)
        made.append(Manifest(name, {}, (product,), "", f"b:{name}", "", 1.0, 1.0, 1, 1))
    return made


def restored(project: Project, manifests: list[Manifest], folder: str) -> float:
    """Seconds to put the products into place."""
    began = time.perf_counter()
    for manifest in manifests:
        note = f"{manifest.key}.json"
        project.tree.place(folder, manifest, task=manifest.task, sidecar_name=note, sidecar={})
    return time.perf_counter() - began


def linked(project: Project, manifests: list[Manifest], folder: Path) -> float:
    """Seconds to link the objects, and nothing else."""
    folder.mkdir()
    began = time.perf_counter()
    for manifest in manifests:
        os.link(project.store.path(manifest.products[0].object), folder / manifest.key)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--gigabytes", type=float, default=100.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "raw").mkdir()
        (folder / "settings.yml").write_text("raw_path: raw\n", encoding="utf-8")
        project = Project(folder / "settings.yml")
        project.require_writable()
        big = int(options.gigabytes * 1e9 / options.files)
        found = {}
        for number, size in (
            (options.files, SMALL),
            (options.files, big),
            (4 * options.files, SMALL),
        ):
            made = objects(project, number, size)
            total = number * size / 1e9
            name = f"{number} products, {total:.2f} GB"
            found[number, size] = restored(project, made, name.replace(" ", "_"))
            link = linked(project, made, folder / f"links-{number}-{size}")
            print(
                f"{name:<28} {found[number, size]:6.2f} s, "
                f"{1000 * found[number, size] / number:5.2f} ms each; "
                f"os.link alone {1000 * link / number:5.3f} ms each"
            )
        few = found[options.files, SMALL]
        print(
            f"{big / SMALL:.0f} times the bytes: {found[options.files, big] / few:.2f} times the "
            f"time; 4 times the files: {found[4 * options.files, SMALL] / few:.2f} times"
        )
        project.close()
        shutil.rmtree(folder / "reduced", ignore_errors=True)


if __name__ == "__main__":
    main()
