"""Texts from outside as parts of paths: one place, which refuses what leads elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musebuild.settings.own_files import (
    copy_new,
    create,
    everybody_writes,
    make_below,
    open_own,
    read_own,
    write_new,
)
from musebuild.settings.path_names import (
    NAME,
    BadNameError,
    cut,
    folder_of,
    part,
    part_for,
    shown,
    why_no_part,
)

BAD = ("", ".", "..", "/", "/etc/passwd", "../x", "a/b", "a/", "a\nb", "a\0b", "\x1b[2J", "\x7f",
       "a\u2028b", "\udcff", "x" * 256, "é" * 128, None, 7, b"x", ["x"])  # fmt: skip
GOOD = ("x", "IC4406", "NGC 1365", "-rf", "..x", "x..", "...", "é" * 127, "M 31: a", "~", "a\\b")


@pytest.mark.parametrize("text", BAD, ids=lambda text: ascii(text)[:20])
def test_a_text_that_leads_elsewhere_is_no_name(text: object) -> None:
    assert why_no_part(text)
    if isinstance(text, str):
        with pytest.raises(BadNameError, match=r".+: .+"):
            part(text)
    assert shown(text).isprintable()
    assert len(shown(text)) <= 60


@pytest.mark.parametrize("text", GOOD)
def test_a_plain_text_is_a_name(text: str) -> None:
    assert part(text) == text


def test_endings_count(tmp_path: Path) -> None:
    assert not why_no_part("x" * (NAME - 5), more=5)
    assert why_no_part("x" * (NAME - 4), more=5)


@given(st.text(alphabet=st.characters(codec=None), max_size=300))
def test_every_text_becomes_one_part_and_no_two_the_same(text: str) -> None:
    name = part_for(text)
    assert not name if not text else not why_no_part(name, 80)
    if name != text:
        assert part_for(name) == name, "what is made is a name itself"
        assert part_for(f"{text}/") != name
    assert len(os.fsencode(cut(text.replace("\0", ""), 100))) <= 100 if text.isascii() else True


def test_texts_alike_stay_apart() -> None:
    names = [part_for(text) for text in ("a/b", "a_b", "a b", "a\tb", "a//b", "../a/b", "a/b/")]
    assert len(set(names)) == len(names)
    assert names[1] == "a_b", "what can be a name is its own"


@pytest.mark.parametrize("label", ["..", "a/b", "", "x\n"])
def test_no_folder_leaves_its_top(label: str) -> None:
    assert folder_of("a/b", "c") == "a/b/c"
    with pytest.raises(BadNameError):
        folder_of("a", label)
    with pytest.raises(BadNameError):
        folder_of(f"a/{label}", "c") if label != "a/b" else folder_of("a/../b", "c")


def test_a_name_that_is_cut_keeps_its_ending() -> None:
    assert cut("a.fits") == "a.fits"
    long = cut("é" * 200 + ".fits.fz")
    assert long.endswith(".fits.fz")
    assert len(long.encode()) <= NAME


class TestOwnFiles:
    """Nothing is written through a link, and a pipe keeps nobody waiting."""

    @pytest.fixture(params=["link", "dangling", "second name", "folder", "pipe", "loop"])
    def trap(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        """Something else in the place of a file of ours."""
        place, victim = tmp_path / "place", tmp_path / "victim"
        if request.param != "dangling":
            victim.write_bytes(b"somebody's")
        match request.param:
            case "link" | "dangling":
                place.symlink_to(victim)
            case "second name":
                place.hardlink_to(victim)
            case "folder":
                place.mkdir()
            case "pipe":
                os.mkfifo(place)
            case "loop":
                place.symlink_to(place)
        return place

    def test_it_is_neither_opened_nor_hurt(self, trap: Path) -> None:
        victim = trap.with_name("victim")
        before = victim.read_bytes() if victim.exists() else None
        for flags in (os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT, os.O_RDWR):
            with pytest.raises(OSError, match="is not used"):
                open_own(trap, flags)
        if not (trap.is_file() and not trap.is_symlink()):
            with pytest.raises(OSError, match="is not used"):
                read_own(trap)
        if not trap.is_dir():
            write_new(trap, b"ours")
            assert trap.read_bytes() == b"ours"
            assert not trap.is_symlink()
        assert (victim.read_bytes() if victim.exists() else None) == before

    def test_what_is_larger_than_any_of_ours_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "large"
        os.close(create(path))
        os.truncate(path, 1 << 40)
        with pytest.raises(OSError, match="larger"):
            read_own(path)

    def test_a_copy_is_a_new_file(self, tmp_path: Path) -> None:
        one, other, victim = (tmp_path / name for name in ("one", "other", "victim"))
        one.write_bytes(b"x" * 100_000)
        victim.write_bytes(b"somebody's")
        other.symlink_to(victim)
        copy_new(one, other)
        assert other.read_bytes() == one.read_bytes()
        assert victim.read_bytes() == b"somebody's"

    def test_folders_are_made_below_a_root_and_never_through_a_link(self, tmp_path: Path) -> None:
        root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
        elsewhere.mkdir()
        root.symlink_to(elsewhere)
        make_below(root, "a/b")
        make_below(root, "a/b")
        make_below(root, "")
        (root / "a" / "c").symlink_to(tmp_path)
        (root / "file").touch()
        for folder in ("a/c", "a/c/d", "file", "file/x"):
            with pytest.raises(NotADirectoryError):
                make_below(root, folder)
        assert not (tmp_path / "d").exists()

    def test_who_may_write(self, tmp_path: Path) -> None:
        assert not everybody_writes(tmp_path)
        tmp_path.chmod(0o777)
        assert everybody_writes(tmp_path)
        assert not everybody_writes(tmp_path / "nothing")
