"""What we ask of the archive, the same for each astroquery: by form or by TAP."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import tempfile
import threading
import xml.etree.ElementTree as ET
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import requests

from musebuild.archive.eso import Addresses, Heard, asks_tap, make_eso, quiet
from musebuild.archive.filters import NAMES, form_query, tap_query
from musebuild.archive.model import ArchiveFrame, Associated, Window
from musebuild.errors import MusebuildError

INSTRUMENT = "muse"
FORM_MOST_ROWS = 10_000
"""Rows that astroquery lets the form answer with at most; it says nothing where there are more."""
OFFLINE = (
    "check the network and call again; without it `doit` reduces what is in raw_path, "
    "and `doit list` tells what that is"
)


class ArchiveError(MusebuildError):
    """The archive cannot be asked, or its answer cannot be understood."""


@contextlib.contextmanager
def asking(what: str) -> Iterator[Heard]:
    """Turn what goes wrong while the archive is asked into an error for people.

    The text of the cause is never told as it is: it may hold the address of a login, and with
    it the password.
    """
    try:
        with quiet() as heard:
            yield heard
    except MusebuildError:
        raise
    except Exception as error:
        raise _told(_root(error), what) from None


def _root(error: BaseException) -> BaseException:
    """What a request failed of, out of the errors that pyvo and astroquery wrap around it."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        inner = waiting.pop(0)
        if not isinstance(inner, BaseException) or id(inner) in seen:
            continue
        seen.add(id(inner))
        if isinstance(inner, requests.RequestException):
            return inner
        waiting += [getattr(inner, "cause", None), inner.__cause__, inner.__context__]
    return error


