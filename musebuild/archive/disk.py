"""A disk that is never filled: space is set aside for what is being downloaded."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from musebuild.settings.sizes import format_bytes


class DiskFullError(Exception):
    """Going on would leave less space than shall stay free."""


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class DiskGuard:
    """Watches the space of a folder's disk.

    Parameters
    ----------
    folder : Path
    keep : int
        Bytes that shall stay free.
    free : callable, optional
        Tells the free bytes of a folder.
    """

    def __init__(self, folder: Path, keep: int, free: Callable[[Path], int] = _free) -> None:
        self.folder = folder
        self.keep = keep
        self._free = free
        self._lock = threading.Lock()
        self._aside: dict[str, int] = {}

    def reserve(self, name: str, size: int) -> None:
        """Set space aside for a download that still needs `size` bytes; replaces what it had.

        Raises
        ------
        DiskFullError
            The disk does not have it.
        """
        with self._lock:
            others = sum(size for other, size in self._aside.items() if other != name)
            free = self._free(self.folder)
            if free - others - size < self.keep:
                raise DiskFullError(
                    f"{format_bytes(free)} are free on the disk of {self.folder}, "
                    f"{format_bytes(others + size)} are needed now, and "
                    f"{format_bytes(self.keep)} shall stay free"
                )
            self._aside[name] = size

    def release(self, name: str) -> None:
        """Nothing more is needed."""
        with self._lock:
            self._aside.pop(name, None)
