"""BLAKE3 over files, read in pieces, the next one while the last is hashed.

Not through `mmap`: a file that is cut short while it is mapped, or a disk that fails to read,
would end the whole process with SIGBUS instead of raising an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedIOBase, RawIOBase
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from blake3 import blake3

PIECE = 1 << 21
"""Bytes that are read and hashed at once."""
AHEAD = 3
"""Pieces in memory: one is hashed, one is read, one waits."""

SPARE = 2 * AHEAD
"""Buffers that are kept: giving them back and asking anew for each HDU halves the speed."""

_spare: list[memoryview] = []
_threads: dict[str, int] = {"most": blake3.AUTO}


def _after_fork() -> None:
    # The threads of BLAKE3's pool are not there in a forked child, which would wait for them
    # for ever.
    _threads["most"] = 1


os.register_at_fork(after_in_child=_after_fork)


def new_hasher(start: bytes = b"") -> Any:
    """A BLAKE3 hasher on as many threads as this process may use."""
    return blake3(start, max_threads=_threads["most"])


def pieces(file: BufferedIOBase | RawIOBase, size: int) -> Iterator[memoryview]:
    """The next `size` bytes of a file, piece by piece; fewer where the file ends before.

    Each piece is gone when the next is asked for, and the file is not to be touched meanwhile.
    """
    if size > AHEAD * PIECE:
        yield from _read_ahead(file, size)
        return
    buffer = memoryview(bytearray(min(PIECE, max(size, 1))))
    while size > 0 and (read := file.readinto(buffer[: min(size, PIECE)])):
        yield buffer[:read]
        size -= read


def _read_ahead(file: BufferedIOBase | RawIOBase, size: int) -> Iterator[memoryview]:
    free: SimpleQueue[memoryview | None] = SimpleQueue()
    full: SimpleQueue[tuple[memoryview, memoryview] | BaseException | None] = SimpleQueue()
    buffers = [_buffer() for _ in range(AHEAD)]
    for buffer in buffers:
        free.put(buffer)

    def read() -> None:
        left = size
        try:
            while left and (buffer := free.get()) is not None:
                count = file.readinto(buffer[: min(left, PIECE)])
                if not count:
                    break
                left -= count
                full.put((buffer, buffer[:count]))
            full.put(None)
        except BaseException as error:
            full.put(error)

    reader = Thread(target=read, name="read ahead", daemon=True)
    reader.start()
    try:
        while (got := full.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            buffer, piece = got
            yield piece
            free.put(buffer)
    finally:
        # Whoever stops early must not leave a thread behind that reads the file.
        free.put(None)
        reader.join()
        _spare.extend(buffers[: max(SPARE - len(_spare), 0)])


def _buffer() -> memoryview:
    try:
        buffer = _spare.pop()
    except IndexError:
        return memoryview(bytearray(PIECE))
    return buffer if len(buffer) == PIECE else memoryview(bytearray(PIECE))


def hash_file(path: Path) -> str:
    """BLAKE3 of a file's bytes."""
    hasher = new_hasher()
    with path.open("rb", buffering=0) as file:
        for piece in pieces(file, os.fstat(file.fileno()).st_size):
            hasher.update(piece)
    digest: str = hasher.hexdigest()
    return digest
