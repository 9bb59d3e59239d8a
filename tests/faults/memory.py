"""The real tables and units of work over a database in memory, driven by hand: no threads, no disk.

For tests that play thousands of histories. A commit may be made to kill the process, before it or after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from inbox.clock import Clock
from inbox.gate import Raw
from inbox.store import Reading, Unit
from storage.inbox import put_values
from storage.migrate import migrate, migrations
from storage.unit import SqlReading
from storage.writer import _Outcome, commit

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone; nothing may catch this and go on."""


def fresh() -> sqlite3.Connection:
    """A database at the newest schema."""
    connection = _open()
    _migrated().backup(connection)
    connection.execute("pragma foreign_keys = on")
    return connection


@cache
def _migrated() -> sqlite3.Connection:
    connection = _open()
    migrate(connection, Path("nowhere"), migrations())
    return connection


def _open() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
    connection.row_factory = sqlite3.Row
    return connection


class MemoryStore:
    """Implements `inbox.store.Store`. die: kills at one of the next commits, 0 is the next; after: it is on disk."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self._die: tuple[int, bool] | None = None
        self._dead = False

    def die(self, commits: int, *, after: bool) -> None:
        self._die = (commits, after)

    async def write(self, work: Callable[[Unit], T]) -> T:
        return self.do(work)

    async def read(self, work: Callable[[Reading], T]) -> T:
        return self.see(work)

    async def put(self, raws: Sequence[Raw]) -> None:
        self._commit(raws, [])

    def see(self, work: Callable[[Reading], T]) -> T:
        return work(SqlReading(self.connection))

    def do(self, work: Callable[[Unit], T]) -> T:
        outcome = self._commit([], [work])[0]
        if outcome.error is not None:
            raise outcome.error
        result: T = outcome.result
        return result

    def _commit(self, raws: Sequence[Raw], works: list[Callable[[Unit], Any]]) -> list[_Outcome]:
        dies, after = self._counted()
        self._dead = self._dead or dies
        if self._dead and not (dies and after):
            raise Killed
        rows = [put_values(raw) for raw in raws]
        outcomes = commit(self.connection, now=self.clock.now(), step=timedelta(), rows=rows, works=works)
        if dies:
            raise Killed
        return outcomes

    def _counted(self) -> tuple[bool, bool]:
        """Whether this commit is the one that kills, and on which side of it."""
        if self._die is None:
            return False, False
        left, after = self._die
        self._die = (left - 1, after) if left else None
        return left == 0, after
