"""One file from the data portal: to a partial file first, checked, then in its place."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
import urllib3.exceptions

from musebuild.archive.checksums import ChecksumError, verify_fits
from musebuild.archive.disk import DiskFullError, DiskGuard
from musebuild.archive.pauses import retry_after
from musebuild.errors import FrameError
from musebuild.settings.own_files import create, open_own, read_own, write_new
from musebuild.settings.path_names import part

PIECE = 1 << 18
"""Bytes that are written at once."""
UNPACKED = 2.0
"""A `.fits.Z` of MUSE becomes at most so many times larger."""
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces."""
PACKED = (".fits.z", ".fits.gz")
_NAME = re.compile(r'filename="?([^";]+)"?')


class AgainError(Exception):
    """It did not work this time; worth another attempt.

    Parameters
    ----------
    reason : str
    wait : float, optional
        Seconds that the server asks to wait.
    everyone : bool
        Whether all downloads should wait (the archive is too busy).
    gained : bool
        Whether the attempt brought bytes that stay.
    """

    def __init__(
        self,
        reason: str,
        wait: float | None = None,
        *,
        everyone: bool = False,
        gained: bool = False,
    ) -> None:
        super().__init__(reason)
        self.wait, self.everyone, self.gained = wait, everyone, gained


class RefusedError(Exception):
    """Not without a login that has the right to it."""


class GoneError(Exception):
    """The archive does not have it, and will not."""


class StoppedError(Exception):
    """A person stopped the downloads."""


