"""Texts that name files: what they mean, which no file system takes, and which lead elsewhere.

Every name from outside (headers, manifests, bundles, lock files, answers of the archive, settings)
becomes a part of a path here, and nowhere else.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

ENDINGS = (".fits", ".fits.fz", ".fits.gz")
NAME = 255
"""Bytes of the name of a file or folder, on all file systems in use."""
_NEVER = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Kinds of characters that no name from outside may hold: controls, surrogates, line ends, …"""
ROOM = 80
"""Bytes that names made from a header's text need besides: part, result, set-up, number, ending."""
_LIKE = 60
PATTERN = "*?["
_MARK = 6
PATH = 4000
"""Bytes of a path; Linux takes 4096 with what stands before it."""


class BadNameError(ValueError):
    """A text from outside cannot be the name of one file."""


def why_no_part(text: object, more: int = 0) -> str:
    """Why a text from outside cannot be the name of one file or folder; empty where it can.

    Parameters
    ----------
    text : object
        Of a header, a manifest, …; anything but a text is no name.
    more : int
        Bytes that are added to it (an ending, a number).

    Examples
    --------
    >>> why_no_part("IC4406")
    ''
    >>> why_no_part("../IC4406")
    'it holds a slash'
    """
    if not isinstance(text, str):
        return "it is no text"
    if text in ("", ".", ".."):
        return "it is empty" if not text else f"{text} stands for a folder"
    if "/" in text:
        return "it holds a slash"
    if text.isascii() and text.isprintable() and len(text) + more <= NAME:
        return ""
    if any(unicodedata.category(c) in _NEVER for c in text):
        return "it holds a character that cannot be shown"
    if len(text.encode("utf-8", "surrogateescape")) + more > NAME:
        return f"it is longer than a file's name can be ({NAME} bytes, with its ending)"
    return ""


def part(text: str, more: int = 0) -> str:
    """A text from outside as one part of a path; parameters as for `why_no_part`.

    Raises
    ------
    BadNameError
        It cannot be one.
    """
    if reason := why_no_part(text, more):
        raise BadNameError(f"{shown(text)}: {reason}")
    return text


def folder_of(top: str, label: str) -> str:
    """The folder of what is made, below the reduced tree.

    Parameters
    ----------
    top : str
        Folder of all that a block makes; settings may name one below another.
    label : str
        What it is made of: a date, a dataset, a run.

    Raises
    ------
    BadNameError
        It cannot be a folder there.
    """
    for name in top.split("/"):
        part(name)
    return f"{top}/{part(label)}"


def cut(name: str, most: int = NAME) -> str:
    """A name no longer than so many bytes; the ending stays."""
    if len(name) * 4 <= most or len(name.encode("utf-8", "surrogateescape")) <= most:
        return name
    ending = next((e for e in sorted(ENDINGS, key=len)[::-1] if name.lower().endswith(e)), "")
    stem = name.encode("utf-8", "surrogateescape")[: most - len(ending)]
    return stem.decode("utf-8", "ignore") + (name[-len(ending) :] if ending else "")


def part_for(text: str) -> str:
    """A text as one part of a path: itself, or a name like it that no other text has.

    Parameters
    ----------
    text : str
        OBJECT of a header, which may be anything.

    Examples
    --------
    >>> part_for("NGC 1365")
    'NGC 1365'
    >>> part_for("NGC 1365 P1/2")
    'NGC_1365_P1_2-338183'
    """
    if not text or not (why_no_part(text, ROOM) or why_pattern(text)):
        return text
    words = re.sub("_+", "_", plain_part(text[:_LIKE])).strip("_.+-") or "unnamed"
    return f"{words}-{mark(text)}"


def why_pattern(text: str) -> str:
    """Why a text cannot be a part of a task's name, which patterns stand for; empty where it can.

    doit takes such a name for a pattern itself.
    """
    found = next((sign for sign in PATTERN if sign in text), "")
    return f"it holds {found}, a sign of patterns" if found else ""


def mark(text: str) -> str:
    """A few digits that another text does not have."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK]


def plain_part(text: str) -> str:
    """A text with `_` for all that is no plain letter, digit or sign: a part of a name."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", text)


def shown(text: object) -> str:
    """A text that cannot be a name, for people: short, and in one line."""
    told = ascii(text)
    return told if len(told) <= 60 else f"{told[:57]}…"


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
