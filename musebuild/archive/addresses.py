"""Where the services of the archive are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from musebuild.errors import UsageError

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
