"""The store: one writer, a few readers, opened and closed together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from inbox.clock import Clock, Wake
from inbox.errors import StorageDown
from inbox.gate import Raw
from inbox.store import Reading, Unit
from inbox.waits import ALIVE
from storage.db import FILE, Connection, data_lock, down, reader, set_up_writer, writer
from storage.inbox import put_values
from storage.migrate import migrate, migrations, refuse_newer
from storage.unit import SqlReading, SqlUnit
from storage.writer import Limits, Writer, checkpoint

T = TypeVar("T")
READERS = 2


class SqlStore:
    """Implements `inbox.store.Store`."""

    def __init__(self, path: Path, writer: Writer, readers: Sequence[Connection]) -> None:
        self.path = path
        self._writer = writer
        self._readers: asyncio.LifoQueue[Connection] = asyncio.LifoQueue(len(readers))
        for connection in readers:
            self._readers.put_nowait(connection)

    @property
    def commits(self) -> int:
        """Groups committed since the start."""
        return self._writer.commits

    @property
    def changes(self) -> int:
        """Rows changed since the start; the same number later: nothing that a copy should have has happened."""
        return self._writer.changes

    @property
    def waiting(self) -> int:
        """Writes that wait for their group."""
        return self._writer.waiting

    @property
    def refusal(self) -> str | None:
        """Why the disk did not take something of the last group; None: it took all."""
        return self._writer.refusal

    @property
    def judged(self) -> Wake:
        """Rung when `refusal` changes."""
        return self._writer.judged

    async def write(self, work: Callable[[Unit], T]) -> T:
        result: T = await self._writer.write(work)
        return result

    async def beat(self, trial: int = 0) -> None:
        """Commit what means nothing, to see that the disk takes it, and so many bytes besides. Raises StorageDown."""

        def work(unit: SqlUnit) -> None:
            if trial:
                unit.set_setting(ALIVE, " " * trial)
            unit.set_setting(ALIVE, str(int(unit.now.timestamp())))

        await self._writer.write(work, beats=True)

    async def put(self, raws: Sequence[Raw]) -> None:
        if raws:
            await self._writer.put([put_values(raw) for raw in raws])

    async def read(self, work: Callable[[Reading], T]) -> T:
        if self._writer.closed:
            raise StorageDown("closed")
        connection = await self._readers.get()
        try:
            return await connection.run(partial(_read, work=work))
        except sqlite3.Error as error:
            told = down(error)
            if told is None:
                raise
            raise told from error
        finally:
            self._readers.put_nowait(connection)

    async def ensure_events_after(self, last_id: int) -> None:
        """The next event's id is above `last_id`: the last one that the export's own files have."""
        await self._writer.write(lambda unit: unit.raise_event_floor(last_id))


def _read(connection: sqlite3.Connection, *, work: Callable[[Reading], T]) -> T:
    """All queries of one `work` see the same state."""
    connection.execute("begin")
    try:
        return work(SqlReading(connection))
    finally:
        connection.execute("rollback")


@asynccontextmanager
async def open_store(data_dir: Path, clock: Clock, *, limits: Limits | None = None) -> AsyncIterator[SqlStore]:
    """Lock the data folder, bring the database up to date and run the writer until the end of the block.

    What waits at the end is still committed. Raises AlreadyRunning, SchemaTooNew, MigrationFailed, BadCopy,
    StorageDown, or OSError for a folder that cannot be written.
    """
    limits = limits or Limits()
    path = data_dir / FILE
    async with AsyncExitStack() as stack:
        stack.enter_context(data_lock(data_dir))
        connection = await _connect_writer(stack, path, limits)
        stack.push_async_callback(connection.run, partial(checkpoint, busy_timeout=limits.lock_look))
        readers = [await stack.enter_async_context(reader(path, limits.busy_timeout)) for _ in range(READERS)]
        owner = Writer(connection, clock, limits)
        store = SqlStore(path, owner, readers)
        failure: Exception | None = None  # kept apart: the group would wrap it
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(owner.run(), name="storage writer")
            try:
                yield store
            except Exception as error:
                failure = error
            finally:
                owner.close()
                await asyncio.wait([running])
        if failure is not None:
            raise failure


async def _connect_writer(stack: AsyncExitStack, path: Path, limits: Limits) -> Connection:
    steps = migrations()
    try:
        connection = await stack.enter_async_context(writer(path))
        await connection.run(partial(refuse_newer, steps=steps))
        await connection.run(partial(set_up_writer, busy_timeout=limits.busy_timeout))
        await connection.run(partial(migrate, path=path, steps=steps))
        await connection.run(partial(set_up_writer, busy_timeout=limits.lock_look))
    except sqlite3.Error as error:
        raise (down(error) or StorageDown("error", detail=str(error))) from error
    return connection
