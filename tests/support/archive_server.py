"""A stand-in of the ESO archive on this machine: it speaks as ESO's services do, and misbehaves
when told to. Nothing of it leaves the loopback interface.
"""

from __future__ import annotations

import base64
import email
import email.policy
import html
import io
import json
import re
import sqlite3
import threading
import time
import urllib.parse
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from astropy.table import Table

from musebuild.fits.classify import category_of
from tests.support.archive_frames import Stored

FIELDS = {
    "Target Information": ("target", "resolver", "coord1", "coord2", "box"),
    "Observation and proposal parameters": (
        "night", "stime", "starttime", "etime", "endtime", "prog_id", "obs_targ_name", "object",
    ),
    "Data product information": ("dp_cat", "dp_type", "dp_id", "ins_mode", "exptime", "tpl_start"),
}  # fmt: skip
TAP_COLUMNS = (
    "dp_id", "dp_cat", "dp_type", "object", "target", "prog_id", "ins_mode", "tpl_start",
    "exp_start", "exposure", "access_estsize", "release_date",
)  # fmt: skip
PAGE = b"<!DOCTYPE html><html><body><form id='login'>ESO - Single Sign On</form></body></html>"


@dataclass(frozen=True)
class Fault:
    """How one answer shall go wrong."""

    drop: int | None = None
    """The line breaks after so many bytes of this answer."""
    status: int | None = None
    retry_after: str = ""
    page: bool = False
    """A login page with status 200."""
    damage: bool = False
    """One byte in the middle is another one."""
    longer: int = 0
    """So many bytes more are announced than come."""
    no_range: bool = False
    """The whole file, whatever range was asked for."""
    rows: bool = True
    """False: a query finds nothing."""


@dataclass(frozen=True)
class Request:
    """What was asked, and what was sent."""

    method: str
    path: str
    sent: int = 0
    """Bytes of the file."""
    range: str = ""
    token: str = ""


@dataclass
class ArchiveServer:
    """The stand-in.

    Attributes
    ----------
    frames : dict
        Name → frame.
    calibrations : list of str
        What calselector names for every exposure.
    users : dict
        User → password.
    faults : dict
        A file's name, or `query`, `tap`, `calselector`, `login` → faults of its next answers.
    requests : list of Request
    """

    frames: dict[str, Stored] = field(default_factory=dict)
    calibrations: list[str] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)
    users: dict[str, str] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[Request] = field(default_factory=list)
    slow: float = 0.0
    """Seconds between two pieces of a file."""
    running: int = 0
    most: int = 0
    """Files that were sent at once, at most."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    damaged: int = 0
    """Answers with a wrong byte, each time another one."""
    port: int = 0
    """0: any that is free."""

    def add(self, frames: Iterable[Stored]) -> None:
        """Put frames into the store."""
        self.frames |= {frame.dp_id: frame for frame in frames}

    def fail(self, name: str, *faults: Fault) -> None:
        """Let the next answers go wrong."""
        self.faults[name].extend(faults)

    def fault(self, name: str) -> Fault | None:
        """The fault of this answer."""
        with self.lock:
            waiting = self.faults.get(name)
            return waiting.popleft() if waiting else None

    def note(self, request: Request) -> None:
        """Remember a request."""
        with self.lock:
            self.requests.append(request)

    def sent(self, name: str) -> list[Request]:
        """Answers with bytes of a file."""
        return [r for r in self.requests if r.path.endswith(f"/store/{name}") and r.sent]

    def asked(self, part: str) -> int:
        """Requests whose path holds a text."""
        return sum(part in request.path for request in self.requests)

    # life

    def __enter__(self) -> Self:
        outer = self

        class Handler(_Handler):
            archive = outer

        self.http = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.http.server_port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that went away is nothing to tell of."""


