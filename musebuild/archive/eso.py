"""The services of the ESO archive: where they are, and astroquery's `EsoClass` for them.

What it says goes to us instead of the terminal, its requests end in time and are repeated where
the archive is busy, and nothing of a login is kept on disk.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from musebuild.errors import UsageError

TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and between two pieces of an answer."""
BUSY = (429, 500, 502, 503, 504)
FIRST_PAUSE = 1.0
"""Seconds before a query is repeated; each further pause is twice as long."""


VARIABLE = "MUSEBUILD_ESO_ARCHIVE"
"""Environment variable with the address of a stand-in of the whole archive (tests, mirrors)."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of the services; astroquery's own where nothing else is said."""

    query: str
    tap: str
    calselector: str
    download: str
    login: str


def addresses_of(environment: Mapping[str, str]) -> Addresses | None:
    """Addresses below the stand-in that the environment names; None: ESO's own.

    Raises
    ------
    UsageError
        The variable is not an address.
    """
    base = environment.get(VARIABLE, "").rstrip("/")
    if not base:
        return None
    if not base.startswith(("http://", "https://")):
        raise UsageError(
            f"{VARIABLE} is no address: {base}",
            remedy=f"write it like http://127.0.0.1:8000, or unset {VARIABLE}",
        )
    return Addresses(
        query=f"{base}/wdb/wdb/eso",
        tap=f"{base}/tap_obs",
        calselector=f"{base}/calselector/v1/associations",
        download=f"{base}/dataPortal/file/",
        login=f"{base}/sso/oidc/token",
    )


class _Patient(HTTPAdapter):
    """Requests that end in time."""

    def send(self, *args: Any, **more: Any) -> requests.Response:
        """Send with a limit of time."""
        more["timeout"] = more.get("timeout") or TIMEOUT
        return super().send(*args, **more)


class Heard(logging.Handler):
    """What a logger says, kept."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append(record.getMessage())
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())


@contextlib.contextmanager
def quiet() -> Iterator[Heard]:
    """While this lasts, astroquery neither prints, nor warns, nor caches, nor logs addresses.

    The address of a login holds the password, which astroquery and urllib3 log at level DEBUG,
    and which astroquery's cache would keep.
    """
    from astroquery import cache_conf, log

    heard = Heard()
    before = (log.handlers[:], log.propagate, log.level)
    connections = logging.getLogger("urllib3")
    level = connections.level
    log.handlers, log.propagate = [heard], False
    log.setLevel(logging.INFO)
    connections.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings(), cache_conf.set_temp("cache_active", False):
            warnings.simplefilter("ignore")
            yield heard
    finally:
        log.handlers, log.propagate = before[0], before[1]
        log.setLevel(before[2])
        connections.setLevel(level)


def asks_tap() -> bool:
    """Whether the installed astroquery asks ESO's TAP service (0.4.12) or its forms (0.4.11)."""
    from astroquery.eso import EsoClass

    return hasattr(EsoClass, "query_tap")


def make_eso(addresses: Addresses | None) -> Any:
    """An `EsoClass` of the installed astroquery.

    Parameters
    ----------
    addresses : Addresses or None
        Where the services are; None: where astroquery knows them.
    """
    from astroquery.eso import EsoClass

    class PatientEso(EsoClass):  # type: ignore[misc]
        given: tuple[str, str] = ("", "")
        """User and password of the login that is going on."""

        def _get_auth_info(self, username: str, **_: Any) -> tuple[str, str]:
            # astroquery would store a password before it knows that it is right.
            return self.given

        def _tap_url(self, *args: Any, **more: Any) -> str:
            return addresses.tap if addresses else str(super()._tap_url(*args, **more))

        def tap(self, authenticated: bool = False, **more: Any) -> Any:
            # Through our session: pyvo's own would wait for ever.
            from pyvo.dal import TAPService

            return TAPService(self._tap_url(), session=self._session)

    eso = PatientEso()
    eso.ROW_LIMIT = -1
    adapter = _Patient(
        max_retries=Retry(
            total=6,
            connect=0,
            status=6,
            read=3,
            status_forcelist=BUSY,
            allowed_methods=None,
            backoff_factor=FIRST_PAUSE,
        )
    )
    eso._session.mount("http://", adapter)
    eso._session.mount("https://", adapter)
    if addresses is not None:
        eso.QUERY_INSTRUMENT_URL = addresses.query
        eso.CALSELECTOR_URL = addresses.calselector
        eso.DOWNLOAD_URL = addresses.download
        eso.AUTH_URL = addresses.login
    return eso
