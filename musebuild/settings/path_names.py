"""Names that no file system takes, and users that are not there, told before a file is sought."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musebuild.settings.nodes import Keys, Node, mark_at
from musebuild.settings.problems import Problem

NAME = 255
"""Bytes of the name of a file or folder, on all file systems in use."""
PATH = 4000
"""Bytes of a path; Linux takes 4096 with what stands before it."""
_PLACES = {
    "workdir",
    "raw_path",
    "reduced_path",
    "muse_calib_path",
    "db",
    "version",
    "cache",
    "cpl",
    "GTO_logs",
    "include",
    "static_calib",
}
_IN_BLOCKS = {"frames", "init", "name", "recipe", "filt"}
_FORMATS = {"msg_format", "esorex_msg_format"}


def _names_files(keys: Keys) -> bool:
    """Whether the value at some keys becomes a path, or a part of one."""
    if keys[0] == "recipes":
        return len(keys) > 2 and keys[2] in _IN_BLOCKS
    return keys[0] in _PLACES and keys[-1] not in _FORMATS


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


def _walk(value: Any, at: Keys) -> Iterator[tuple[Keys, str, bool]]:
    """Texts that become names of files, and whether each is a key: of a dataset, block, file."""
    if isinstance(value, dict):
        for name, item in value.items():
            text = str(name)
            yield (*at, text), text, True
            yield from _walk(item, (*at, text))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, (*at, number))
    elif isinstance(value, str) and _names_files(at):
        yield at, value, False


def check_lengths(root: Node, data: Any) -> list[Problem]:
    """Names and paths that are longer than any file system takes, or hold a zero byte.

    Parameters
    ----------
    root : Node
        The settings with their places.
    data : mapping
        The same as plain data.
    """
    problems = []
    for keys, text, of_key in _walk(data, ()):
        allowed = f"at most {NAME} bytes between slashes"
        if text.startswith("~") and (len(keys) > 1 or not of_key) and _no_user(text):
            what = f"there is no user {text[1:].partition('/')[0]} on this machine"
            allowed = "~ for your own home, or the full path"
        elif len(text) <= NAME // 4 and "\0" not in text:
            continue
        elif "\0" in text:
            what = "a zero byte cannot be part of a name"
        elif _too_long(text):
            what = f"a name of {len(text)} characters is longer than a file's name can be"
        else:
            continue
        where = ".".join(str(key) if len(str(key)) <= NAME else "…" for key in keys)
        problems.append(
            mark_at(root, keys, of_key=of_key).problem(
                f"{where}: {what}", keys=keys, allowed=allowed
            )
        )
    return problems
