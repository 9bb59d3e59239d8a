"""The one writer: what has piled up while the last group was committed is the next group, and gets one fsync.

There is no timer: a lone write waits for two turns of the loop, in which what has arrived already may join its group.
A group is one function on the connection's thread. A group that the disk refused is lost as a whole: whoever waits
for it is told, nothing of it counts as written.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

from inbox.clock import Clock, Steps, Wake
from inbox.errors import StorageDown
from storage.db import Connection, down, set_up_writer
from storage.inbox import PUT
from storage.index import merge_some
from storage.retention import sweep_some
from storage.unit import SqlUnit

_log = logging.getLogger(__name__)

_PASSING = frozenset({"full", "locked"})
"""Refusals after which the connection is as good as before."""

RawValues = tuple[str, str, bytes, int]
LOCK_LOOK = 200  # milliseconds; a stop does not wait longer for a lock of another process
LOOK_AGAIN = 600.0  # seconds until a store in which nothing happens is looked through again: rows grow old meanwhile


@dataclass(frozen=True, slots=True)
class Limits:
    """queue: waiting writes, above it a write is refused at once. group: units, and puts apart, of one commit.

    busy_timeout: milliseconds that a lock of another process is waited for. idle: seconds without a change, after which
    old rows are swept, the search's index is tidied and the log is put back into the database.
    """

    queue: int = 5000
    group: int = 500
    busy_timeout: int = 5000
    idle: float = 5.0

    @property
    def lock_look(self) -> int:
        """Milliseconds that SQLite itself waits: the rest of the patience is waited here, where a stop ends it."""
        return min(self.busy_timeout, LOCK_LOOK)


@dataclass(frozen=True, slots=True)
class _Put:
    rows: Sequence[RawValues]
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Work:
    run: Callable[[SqlUnit], Any]
    done: asyncio.Future[Any]
    beats: bool  # means nothing: it changes one row, and the store is as idle as before


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a unit: its result, or why it alone was rolled back."""

    result: Any = None
    error: Exception | None = None


class Writer:
    """Owns the writing connection while `run` runs.

    commits: groups committed. refusal: why the disk did not take something of the last group, None: it took all.
    judged: rung when that changes.
    """

    def __init__(self, connection: Connection, clock: Clock, limits: Limits) -> None:
        self._connection = connection
        self._clock = clock
        self._limits = limits
        self._steps = Steps()
        self._puts: deque[_Put] = deque()
        self._works: deque[_Work] = deque()
        self._bell = asyncio.Event()
        self._closing = False
        self._tidy_at = 0.0  # by the loop's clock
        self._is_spoiled = False
        self.commits = 0
        self.changes = 0
        self.refusal: str | None = None
        self.judged = Wake()

    @property
    def closed(self) -> bool:
        """Nothing new is taken."""
        return self._closing

    @property
    def waiting(self) -> int:
        return len(self._puts) + len(self._works)

    def put(self, rows: Sequence[RawValues]) -> asyncio.Future[None]:
        done = self._accept()
        self._puts.append(_Put(rows, done))
        return done

    def write(self, work: Callable[[SqlUnit], Any], *, beats: bool = False) -> asyncio.Future[Any]:
        done = self._accept()
        self._works.append(_Work(work, done, beats))
        return done

    def close(self) -> None:
        """Refuse what is new; `run` ends when what waits is committed."""
        self._closing = True
        self._bell.set()

    async def run(self) -> None:
        self._tidy_at = asyncio.get_running_loop().time() + self._limits.idle
        try:
            while self.waiting or not self._closing:
                if self.waiting:
                    await self._let_in()
                    await self._group()
                else:
                    await self._rest()
        finally:
            self._closing = True
            self._refuse(self._take(self._puts), self._take(self._works), StorageDown("closed"))

    def _accept(self) -> asyncio.Future[Any]:
        if self._closing:
            raise StorageDown("closed")
        if self.waiting >= self._limits.queue:
            raise StorageDown("queue")
        self._bell.set()
        return asyncio.get_running_loop().create_future()

    async def _rest(self) -> None:
        self._bell.clear()
        try:
            async with asyncio.timeout_at(self._tidy_at):
                await self._bell.wait()
        except TimeoutError:
            await self._tidy()

    async def _tidy(self) -> None:
        """In small steps: a write goes before the next one, and what is left is done at the next rest."""
        for step in (partial(sweep_some, now=self._clock.now()), merge_some):
            while await self._tidied(step):
                if self._bell.is_set():
                    return
        await self._connection.run(partial(checkpoint, busy_timeout=self._limits.lock_look))
        self._tidy_at = asyncio.get_running_loop().time() + LOOK_AGAIN

    async def _tidied(self, step: Callable[[sqlite3.Connection], bool]) -> bool:
        """Whether there is more to do. What is wrong with old rows must not end those who write new ones."""
        try:
            return await self._connection.run(step)
        except Exception as error:
            _log.error("the store could not be tidied", extra={"error": type(error).__name__})
            return False

    async def _let_in(self) -> None:
        """Callers answered together come again together: without this the first of them had a commit of its own, and
        all the others waited for it. From a socket to the queue is two turns of the loop."""
        for _ in range(2):
            await asyncio.sleep(0)

    async def _group(self) -> None:
        puts = self._take(self._puts, self._limits.group)
        works = self._take(self._works, self._limits.group)
        rows = list(chain.from_iterable(put.rows for put in puts))
        now = self._clock.now()
        step = self._steps.since(now, self._clock.monotonic())
        try:
            if self._is_spoiled:
                await self._connection.renew(partial(set_up_writer, busy_timeout=self._limits.lock_look))
                self._is_spoiled = False
            before = self._connection.total_changes
            outcomes = await self._connection.run(
                partial(
                    commit,
                    now=now,
                    step=step,
                    rows=rows,
                    works=[work.run for work in works],
                    patience=self._limits.busy_timeout / 1000,
                    hurried=lambda: self._closing,
                )
            )
        except sqlite3.Error as error:
            told = down(error) or StorageDown("error", detail=str(error))
            self._judge(told.reason)
            self._refuse(puts, works, told)
        except BaseException:
            # Cancelled from outside: the group may be committed or not, and a repeat of it does no harm.
            self._refuse(puts, works, StorageDown("closed"))
            raise
        else:
            self._steps.follow(step)
            self.commits += 1
            changed = self._connection.total_changes - before - sum(work.beats for work in works)
            if changed > 0:
                self.changes += changed
                self._tidy_at = asyncio.get_running_loop().time() + self._limits.idle
            self._judge(next((o.error.reason for o in outcomes if isinstance(o.error, StorageDown)), None))
            self._settle(puts, works, outcomes)

    def _judge(self, refusal: str | None) -> None:
        if refusal is not None and refusal not in _PASSING:
            # After a failed write or fsync SQLite may keep pages that are not on disk, or stand in a transaction that
            # cannot be ended.
            self._is_spoiled = True
        if refusal != self.refusal:
            self.refusal = refusal
            self.judged.ring()

    @staticmethod
    def _settle(puts: Sequence[_Put], works: Sequence[_Work], outcomes: Sequence[_Outcome]) -> None:
        for put in puts:
            if not put.done.done():
                put.done.set_result(None)
        for work, outcome in zip(works, outcomes, strict=True):
            if work.done.done():
                continue
            if outcome.error is not None:
                work.done.set_exception(outcome.error)
            else:
                work.done.set_result(outcome.result)

    @staticmethod
    def _refuse(puts: Sequence[_Put], works: Sequence[_Work], reason: StorageDown) -> None:
        for waiter in chain((put.done for put in puts), (work.done for work in works)):
            if not waiter.done():
                waiter.set_exception(StorageDown(reason.reason, detail=reason.detail))

    @staticmethod
    def _take(queue: deque[Any], most: int | None = None) -> list[Any]:
        return [queue.popleft() for _ in range(len(queue) if most is None else min(most, len(queue)))]