class _Handler(BaseHTTPRequestHandler):
    archive: ArchiveServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def answer(
        self, body: bytes, mime: str = "text/html", status: int = 200, **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        path = parts.path
        if path.startswith("/dataPortal/store/"):
            return self.store(urllib.parse.unquote(path.rpartition("/")[2]))
        self.archive.note(Request(self.command, self.path))
        if path == "/wdb/wdb/eso/muse/form":
            return None if self.faulty("form") else self.answer(_form())
        if path.startswith("/dataPortal/file/"):
            self.send_response(302)
            self.send_header("Location", path.replace("/file/", "/store/"))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if path == "/sso/oidc/token":
            return self.token(dict(urllib.parse.parse_qsl(parts.query)))
        if path == "/tap_obs/sync":
            return self.tap(dict(urllib.parse.parse_qsl(parts.query)))
        return self.answer(b"not here", status=404)

    def do_POST(self) -> None:
        body = self.body()
        self.archive.note(Request("POST", self.path))
        if self.path == "/wdb/wdb/eso/muse/query":
            return self.query(_multipart(self.headers["Content-Type"], body))
        if self.path == "/calselector/v1/associations":
            return self.calselector(urllib.parse.parse_qs(body.decode()))
        if self.path == "/tap_obs/sync":
            return self.tap(dict(urllib.parse.parse_qsl(body.decode())))
        return self.answer(b"not here", status=404)

    def faulty(self, name: str) -> bool:
        """Answer wrongly, if that is wanted."""
        fault = self.archive.fault(name)
        if fault is None:
            return False
        if fault.status is not None:
            more = {"Retry_After": fault.retry_after} if fault.retry_after else {}
            self.answer(b"no", status=fault.status, **more)
        elif fault.page:
            self.answer(PAGE)
        return True

    # the form

    def query(self, fields: dict[str, list[str]]) -> None:
        fault = self.archive.faults.get("query")
        if fault and not fault[0].rows:
            fault.popleft()
            return self.answer(b"\n# No data returned !\n", "text/csv")
        if self.faulty("query"):
            return None
        rows = [f for f in self.archive.frames.values() if _fits(f, fields)]
        rows.sort(key=lambda frame: frame.dp_id)
        if not rows:
            return self.answer(b"\n# No data returned !\n", "text/csv")
        lines = ["", "OBJECT,RA,DEC,ProgId,DP.ID,DPR.CATG,DPR.TYPE,INS.MODE,TPL.START,Release Date"]
        lines += [
            f'"{f.object}",215.6,-44.15,{f.prog_id},{f.dp_id},{f.kind},"{f.dpr_type}",{f.ins_mode},'
            f"{f.tpl_start},{f.release}"
            for f in rows[: int(fields["max_rows_returned"][0])]
        ]
        lines += ["#", f"# A total of {len(rows)} were found matching the provided criteria.", ""]
        return self.answer("\n".join(lines).encode(), "text/csv")

    # TAP

    def tap(self, fields: dict[str, str]) -> None:
        if self.faulty("tap"):
            return None
        try:
            columns, rows = _sql(self.archive.frames.values(), fields["QUERY"])
        except sqlite3.Error as error:
            text = (
                '<?xml version="1.0"?><VOTABLE version="1.3" '
                'xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
                f'<INFO name="QUERY_STATUS" value="ERROR">{html.escape(str(error))}</INFO>'
                "</RESOURCE></VOTABLE>"
            )
            return self.answer(text.encode(), "application/x-votable+xml", 400)
        table = Table(
            rows=rows or None, names=columns, dtype=None if rows else ["U9"] * len(columns)
        )
        buffer = io.BytesIO()
        table.write(buffer, format="votable")
        text = re.sub(
            r"(<RESOURCE[^>]*>)",
            r'\1<INFO name="QUERY_STATUS" value="OK"/>',
            buffer.getvalue().decode(),
            count=1,
        )
        return self.answer(text.encode(), "application/x-votable+xml")

    # calselector

    def calselector(self, fields: dict[str, list[str]]) -> None:
        if self.faulty("calselector"):
            return None
        trees = {name: self.tree(name) for name in fields["dp_id"]}
        if len(trees) == 1:
            ((name, tree),) = trees.items()
            return self.answer(
                tree.encode(),
                "application/xml;content=calselector",
                Content_Disposition=f'attachment; filename="{name}_raw2raw.xml"',
            )
        edge = "uFQlfs9nBIDEAIoz0"
        parts = [
            f'--{edge}\r\nContent-Disposition: attachment; filename="{name}_raw2raw.xml"\r\n'
            f"Content-Type: application/xml;content=calselector\r\n\r\n{tree}\r\n"
            for name, tree in trees.items()
        ]
        body = "".join(parts) + f"--{edge}--\r\n"
        return self.answer(body.encode(), f"multipart/form-data; boundary={edge}")

    def tree(self, name: str) -> str:
        frames = [self.archive.frames[c] for c in self.archive.calibrations]
        files = "".join(
            f'<file category="{category_of(f.dpr_type)}" name="{f.dp_id}"/>' for f in frames
        )
        complete = str(name not in self.archive.incomplete).lower()
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<association category="SCIENCE" '
            f'complete="{complete}" mode="Raw2Raw" type="main"><mainFiles>'
            f'<file category="OBJECT" name="{name}"/></mainFiles><messages/><associatedFiles>'
            f'<association category="CALIB" complete="true" type="main"><mainFiles>{files}'
            f"</mainFiles></association></associatedFiles></association>"
        )

    # login

    def token(self, fields: dict[str, str]) -> None:
        if self.faulty("login"):
            return None
        user = fields["username"]
        if self.archive.users.get(user) != fields["password"]:
            return self.answer(b'{"error": "invalid_grant"}', "application/json", 401)
        claims = {"exp": int(time.time()) + 8 * 3600, "sub": user}
        middle = base64.b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return self.answer(
            json.dumps({"id_token": f"head.{middle}.tail"}).encode(), "application/json"
        )

    # the data portal

    def store(self, name: str) -> None:
        token = self.headers.get("Authorization", "")
        asked = self.headers.get("Range", "")
        frame = self.archive.frames.get(name)
        head = self.command == "HEAD"
        fault = None if head else self.archive.fault(name)
        note = Request(self.command, self.path, 0, asked, token)
        if frame is None:
            self.archive.note(note)
            return self.answer(b"no such file", status=404)
        if fault is not None and fault.status is not None:
            self.archive.note(note)
            more = {"Retry_After": fault.retry_after} if fault.retry_after else {}
            return self.answer(b"no", status=fault.status, **more)
        if (fault is not None and fault.page) or (frame.private and not token and not head):
            self.archive.note(note)
            page = fault is not None and fault.page
            return self.answer(PAGE, status=200 if page else 401)
        if frame.private and head and not token:
            self.archive.note(note)
            return self.answer(b"", status=401)
        content = frame.content
        if fault is not None and fault.damage:
            self.archive.damaged += 1
            middle = len(content) // 2 + self.archive.damaged
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", asked)
        fresh = self.headers.get("If-Range") in (None, f'"{name}"')
        if match and fresh and not (fault is not None and fault.no_range):
            start = int(match[1])
            if start >= len(content):
                self.archive.note(note)
                return self.answer(b"", status=416, Content_Range=f"bytes */{len(content)}")
            self.send_response(206)
            end = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        else:
            self.send_response(200)
        piece = content[start:]
        longer = fault.longer if fault is not None else 0
        self.send_header("Content-Type", frame.mime)
        self.send_header("Content-Length", str(len(piece) + longer))
        self.send_header("Content-Disposition", f'attachment; filename="{frame.name}"')
        self.send_header("ETag", f'"{name}"')
        self.end_headers()
        if head:
            return self.archive.note(note)
        if fault is not None and fault.drop is not None:
            piece = piece[: fault.drop]
        self.send(piece)
        self.archive.note(Request("GET", self.path, len(piece), asked, token))
        if longer or (fault is not None and fault.drop is not None):
            self.close_connection = True
        return None

    def send(self, piece: bytes) -> None:
        with self.archive.lock:
            self.archive.running += 1
            self.archive.most = max(self.archive.most, self.archive.running)
        try:
            if not self.archive.slow:
                self.wfile.write(piece)
                return
            for start in range(0, len(piece), 1000):
                self.wfile.write(piece[start : start + 1000])
                self.wfile.flush()
                time.sleep(self.archive.slow)
        finally:
            with self.archive.lock:
                self.archive.running -= 1


