"""Logins: who has the right gets the frames; passwords are kept nowhere but in the keyring."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from musebuild.archive.login import SERVICE
from musebuild.cli import retrieval
from tests.archive.commands import raw_files, retrieve
from tests.archive.conftest import Memory
from tests.support.archive_server import ArchiveServer, Fault
from tests.support.projects import MockProject
from tests.support.waiting import PATIENCE

Capsys = pytest.CaptureFixture[str]
SCIENCE = "MUSE.2017-06-16T01:34:56.867"
SECRET = "s3cr3t-w0rd"
Typing = Callable[..., list[str]]


@pytest.fixture
def proprietary(archive: ArchiveServer) -> ArchiveServer:
    """One exposure is proprietary."""
    archive.add([replace(archive.frames[SCIENCE], private=True, release="2099-01-01")])
    archive.users["ME"] = SECRET
    return archive


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Typing:
    """Somebody at the terminal who types passwords."""

    def types(*passwords: str) -> list[str]:
        waiting, prompts = list(passwords), []

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return waiting.pop(0)

        monkeypatch.setattr(retrieval, "_ask", ask)
        return prompts

    return types


def nowhere(folder: Path, secret: str) -> None:
    """A text is in no file of a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_public_frames_need_no_login(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    assert retrieve(empty, capsys, "FIELD").status == 0
    assert not archive.asked("/sso/")


def test_frames_without_rights_are_listed_and_the_others_come(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "1 file did not come: refused" in said.err
    assert SCIENCE in said.err
    assert "public from 2099-01-01 on" in said.err
    assert "--username" in said.err
    assert len(raw_files(empty)) == 17


def test_a_dry_run_tells_what_is_proprietary(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "FIELD", "--dry-run")
    assert "proprietary until 2099-01-01" in said.out


def test_a_password_from_the_keyring(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, keys: Memory, tmp_path: Path
) -> None:
    keys.kept[SERVICE, "ME"] = SECRET
    said = retrieve(empty, capsys, "FIELD", "--username", "ME")
    assert said.status == 0, said.text
    assert "Logged in as ME." in said.out
    assert f"{SCIENCE}.fits" in raw_files(empty)
    assert SECRET not in said.text
    nowhere(empty.folder, SECRET)
    nowhere(Path.home() / ".astropy" / "cache" / "astroquery", SECRET)


def test_the_user_may_stand_in_the_settings(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, typing: Typing, keys: Memory
) -> None:
    empty.settings["retrieve_data"]["username"] = "ME"
    empty.write()
    prompts = typing(SECRET)
    assert retrieve(empty, capsys, "FIELD").status == 0
    assert "ME" in prompts[0]
    assert keys.kept == {}, "it is kept only where the settings say so"


def test_a_wrong_password_is_asked_for_again_and_never_stored(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, typing: Typing, keys: Memory
) -> None:
    empty.settings["retrieve_data"] |= {"username": "ME", "store_password": True}
    empty.write()
    typing("wrong", "wrong again", SECRET)
    stored = []
    keep = keys.set_password
    keys.set_password = lambda s, u, p: (stored.append(p), keep(s, u, p))[1]  # type: ignore[method-assign, func-returns-value]
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 0, said.text
    assert said.out.count("user or password is wrong") == 2
    assert stored == [SECRET]


def test_a_wrong_password_in_the_keyring_is_replaced(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, typing: Typing, keys: Memory
) -> None:
    keys.kept[SERVICE, "ME"] = "of last year"
    typing(SECRET)
    said = retrieve(empty, capsys, "FIELD", "--username", "ME")
    assert said.status == 0
    assert "the keyring's password of ME is wrong" in said.out
    assert keys.kept[SERVICE, "ME"] == SECRET


def test_three_wrong_passwords_end_it(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, typing: Typing, keys: Memory
) -> None:
    typing("one", "two", "three", "four")
    said = retrieve(empty, capsys, "FIELD", "--username", "ME")
    assert said.status == 2
    assert "refuses the user ME" in said.err
    assert keys.kept == {}
    # What was found out is not lost.
    archive_calls = proprietary.asked("calselector")
    typing(SECRET)
    assert retrieve(empty, capsys, "FIELD", "--username", "ME").status == 0
    assert proprietary.asked("calselector") == archive_calls


def test_nobody_to_ask_goes_on_without_a_login(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    said = retrieve(empty, capsys, "FIELD", "--username", "ME")
    assert "without a login" in said.out
    assert said.status == 1
    assert len(raw_files(empty)) == 17


def test_a_login_service_that_is_down_is_not_a_wrong_password(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, keys: Memory
) -> None:
    keys.kept[SERVICE, "ME"] = SECRET
    proprietary.fail("login", *[Fault(status=503)] * 9)
    said = retrieve(empty, capsys, "FIELD", "--username", "ME")
    assert said.status == 1
    assert "too busy, or down" in said.err
    assert "wrong" not in said.text
    assert SECRET not in said.text


def test_no_password_in_the_error_of_a_dead_login_service(
    proprietary: ArchiveServer,
    empty: MockProject,
    capsys: Capsys,
    keys: Memory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from musebuild.archive import eso

    keys.kept[SERVICE, "ME"] = SECRET
    original = eso.addresses_of
    dead = "http://127.0.0.1:9/sso/oidc/token"
    monkeypatch.setattr(
        retrieval,
        "addresses_of",
        lambda env: replace(original(env), login=dead),  # type: ignore[type-var]
    )
    said = retrieve(empty, capsys, "FIELD", "--username", "ME")
    assert said.status == 1
    assert "cannot be reached (127.0.0.1:9)" in said.err
    assert SECRET not in said.text


def test_a_token_that_ran_out_is_renewed(
    proprietary: ArchiveServer, empty: MockProject, capsys: Capsys, keys: Memory
) -> None:
    keys.kept[SERVICE, "ME"] = SECRET
    proprietary.fail(SCIENCE, Fault(status=401))
    assert retrieve(empty, capsys, "FIELD", "--username", "ME").status == 0
    assert proprietary.asked("/sso/") == 2


def test_a_login_page_in_place_of_a_frame_is_no_frame(
    archive: ArchiveServer, empty: MockProject, capsys: Capsys
) -> None:
    archive.fail(SCIENCE, Fault(page=True))
    said = retrieve(empty, capsys, "FIELD")
    assert said.status == 1
    assert "sent a login page in its place" in said.err
    assert f"{SCIENCE}.fits" not in raw_files(empty)


def test_a_password_typed_at_a_terminal_is_not_shown(
    proprietary: ArchiveServer, empty: MockProject
) -> None:
    """The whole command on a terminal of its own, as a person meets it."""
    main, other = pty.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        empty.command("retrieve", "FIELD", "--username", "ME"),
        cwd=empty.folder,
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    os.close(other)
    shown = b""

    def until(text: bytes, times: int = 1) -> None:
        nonlocal shown
        while shown.count(text) < times:
            try:
                piece = os.read(main, 4096)
            except OSError:
                return
            shown += piece

    until(b"without login): ")
    os.write(main, b"wrong\n")
    until(b"user or password is wrong")
    until(b"without login): ", 2)
    os.write(main, SECRET.encode() + b"\n")
    until(b"no such text: up to the end")
    os.close(main)
    assert process.wait(PATIENCE) == 0, shown.decode()
    assert b"Logged in as ME." in shown
    assert SECRET.encode() not in shown
    assert f"{SCIENCE}.fits" in raw_files(empty)
