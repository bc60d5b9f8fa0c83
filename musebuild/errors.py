"""Errors that people meet: what is wrong, where, why, and what mends it."""

from __future__ import annotations

EXIT_FAILED = 1
"""Exit status when a recipe or a part of a build failed."""

EXIT_USAGE = 2
"""Exit status for bad input: settings, command line, files."""


UNFORESEEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What reading a damaged row raises, and mistakes of ours."""


class MusebuildError(Exception):
    """Something that a person can mend; the command line prints it without a traceback.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence that names the thing.
    where : str, optional
        File, line, frame or task.
    why : str, optional
        What was expected, or how it came to this.
    remedy : str, optional
        The command or edit that mends it.
    """

    exit_status = EXIT_FAILED

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("where", self.where), ("why", self.why), ("hint", self.remedy)):
            if text:
                first, *rest = text.splitlines() or [""]
                lines.append(f"  {label}: {first}")
                lines.extend(f"    {line}" for line in rest)
        return "\n".join(lines)


class UsageError(MusebuildError):
    """The input cannot be used as it is: command line, settings, a folder."""

    exit_status = EXIT_USAGE


class SettingsError(UsageError):
    """The settings file cannot be used; holds every mistake that was found."""


class FrameError(MusebuildError):
    """A FITS file cannot be read as a frame."""


class PlanError(MusebuildError):
    """What was asked for cannot be planned."""


class StoreError(MusebuildError):
    """The store or the ledger cannot be read or written."""


class RecipeError(MusebuildError):
    """A recipe cannot be run, or failed."""
