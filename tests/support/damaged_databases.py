"""Damage of a project's database, of bytes and of rows, and what builds make of it.

`python -m tests.support.damaged_databases 1000 1` tries a thousand, from seed 1.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from musebuild.index.row_checks import CHECK, CHECKED, SCHEMA
from tests.support.frames import mock_night
from tests.support.projects import MockProject, make_mock_project

PAGE = 4096
LOOKS = ("list", "list --status", "status", "info", "check", "info-raw DPR_TYPE:BIAS")
Harm = Callable[[bytearray, random.Random], None]


def before_checks(connection: sqlite3.Connection) -> None:
    """Make a database one of a musebuild that knew no checksums of rows."""
    for table in CHECKED:
        connection.execute(f"DROP INDEX {table}_unchecked")
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {CHECK}")
    connection.execute("DELETE FROM meta WHERE name = ?", [SCHEMA])
    connection.execute("DELETE FROM migrations WHERE name = 'index-checks'")


def flip(content: bytearray, chance: random.Random) -> None:
    """Some bits."""
    for _ in range(chance.choice((1, 1, 4, 40))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_head(content: bytearray, chance: random.Random) -> None:
    """A bit of the header."""
    content[chance.randrange(100)] ^= 1 << chance.randrange(8)


def zero(content: bytearray, chance: random.Random) -> None:
    """A part reads as zeros."""
    start = chance.randrange(len(content))
    length = min(len(content) - start, chance.choice((1, 100, PAGE)))
    content[start : start + length] = bytes(length)


def noise(content: bytearray, chance: random.Random) -> None:
    """A part is anything."""
    start = chance.randrange(len(content))
    length = min(len(content) - start, chance.choice((1, 8, 500, PAGE)))
    content[start : start + length] = chance.randbytes(length)


def zero_page(content: bytearray, chance: random.Random) -> None:
    """A page reads as zeros."""
    start = chance.randrange(len(content) // PAGE) * PAGE
    content[start : start + PAGE] = bytes(PAGE)


def double_page(content: bytearray, chance: random.Random) -> None:
    """A page stands in the place of another."""
    one, other = (chance.randrange(len(content) // PAGE) * PAGE for _ in range(2))
    content[one : one + PAGE] = content[other : other + PAGE]


def swap_pages(content: bytearray, chance: random.Random) -> None:
    """Two pages in each other's place."""
    one, other = (chance.randrange(len(content) // PAGE) * PAGE for _ in range(2))
    content[one : one + PAGE], content[other : other + PAGE] = (
        content[other : other + PAGE],
        content[one : one + PAGE],
    )


def cut(content: bytearray, chance: random.Random) -> None:
    """The end is gone."""
    del content[chance.randrange(len(content)) :]


def append(content: bytearray, chance: random.Random) -> None:
    """Something stands behind it."""
    content += chance.randbytes(chance.choice((1, 100, PAGE)))


def spoil_text(content: bytearray, chance: random.Random) -> None:
    """Letters of a text are others."""
    texts = [found.span() for found in re.finditer(rb"[ -~]{12,}", content)]
    start, end = chance.choice(texts)
    for _ in range(chance.choice((1, 3))):
        content[chance.randrange(start, end)] = chance.choice((0xFF, 0, 0x41, 0x7B, 0xE9, 0x31))


BYTES: tuple[Harm, ...] = (
    flip, flip, flip_head, zero, noise, zero_page, double_page, swap_pages, cut, append,
    spoil_text, spoil_text, spoil_text,
)  # fmt: skip


def harm_rows(path: Path, chance: random.Random) -> str:
    """Change a database by SQL, as no musebuild does; how."""
    connection = sqlite3.connect(path)
    try:
        things = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()
        tables = [name for kind, name in things if kind == "table"]
        if chance.random() < 0.15:
            kind, name = chance.choice(things)
            statement = f'DROP {kind} "{name}"'
        else:
            table = chance.choice([*tables, "raw", "digests", "placed", "plan_cache", "meta"])
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            some = chance.choice(
                ("1", f'rowid IN (SELECT rowid FROM "{table}" ORDER BY random() LIMIT 1)')
            )
            value = chance.choice(("NULL", "x'ff00fe'", "'word'", "-1", "1e300", "'{'", "''"))
            statement = (
                f'UPDATE OR REPLACE "{table}" SET "{chance.choice(columns)}" = {value} WHERE {some}'
                if chance.random() < 0.75
                else f'DELETE FROM "{table}" WHERE {some}'
            )
        with contextlib.suppress(sqlite3.IntegrityError), connection:
            connection.execute(statement)
    finally:
        connection.close()
    return statement


def harm(path: Path, chance: random.Random) -> str:
    """Damage a database in any way; how."""
    if chance.random() < 0.3:
        return harm_rows(path, chance)
    content = bytearray(path.read_bytes())
    one = chance.choice(BYTES)
    one(content, chance)
    path.write_bytes(bytes(content))
    return one.__name__


def products(folder: Path) -> dict[str, bytes]:
    """Contents of the reduced tree."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.fits"))
        if path.is_file()
    }


class Trial:
    """A project that is built, and whose database is damaged again and again.

    Parameters
    ----------
    project : MockProject
        Not built yet.
    names : tasks that are built.
    """

    def __init__(self, project: MockProject, names: tuple[str, ...]) -> None:
        self.project, self.names = project, names
        for _ in range(2):
            project.build(*names)
        self.path = project.folder / "musebuild.db"
        self.right = products(project.reduced)
        self.good = self.path.read_bytes()

    def renew(self) -> None:
        """The database as it was, and nothing else of it."""
        for path in self.project.folder.glob("musebuild.db*"):
            path.unlink()
        self.path.write_bytes(self.good)

    def once(self, seed: str) -> tuple[str, list[str]]:
        """Damage it once and build; how, and what is wrong then."""
        chance = random.Random(seed)
        self.renew()
        how = harm(self.path, chance)
        if chance.random() < 0.5:
            # A frame that looks new: all is planned anew.
            os.utime(chance.choice(sorted((self.project.folder / "raw").glob("*.fits"))))
        before = len(self.project.journal)
        wrong: list[str] = []
        if chance.random() < 0.3:
            self._ask(chance.choice(LOOKS).split(), wrong)
        status = self._ask(["run", *self.names], wrong)
        if status:
            status = self._ask(["run", *self.names], wrong)
        if status:
            wrong.append(f"not mended: {self.told}")
        if len(self.project.journal) != before:
            wrong.append("ran again")
        if products(self.project.reduced) != self.right:
            wrong.append("wrong products")
        if wrong:
            shutil.rmtree(self.project.reduced, ignore_errors=True)
            for path in self.project.folder.glob("musebuild.db*"):
                path.unlink()
            self.project.build(*self.names)
            self.project.build(*self.names)
            self.right = products(self.project.reduced)
            self.good = self.path.read_bytes()
        return how, wrong

    def _ask(self, arguments: list[str], wrong: list[str]) -> int:
        try:
            ran = self.project.ask(*arguments)
        except Exception:
            wrong.append(f"traceback of {arguments[0]}: {traceback.format_exc(limit=-4)}")
            return 70
        self.told = ran.text
        if "Traceback" in ran.text:
            wrong.append(f"traceback: {ran.text}")
        return ran.status


def main(number: int, seed: str) -> int:
    """Try many; 1 if any went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="databases-"))
    counts: Counter[str] = Counter()
    try:
        mock_night(folder / "night", exposures=1, ifus=(1,))
        trial = Trial(make_mock_project(folder / "p", folder / "night"), ("muse_flat",))
        for each in range(number):
            how, wrong = trial.once(f"{seed}-{each}")
            counts[how.split()[0]] += 1
            for one in wrong:
                counts[f"WRONG {one.split(':')[0]}"] += 1
                print(f"{seed}-{each} {how}: {one}", flush=True)
    finally:
        shutil.rmtree(folder)
    print(dict(sorted(counts.items())))
    return any(name.startswith("WRONG") for name in counts)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
