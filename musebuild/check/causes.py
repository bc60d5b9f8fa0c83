"""What stops the plan, as problems: one for all alike causes, the heaviest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from musebuild.plan.causes import Folded, folded
from musebuild.plan.model import LeftOut
from musebuild.settings.model import Settings
from musebuild.settings.nodes import Keys
from musebuild.settings.problems import Problem, problem_at


@dataclass(frozen=True, slots=True)
class CauseProblem(Problem):
    """Alike causes, and what they stop."""

    cause: Folded = field(kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """The problem with its effects, as plain data."""
        return Problem.to_dict(self) | self.cause.as_dict()


def cause_problems(left_out: Iterable[LeftOut], settings: Settings) -> list[CauseProblem]:
    """All that stops something, errors and the heaviest first.

    Parameters
    ----------
    left_out : iterable of LeftOut
        Of the plan.
    settings : Settings
        For places in the file.
    """
    return [_problem(cause, settings) for cause in folded(left_out)]


def _problem(cause: Folded, settings: Settings) -> CauseProblem:
    keys: Keys = cause.where[0] if cause.where else ()
    block = next(iter(cause.stops), "")
    if not keys and block in settings.blocks:
        keys = ("recipes", block)
    plain = problem_at(settings, keys, "", of_key=True)
    values = {item.name: getattr(plain, item.name) for item in fields(plain)}
    told = {
        "message": cause.title,
        "remedy": "; or ".join(cause.hints),
        "severity": "error" if cause.error else "warning",
        "line": "",
        "cause": cause,
    }
    return CauseProblem(**(values | told))
