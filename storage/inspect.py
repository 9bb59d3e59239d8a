"""Looking at the database from another process, beside a running bot or without one. Nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from inbox.model import Event
from storage.db import open_read_only, row_value
from storage.events import AFTER, event
from storage.migrate import version
from storage.rows import micros

PAGE = 500
SOUND = ((3, 44, 6), (3, 50, 7))  # the last versions of their branches to get the fix of 3.51.3


def integrity(path: Path) -> str | None:
    """What SQLite's own check finds first; None: all is well. Raises FileNotFoundError."""
    with closing(open_read_only(path)) as connection:
        try:
            finding = row_value(connection, "pragma integrity_check(1)")
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if finding == "ok" else str(finding)


def schema_version(path: Path) -> int:
    """Raises FileNotFoundError, sqlite3.DatabaseError."""
    with closing(open_read_only(path)) as connection:
        return version(connection)


def events_since(path: Path, since: datetime | int) -> Iterator[Event]:
    """The export from an event id on, itself included, or from the first event stored at or after a time.

    Reads in pages, so that a slow reader of the output holds no log of the bot. Raises FileNotFoundError.
    """
    with closing(open_read_only(path)) as connection:
        last = _before(connection, since)
        while page := connection.execute(AFTER, (last, PAGE)).fetchall():
            yield from map(event, page)
            last = page[-1]["id"]


def resets_log_safely(version_info: tuple[int, int, int] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite is free of the race that may corrupt a file when several connections reset its log."""
    if version_info >= (3, 51, 3):
        return True
    return any(version_info[:2] == fixed[:2] and version_info >= fixed for fixed in SOUND)


def _before(connection: sqlite3.Connection, since: datetime | int) -> int:
    if isinstance(since, int):
        return since - 1
    row = connection.execute("select min(id) as first from events where stored_at >= ?", (micros(since),)).fetchone()
    if row["first"] is not None:
        return int(row["first"]) - 1
    return int(row_value(connection, "select coalesce(max(id), 0) from events"))
