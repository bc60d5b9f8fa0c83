"""Which frames of the archive are here already."""

from __future__ import annotations

import os
from pathlib import Path

from musebuild.index.database import Connection
from musebuild.index.questions import ask

ENDINGS = (".fits", ".fits.fz", ".fits.gz", ".fits.z", ".nl.txt")
"""Ways in which a frame of the archive, or its night log, may lie here."""


def file_id(filename: str) -> str:
    """Name in the archive of a file: `MUSE.….fits.fz` → `MUSE.…`; empty where it is none.

    Examples
    --------
    >>> file_id("MUSE.2017-06-16T01:34:56.867.NL.txt")
    'MUSE.2017-06-16T01:34:56.867.NL'
    """
    folded = filename.lower()
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if folded.endswith(ending):
            name = filename[: -len(ending)]
            return f"{name}.NL" if ending == ".nl.txt" else name
    return ""


def present(folder: Path, connection: Connection) -> dict[str, str]:
    """Frames that are here, under whatever compression or file name.

    Parameters
    ----------
    folder : Path
        Folder of raw frames; searched with all that is below it.
    connection : Connection
        After a scan: files that were renamed are known by ARCFILE in their header.

    Returns
    -------
    dict
        Name in the archive → path.
    """
    found: dict[str, str] = {}
    for top, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if (known := file_id(name)) and not name.startswith("."):
                found.setdefault(known, os.path.join(top, name))  # noqa: PTH118
        if len(Path(top).parts) - len(folder.parts) > 20:
            folders.clear()
    prefix = f"{folder}/"
    for path, arcfile in ask(connection, (), ("path", "ARCFILE")):
        if arcfile and path.startswith(prefix) and (known := file_id(str(arcfile))):
            found.setdefault(known, path)
    return found