class FileDownload:
    """One file of the data portal.

    Parameters
    ----------
    file_id : str
        Its name there: DP.ID, or DP.ID with `.NL` for a night log.
    url : str
    folder : Path
        Where it shall lie; the partial file lies in `parts`.
    parts : Path
    guard : DiskGuard
    moved : callable
        Told the number of bytes that came (negative: that were thrown away).
    began : callable
        Told the bytes that are here already and the length in all (None: not told).
    stop : threading.Event

    Raises
    ------
    BadNameError
        No file can be named so.
    """

    def __init__(
        self,
        file_id: str,
        url: str,
        folder: Path,
        parts: Path,
        guard: DiskGuard,
        moved: Callable[[int], None],
        began: Callable[[int, int | None], None],
        stop: threading.Event,
    ) -> None:
        self.file_id, self.url, self.folder = file_id, url, folder
        self.guard, self.moved, self.began, self.stop = guard, moved, began, stop
        stem = part(file_id, more=len(".unpacked"))
        self.part = parts / f"{stem}.part"
        self.note = parts / f"{stem}.json"
        self.unpacked = parts / f"{stem}.unpacked"
        self.warning = ""
        """What a person should know of a frame that came."""
        self._reached = 0
        self._wrong = ""
        """Hash of what came last with a wrong checksum."""

    def attempt(self, session: requests.Session, header: dict[str, str]) -> Path:
        """Fetch what is missing of it, check it, and put it in its place.

        Returns
        -------
        Path
            Where it lies now.

        Raises
        ------
        AgainError, RefusedError, GoneError, DiskFullError, StoppedError
        """
        try:
            known = self._known()
            if not self._whole(known):
                known = self._fetch(session, header, known)
            return self._finish(known)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(f"the disk of {self.folder} is full") from None
            raise
        finally:
            self.guard.release(self.file_id)

    def _gained(self) -> bool:
        """Whether the partial file is longer than ever before.

        Where the archive begins anew each time, bytes that come are no progress.
        """
        size = self._size()
        gained = size > self._reached
        self._reached = max(size, self._reached)
        return gained

    # the partial file

    def _known(self) -> dict[str, Any]:
        """Name, length and version of what the partial file is a part of."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            os.close(open_own(self.part, os.O_RDWR))
            note = json.loads(read_own(self.note))
            length, version = note["length"], note.get("version", "")
            sound = length is None or (type(length) is int and length >= 0)
            if sound and isinstance(version, str) and isinstance(note["name"], str):
                name = _named(note["name"], self.file_id)
                return {"name": name, "length": length, "version": version}
        return {}

    def _size(self) -> int:
        try:
            return self.part.lstat().st_size
        except FileNotFoundError:
            return 0

    def _whole(self, known: dict[str, Any]) -> bool:
        return known.get("length") is not None and known["length"] == self._size()

    def forget(self) -> None:
        """Throw the partial file away."""
        self.moved(-self._size())
        for path in (self.part, self.note, self.unpacked):
            path.unlink(missing_ok=True)

    # the request

    def _fetch(
        self, session: requests.Session, header: dict[str, str], known: dict[str, Any]
    ) -> dict[str, Any]:
        have = self._size() if known else 0
        self._reached = max(have, self._reached)
        headers = {**header, "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if known.get("version"):
                headers["If-Range"] = known["version"]
        try:
            with session.get(self.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
                if answer.status_code == 416 and _whole_length(answer) == have:
                    # It announced more than it has: what is here is all there is.
                    return {**known, "length": have}
                self._judge(answer)
                return self._receive(answer, have, known)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            gained = self._gained()
            kind = "no answer in time" if isinstance(error, requests.Timeout) else "the line broke"
            raise AgainError(f"{kind} at byte {self._size():,}", gained=gained) from None

    def _judge(self, answer: requests.Response) -> None:
        """Raise what the status of an answer means."""
        status = answer.status_code
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if status in (401, 403):
            raise RefusedError("the archive gives it only to those who have the right to it")
        if status == 416:
            self.forget()
            raise AgainError("the partial file is longer than the frame")
        if status == 429 or status >= 500:
            wait = retry_after(answer.headers.get("Retry-After"), dt.datetime.now(dt.UTC))
            raise AgainError(
                "the archive is busy" if status == 429 else f"the archive answered {status}",
                wait,
                everyone=status in (429, 503),
            )
        if status >= 400:
            raise GoneError(f"the archive does not have it (status {status})")
        if kind in ("text/html", "application/xhtml+xml"):
            raise RefusedError("the archive sent a login page in its place")

    def _receive(
        self, answer: requests.Response, have: int, known: dict[str, Any]
    ) -> dict[str, Any]:
        length = _length(answer)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if answer.status_code == 206:
            start = _start(answer)
            if start != have or known.get("length") not in (None, length):
                self.forget()
                raise AgainError("the frame changed in the archive meanwhile")
        elif have:
            self.moved(-have)
            have = 0
        note = {"name": _filename(answer, self.file_id), "length": length, "version": version}
        write_new(self.note, json.dumps(note).encode())
        self.began(have, length)
        factor = 1 + UNPACKED * str(note["name"]).lower().endswith(PACKED)
        self.guard.reserve(self.file_id, int((length or 0) * factor) - have)
        size = have
        descriptor = open_own(self.part, os.O_WRONLY) if have else create(self.part)
        with open(descriptor, "wb") as file:
            file.seek(have)
            for piece in _pieces(answer):
                file.write(piece)
                size += len(piece)
                self.moved(len(piece))
                if self.stop.is_set():
                    raise StoppedError
                self.guard.reserve(self.file_id, max(0, int((length or 0) * factor) - size))
        if length is not None and size < length:
            raise AgainError(f"the line broke at byte {size:,}", gained=self._gained())
        if length is not None and size > length:
            self.forget()
            raise AgainError(f"{size:,} bytes came where {length:,} were announced")
        return {**note, "length": size}

    # the end

    def _finish(self, known: dict[str, Any]) -> Path:
        name = str(known["name"])
        whole = self.part
        try:
            if name.lower().endswith(PACKED):
                name = name.rpartition(".")[0]
                whole = self._unpack()
            if name.lower().endswith((".fits", ".fits.fz")):
                verify_fits(whole)
            else:
                _refuse_page(whole)
        except ChecksumError as error:
            found = _hash(whole)
            if found != self._wrong:
                self._wrong = found
                self.forget()
                raise AgainError(f"what came is damaged: {error.why}") from None
            # A line does not break the same bits twice.
            self.warning = f"{error.why}, and the archive sends the same bytes again"
        except FrameError as error:
            self.forget()
            raise AgainError(f"what came is damaged: {error.why or error.what}") from None
        target = self.folder / name
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        whole.replace(target)
        for path in (self.part, self.note, self.unpacked):
            path.unlink(missing_ok=True)
        return target

    def _unpack(self) -> Path:
        """Uncompress as astroquery does, with gunzip: `.Z` is no format that Python knows."""
        program = shutil.which("gunzip")
        if program is None:
            raise GoneError("there is no gunzip to uncompress it with (apt install gzip)")
        with self.part.open("rb") as packed, open(create(self.unpacked), "wb") as whole:
            done = subprocess.run(
                [program, "-c"], stdin=packed, stdout=whole, stderr=subprocess.PIPE, check=False
            )
        if done.returncode:
            text = done.stderr.decode("utf-8", "replace").strip()
            if "No space left" in text:
                raise DiskFullError(f"the disk of {self.folder} is full")
            raise FrameError(f"{self.file_id} cannot be uncompressed", why=text)
        return self.unpacked


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """The bytes of an answer as they come.

    `iter_content` waits until a piece is full, and what it holds is lost when the line breaks.
    """
    if not hasattr(answer.raw, "read1") or "Content-Length" not in answer.headers:
        yield from answer.iter_content(PIECE // 16)
        return
    while piece := answer.raw.read1(PIECE):
        yield piece


def _length(answer: requests.Response) -> int | None:
    """Length of the whole file, as far as the answer tells."""
    if answer.status_code == 206:
        return _whole_length(answer)
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _whole_length(answer: requests.Response) -> int | None:
    """Length of the whole file in Content-Range: `bytes 5-9/10`, `bytes */10`."""
    whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(whole) if whole.isdigit() else None


def _start(answer: requests.Response) -> int:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1


def _filename(answer: requests.Response, file_id: str) -> str:
    """The name of a file: that which was asked for, with the ending that the archive gives it."""
    match = _NAME.search(answer.headers.get("Content-Disposition", ""))
    return _named(match[1].strip() if match else "", file_id)


def _named(told: str, file_id: str) -> str:
    if file_id.endswith(".NL"):
        return f"{file_id}.txt"
    known = (*PACKED, ".fits.fz")
    ending = next((told[-len(e) :] for e in known if told.lower().endswith(e)), ".fits")
    return f"{file_id}{ending}"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _refuse_page(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(512).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise FrameError(f"{path.name} is a web page", why="it is a web page")
