"""The content digest of a frame: data and header cards, less the volatile ones."""

from __future__ import annotations

import gzip
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from musebuild.errors import FrameError
from musebuild.fits.blocks import Unit, cards_of, keyword_of, open_frame, parse, units, value_of
from musebuild.fits.headers import CHANNEL
from musebuild.fits.volatile import DIGEST_VERSION, READ_LATER, is_volatile, parameter_of

LARGE = 1 << 20
"""Bytes from which on several threads pay."""


@dataclass(frozen=True, slots=True)
class FrameDigest:
    """Digests of one frame; hexadecimal BLAKE3."""

    content: str
    """The whole frame."""
    primary: str
    """The primary HDU alone."""
    extensions: Mapping[str, str] = field(default_factory=dict)
    """EXTNAME (`#n` where it has none) → digest of that HDU."""
    bytes: str = ""
    """Of the file's bytes, where asked for."""

    def for_ifu(self, ifu: int) -> str:
        """Digest of what an invocation split by IFU depends on.

        The primary header and this IFU's extensions (`CHAN07`, `CHAN07.DATA`); the whole frame
        where it is not divided by IFU.
        """
        own = [
            (name, digest)
            for name, digest in self.extensions.items()
            if (match := CHANNEL.match(name)) and int(match[1]) == ifu
        ]
        if not own:
            return self.content
        return _combine("ifu", [("primary", self.primary), *own])


def _combine(kind: str, parts: list[tuple[str, str]]) -> str:
    hasher = blake3(f"musebuild {kind} {DIGEST_VERSION}\n".encode())
    for name, digest in parts:
        # The length before each name: no two lists of parts give the same bytes.
        text = name.encode("utf-8", "surrogateescape")
        hasher.update(b"%d " % len(text) + text + digest.encode())
    return hasher.hexdigest()


def content_cards(header: bytes) -> list[bytes]:
    """The cards that count, as they stand in the file."""
    parameters: dict[str, str] = {}
    for card in cards_of(header):
        keyword = keyword_of(card)
        if keyword.endswith(" NAME") and (name := parameter_of(keyword)):
            parameters[name] = str(value_of(card))
    kept, dropped_last = [], False
    for card in cards_of(header):
        if card.startswith(b"CONTINUE") and dropped_last:
            continue
        keyword = keyword_of(card)
        parameter = parameter_of(keyword)
        if parameter:
            dropped_last = parameters.get(parameter) not in READ_LATER
        else:
            dropped_last = is_volatile(keyword)
        if not dropped_last and card.strip():
            # A card's number among the parameters is not its content.
            kept.append(_renumbered(card, parameter) if parameter else card)
    return kept


def _renumbered(card: bytes, parameter: str) -> bytes:
    return card.replace(parameter.rpartition(" ")[2].encode(), b"PARAM", 1)


def _unit_digest(unit: Unit, data: memoryview) -> str:
    hasher = blake3(max_threads=blake3.AUTO)
    cards = content_cards(unit.header)
    hasher.update(b"%d cards\n" % len(cards))
    for card in cards:
        hasher.update(card)
    hasher.update(b"%d bytes\n" % unit.data_size)
    hasher.update(data[unit.data_start : unit.data_start + unit.data_size])
    return hasher.hexdigest()


def digest_frame(path: Path, *, whole_bytes: bool = False) -> FrameDigest:
    """All digests of a frame, in one pass over the file.

    Parameters
    ----------
    path : Path
    whole_bytes : bool
        Also hash the bytes as they are; costs as much again.

    Raises
    ------
    FrameError
        The file is no FITS file, truncated, changed while it was read, or cannot be read.
    """
    try:
        before = path.stat()
        with open_frame(path) as file:
            if isinstance(file, gzip.GzipFile):
                content = file.read()
                return _digest(path, list(units(open_frame(path), path)), memoryview(content), "")
            found = list(units(file, path))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                view = memoryview(mapped)
                try:
                    whole = ""
                    if whole_bytes:
                        whole = blake3(view, max_threads=blake3.AUTO).hexdigest()
                    result = _digest(path, found, view, whole)
                finally:
                    view.release()
        after = path.stat()
    except OSError as error:
        raise FrameError(
            f"{path.name} cannot be read",
            where=str(path),
            why=error.strerror or str(error),
            remedy="check that the file is there and can be read, then run again",
        ) from error
    if (before.st_mtime_ns, before.st_size, before.st_ino) != (
        after.st_mtime_ns,
        after.st_size,
        after.st_ino,
    ):
        raise FrameError(
            f"{path.name} changed while it was read",
            where=str(path),
            remedy="wait until the file is complete, then run again",
        )
    return result


def _digest(path: Path, found: list[Unit], view: memoryview, whole: str) -> FrameDigest:
    parts: list[tuple[str, str]] = []
    extensions: dict[str, str] = {}
    primary = ""
    for unit in found:
        digest = _unit_digest(unit, view)
        if unit.index == 0:
            primary = digest
            parts.append(("primary", digest))
            continue
        name = str(parse(unit.header).get("EXTNAME", "")) or f"#{unit.index}"
        if name in extensions:
            name = f"{name}#{unit.index}"
        extensions[name] = digest
        parts.append((name, digest))
    return FrameDigest(_combine("frame", parts), primary, extensions, whole)
