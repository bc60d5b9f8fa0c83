"""Reflink, hard link or copy: the first that works; and files that appear whole."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from musebuild.cache import place as place_module
from musebuild.cache.place import beside, place, sweep_parts, write_atomically

CONTENT = b"content " * 1000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An object."""
    path = tmp_path / "object"
    path.write_bytes(CONTENT)
    path.chmod(0o444)
    os.utime(path, (1_000_000_000,) * 2)
    return path


def refuse(code: int) -> Callable[..., object]:
    """A call that the file system refuses."""

    def call(*args: object, **kwargs: object) -> object:
        raise OSError(code, os.strerror(code))

    return call


def clone(descriptor: int, request: int, source: int) -> int:
    """What FICLONE does, on file systems that lack it."""
    assert request == place_module.FICLONE
    os.write(descriptor, Path(f"/proc/self/fd/{source}").read_bytes())
    return 0


def no_part(folder: Path) -> bool:
    return not list(folder.glob(".*"))


def test_reflink_comes_first(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "ioctl", clone)
    target = tmp_path / "product.fits"
    assert place(source, target) == "reflink"
    assert target.read_bytes() == CONTENT
    assert target.stat().st_ino != source.stat().st_ino
    assert target.stat().st_mode == source.stat().st_mode
    assert target.stat().st_mtime_ns == source.stat().st_mtime_ns


CANNOT = [errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM]


@pytest.mark.parametrize("code", CANNOT)
def test_a_hard_link_where_there_is_no_reflink(
    code: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", refuse(code))
    target = tmp_path / "product.fits"
    assert place(source, target) == "hard link"
    assert target.stat().st_ino == source.stat().st_ino
    assert no_part(tmp_path)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_a_copy_where_there_is_neither(
    code: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", refuse(errno.EOPNOTSUPP))
    monkeypatch.setattr(os, "link", refuse(code))
    target = tmp_path / "product.fits"
    assert place(source, target) == "copy"
    assert target.read_bytes() == CONTENT
    assert target.stat().st_ino != source.stat().st_ino
    assert target.stat().st_mode & 0o777 == 0o444
    assert target.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert no_part(tmp_path)


def test_a_copy_to_another_file_system(source: Path, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    target = elsewhere / f"musebuild-test-{os.getpid()}.fits"
    try:
        assert place(source, target) == "copy"
        assert target.read_bytes() == CONTENT
        assert not list(elsewhere.glob(f".{target.name}*"))
    finally:
        target.unlink(missing_ok=True)


@pytest.mark.parametrize("ways", ["reflink", "hard link", "copy"])
def test_what_is_there_is_replaced_at_once(
    ways: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", clone if ways == "reflink" else refuse(errno.ENOTTY))
    if ways == "copy":
        monkeypatch.setattr(os, "link", refuse(errno.EXDEV))
    target = tmp_path / "product.fits"
    target.write_bytes(b"old")
    real, seen = os.replace, []

    def watched(one: Path, other: Path) -> None:
        seen.append(target.read_bytes())
        real(one, other)
        seen.append(target.read_bytes())

    monkeypatch.setattr(os, "replace", watched)
    assert place(source, target) == ways
    assert seen == [b"old", CONTENT]


def test_a_hard_link_over_itself_leaves_nothing_beside_it(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "product.fits"
    place(source, target)
    place(source, target)
    assert target.read_bytes() == CONTENT
    assert no_part(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("step", ["ioctl", "link", "copyfileobj", "replace", "copystat", "fsync"])
def test_invariant_6_a_failure_leaves_what_was_there(
    code: int, step: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "ioctl", clone if step == "copystat" else refuse(errno.ENOTTY))
    if step in ("copyfileobj", "fsync"):
        monkeypatch.setattr(os, "link", refuse(errno.EXDEV))
    module = {"ioctl": fcntl, "copyfileobj": shutil, "copystat": shutil}.get(step, os)
    monkeypatch.setattr(module, step, refuse(code))
    target = tmp_path / "product.fits"
    target.write_bytes(b"old")
    with pytest.raises(OSError, match=os.strerror(code)):
        place(source, target)
    assert target.read_bytes() == b"old"
    assert no_part(tmp_path)


def test_a_missing_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        place(tmp_path / "nothing", tmp_path / "product.fits")
    assert no_part(tmp_path)


class TestBeside:
    def test_no_two_writers_share_a_name(self, tmp_path: Path) -> None:
        path = tmp_path / "a.fits"
        assert beside(path) != beside(path)

    def test_it_names_the_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: "node17")
        assert ".node17." in beside(tmp_path / "a.fits").name

    @pytest.mark.parametrize("name", ["x" * 255, "ä" * 127, "\udcff" * 200])
    def test_names_stay_short_enough(self, name: str, tmp_path: Path) -> None:
        temporary = beside(tmp_path / name)
        temporary.write_bytes(b"")
        assert temporary.parent == tmp_path

    def test_globs_of_frames_do_not_see_it(self, tmp_path: Path) -> None:
        beside(tmp_path / "a.fits").write_bytes(b"")
        assert not list(tmp_path.glob("*.fits"))


def test_parts_of_dead_writers_are_swept_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = os.fork()
    if child == 0:
        beside(tmp_path / "dead.fits").write_bytes(b"half")
        os._exit(0)
    os.waitpid(child, 0)
    living = beside(tmp_path / "living.fits")
    living.write_bytes(b"half")
    foreign = [".part", ".x.part", ".a.fits.part", "..part", ".rsync.part", "a.part"]
    for name in foreign:
        (tmp_path / name).write_bytes(b"of others")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "node17")
        elsewhere = beside(tmp_path / "elsewhere.fits")
        elsewhere.write_bytes(b"half")
    assert sweep_parts(tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {living.name, elsewhere.name, *foreign}


class TestWriteAtomically:
    def test_it_writes(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "a.json", "ä\n", durable=True)
        assert (tmp_path / "a.json").read_text(encoding="utf-8") == "ä\n"
        assert no_part(tmp_path)

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_invariant_6_a_failure_leaves_what_was_there(
        self, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.json"
        path.write_text("old")
        monkeypatch.setattr(os, step, refuse(errno.ENOSPC))
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, "new", durable=True)
        assert path.read_text() == "old"
        assert no_part(tmp_path)

    def test_an_interruption_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*args: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(tmp_path / "a.json", "new")
        assert not list(tmp_path.iterdir())