def _told(error: BaseException, what: str) -> ArchiveError:
    """An error of a request, for people."""
    if isinstance(error, requests.exceptions.RetryError):
        return ArchiveError(
            f"the ESO archive is too busy, or down: it did not answer {what}",
            why="it answered with an error each of several times",
            remedy="call again later; what is fetched already stays",
        )
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code if error.response is not None else 0
        return ArchiveError(
            f"the ESO archive refused to answer {what}",
            why=f"it answered with status {status}",
            remedy="call again later; https://archive.eso.org tells when it is down",
        )
    if isinstance(error, requests.Timeout):
        return ArchiveError(f"the ESO archive did not answer {what} in time", remedy=OFFLINE)
    if isinstance(error, requests.ConnectionError):
        address = getattr(error.request, "url", None) or "//archive.eso.org"
        return ArchiveError(
            f"the ESO archive cannot be reached ({address.split('/')[2]}): "
            "no network, or it is down",
            why=f"asked for {what}",
            remedy=OFFLINE,
        )
    return ArchiveError(
        f"the answer of the ESO archive to {what} cannot be understood",
        why=f"{type(error).__name__}: a page of an error or of a login, or the archive has changed",
        remedy="call again later; if that does not help, update astroquery "
        "(pip install --upgrade astroquery)",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _bytes(kilobytes: str) -> int | None:
    """A size that the archive tells; None where it tells none."""
    try:
        return int(float(kilobytes) * 1000)
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    # Masked cells of astropy tables print as `--`.
    text = str(value).strip()
    return "" if text in ("--", "N/A", "None") else text


class Client(ABC):
    """The archive, through the installed astroquery."""

    columns: ClassVar[Mapping[str, tuple[str, ...]]]
    """Field of `ArchiveFrame` → names that its column may have in an answer."""

    def __init__(self, eso: Any) -> None:
        self.eso = eso
        self._lock = threading.Lock()
        self._password = ""
        self._user = ""

    # queries

    @abstractmethod
    def help(self) -> str:
        """What can be asked, as astroquery tells it."""

    @abstractmethod
    def names(self) -> set[str]:
        """Names that `archive_filter` may have besides those that we translate."""

    @abstractmethod
    def _query(self, filters: Mapping[str, Any], window: Window) -> Any: ...

    def find(self, filters: Mapping[str, Any], window: Window) -> list[ArchiveFrame]:
        """Frames by their properties, by date.

        Parameters
        ----------
        filters : mapping
            As in `archive_filter`, names checked.
        window : Window
            Span of time that they must begin in.

        Raises
        ------
        ArchiveError
            No network, no sensible answer, or more frames than the archive tells of.
        """
        table = self._query(filters, window)
        if table is None or not len(table):
            return []
        names = {_plain(name): name for name in table.colnames}
        have = {
            field: next((names[_plain(c)] for c in choices if _plain(c) in names), "")
            for field, choices in self.columns.items()
        }
        if not have["dp_id"]:
            raise ArchiveError(
                "the answer of the ESO archive has no names of frames (DP.ID)",
                why=f"its columns are {', '.join(table.colnames)}",
                remedy="update astroquery (pip install --upgrade astroquery)",
            )
        frames: dict[str, ArchiveFrame] = {}
        for row in table:
            texts = {field: _text(row[name]) for field, name in have.items() if name}
            size = _bytes(texts.pop("kilobytes", ""))
            frame = ArchiveFrame(**texts, size=size)
            if frame.moment in window:
                frames.setdefault(frame.dp_id, frame)
        return sorted(frames.values(), key=lambda f: (f.moment or dt.datetime.min, f.dp_id))

    def associated(self, dp_ids: Sequence[str]) -> Associated:
        """Calibrations that ESO's calselector finds for exposures (one request)."""
        with (
            asking("the calibrations of exposures (calselector)"),
            tempfile.TemporaryDirectory(prefix="musebuild-") as folder,
        ):
            self.eso.get_associated_files(list(dp_ids), savexml=True, destination=folder)
            trees = [ET.parse(path).getroot() for path in sorted(Path(folder).glob("*"))]
        frames: dict[str, ArchiveFrame] = {}
        incomplete = []
        for tree in trees:
            for element in tree.iter("file"):
                name = element.attrib.get("name", "")
                if name and name not in dp_ids:
                    frames.setdefault(
                        name, ArchiveFrame(name, "CALIB", element.attrib.get("category", ""))
                    )
            if tree.attrib.get("complete", "true") != "true":
                main = tree.find("./mainFiles/file")
                told = main.attrib.get("name") if main is not None else None
                incomplete.append(told or "an exposure")
        return Associated(
            tuple(sorted(frames.values(), key=lambda f: f.dp_id)), tuple(sorted(incomplete))
        )

    # login

    @property
    def user(self) -> str:
        """Who is logged in; empty: nobody."""
        return self._user

    def login(self, user: str, password: str) -> bool:
        """Log in; False where user or password are wrong.

        Raises
        ------
        ArchiveError
            The login service does not answer.
        """
        statuses: list[int] = []

        def note(response: requests.Response, *_: Any, **__: Any) -> None:
            statuses.append(response.status_code)

        hooks = self.eso._session.hooks["response"]
        hooks.append(note)
        self.eso.given = (user, password)
        try:
            with asking("a login"):
                # It answers nothing: what came of it is asked for afterwards.
                self.eso.login(username=user)
                done = bool(self.eso.authenticated())
        finally:
            hooks.remove(note)
            self.eso.given = ("", "")
        if not done and statuses and statuses[-1] not in (400, 401, 403):
            raise ArchiveError(
                "the login service of ESO does not work",
                why=f"it answered with status {statuses[-1]}",
                remedy="call again later; public frames come without a login",
            )
        if done:
            self._user, self._password = user, password
        return done

    def header(self, used: str | None = None) -> dict[str, str]:
        """Headers of a download: the token of the login, renewed where it ran out.

        Parameters
        ----------
        used : str, optional
            A token that the archive refused: if it is still ours, another is asked for.
        """
        with self._lock:
            if not self._user:
                return {}
            info = self.eso._auth_info
            expired = getattr(info, "expired", getattr(info, "_expired", None))
            stale = info is None or (expired is not None and expired())
            if stale or (used is not None and used == f"Bearer {info.token}"):
                self.login(self._user, self._password)
            return dict(self.eso._get_auth_header())

    def url(self, file_id: str) -> str:
        """Address of a file of the data portal."""
        return f"{self.eso.DOWNLOAD_URL}{file_id}"


class FormClient(Client):
    """astroquery up to 0.4.11, which fills in ESO's query form."""

    columns: ClassVar = {
        "dp_id": ("DP.ID",),
        "kind": ("DPR.CATG", "Category"),
        "dpr_type": ("DPR.TYPE", "Type"),
        "object": ("OBJECT",),
        "ins_mode": ("INS.MODE", "Mode"),
        "tpl_start": ("TPL.START",),
        "release": ("Release Date",),
    }
    asked = ("dp_cat", "dp_type", "object", "ins_mode", "tpl_start", "rel_date")

    def help(self) -> str:
        """The fields of the form."""
        with asking("what can be asked") as heard:
            self.eso.query_instrument(INSTRUMENT, help=True)
        return "\n".join(heard.lines)

    def names(self) -> set[str]:
        """The fields of the form, as it is now."""
        fields = re.findall(r"^(?:\[.\]|   ) (\w+):", self.help(), re.MULTILINE)
        if not fields:
            raise ArchiveError(
                "the query form of the ESO archive has no fields",
                remedy="call again later, or update astroquery",
            )
        return set(fields)

    def _query(self, filters: Mapping[str, Any], window: Window) -> Any:
        with asking("a query"):
            table = self.eso.query_instrument(
                INSTRUMENT,
                column_filters=form_query(filters, window),
                columns=list(self.asked),
                cache=False,
            )
        if table is not None and len(table) >= FORM_MOST_ROWS:
            raise ArchiveError(
                f"the archive has more frames than the {FORM_MOST_ROWS:,} that it tells of",
                remedy="ask for less at once: --start and --end, or further conditions "
                "in archive_filter",
            )
        return table


class TapClient(Client):
    """astroquery from 0.4.12 on, which asks ESO's TAP service."""

    columns: ClassVar = {
        "dp_id": ("dp_id",),
        "kind": ("dp_cat",),
        "dpr_type": ("dp_type",),
        "object": ("object",),
        "ins_mode": ("ins_mode",),
        "tpl_start": ("tpl_start",),
        "kilobytes": ("access_estsize",),
        "release": ("release_date",),
    }

    def __init__(self, eso: Any) -> None:
        super().__init__(eso)
        self._names: set[str] = set()

    def _heard(self, what: str, ask: Callable[[], Any]) -> Any:
        """An answer; where astroquery only logs that the service refused, an error."""
        with asking(what) as heard:
            table = ask()
        if heard.errors:
            raise ArchiveError(
                f"the TAP service of the ESO archive refused {what}",
                why=heard.errors[0].strip(),
                remedy="correct archive_filter, or update astroquery",
            )
        return table

    def help(self) -> str:
        """The columns of the table, and what else people's settings may say."""
        with asking("what can be asked") as heard:
            self.eso.query_instrument(INSTRUMENT, help=True)
        have = self.names()
        lines = ["", "Names of ESO's form are understood, too:"]
        for name, known in NAMES.items():
            column = next((c for c in known.columns if c in have), "")
            if column or known.kind in ("time", "place"):
                lines.append(f"  {name:<14} {known.meaning}" + f"  ({column})" * bool(column))
        return "\n".join([*heard.lines, *lines])

    def names(self) -> set[str]:
        """The columns of the table."""
        if not self._names:
            query = "select column_name from TAP_SCHEMA.columns where table_name = 'ist.muse'"
            table = self._heard("its columns", lambda: self.eso.query_tap(query))
            self._names = {str(row["column_name"]) for row in table}
        return self._names

    def _query(self, filters: Mapping[str, Any], window: Window) -> Any:
        have = self.names()
        query = tap_query(filters, window, have)
        wanted = [name for (name, *_) in self.columns.values() if name in have]
        return self._heard(
            "a query",
            lambda: self.eso.query_instrument(
                INSTRUMENT, column_filters=dict(query.conditions), columns=wanted, **query.cone
            ),
        )


def connect(addresses: Addresses | None = None) -> Client:
    """The archive, in the way that the installed astroquery asks it.

    Parameters
    ----------
    addresses : Addresses, optional
        Where the services are; ESO's own if left out.
    """
    kind = TapClient if asks_tap() else FormClient
    with quiet():
        return kind(make_eso(addresses))
