"""Texts that name files: what they mean, and which no file system takes."""

from __future__ import annotations

from pathlib import Path

ENDINGS = (".fits", ".fits.fz", ".fits.gz")
NAME = 255
"""Bytes of the name of a file or folder, on all file systems in use."""
PATH = 4000
"""Bytes of a path; Linux takes 4096 with what stands before it."""


def is_path(text: str) -> bool:
    """Whether a text names a file, folder or glob rather than a block or a product."""
    return "/" in text or "*" in text or text.lower().endswith(ENDINGS) or text in (".", "..")


def why_not(text: str) -> tuple[str, str]:
    """Why no file can have a name or path, and what can; empty where one can."""
    allowed = f"at most {NAME} bytes between slashes"
    if text.startswith("~") and _no_user(text):
        what = f"there is no user {text[1:].partition('/')[0]} on this machine"
        return what, "~ for your own home, or the full path"
    if "\0" in text:
        return "a zero byte cannot be part of a name", allowed
    if len(text) > NAME // 4 and _too_long(text):
        return f"a name of {len(text)} characters is longer than a file's name can be", allowed
    return "", ""


def _too_long(text: str) -> bool:
    parts = text.split("/")
    return len(text.encode()) > PATH or any(len(part.encode()) > NAME for part in parts)


def _no_user(text: str) -> bool:
    """Whether a path begins in the home of a user that is not known."""
    try:
        Path(text).expanduser()
    except RuntimeError:
        return True
    return False
