"""Steps of the schema: whole or not at all, copied before, a newer one refused. And the lock of the folder."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inbox.errors import StorageDown
from storage import store as store_module
from storage.db import AlreadyRunning, data_lock
from storage.migrate import Migration, MigrationFailed, SchemaTooNew, migrate, migrations, version
from storage.store import open_store
from tests.storage.world import StoodClock, raw

FIRST = Migration(1, "create table a (id integer primary key) strict; insert into a (id) values (7);")
SECOND = Migration(2, "create table b (id integer primary key, a integer references a (id)) strict;")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}


def test_numbers_have_no_gap() -> None:
    found = migrations()
    assert [step.number for step in found] == list(range(1, len(found) + 1))


def test_a_fresh_database_needs_no_copy(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path, [FIRST, SECOND])
    assert (version(connection), tables(connection)) == (2, {"a", "b"})
    assert connection.execute("pragma foreign_keys").fetchone()[0] == 1
    assert not (path.parent / "backups").exists()
    migrate(connection, path, [FIRST, SECOND])
    assert version(connection) == 2


def test_a_copy_is_made_before_a_step(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path, [FIRST])
    migrate(connection, path, [FIRST, SECOND])
    with closing(sqlite3.connect(path.parent / "backups" / "inbox-schema-0001.db")) as copy:
        assert (version(copy), tables(copy)) == (1, {"a"})
        assert copy.execute("select id from a").fetchall() == [(7,)]


@pytest.mark.parametrize(
    "sql",
    [
        "create table c (id integer) strict; insert into nowhere values (1);",
        "create table c (id integer) strict; insert into a (id) values (7);",
        "create table c (id integer) strict; insert into b (id, a) values (1, 99);",
        "create table c (id integer",
    ],
)
def test_a_broken_step_leaves_nothing(connection: sqlite3.Connection, path: Path, sql: str) -> None:
    migrate(connection, path, [FIRST, SECOND])
    with pytest.raises(MigrationFailed) as raised:
        migrate(connection, path, [FIRST, SECOND, Migration(3, sql)])
    assert raised.value.number == 3
    assert (version(connection), tables(connection)) == (2, {"a", "b"})
    migrate(connection, path, [FIRST, SECOND, Migration(3, "create table c (id integer) strict;")])
    assert version(connection) == 3


def test_steps_before_a_broken_one_stay(connection: sqlite3.Connection, path: Path) -> None:
    with pytest.raises(MigrationFailed):
        migrate(connection, path, [FIRST, Migration(2, "nonsense;")])
    assert (version(connection), tables(connection)) == (1, {"a"})


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from storage.migrate import Migration, migrate
path = Path(sys.argv[1])
connection = sqlite3.connect(path, isolation_level=None)
connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
migrate(connection, path, [Migration(1, "create table a (id integer) strict; select die();")])
"""


def test_a_kill_in_the_middle_leaves_nothing(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert (version(connection), tables(connection)) == (0, set())
        migrate(connection, path, [FIRST])
        assert version(connection) == 1


def test_a_newer_schema_is_refused(connection: sqlite3.Connection, path: Path) -> None:
    migrate(connection, path, [FIRST, SECOND])
    with pytest.raises(SchemaTooNew) as raised:
        migrate(connection, path, [FIRST])
    assert (raised.value.found, raised.value.known) == (2, 1)


def test_a_store_refuses_a_newer_schema_and_touches_nothing(
    connection: sqlite3.Connection, path: Path, clock: StoodClock
) -> None:
    connection.execute("pragma user_version = 99")
    connection.close()
    before = path.read_bytes()

    async def start() -> None:
        async with open_store(path.parent, clock):
            pass

    with pytest.raises(SchemaTooNew):
        asyncio.run(start())
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} == {"inbox.db", "inbox.lock"}
    with data_lock(path.parent):
        assert path.exists()


async def test_a_store_brings_an_older_database_up_to_date(
    tmp_path: Path, clock: StoodClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path, clock) as store:
        await store.put([raw("k", clock.at)])
    newer = [*migrations(), Migration(len(migrations()) + 1, "create table later (id integer) strict;")]
    monkeypatch.setattr(store_module, "migrations", lambda: newer)
    async with open_store(tmp_path, clock) as store:
        assert len(await store.read(lambda r: r.raws("new", 9))) == 1
    assert (tmp_path / "backups" / f"inbox-schema-{len(newer) - 1:04}.db").exists()


def test_what_is_no_database_is_told(path: Path, clock: StoodClock) -> None:
    path.write_bytes(b"not a database at all" * 100)

    async def start() -> None:
        async with open_store(path.parent, clock):
            pass

    with pytest.raises(StorageDown) as raised:
        asyncio.run(start())
    assert raised.value.reason == "corrupt"


def test_the_files_are_the_owners_alone(path: Path) -> None:
    with data_lock(path.parent / "new"):
        assert (path.parent / "new").stat().st_mode & 0o777 == 0o700
        assert (path.parent / "new" / "inbox.lock").stat().st_mode & 0o777 == 0o600


async def test_a_second_store_is_refused(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock):
        with pytest.raises(AlreadyRunning):
            async with open_store(tmp_path, clock):
                pass
    async with open_store(tmp_path, clock) as store:
        assert await store.write(lambda u: u.once("k"))


SECOND_PROCESS = """
import sys
from pathlib import Path
from storage.db import AlreadyRunning, data_lock
try:
    with data_lock(Path(sys.argv[1])):
        sys.exit(0)
except AlreadyRunning:
    sys.exit(9)
"""


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    def start() -> int:
        return subprocess.run([sys.executable, "-c", SECOND_PROCESS, str(tmp_path)], check=False).returncode

    with data_lock(tmp_path):
        assert start() == 9
    assert start() == 0


HOLDER = """
import sys, time
from pathlib import Path
from storage.db import data_lock
with data_lock(Path(sys.argv[1])):
    sys.stdout.write("held\\n"); sys.stdout.flush()
    sys.stdin.read()
"""


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning), data_lock(tmp_path):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    with data_lock(tmp_path):
        assert (tmp_path / "inbox.lock").exists()
