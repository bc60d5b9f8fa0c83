"""Downloads over a bad line: complete and right in the end, and nothing fetched twice."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musebuild.archive import file_download, pauses
from musebuild.archive.client import Client, connect
from musebuild.archive.disk import DiskGuard
from musebuild.archive.downloads import Downloader, Ended
from musebuild.archive.eso import addresses_of
from musebuild.archive.file_download import TIMEOUT
from tests.archive.commands import raw_files, retrieve
from tests.support.archive_frames import night_log, tiny
from tests.support.archive_server import ArchiveServer, Fault
from tests.support.projects import MockProject
from tests.support.waiting import PATIENCE, wait_until

Capsys = pytest.CaptureFixture[str]
NAME = "MUSE.2020-01-01T00:00:00.000"
FRAME = tiny(dt.datetime(2020, 1, 1), 0, size=20)


class Silent:
    """Nobody watches; what was said is kept."""

    def __init__(self) -> None:
        self.retries: list[tuple[str, float]] = []

    def began(self, *_: Any) -> None: ...

    def moved(self, *_: Any) -> None: ...

    def again(self, name: str, reason: str, wait: float) -> None:
        self.retries.append((reason, wait))

    def ended(self, *_: Any) -> None: ...


@pytest.fixture
def client(archive: ArchiveServer) -> Client:
    archive.add([FRAME])
    return connect(addresses_of({"MUSEBUILD_ESO_ARCHIVE": archive.url}))


def fetch(
    client: Client, folder: Path, *names: str, guard: DiskGuard | None = None, parallel: int = 2
) -> tuple[list[Ended], Silent]:
    watch = Silent()
    downloader = Downloader(client, folder, guard or DiskGuard(folder, 0), watch, parallel=parallel)
    return list(downloader.run(list(names))), watch


def fetched(archive: ArchiveServer, name: str = NAME) -> list[tuple[str, int]]:
    return [(request.range, request.sent) for request in archive.sent(name)]


SIZE = len(FRAME.content)


def test_a_broken_line_goes_on_where_it_broke(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.fail(NAME, Fault(drop=5000), Fault(drop=3000), Fault(drop=0))
    ended, _ = fetch(client, tmp_path, NAME)
    assert [end.how for end in ended] == ["here"]
    assert (tmp_path / f"{NAME}.fits").read_bytes() == FRAME.content
    assert fetched(archive) == [
        ("", 5000),
        ("bytes=5000-", 3000),
        ("bytes=8000-", SIZE - 8000),
    ]


def test_a_partial_file_of_an_earlier_call_is_completed(
    archive: ArchiveServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "PATIENCE", 0)
    archive.fail(NAME, Fault(drop=5000))
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["failed"]
    assert (tmp_path / ".retrieve" / f"{NAME}.part").stat().st_size == 5000
    assert not list(tmp_path.glob("*.fits"))
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["here"]
    assert fetched(archive) == [("", 5000), ("bytes=5000-", SIZE - 5000)]


def test_a_whole_partial_file_is_not_fetched_again(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    # As a crash between the last byte and the renaming leaves it.
    parts = tmp_path / ".retrieve"
    parts.mkdir()
    (parts / f"{NAME}.part").write_bytes(FRAME.content)
    (parts / f"{NAME}.json").write_text(f'{{"name": "{NAME}.fits", "length": {SIZE}}}')
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["here"]
    assert fetched(archive) == []


def test_a_partial_file_without_its_note_is_not_trusted(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    parts = tmp_path / ".retrieve"
    parts.mkdir()
    (parts / f"{NAME}.part").write_bytes(b"something else")
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["here"]
    assert (tmp_path / f"{NAME}.fits").read_bytes() == FRAME.content


def test_a_length_that_was_announced_wrongly_costs_nothing(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.fail(NAME, Fault(longer=100))
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["here"]
    assert fetched(archive) == [("", SIZE)]


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(damage=True)],
        [Fault(drop=4000), Fault(no_range=True)],
        [Fault(drop=4000), Fault(damage=True)],
        [Fault(longer=100)],
        [Fault(status=500), Fault(status=502), Fault(drop=10)],
    ],
)
def test_what_comes_wrong_is_fetched_again(
    archive: ArchiveServer, client: Client, tmp_path: Path, faults: list[Fault]
) -> None:
    archive.fail(NAME, *faults)
    ended, watch = fetch(client, tmp_path, NAME)
    assert [end.how for end in ended] == ["here"]
    assert watch.retries
    assert (tmp_path / f"{NAME}.fits").read_bytes() == FRAME.content
    assert not list((tmp_path / ".retrieve").iterdir())


def test_a_frame_that_changed_meanwhile_is_fetched_anew(
    archive: ArchiveServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "PATIENCE", 0)
    archive.fail(NAME, Fault(drop=5000))
    fetch(client, tmp_path, NAME)
    note = tmp_path / ".retrieve" / f"{NAME}.json"
    note.write_text(note.read_text().replace(NAME, "another"))
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["here"]
    assert fetched(archive)[-1][1] == SIZE


def test_a_server_that_asks_to_wait_is_heeded(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.fail(NAME, Fault(status=429, retry_after="1"))
    started = time.monotonic()
    ended, watch = fetch(client, tmp_path, NAME)
    assert [end.how for end in ended] == ["here"]
    assert watch.retries == [("the archive is busy", 1.0)]
    assert time.monotonic() - started >= 1.0


def test_a_frame_that_never_comes_whole_is_given_up(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.fail(NAME, *[Fault(damage=True)] * 50)
    (ended,), _ = fetch(client, tmp_path, NAME)
    assert ended.how == "failed"
    assert "checksum" in ended.problem
    assert not list(tmp_path.glob("*.fits"))


def test_a_frame_whose_checksum_is_wrong_in_the_archive_comes_with_a_warning(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    name = "MUSE.2017-06-16T01:34:56.867"
    frame = archive.frames[name]
    wrong = bytearray(frame.content)
    wrong[-3000] ^= 1
    archive.add([replace(frame, content=bytes(wrong))])
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert f"WARNING: {name}: the checksum of HDU" in said.out
    assert (empty.folder / "raw" / f"{name}.fits").read_bytes() == bytes(wrong)
    assert len(archive.sent(name)) == 2


def test_an_archive_that_always_begins_anew_and_breaks_off_is_given_up(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.fail(NAME, *[Fault(drop=4000, no_range=True)] * 50)
    (ended,), _ = fetch(client, tmp_path, NAME)
    assert ended.how == "failed"
    assert "the line broke at byte 4,000" in ended.problem


def test_a_disk_that_is_full_all_at_once(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_download, "create", lambda _: os.open("/dev/full", os.O_WRONLY))
    (ended,), _ = fetch(client, tmp_path, NAME)
    assert ended.how == "disk full"
    assert "is full" in ended.problem


def test_a_frame_that_the_archive_does_not_have(client: Client, tmp_path: Path) -> None:
    (ended,), _ = fetch(client, tmp_path, "MUSE.1999-01-01T00:00:00.000")
    assert ended.how == "gone"
    assert "status 404" in ended.problem


def test_an_archive_that_is_down_is_not_tried_for_every_frame(
    archive: ArchiveServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "PATIENCE", 1)
    frames = [tiny(dt.datetime(2020, 1, 2, hour), hour) for hour in range(20)]
    archive.add(frames)
    for frame in frames:
        archive.fail(frame.dp_id, *[Fault(status=503)] * 5)
    ended, _ = fetch(client, tmp_path, *(f.dp_id for f in frames), parallel=2)
    hows = [end.how for end in ended]
    assert len(hows) == 20
    assert 4 <= hows.count("failed") <= 6
    assert hows.count("stopped") == 20 - hows.count("failed")


def test_no_more_at_once_than_the_limit(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    frames = [tiny(dt.datetime(2020, 1, 1, hour), hour, size=4) for hour in range(1, 13)]
    archive.add(frames)
    archive.slow = 0.002
    ended, _ = fetch(client, tmp_path, *(f.dp_id for f in frames), parallel=3)
    assert {end.how for end in ended} == {"here"}
    assert 2 <= archive.most <= 3


def test_downloads_stop_before_the_disk_is_full(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    frames = [tiny(dt.datetime(2020, 1, 1, hour), hour, size=4) for hour in range(1, 9)]
    archive.add(frames)
    size = len(frames[0].content)

    def free(folder: Path) -> int:
        used = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        return 3 * size - used + 2000

    guard = DiskGuard(tmp_path, 1000, free)
    ended, _ = fetch(client, tmp_path, *(f.dp_id for f in frames), guard=guard, parallel=1)
    assert [end.how for end in ended[:4]] == ["here", "here", "here", "disk full"]
    assert {end.how for end in ended[4:]} == {"stopped"}
    assert "shall stay free" in ended[3].problem


def test_a_full_disk_is_told_with_what_mends_it(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    empty.settings["retrieve_data"] = {"keep_free": "1000 PB"}
    empty.write()
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 2
    assert "disk full" in said.err
    assert "let raw_path name another disk" in said.err
    assert raw_files(empty) == set()


def test_names_that_lead_elsewhere_are_not_followed(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.add([replace(FRAME, filename="../../etc/passwd.fits")])
    folder = tmp_path / "deep" / "raw"
    folder.mkdir(parents=True)
    (ended,), _ = fetch(client, folder, NAME)
    assert ended.path == str(folder / f"{NAME}.fits"), "never over another frame, or settings"


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/b", "..", "x" * 250, "a\nb", ""])
def test_a_name_of_the_archive_that_no_file_can_have(
    client: Client, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "deep" / "raw"
    (ended,), _ = fetch(client, folder, name)
    assert ended.how == "gone"
    assert "no file can have the name" in ended.problem
    assert [path.name for path in tmp_path.rglob("*")] == ["deep", "raw", ".retrieve"]


@pytest.mark.parametrize(
    "note",
    ["[]", "{", "[" * 10**5, '{"name": "../../x", "length": 5}', '{"name": 7, "length": 5}',
     '{"name": "a.fits", "length": -1}', '{"name": "a.fits", "length": true}',
     '{"name": "a.fits", "length": 5, "version": ["x"]}'],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_whatever_a_note_says_the_frame_comes_whole(
    client: Client, tmp_path: Path, note: str
) -> None:
    parts = tmp_path / "raw" / ".retrieve"
    parts.mkdir(parents=True)
    (parts / f"{NAME}.part").write_bytes(b"12345")
    (parts / f"{NAME}.json").write_text(note)
    (ended,), _ = fetch(client, tmp_path / "raw", NAME)
    assert ended.path == str(tmp_path / "raw" / f"{NAME}.fits")
    assert Path(ended.path).read_bytes() == FRAME.content


@pytest.mark.parametrize("ending", ["part", "json", "unpacked", ""])
def test_nothing_is_fetched_through_a_link(client: Client, tmp_path: Path, ending: str) -> None:
    victim, parts = tmp_path / "victim", tmp_path / "raw" / ".retrieve"
    victim.write_bytes(b"somebody's")
    parts.mkdir(parents=True)
    if ending:
        (parts / f"{NAME}.{ending}").symlink_to(victim)
        (parts / f"{NAME}.json").exists() or (parts / f"{NAME}.json").write_text(
            f'{{"name": "{NAME}.fits", "length": {SIZE}}}'
        )
    else:
        (tmp_path / "raw" / f"{NAME}.fits").symlink_to(victim)
    (ended,), _ = fetch(client, tmp_path / "raw", NAME)
    assert Path(ended.path).read_bytes() == FRAME.content
    assert victim.read_bytes() == b"somebody's"


# a stop


def test_a_stop_leaves_what_is_fetched_and_partial_files(
    archive: ArchiveServer, client: Client, tmp_path: Path
) -> None:
    archive.slow = 0.2
    downloader = Downloader(client, tmp_path, DiskGuard(tmp_path, 0), Silent(), parallel=1)

    def stop() -> None:
        wait_until(lambda: archive.running)
        downloader.stop.set()

    threading.Thread(target=stop).start()
    ended = list(downloader.run([NAME]))
    archive.slow = 0.0
    assert [end.how for end in ended] == ["stopped"]
    assert not list(tmp_path.glob("*.fits"))
    assert [end.how for end in fetch(client, tmp_path, NAME)[0]] == ["here"]
    assert (tmp_path / f"{NAME}.fits").read_bytes() == FRAME.content


def stop_while_frames_come(
    archive: ArchiveServer, empty: MockProject, number: int, status: int
) -> float:
    """Send a signal while frames come; seconds until the process ended as it should."""
    process = subprocess.Popen(
        empty.command("retrieve", "FIELD"),
        cwd=empty.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in the background has them ignore Ctrl-C, children included.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: archive.running)
    process.send_signal(number)
    sent = time.monotonic()
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, out
    assert "the same command goes on from here" in out
    assert "Traceback" not in out
    return time.monotonic() - sent


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_is_safe(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys, number: int, status: int
) -> None:
    archive.slow = 0.2
    stop_while_frames_come(archive, empty, number, status)
    archive.slow = 0.0
    assert retrieve(empty, capsys, "FIELD").status == 0
    for name, frame in archive.frames.items():
        ending = ".txt" if name.endswith(".NL") else ".fits"
        assert (empty.folder / "raw" / f"{name}{ending}").read_bytes() == frame.content


def test_a_line_on_which_nothing_comes_does_not_hold_up_ctrl_c(
    archive: ArchiveServer, empty: MockProject
) -> None:
    archive.slow = 3600.0
    # Less than what a request waits for the next piece.
    assert stop_while_frames_come(archive, empty, signal.SIGINT, 130) < TIMEOUT[1] / 2


def test_two_at_once_in_one_folder(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    from musebuild.cache.locks import KeyLock

    (empty.folder / "raw").mkdir()
    lock = KeyLock(empty.folder / "raw" / ".retrieve", "retrieve")
    assert lock.try_acquire()
    said = retrieve(empty, capsys, "FIELD")
    lock.release()
    assert said.status == 1
    assert "another `musebuild retrieve`" in said.err


# a large load


def test_hundreds_of_frames_over_a_bad_line(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    random.seed(20170616)
    start = dt.datetime(2017, 6, 16)
    science = [tiny(start + dt.timedelta(seconds=10 * n), n) for n in range(20)]
    calib = [
        tiny(start + dt.timedelta(hours=2, seconds=10 * n), n, kind="CALIB") for n in range(560)
    ]
    frames = [*science, *calib, *map(night_log, science)]
    archive.frames.clear()
    archive.add(frames)
    archive.calibrations = [frame.dp_id for frame in calib]
    wrong = random.sample(frames, len(frames) // 20)
    damaged = set()
    for number, frame in enumerate(wrong):
        size = len(frame.content)
        kind = number % 6 if size > 1000 else number % 3
        fault = [
            Fault(status=500),
            Fault(status=429, retry_after="0"),
            Fault(drop=size // 3),
            Fault(drop=size // 2),
            Fault(damage=True),
            Fault(longer=50),
        ][kind]
        damaged |= {frame.dp_id} if fault.damage else set()
        archive.fail(frame.dp_id, fault)
    empty.settings["datasets"] = {"LOAD": {"archive_filter": {"obs_targ_name": "LOAD"}}}
    empty.settings["retrieve_data"]["parallel"] = 8
    empty.write()
    said = retrieve(empty, capsys, "LOAD")
    assert said.status == 0, said.err
    raw = empty.folder / "raw"
    sent: dict[str, int] = {}
    for request in archive.requests:
        if "/store/" in request.path:
            name = request.path.rpartition("/")[2]
            sent[name] = sent.get(name, 0) + request.sent
    for frame in frames:
        ending = ".txt" if frame.dp_id.endswith(".NL") else ".fits"
        assert (raw / f"{frame.dp_id}{ending}").read_bytes() == frame.content
        times = 2 if frame.dp_id in damaged else 1
        assert sent[frame.dp_id] == times * len(frame.content), frame.dp_id
    before = len(archive.requests)
    assert retrieve(empty, capsys, "LOAD").status == 0
    assert not any("/dataPortal/" in r.path for r in archive.requests[before:])


# pauses


@given(st.integers(1, 50), st.floats(0, 1), st.floats(0.1, 10))
def test_pauses_grow_to_a_limit(fruitless: int, share: float, first: float) -> None:
    wait = pauses.pause(fruitless, None, share, first)
    assert 0.5 * min(first, pauses.LONGEST) <= wait <= pauses.LONGEST
    assert pauses.pause(fruitless + 1, None, share, first) >= wait


@given(st.integers(1, 20), st.floats(0, 1e5))
def test_what_the_server_asks_for_is_the_least(fruitless: int, asked: float) -> None:
    assert pauses.pause(fruitless, asked, 0.0) >= asked


def test_retry_after_as_seconds_and_as_a_date() -> None:
    now = dt.datetime(2026, 11, 25, 2, 0, tzinfo=dt.UTC)
    assert pauses.retry_after("120", now) == 120
    assert pauses.retry_after("Wed, 25 Nov 2026 02:01:30 GMT", now) == 90
    assert pauses.retry_after("Wed, 25 Nov 2026 01:00:00 GMT", now) == 0
    assert pauses.retry_after("soon", now) is None
    assert pauses.retry_after(None, now) is None
