"""Texts of `frames:` that say where a frame comes from."""

from __future__ import annotations

ENDINGS = (".fits", ".fits.fz", ".fits.gz")


def is_path(text: str) -> bool:
    """Whether a text names a file, folder or glob rather than a block or a product."""
    return "/" in text or "*" in text or text.lower().endswith(ENDINGS) or text in (".", "..")