def _form() -> bytes:
    sections = []
    for title, names in FIELDS.items():
        rows = [
            f'<input type="checkbox" name="tab_{name}"><b>{name}</b>: '
            f'<input type="text" name="{name}" value="">\n'
            for name in names
        ]
        sections.append(f"<table><tr><th>{title}</th></tr></table>{''.join(rows)}")
    text = (
        "<!DOCTYPE html><html><body>"
        '<form id="queryform" action="/wdb/wdb/eso/muse/query" method="POST" '
        'enctype="multipart/form-data">'
        '<select name="wdbo"><option value="html/display" selected>html</option>'
        '<option value="csv/download">csv</option></select>'
        '<input name="max_rows_returned" value="1000">'
        f"<pre>{''.join(sections)}</pre></form></body></html>"
    )
    return text.encode()


def _multipart(kind: str, body: bytes) -> dict[str, list[str]]:
    message = email.message_from_bytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    fields: dict[str, list[str]] = defaultdict(list)
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        fields[str(name)].append(part.get_payload(decode=True).decode().strip())
    return fields


def _fits(frame: Stored, fields: dict[str, list[str]]) -> bool:
    columns = {
        "obs_targ_name": frame.target,
        "object": frame.object,
        "prog_id": frame.prog_id,
        "dp_cat": frame.kind,
        "dp_type": frame.dpr_type,
        "dp_id": frame.dp_id,
        "ins_mode": frame.ins_mode,
    }
    for name, value in columns.items():
        wanted = [text for text in fields.get(name, []) if text]
        if wanted and value not in wanted:
            return False
    for day, hour, sign in (("stime", "starttime", 1), ("etime", "endtime", -1)):
        if (date := (fields.get(day) or [""])[0]) and not frame.dp_id.endswith(".NL"):
            limit = f"{date}T{(fields.get(hour) or [''])[0] or '12'}"
            if (frame.moment < limit) if sign > 0 else (frame.moment > limit):
                return False
    return not frame.dp_id.endswith(".NL")