def commit(
    connection: sqlite3.Connection,
    *,
    now: datetime,
    step: timedelta,
    rows: Sequence[RawValues],
    works: Sequence[Callable[[SqlUnit], Any]],
    patience: float = 0.0,
    hurried: Callable[[], bool] = lambda: False,
) -> list[_Outcome]:
    """One group, bodies first. Raises sqlite3.Error when the whole group is lost.

    step: by how much the wall clock was set since the last group. What was written before it waits by the old clock, so
    it moves first, in the same commit: each wait is moved once, and no unit sees both.
    patience: seconds that a lock of another process is waited for; hurried: no longer.
    """
    _begin(connection, time.monotonic() + patience, hurried)
    try:
        connection.executemany(PUT, rows)
        unit = SqlUnit(connection, now)
        if step:
            unit.shift_waits(step)
        outcomes = [_run(connection, unit, work) for work in works]
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise
    return outcomes


def _begin(connection: sqlite3.Connection, until: float, hurried: Callable[[], bool]) -> None:
    while True:
        try:
            connection.execute("begin immediate")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or hurried() or time.monotonic() >= until:
                raise


def _run(connection: sqlite3.Connection, unit: SqlUnit, work: Callable[[SqlUnit], Any]) -> _Outcome:
    connection.execute("savepoint unit")
    try:
        result = work(unit)
        connection.execute("release unit")
    except Exception as error:
        if not connection.in_transaction:
            # A full disk may take the whole transaction with it, the units before this one included.
            raise error if isinstance(error, sqlite3.Error) else sqlite3.OperationalError("lost") from error
        connection.execute("rollback to unit")
        connection.execute("release unit")
        return _Outcome(error=_as_told(error))
    return _Outcome(result)


def _as_told(error: Exception) -> Exception:
    told = down(error) if isinstance(error, sqlite3.Error) else None
    if told is not None:
        return told
    if isinstance(error, StopIteration):  # a future does not take it
        return RuntimeError("StopIteration in a unit of work")
    return error


def checkpoint(connection: sqlite3.Connection, *, busy_timeout: int) -> None:
    """Empty the log. A reader that is in the way is not waited for: nobody can write meanwhile."""
    connection.execute("pragma busy_timeout = 0")
    try:
        connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    except sqlite3.DatabaseError:
        return  # the disk's trouble is told where it loses something; the log stays and is emptied later
    finally:
        connection.execute(f"pragma busy_timeout = {busy_timeout:d}")
