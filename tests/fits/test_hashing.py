"""Reading ahead while hashing: the same bytes, no thread left, no deadlock after a fork."""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from musebuild.fits import hashing
from musebuild.fits.hashing import hash_file, new_hasher, pieces


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=400),
    start=st.integers(0, 50),
    size=st.integers(0, 500),
    piece=st.integers(1, 60),
)
def test_pieces_are_the_bytes_asked_for(content: bytes, start: int, size: int, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "PIECE", piece)
        file = io.BytesIO(content)
        file.seek(start)
        read = b"".join(bytes(some) for some in pieces(file, size))
        assert read == content[start : start + size]
        if size <= len(content) - start:
            # Nothing beyond was read: the next header begins there.
            assert file.tell() == start + size


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (7 << 20) + 13])
def test_hash_of_a_file(size: int, tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(os.urandom(1 << 10) * (size >> 10) + bytes(size & 1023))
    assert hash_file(path) == blake3(path.read_bytes()).hexdigest()


class Failing(io.BytesIO):
    """A file on a disk that fails after some reads."""

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self.tell() > 100:
            raise OSError(errno.EIO, "Input/output error")
        return super().readinto(buffer)


def readers() -> int:
    """Threads that read ahead."""
    return sum(thread.name == "read ahead" for thread in threading.enumerate())


def test_an_error_while_reading_ahead_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "PIECE", 50)
    with pytest.raises(OSError, match="Input/output error"):
        list(pieces(Failing(bytes(1000)), 1000))
    assert not readers()


def test_stopping_early_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "PIECE", 50)
    reading = pieces(io.BytesIO(bytes(10_000)), 10_000)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert not readers()


def test_buffers_are_kept_but_not_for_ever() -> None:
    for _ in range(5):
        several = [pieces(io.BytesIO(bytes(7 << 20)), 7 << 20) for _ in range(4)]
        for one in several:
            next(one)
        for one in several:
            assert sum(map(len, one)) == 5 << 20
    assert len(hashing._spare) <= hashing.SPARE


def test_a_forked_child_can_hash() -> None:
    """The pool of threads of BLAKE3 is not there after a fork; waiting for it never ends."""
    data = bytes(4 << 20)
    expected = new_hasher(data).hexdigest()
    child = os.fork()
    if child == 0:
        signal.alarm(300)
        os._exit(0 if new_hasher(data).hexdigest() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
