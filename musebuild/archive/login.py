"""Logging in: passwords come from the keyring or the terminal, and are kept nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import keyring
import keyring.errors

from musebuild.archive.client import Client
from musebuild.errors import UsageError

SERVICE = "astroquery:www.eso.org"
"""The entry of the keyring that astroquery uses, so that passwords stored by it are found."""
ATTEMPTS = 3


def _stored(user: str) -> str | None:
    try:
        return keyring.get_password(SERVICE, user)
    except keyring.errors.KeyringError:
        return None


def log_in(
    client: Client,
    user: str,
    *,
    store: bool,
    ask: Callable[[str], str | None],
    say: Callable[[str], None],
) -> bool:
    """Log in to the ESO portal.

    Parameters
    ----------
    client : Client
        The archive.
    user : str
        Name at the ESO portal.
    store : bool
        Whether the keyring shall keep a password that was asked for and is right.
    ask : callable
        Asks for a password with a prompt; None or empty: there is nobody to ask, or they would
        rather go on without a login.
    say : callable
        Told what a person should know.

    Returns
    -------
    bool
        Whether somebody is logged in now.

    Raises
    ------
    UsageError
        Three wrong passwords.
    """
    stored = _stored(user)
    if stored:
        if client.login(user, stored):
            return True
        say(f"the keyring's password of {user} is wrong")
    for _ in range(ATTEMPTS):
        password = ask(f"Password of {user} at the ESO portal (empty: without login): ")
        if not password:
            return False
        if client.login(user, password):
            if store or stored:
                _keep(user, password, say)
            return True
        say("user or password is wrong")
    raise UsageError(
        f"ESO refuses the user {user} with this password",
        why=f"{ATTEMPTS} passwords were wrong",
        remedy="try them at https://www.eso.org/sso, or leave out --username and "
        "retrieve_data.username: public frames come without a login",
    )


def _keep(user: str, password: str, say: Callable[[str], None]) -> None:
    try:
        keyring.set_password(SERVICE, user, password)
    except keyring.errors.KeyringError:
        say("this machine has no keyring that works: the password is not kept")
