"""Passwords in the settings file, which people share and publish."""

from __future__ import annotations

from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, problem_at
from musebuild.settings.resolved import flatten
from musebuild.settings.secrets import has_login, is_secret


def check_secrets(settings: Settings) -> list[Problem]:
    """Values that look like passwords, without showing them.

    Parameters
    ----------
    settings : Settings
        The settings; what comes from the environment or the command line is no matter.
    """
    problems = []
    for keys, value in flatten(settings.tree):
        address = has_login(value)
        if not (address or is_secret(keys[-1])) or value in ("", False, True):
            continue
        if not settings.where(*keys).in_file:
            continue
        problems.append(
            problem_at(
                settings,
                keys,
                "an address with a password" if address else "a password in the settings file",
                of_key=True,
                severity="warning",
                remedy="take it out, and change it if others have seen the file",
            )
        )
    return problems
