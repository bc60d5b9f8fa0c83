"""Where a product comes from, down to the raw frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from blake3 import blake3

from musebuild.cache.model import Manifest, Product, Record
from musebuild.engine.project import Project
from musebuild.errors import UsageError
from musebuild.fits.hashing import hash_file


@dataclass(frozen=True, slots=True)
class TracedFrame:
    """A frame in the history of a product."""

    name: str
    category: str
    digest: str
    kind: str
    """`product`, `raw`, `file`; `unknown` where neither ledger nor store tells any more."""
    path: str = ""
    made: Manifest | None = None
    """Of a product: how it was made."""
    inputs: tuple[tuple[str, TracedFrame], ...] = field(default=())
    """(tag, frame)."""

    @property
    def identity(self) -> str:
        """Names it among all: a file by its path (its IFUs are one frame), others by content."""
        if self.kind in ("raw", "file"):
            return f"{self.kind}-{blake3(self.path.encode('utf-8', 'surrogateescape')).hexdigest()}"
        key = f"-{self.made.key[:16]}" if self.made else ""
        return f"{self.kind}-{self.digest}{key}"


def history_of(frame: TracedFrame) -> list[TracedFrame]:
    """A frame and all that it comes from, each once, what came first last."""
    found: dict[str, TracedFrame] = {}
    waiting = [frame]
    while waiting:
        current = waiting.pop(0)
        if current.identity not in found:
            found[current.identity] = current
            waiting.extend(other for _, other in current.inputs)
    return list(found.values())


class Historian:
    """Finds where products of a project come from.

    Parameters
    ----------
    project : Project
        The project; its store and ledger tell.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._frames: dict[tuple[str, str], TracedFrame] = {}

    def of_file(self, path: Path) -> TracedFrame:
        """Where a file comes from: a product in the reduced tree, or a copy of one.

        Raises
        ------
        UsageError
            It is missing, or no product of this project.
        """
        if not path.is_file():
            raise UsageError(f"there is no file {path}", remedy="correct the path")
        name = hash_file(path)
        rows = self.project.ledger.keys_of_object(name)
        placed = self.project.ledger.placed([str(path.absolute())])
        task = next((p.task for p in placed.values() if p.object == name), "")
        manifests = [m for key in rows if (m := self._manifest(key)) is not None]
        manifests.sort(key=lambda m: (m.task == task, m.made), reverse=True)
        for manifest in manifests:
            for product in manifest.products:
                if product.object == name:
                    return self._product(product, manifest)
        known = task or next((p.task for p in placed.values()), "")
        raise UsageError(
            f"{path} is not a product of this project",
            why=f"{known} made a file of this name, and it was changed since" if known else None,
            remedy="name a file of the reduced tree; after the database was lost, "
            "`musebuild cache rebuild` reads the store anew",
        )

    def _manifest(self, key: str) -> Manifest | None:
        return self.project.store.lookup(key).manifest

    def _product(self, product: Product, manifest: Manifest) -> TracedFrame:
        at = (manifest.key, product.name)
        if at in self._frames:
            return self._frames[at]
        record = self._record(manifest)
        used = record.inputs if record is not None else ()
        inputs = []
        for number, (tag, digest) in enumerate(manifest.preimage["inputs"]):
            source = used[number] if number < len(used) else None
            name = source.source if source is not None else ""
            kind = source.kind if source is not None else ""
            inputs.append((tag, self._input(tag, digest, kind, name)))
        frame = TracedFrame(
            product.name,
            product.category,
            product.digest,
            "product",
            str(self.project.store.path(product.object)),
            manifest,
            tuple(inputs),
        )
        self._frames[at] = frame
        return frame

    def _record(self, manifest: Manifest) -> Record | None:
        records = self.project.ledger.records(manifest.task)
        return next((record for record in records if record.key == manifest.key), None)

    def _input(self, tag: str, digest: str, kind: str, source: str) -> TracedFrame:
        if kind in ("raw", "file"):
            return TracedFrame(Path(source).name, tag, digest, kind, source)
        for key in sorted(self.project.ledger.keys_that_made(digest)):
            manifest = self._manifest(key)
            if manifest is None or (source and manifest.task != source):
                continue
            for product in manifest.products:
                if product.digest == digest:
                    return self._product(product, manifest)
        paths = self._files.get(digest, ())
        if paths:
            raw = self.project.settings.raw_path
            path = paths[0]
            kind = "raw" if Path(path).is_relative_to(raw) else "file"
            return TracedFrame(Path(path).name, tag, digest, kind, path)
        return TracedFrame(source or tag, tag, digest, "unknown", source)

    @cached_property
    def _files(self) -> dict[str, list[str]]:
        """Content digest, whole or of an IFU → files that have it."""
        found: dict[str, list[str]] = {}
        for path, digest in self.project.digests.all_known():
            for one in {digest.content, *(digest.for_ifu(ifu) for ifu in range(1, 25))}:
                found.setdefault(one, []).append(path)
        return found
