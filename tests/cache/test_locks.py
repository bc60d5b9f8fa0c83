"""One invocation, one maker: locks by flock, and leases on network file systems."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from musebuild.cache import locks as locks_module
from musebuild.cache.leases import Lease
from musebuild.cache.locks import KeyLock
from musebuild.cache.owner import describe
from musebuild.errors import StoreError
from tests.support.waiting import wait_until

KEY = "ab" * 32


@pytest.fixture(params=["flock", "lease", "lease for want of flock"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of lock."""
    if request.param == "lease":
        monkeypatch.setattr(locks_module, "_on_network", lambda root: True)
    elif request.param != "flock":

        def flock(*args: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", flock)
    return str(request.param)


def left(root: Path) -> list[str]:
    return [path.name for path in (root / "locks").iterdir()]


def test_one_at_a_time(kind: str, tmp_path: Path) -> None:
    first, second = KeyLock(tmp_path, KEY), KeyLock(tmp_path, KEY)
    assert first.try_acquire()
    assert not second.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    assert not first.try_acquire()
    second.release()
    assert left(tmp_path) == []


def test_keys_do_not_hinder_each_other(kind: str, tmp_path: Path) -> None:
    first, second = KeyLock(tmp_path, "a"), KeyLock(tmp_path, "b")
    assert first.try_acquire()
    assert second.try_acquire()
    first.release()
    second.release()


def test_who_has_it_may_ask_again(kind: str, tmp_path: Path) -> None:
    lock = KeyLock(tmp_path, KEY)
    assert lock.try_acquire()
    assert lock.try_acquire()
    lock.release()
    lock.release()
    other = KeyLock(tmp_path, KEY)
    assert other.try_acquire()
    other.release()


def test_releasing_what_one_does_not_hold_takes_it_from_nobody(kind: str, tmp_path: Path) -> None:
    first, second, third = (KeyLock(tmp_path, KEY) for _ in range(3))
    assert first.try_acquire()
    assert not second.try_acquire()
    second.release()
    assert not third.try_acquire()
    first.release()


def test_the_owner_is_described(kind: str, tmp_path: Path) -> None:
    first, second = KeyLock(tmp_path, KEY), KeyLock(tmp_path, KEY)
    assert second.owner() == "another build"
    first.try_acquire()
    second.try_acquire()
    assert second.owner() == f"process {os.getpid()} on {os.uname().nodename}"
    first.release()


def test_a_killed_owner_loses_it_at_once(kind: str, tmp_path: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        KeyLock(tmp_path, KEY).try_acquire()
        lock = KeyLock(tmp_path, KEY)
        held = KeyLock(tmp_path, "other")
        held.try_acquire()
        os.write(write, b"x" if not lock.try_acquire() else b"?")
        signal.pause()
        os._exit(0)
    try:
        assert os.read(read, 1) in (b"x", b"?")
        lock = KeyLock(tmp_path, "other")
        assert not lock.try_acquire()
        assert str(child) in lock.owner()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
    assert lock.try_acquire()
    lock.release()


def test_many_threads_one_maker(kind: str, tmp_path: Path) -> None:
    """Whoever gets the lock is alone with it, whatever others do meanwhile."""
    inside, most, got = [0], [0], []

    def work() -> None:
        for _ in range(25):
            lock = KeyLock(tmp_path, KEY)
            if lock.try_acquire():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                got.append(1)
                time.sleep(0.0005)
                inside[0] -= 1
                lock.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert got


@pytest.mark.parametrize("step", ["mkdir", "open"])
def test_no_room_for_a_lock_is_said(
    kind: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    lock = KeyLock(tmp_path, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(os, step, full)
        with pytest.raises(StoreError) as caught:
            lock.try_acquire()
    assert caught.value.why == "No space left on device"
    assert caught.value.remedy
    # With room, all is well.
    assert lock.try_acquire()
    lock.release()


def test_a_lock_holds_although_its_owner_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first, second = KeyLock(tmp_path, KEY), KeyLock(tmp_path, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert first.try_acquire()
    assert not second.try_acquire()
    assert second.owner() == "another build"
    first.release()
    assert second.try_acquire()
    second.release()


def test_an_error_of_flock_leaks_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(StoreError):
        KeyLock(tmp_path, KEY).try_acquire()
    # Not their number: files of other tests may be closed at any moment.
    opened = [os.path.realpath(fd) for fd in Path("/proc/self/fd").iterdir()]
    assert not [path for path in opened if path.startswith(str(tmp_path))]


# leases


class Clock:
    """A clock that goes on when told to: no test waits, none depends on the machine's load."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease(path: Path, clock: Clock, beat: float = 3600.0) -> Lease:
    """A lease that is anybody's after ten seconds of a clock without a sign of life."""
    return Lease(path, beat=beat, expires=10.0, clock=clock)


def foreign(path: Path, **more: object) -> None:
    """A lease of another machine."""
    path.write_text(json.dumps({"host": "node17", "pid": 7, "boot": "x", "token": "t"} | more))


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where a lease lies; nothing else may be left there."""
    yield tmp_path / "key.lease"
    assert {p.name for p in tmp_path.iterdir()} <= {"key.lease"}


def test_a_lease_with_a_heartbeat_is_not_taken_over(path: Path, clock: Clock) -> None:
    first, second = lease(path, clock), lease(path, clock)
    assert first.try_acquire()
    # As if on another machine, where its process cannot be asked.
    foreign(path, token=first._token)
    for day in range(20):
        assert not second.try_acquire()
        clock.now += 9.9
        os.utime(path, (day, day))
        first.beat()
    first.release()
    assert second.try_acquire()
    second.release()


def test_the_heart_of_a_lease_beats_by_itself(path: Path, clock: Clock) -> None:
    one = lease(path, clock, beat=0.001)
    assert one.try_acquire()
    for day in (1, 2):
        os.utime(path, (day, day))
        wait_until(lambda: path.stat().st_mtime > 10)
    one.release()


def test_a_lease_without_one_is_taken_over_after_a_while(path: Path, clock: Clock) -> None:
    foreign(path)
    waiting = lease(path, clock)
    assert not waiting.try_acquire()
    clock.now += 9.9
    assert not waiting.try_acquire()
    clock.now += 0.2
    assert waiting.try_acquire()
    assert json.loads(path.read_text())["pid"] == os.getpid()
    waiting.release()
    assert not path.exists()


@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_clocks_of_machines_need_not_agree(offset: float, path: Path, clock: Clock) -> None:
    foreign(path)
    os.utime(path, (time.time() + offset,) * 2)
    waiting = lease(path, clock)
    assert not waiting.try_acquire()
    clock.now += 9.9
    os.utime(path, (time.time() + offset + 1,) * 2)
    assert not waiting.try_acquire()
    clock.now += 9.9
    assert not waiting.try_acquire()
    clock.now += 0.2
    assert waiting.try_acquire()
    waiting.release()


@pytest.mark.parametrize("content", ["", "{", "[]", "7"])
def test_a_lease_whose_maker_died_while_writing_it_runs_out(
    content: str, path: Path, clock: Clock
) -> None:
    path.write_text(content)
    waiting = lease(path, clock)
    assert not waiting.try_acquire()
    clock.now += 10
    assert waiting.try_acquire()
    waiting.release()


def test_of_many_that_take_over_one_has_it(path: Path, clock: Clock) -> None:
    foreign(path)
    many = [lease(path, clock) for _ in range(5)]
    assert not any(one.try_acquire() for one in many)
    clock.now += 10
    start = threading.Barrier(len(many))
    got: list[Lease] = []

    def take(one: Lease) -> None:
        start.wait()
        for _ in range(3):
            if one.try_acquire():
                got.append(one)
                return

    threads = [threading.Thread(target=take, args=(one,)) for one in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].release()


def test_a_lease_that_was_renewed_between_look_and_grip_is_left_alone(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign(path)
    waiting = lease(path, clock)
    assert not waiting.try_acquire()
    clock.now += 10
    real = Lease._write

    def late(self: Lease, target: Path) -> bool:
        if target != path:
            foreign(path, token="a newer one")
        return real(self, target)

    monkeypatch.setattr(Lease, "_write", late)
    assert not waiting.try_acquire()
    assert json.loads(path.read_text())["token"] == "a newer one"


@pytest.mark.parametrize("pid", ["2", str(2**22 + 1)])
def test_who_died_while_taking_over_stops_nobody(pid: str, path: Path, clock: Clock) -> None:
    foreign(path)
    guard = path.with_name(f"{path.name}.taking")
    owner = describe() | {"pid": int(pid)} if pid != "2" else {"host": "node17", "pid": 2}
    guard.write_text(json.dumps(owner))
    waiting = lease(path, clock)
    got = False
    for _ in range(4):
        # The dead lease, then the dead taker's guard, show no sign of life for long enough.
        got = waiting.try_acquire()
        clock.now += 10
    assert got
    waiting.release()


def test_who_lost_a_lease_takes_it_from_nobody(path: Path, clock: Clock) -> None:
    first = lease(path, clock)
    assert first.try_acquire()
    foreign(path)
    before = path.stat().st_mtime_ns
    first.beat()
    assert path.stat().st_mtime_ns == before
    assert not first.try_acquire()
    first.release()
    assert json.loads(path.read_text())["host"] == "node17"


def test_a_lease_that_cannot_be_written_is_not_held(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    one = lease(path, clock)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            one.try_acquire()
    assert not path.exists()


def test_a_lease_says_since_when_its_owner_lives(path: Path, clock: Clock) -> None:
    one = lease(path, clock)
    one.try_acquire()
    said = json.loads(path.read_text())
    assert said.items() >= describe().items()
    one.release()


def test_the_kind_of_lock_follows_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (system, name) in enumerate([("ext4", KEY), ("nfs4", f"{KEY}.lease")]):
        root = tmp_path / str(number)
        monkeypatch.setattr(locks_module, "file_system", lambda path, system=system: system)
        lock = KeyLock(root, KEY)
        lock.try_acquire()
        assert left(root) == [name]
        lock.release()


@pytest.fixture(params=["link", "dangling", "second name", "pipe"])
def trap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Something that is no lock in the place of one; nothing of it may change."""
    victim, locks = tmp_path / "victim", tmp_path / "locks"
    locks.mkdir()
    if request.param == "pipe":
        os.mkfifo(locks / KEY)
    elif request.param == "second name":
        victim.write_bytes(b"somebody's")
        (locks / KEY).hardlink_to(victim)
    else:
        (locks / KEY).symlink_to(victim)
        if request.param == "link":
            victim.write_bytes(b"somebody's")
    before = victim.read_bytes() if victim.exists() else None
    yield locks / KEY
    assert (victim.read_bytes() if victim.exists() else None) == before


def test_no_lock_is_written_through_a_link(kind: str, trap: Path, tmp_path: Path) -> None:
    trap.rename(trap.with_name(f"{KEY}.lease")) if kind != "flock" else None
    assert KeyLock(tmp_path, KEY).owner() == "another build"
    first, second = KeyLock(tmp_path, KEY), KeyLock(tmp_path, KEY)
    taken = first.try_acquire() or first.try_acquire()
    if taken:  # a lease of a second name is watched until it has expired
        assert not second.try_acquire()
        first.release()
        assert left(tmp_path) == []


@pytest.mark.parametrize("name", [KEY, "anything", "../victim", f"{KEY}.lease"])
def test_the_sweep_of_locks_takes_only_what_is_one(name: str, tmp_path: Path) -> None:
    locks, elsewhere = tmp_path / "store" / "locks", tmp_path / "elsewhere"
    locks.mkdir(parents=True)
    elsewhere.write_bytes(b"somebody's")
    if name == "anything":
        (locks / name).write_bytes(b"a note of somebody")
    elif ".." not in name:
        (locks / name).symlink_to(elsewhere)
    assert KeyLock.sweep(tmp_path / "store") == 0
    assert elsewhere.read_bytes() == b"somebody's"
    assert (locks / name).exists() is (".." not in name)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"1", b"{", b"\xff", b"[" * 100_000, b'{"pid": 1e999, "host": "x"}',
     b'{"pid": "x", "host": []}', b'{"pid": -1}', b'{"pid": 99999999999999999999999}',
     b'{"host": "\\u001b[2J", "pid": 1}', b"x" * (1 << 20)],
    ids=lambda text: ascii(text)[:25],
)  # fmt: skip
def test_whatever_a_lock_says_of_its_owner_it_is_swept_or_left(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / KEY).write_bytes(text)
    assert KeyLock(tmp_path, KEY).owner().isprintable()
    KeyLock.sweep(tmp_path)
    lock = KeyLock(tmp_path, KEY)
    assert lock.try_acquire()
    lock.release()
