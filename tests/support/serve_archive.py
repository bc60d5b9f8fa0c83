"""A stand-in of the ESO archive to try `musebuild retrieve` against, with a mock night of IC4406.

python -m tests.support.serve_archive [PORT]     # Ctrl-C ends it
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from musebuild.archive.eso import VARIABLE
from tests.support.archive_frames import Stored, night_log, stored
from tests.support.archive_server import ArchiveServer
from tests.support.frames import mock_night


def ic4406(folder: Path) -> list[Stored]:
    """The mock night, its exposures of IC4406."""
    raw = mock_night(folder) / "raw"
    return [stored(path, target="IC4406") for path in sorted(raw.glob("*.fits"))]


def main(port: int) -> None:
    """Serve until Ctrl-C."""
    with tempfile.TemporaryDirectory() as folder, ArchiveServer(port=port) as server:
        frames = ic4406(Path(folder) / "night")
        server.add(frames)
        server.add(night_log(frame) for frame in frames if frame.kind == "SCIENCE")
        server.calibrations = [frame.dp_id for frame in frames if frame.kind == "CALIB"]
        server.users["ME"] = "password"
        print(f"export {VARIABLE}={server.url}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
