"""Passwords: found by the names of their keys, and never shown."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "(not shown)"
_WORDS = r"(?:password|passwd|passphrase|pwd|secret|token|api_?key)"
_NAME = re.compile(rf"(?:^|_){_WORDS}$", re.IGNORECASE)
_LOGIN = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:(?P<secret>[^\s/@]+)@", re.IGNORECASE)
_WRITTEN = re.compile(
    rf"(?<!store_){_WORDS}[\"']?\s*[:=]\s*(?P<secret>[^\s,}}][^,}}]*)", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Whether a key's value is a password or the like."""
    return bool(_NAME.search(name)) and not name.lower().startswith("store_")


def has_login(value: Any) -> bool:
    """Whether a value is an address with a password in it."""
    return isinstance(value, str) and bool(_LOGIN.search(value))


def without_secrets(name: str, value: Any) -> Any:
    """The value of a key as it may be shown."""
    if is_secret(name):
        return HIDDEN
    return _put(_LOGIN, value, lambda _: HIDDEN) if isinstance(value, str) else value


def masked(line: str) -> str:
    """A line of a settings file as it may be shown, each character in its place."""
    for pattern in (_LOGIN, _WRITTEN):
        line = _put(pattern, line, lambda secret: "*" * len(secret))
    return line


def _put(pattern: re.Pattern[str], text: str, cover: Any) -> str:
    def one(match: re.Match[str]) -> str:
        start, end = (at - match.start() for at in match.span("secret"))
        return f"{match[0][:start]}{cover(match['secret'])}{match[0][end:]}"

    return pattern.sub(one, text)
