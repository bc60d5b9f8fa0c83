"""The content digest of a frame: data and header cards, less the volatile ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from musebuild.errors import FrameError
from musebuild.fits.blocks import (
    UNREADABLE,
    Unit,
    cards_of,
    ends_early,
    is_packed,
    keyword_of,
    open_frame,
    parse,
    units,
    unreadable,
    value_of,
)
from musebuild.fits.hashing import PIECE, hash_file, new_hasher, pieces
from musebuild.fits.headers import CHANNEL
from musebuild.fits.volatile import DIGEST_VERSION, READ_LATER, is_volatile, parameter_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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
    looks: tuple[int, ...] = field(default=(), compare=False, repr=False)
    """Device, inode, size and times of the file while it is known to have these digests."""

    def of_part(self, ifu: int | None) -> str:
        """Digest of what counts of the frame: of one IFU's data, or of the whole."""
        return self.content if ifu is None else self.for_ifu(ifu)

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


class _Watched(BufferedIOBase):
    """A file read from front to back, whose every byte goes through a hasher on the way."""

    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self._position = 0
        self.hasher = new_hasher()

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int | None = -1, /) -> bytes:
        found = self._file.read(size)
        self.hasher.update(found)
        self._position += len(found)
        return found

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        read = self._file.readinto(view)
        self.hasher.update(view[:read])
        self._position += read
        return read

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        """Forward only; what is passed over counts as well."""
        for piece in pieces(self._file, max(position - self._position, 0)):
            self.hasher.update(piece)
            self._position += len(piece)
        return self._position

    def finish(self) -> str:
        """Digest of the whole file."""
        while self.read(PIECE):
            pass
        digest: str = self.hasher.hexdigest()
        return digest


def _unit_digest(unit: Unit, file: BufferedIOBase, path: Path) -> str:
    # The data have a hasher of their own: BLAKE3 is half as fast on data that begin in the
    # middle of one of its chunks, after cards of any length.
    data = new_hasher()
    file.seek(unit.data_start)
    read = 0
    for piece in pieces(file, unit.data_size):
        data.update(piece)
        read += len(piece)
    if read < unit.data_size:
        raise ends_early(path, unit.index, unit.data_start + unit.data_size, unit.data_start + read)
    cards = content_cards(unit.header)
    hasher = blake3(b"%d cards\n" % len(cards) + b"".join(cards))
    hasher.update(b"%d bytes\n" % unit.data_size + data.digest())
    return hasher.hexdigest()


def digest_frame(path: Path, *, whole_bytes: bool = False) -> FrameDigest:
    """All digests of a frame, in one pass over the file.

    Parameters
    ----------
    path : Path
        `.fits`, `.fits.fz` (digested as it is packed), `.fits.gz` (as it is unpacked).
    whole_bytes : bool
        Also hash the file's bytes as they are; costs as much again.

    Raises
    ------
    FrameError
        The file is no FITS file, truncated, changed while it was read, or cannot be read.
    """
    try:
        before = _identity(path)
        with open_frame(path) as file:
            if whole_bytes and not is_packed(path):
                watched = _Watched(file)
                result = replace(_digest(path, watched), bytes=watched.finish())
            else:
                result = _digest(path, file)
        if whole_bytes and is_packed(path):
            result = replace(result, bytes=hash_file(path))
        after = _identity(path)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    if before != after:
        raise FrameError(
            f"{path.name} changed while it was read",
            where=str(path),
            why="something else is writing or replacing it",
            remedy="wait until the file is complete, then run again",
        )
    return result


def _identity(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _digest(path: Path, file: BufferedIOBase) -> FrameDigest:
    parts: list[tuple[str, str]] = []
    extensions: dict[str, str] = {}
    primary = ""
    for unit in units(file, path):
        digest = _unit_digest(unit, file, path)
        if unit.index == 0:
            primary = digest
            parts.append(("primary", digest))
            continue
        name = str(parse(unit.header).get("EXTNAME", "")) or f"#{unit.index}"
        if name in extensions:
            name = f"{name}#{unit.index}"
        extensions[name] = digest
        parts.append((name, digest))
    return FrameDigest(_combine("frame", parts), primary, extensions)
