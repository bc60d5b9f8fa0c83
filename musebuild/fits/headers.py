"""The headers of one frame, read fast."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from musebuild.fits.blocks import UNREADABLE, Value, open_frame, parse, units, unreadable
from musebuild.fits.identity import header_digest

CHANNEL = re.compile(r"CHAN(\d\d)")


@dataclass(frozen=True, slots=True)
class FrameHeaders:
    """What the headers of a frame say."""

    primary: dict[str, Value]
    """Keyword → value; `ESO DPR TYPE` without HIERARCH."""
    extensions: tuple[str, ...]
    """EXTNAME of each extension, in order; empty where it has none."""
    digest: str = field(default="", compare=False)
    """Of all headers (`header_digest`)."""

    @property
    def channels(self) -> tuple[int, ...]:
        """IFUs that the file holds: from CHANnn extensions."""
        found = {int(match[1]) for name in self.extensions if (match := CHANNEL.match(name))}
        return tuple(sorted(found))


def read_headers(path: Path) -> FrameHeaders:
    """Read the primary header, and the names of the extensions.

    Data are never read: a raw frame of 900 MB costs some thirty small reads. In a `.fits.fz`
    file whose primary HDU holds nothing but what the format needs, the cards of the first
    extension (where a compressor puts them) are added.

    Parameters
    ----------
    path : Path
        `.fits`, `.fits.fz`, `.fits.gz`.

    Returns
    -------
    FrameHeaders

    Raises
    ------
    FrameError
        The file is empty, a web page, no FITS file, truncated, or cannot be read.
    """
    primary: dict[str, Value] = {}
    names: list[str] = []
    headers: list[bytes] = []
    try:
        with open_frame(path) as file:
            for unit in units(file, path):
                headers.append(unit.header)
                found = parse(unit.header)
                if unit.index == 0:
                    primary = found
                    continue
                names.append(str(found.get("EXTNAME", "")))
                if unit.index == 1 and "INSTRUME" not in primary and "INSTRUME" in found:
                    primary = found | primary
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    return FrameHeaders(primary, tuple(names), header_digest(headers, names))
