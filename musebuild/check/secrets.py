"""Passwords in the settings file, which people share and publish."""

from __future__ import annotations

from dataclasses import replace

from musebuild.settings.model import Settings
from musebuild.settings.problems import Problem, problem_at
from musebuild.settings.resolved import LOGIN, flatten, is_secret


def check_secrets(settings: Settings) -> list[Problem]:
    """Values that look like passwords, without showing them.

    Parameters
    ----------
    settings : Settings
        The settings; what comes from the environment or the command line is no matter.
    """
    problems = []
    for keys, value in flatten(settings.tree):
        address = isinstance(value, str) and LOGIN.search(value)
        if not (address or is_secret(keys[-1])) or value in ("", False, True):
            continue
        if not settings.where(*keys).in_file:
            continue
        found = problem_at(
            settings,
            keys,
            "an address with a password" if address else "a password in the settings file",
            severity="warning",
            remedy="take it out, and change it if others have seen the file; the archive's "
            "password is asked for once and kept in the keyring",
        )
        problems.append(replace(found, line=""))
    return problems
