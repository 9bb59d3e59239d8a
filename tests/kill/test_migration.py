"""The program is killed inside a migration, and an older program meets a newer schema: never a half state."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage.db import FILE
from storage.index import add_functions
from storage.migrate import migrations
from tests.kill.child import Forked, Nursery, end, gone, put_away
from tests.rig import Rig, rig

NEWEST = migrations()[-1].number
STARTS_WITHIN = 30.0
PEOPLE = 3
STRIDE = 5
COPYING = ("migration.copying", "migration.copy_unnamed", "migration.copied")
WRITTEN = (
    "insert into contacts (id, name, created_at) values (:id, 'Анна', 1)",
    "insert into identities (id, contact_id, provider, account, user, name) "
    "values (:id, :id, 'telegram', 'b', :id, 'Анна')",
    "insert into messages (identity_id, author, text, at, stored_at) "
    "values (:id, 'client', 'подскажите ' || :id, 1, 1)",
)
SAID = """
select c.name, m.text from messages m join identities i on i.id = m.identity_id join contacts c on c.id = i.contact_id
order by m.id
"""


@pytest.fixture
def children() -> Iterator[list[Forked]]:
    started: list[Forked] = []
    yield started
    for child in started:
        put_away(child)


def old_database(folder: Path, number: int) -> Path:
    """As the program of that version left it: its schema, a few people and what they wrote."""
    folder.mkdir(mode=0o700)
    path = folder / FILE
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("pragma journal_mode = wal")
        add_functions(database)
        for step in migrations()[:number]:
            database.executescript(f"begin;\n{step.sql}\npragma user_version = {step.number};\ncommit;")
        for person in range(1, (PEOPLE if number else 0) + 1):
            for sql in WRITTEN:
                database.execute(sql, {"id": person})
    return path


def reference(folder: Path, number: int) -> list[Any]:
    return schema(old_database(folder, number))[1]


def schema(path: Path) -> tuple[int, list[Any]]:
    """Its number, and all that stands in it. Looking changes nothing: not even the log is put back."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        add_functions(database)
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        stands = database.execute("select type, name, sql from sqlite_master order by type, name").fetchall()
        return database.execute("pragma user_version").fetchone()[0], stands


def people(path: Path) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return database.execute(SAID).fetchall()


def start(nursery: Nursery, fakes: Rig, folder: Path, point: str = "") -> Forked:
    return nursery.fork(folder, {**fakes.environment, **({"FAIL_POINT": point} if point else {})})


async def killed(fakes: Rig, child: Forked) -> bool:
    """Whether it killed itself; one that came through asks for updates, and is ended."""
    asked = len(fakes.world.of("telegram", "setWebhook"))
    await fakes.until(
        lambda: child.look() is not None or len(fakes.world.of("telegram", "setWebhook")) > asked, "the start"
    )
    if child.look() is None:
        await end(child)
    else:
        assert child.look() == -signal.SIGKILL
    return child.look() != 0


@pytest.mark.parametrize("number", range(NEWEST))
async def test_killed_at_each_statement(
    nursery: Nursery, tmp_path: Path, counts: Callable[..., None], children: list[Forked], soak: bool, number: int
) -> None:
    """Each start goes on where the one before was killed, and is killed one statement later; in short: a few later."""
    stride = 1 if soak else STRIDE
    known = [reference(tmp_path / f"reference{n}", n) for n in range(NEWEST + 1)]
    async with rig(tmp_path / "data") as fakes:
        path = old_database(fakes.data_dir, number)
        before = people(path) if number else []
        points = [f"{name}:1" for name in COPYING] if number else []
        kills = statement = 0
        version = number
        while True:
            if not points:
                statement += stride
            point = points.pop(0) if points else f"migration.statement:{statement}"
            children.append(start(nursery, fakes, tmp_path, point))
            if not await killed(fakes, children[-1]):
                break
            kills += 1
            reached, stands = schema(path)
            assert stands == known[reached], f"a half state after {point} of version {version}"
            assert not number or people(path) == before
            statement = statement if reached == version else 0  # a whole step is done, its statements are gone
            version = reached
        assert schema(path) == (NEWEST, known[NEWEST])
        if number:
            copy = fakes.data_dir / "backups" / f"inbox-schema-{number:04}.db"
            assert (schema(copy), people(copy)) == ((number, known[number]), before)
        assert kills > NEWEST - number
        counts("R16", from_version=number, to_version=NEWEST, kills=kills, half_states=0)


async def test_an_older_program_refuses_a_newer_schema(
    nursery: Nursery, tmp_path: Path, children: list[Forked]
) -> None:
    async with rig(tmp_path / "data") as fakes:
        path = old_database(fakes.data_dir, NEWEST)
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"pragma user_version = {NEWEST + 1}")
        before = path.read_bytes()
        children.append(child := start(nursery, fakes, tmp_path))
        assert await gone(child, STARTS_WITHIN) == 1
        assert "newer version" in (tmp_path / "output.log").read_text()
        assert path.read_bytes() == before
        assert {found.name for found in fakes.data_dir.iterdir()} == {FILE, "inbox.lock"}
        assert fakes.world.of("telegram") == []