def _sql(frames: Iterable[Stored], query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """What an ADQL query answers; SQLite understands as much of ADQL as is asked here."""
    database = sqlite3.connect(":memory:")
    database.execute("ATTACH ':memory:' AS ist")
    database.execute("ATTACH ':memory:' AS tap_schema")
    database.execute(f"CREATE TABLE ist.muse ({', '.join(TAP_COLUMNS)})")
    database.execute(
        "CREATE TABLE tap_schema.columns (table_name, column_name, datatype, unit, xtype)"
    )
    database.executemany(
        "INSERT INTO tap_schema.columns VALUES ('ist.muse', ?, 'char', '', '')",
        [(column,) for column in TAP_COLUMNS],
    )
    database.executemany(
        f"INSERT INTO ist.muse VALUES ({', '.join('?' * len(TAP_COLUMNS))})",
        [
            (
                f.dp_id, f.kind, f.dpr_type, f.object, f.target, f.prog_id, f.ins_mode,
                f.tpl_start, f.moment, f.exposure, max(1, len(f.content) // 1000), f.release,
            )
            for f in frames
            if not f.dp_id.endswith(".NL")
        ],
    )  # fmt: skip
    cursor = database.execute(query)
    return [column[0] for column in cursor.description], cursor.fetchall()
