"""Small file systems of several kinds, mounted for a test."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

XFS = Path(__file__).parents[1] / "cache" / "data" / "xfs.img.xz"


def _mount(*arguments: object) -> None:
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine mounts nothing: {done.stderr.strip()}")


def _image(kind: str, image: Path) -> None:
    if kind == "xfs":
        data = lzma.decompress(XFS.read_bytes())
        with image.open("wb") as file:
            # Sparse, as it was made.
            for start in range(0, len(data), 1 << 16):
                piece = data[start : start + (1 << 16)]
                if piece.strip(b"\0"):
                    file.seek(start)
                    file.write(piece)
            file.truncate(len(data))
        return
    command = shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if command is None:
        pytest.skip(f"there is no mkfs.{kind}")
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([command, "-q", image], check=True, capture_output=True)


@contextlib.contextmanager
def file_system(kind: str, folder: Path, *, size: str = "16m") -> Iterator[Path]:
    """A file system of a kind (`tmpfs`, `ext4`, `xfs`), empty; the test is skipped where this
    machine cannot mount it.

    Parameters
    ----------
    kind : str
    folder : Path
        Where image and mount point are made.
    size : str
        Of a `tmpfs`.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if kind not in known:
        pytest.skip(f"this kernel has no {kind}")
    place = folder / f"{kind}-mounted"
    place.mkdir()
    if kind == "tmpfs":
        _mount("-t", kind, "-o", f"size={size}", kind, place)
    else:
        image = folder / f"{kind}.img"
        _image(kind, image)
        _mount("-t", kind, "-o", "loop", image, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A folder that nobody can write to, not even root."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    _mount("--bind", place, place)
    try:
        _mount("-o", "remount,ro,bind", place)
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
