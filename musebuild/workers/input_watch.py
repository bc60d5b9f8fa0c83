"""That a recipe reads what its key says: its inputs, looked at before it begins and after it ended.

A file that looks as it did when its digest was known is not read. Where it looks otherwise, if
only by the time of its status change (somebody linked it), its bytes decide.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from musebuild.errors import FrameError
from musebuild.fits.digest import digest_frame
from musebuild.fits.hashing import hash_file
from musebuild.index.digests import COARSE_TICK_NS, Identity, identity, whole_seconds
from musebuild.recipes.model import RecipeOutcome
from musebuild.workers.orders import Vouched, WorkOrder


def _look(path: str) -> os.stat_result:
    # Opened, since a network file system asks its server only then.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _is_right(path: str, vouched: Vouched) -> bool:
    if vouched.is_object:
        return hash_file(Path(path)) == vouched.digest
    return digest_frame(Path(path)).of_part(vouched.ifu) == vouched.digest


class InputWatch:
    """The inputs of an order, from before its recipe begins.

    Parameters
    ----------
    order : WorkOrder
        What is worked on.
    """

    def __init__(self, order: WorkOrder) -> None:
        self._paths = [path for _, path, _ in order.inputs]
        self._vouched = order.vouched or (None,) * len(self._paths)
        self._before: list[tuple[Identity, bool]] = []
        """What each looked like, and whether a change would not show."""

    def refusal(self) -> RecipeOutcome | None:
        """Why the recipe must not begin."""
        for path, vouched in zip(self._paths, self._vouched, strict=True):
            try:
                status = _look(path)
                now = identity(status)
                # A device has another number on each machine.
                right = (
                    vouched is None or now[1:] == vouched.identity[1:] or _is_right(path, vouched)
                )
            except FrameError as error:
                return _failure(str(error), "changed input")
            except OSError as error:
                reason = f"the input {path} cannot be read: {error.strerror}"
                return _failure(reason, "missing input")
            if not right:
                return _changed(path, "since its digest was found")
            young = whole_seconds(now[4]) and now[4] + COARSE_TICK_NS > time.time_ns()
            self._before.append((now, young))
        return None

    def changed(self) -> RecipeOutcome | None:
        """What changed while the recipe ran."""
        for path, vouched, (before, young) in zip(
            self._paths, self._vouched, self._before, strict=True
        ):
            try:
                now = identity(_look(path))
                if now == before and not (young and vouched):
                    continue
                # A link of somebody's moves the last of the times alone.
                if now[:-1] == before[:-1] and vouched and _is_right(path, vouched):
                    continue
            except (OSError, FrameError):
                pass
            return _changed(path, "while the recipe ran")
        return None


def _changed(path: str, when: str) -> RecipeOutcome:
    return _failure(f"the input {path} changed {when}: run again", "changed input")


def _failure(reason: str, kind: str) -> RecipeOutcome:
    return RecipeOutcome((), failure=reason, kind=kind)
