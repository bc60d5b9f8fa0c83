"""One build, several reporters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TeeReporter:
    """Tells every reporter what it is told.

    Parameters
    ----------
    reporters : sequence
        Reporters of doit's kind; each is told what it has a method for.
    """

    desc = "several reporters"

    def __init__(self, reporters: Sequence[Any]) -> None:
        self._reporters = tuple(reporters)

    def __getattr__(self, name: str) -> Any:
        methods = [m for r in self._reporters if (m := getattr(r, name, None)) is not None]
        if not methods:
            raise AttributeError(name)

        def tell(*args: Any, **more: Any) -> None:
            for method in methods:
                method(*args, **more)

        return tell
