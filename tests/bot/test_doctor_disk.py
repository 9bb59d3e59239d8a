"""Doctor names what keeps the database from being written: rights, room, another process's lock."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.doctor.data import free_space, held, writable
from bot.doctor.findings import Level
from bot.room import BACK, MB
from storage.db import FILE, LOCK
from storage.locks import writer_of
from storage.store import open_store
from tests.storage.world import StoodClock

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print(flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def holder(path: Path) -> AsyncIterator[int]:
    """Another process in the middle of a transaction; its number."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None and process.stdin is not None
    await process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.stdin.close()
        await process.wait()


async def test_another_process_that_keeps_the_lock_is_named(tmp_path: Path) -> None:
    async with open_store(tmp_path, StoodClock(NOW)) as store:
        await store.write(lambda u: u.once("k"))
        assert list(held(tmp_path)) == []
        async with holder(store.path) as pid:
            (found,) = await asyncio.to_thread(lambda: list(held(tmp_path)))
        assert (found.check, found.level) == ("database.lock", Level.BROKEN)
        assert found.text.startswith(f"process {pid} holds")
        assert list(held(tmp_path)) == []
        await store.write(lambda u: u.once("the store's own locks are as they were"))


def test_the_bots_own_writes_and_locks_that_are_waited_for_are_nobodys(tmp_path: Path) -> None:
    for name in (f"{FILE}-shm", LOCK):
        (tmp_path / name).touch()
    shm, lock = ((tmp_path / name).stat().st_ino for name in (f"{FILE}-shm", LOCK))
    table = tmp_path / "locks"
    lines = {
        "bot": f"1: FLOCK  ADVISORY  WRITE 7 fe:00:{lock} 0 EOF",
        "bot writes": f"2: POSIX  ADVISORY  WRITE 7 fe:00:{shm} 120 120",
        "reader": f"3: POSIX  ADVISORY  READ 8 fe:00:{shm} 123 123",
        "checkpoint": f"4: POSIX  ADVISORY  WRITE 8 fe:00:{shm} 121 121",
        "waits": f"4: -> POSIX  ADVISORY  WRITE 8 fe:00:{shm} 120 120",
        "elsewhere": f"5: POSIX  ADVISORY  WRITE 8 fe:00:{shm + lock} 120 120",
    }
    table.write_text("\n".join(lines.values()))
    assert writer_of(tmp_path, table) is None
    table.write_text("\n".join([*lines.values(), f"6: POSIX  ADVISORY  WRITE -1 fe:00:{shm} 120 121"]))
    assert writer_of(tmp_path, table) == 0
    (found,) = held(tmp_path, table)
    assert found.text.startswith("a process of another container")
    assert writer_of(tmp_path, tmp_path / "no such table") is None


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says yes to root whatever the rights are, so the answer is given here."""
    path = tmp_path / FILE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table a (b)")
    assert list(writable(path)) == []
    sound = os.access
    monkeypatch.setattr(os, "access", lambda file, mode: file != path and sound(file, mode))
    (found,) = writable(path)
    assert (found.check, found.level) == ("database.rights", Level.BROKEN)


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (BACK - 1, 1_000 * MB, Level.BROKEN),
        (199 * MB, 1_000 * MB, Level.WARNING),
        (201 * MB, 1_000 * MB, Level.FINE),
        (500 * MB, 100_000 * MB, Level.WARNING),
    ],
)
def test_little_room_is_told_at_the_point_where_the_desk_is_warned(free: int, total: int, level: Level) -> None:
    assert free_space(free, MB, total).level is level
