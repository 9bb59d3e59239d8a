"""The database file: who may open it, and how its connections are set up.

One process holds the lock of a data folder. Inside it one connection writes and makes all checkpoints (SQLite before
3.51.3 may corrupt the file when another connection resets the log); readers cannot write at all.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import aiosqlite

from inbox.errors import StorageDown

T = TypeVar("T")
FILE = "inbox.db"
LOCK = "inbox.lock"
BUSY_TIMEOUT = 5000  # milliseconds

_REASONS = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "readonly",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_CANTOPEN: "io",
    sqlite3.SQLITE_PERM: "io",
    sqlite3.SQLITE_NOMEM: "memory",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
}


class AlreadyRunning(Exception):
    """Another process holds the data folder."""

    code: ClassVar[str] = "already_running"


class Connection(aiosqlite.Connection):
    """A connection on its own thread, which runs whole functions there: one hop, whatever the number of statements."""

    async def __aenter__(self) -> Self:
        await self
        return self

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """When the caller is cancelled, `work` is run to its end all the same."""
        result: T = await self._execute(partial(_run, self, work))  # type: ignore[no-untyped-call]
        return result

    async def renew(self, set_up: Callable[[sqlite3.Connection], None]) -> None:
        """Put a fresh connection, set up, in the place of one that failed. Raises sqlite3.Error and changes nothing."""
        await self._execute(partial(self._renew, set_up))  # type: ignore[no-untyped-call]

    def _renew(self, set_up: Callable[[sqlite3.Connection], None]) -> None:
        fresh = self._connector()
        try:
            set_up(fresh)
        except BaseException:
            fresh.close()
            raise
        failed, self._connection = self._conn, fresh
        failed.close()

    @property
    def raw(self) -> sqlite3.Connection:
        return self._conn


def _run(connection: Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    return work(connection.raw)


def writer(path: Path) -> Connection:
    """Not set up yet: `set_up_writer` comes after the schema was found to be a known one."""
    return Connection(partial(_open_writer, path), iter_chunk_size=64)


def reader(path: Path, busy_timeout: int = BUSY_TIMEOUT) -> Connection:
    def connect() -> sqlite3.Connection:
        connection = open_read_only(path, busy_timeout)
        connection.execute("pragma query_only = on")
        return connection

    return Connection(connect, iter_chunk_size=64)


def set_up_writer(connection: sqlite3.Connection, busy_timeout: int = BUSY_TIMEOUT) -> None:
    for pragma in (
        f"busy_timeout = {busy_timeout}",
        "journal_mode = wal",
        "synchronous = full",
        "wal_autocheckpoint = 1000",
        "foreign_keys = on",
        "mmap_size = 0",
        "temp_store = memory",
        "cache_size = -16384",
    ):
        connection.execute(f"pragma {pragma}").fetchall()


def open_read_only(path: Path, busy_timeout: int = BUSY_TIMEOUT) -> sqlite3.Connection:
    """Raises FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(path)
    connection = sqlite3.connect(_uri(path, "ro"), uri=True, isolation_level=None, cached_statements=256)
    connection.row_factory = sqlite3.Row
    connection.execute(f"pragma busy_timeout = {busy_timeout}")
    connection.execute("pragma mmap_size = 0")
    return connection


def _open_writer(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None, cached_statements=256)
    connection.row_factory = sqlite3.Row
    return connection


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def down(error: sqlite3.Error) -> StorageDown | None:
    """What the storage's failure is called; None where the statement was wrong, not the storage."""
    code = getattr(error, "sqlite_errorcode", None)
    reason = None if code is None else _REASONS.get(code & 0xFF)
    return None if reason is None else StorageDown(reason, detail=str(error))


@contextmanager
def data_lock(data_dir: Path) -> Iterator[None]:
    """Hold the data folder, which is made where it is missing. Raises AlreadyRunning."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(AlreadyRunning.code) from None
        yield
    finally:
        os.close(handle)


def log_of(path: Path) -> Path:
    """The write-ahead log beside a database."""
    return path.with_name(f"{path.name}-wal")


def size_of(path: Path) -> int:
    """Bytes; 0 where there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def sync_folder(folder: Path) -> None:
    """Make a rename in it last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def row_value(connection: sqlite3.Connection, sql: str) -> Any:
    """The one value of a query that always has one."""
    return connection.execute(sql).fetchone()[0]
