"""A consistent copy of the database beside the running bot, from a connection of its own that cannot write to it.

A copy is there whole and checked, or not at all. Its name says when it was made; its file's time says until when it is
known to hold all that the database held, so a copy that is still true needs not be made anew to be young.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.db import FILE, open_read_only, row_value, sync_folder

FOLDER = "backups"
OURS = re.compile(r"inbox-(\d{8}T\d{6}Z|schema-\d{4})\.db")
OLD = timedelta(hours=4)  # a running bot keeps the newest copy younger: older, and something is wrong
FLOOR = 100 * 1024**2  # bytes of the disk that copies leave free
STEPS = 1000  # instructions of SQLite's machine, a fraction of a millisecond, between two looks at the pace

Pace = Callable[[], int]
"""Called all the time while a copy is made; anything but 0 ends it."""


class BadCopy(Exception):
    """The copy does not pass SQLite's own check, so the database may not either."""


@dataclass(frozen=True, slots=True)
class Copy:
    """at: the last moment whose state it is known to hold. size: bytes."""

    path: Path
    at: datetime
    size: int


def default_path(data_dir: Path, now: datetime) -> Path:
    """`now` is in UTC."""
    return data_dir / FOLDER / f"inbox-{now:%Y%m%dT%H%M%SZ}.db"


def copies(data_dir: Path) -> list[Copy]:
    """Those of the data folder, the ones made before a migration too; newest first. Other names are not ours."""
    found = [
        Copy(path, datetime.fromtimestamp(stat.st_mtime, UTC), stat.st_size)
        for path in (data_dir / FOLDER).glob("inbox-*.db")
        if OURS.fullmatch(path.name) and (stat := _stat(path)) is not None
    ]
    return sorted(found, key=lambda copy: (copy.at, copy.path.name), reverse=True)


def still_true(copy: Copy, now: datetime) -> None:
    """Nothing has changed since: it holds the state of `now` as well."""
    os.utime(copy.path, (now.timestamp(), now.timestamp()))


def drop_parts(data_dir: Path) -> int:
    """Remove what an ended process left half-written; how many. Only for the holder of the data lock."""
    parts = list((data_dir / FOLDER).glob(".*.part*"))
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)


def part_of(target: Path) -> Path:
    """Where a copy stands until it is whole and checked."""
    return target.with_name(f".{target.name}.part")


def backup(data_dir: Path, target: Path) -> Path:
    """Write one checked SQLite file, at full speed; it is there whole or not at all.

    Raises FileNotFoundError without a database, FileExistsError where the target is the database itself, BadCopy,
    sqlite3.OperationalError or OSError. Blocks: a gigabyte takes seconds.
    """
    return copy(data_dir / FILE, target)


def copy(source: Path, target: Path, pace: Pace | None = None, at: datetime | None = None) -> Path:
    """Like `backup`. at: what the file's time becomes (None: when it was begun)."""
    if target.exists() and source.exists() and target.samefile(source):
        raise FileExistsError(target)
    with closing(open_read_only(source)) as connection:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = part_of(target)
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)  # VACUUM INTO takes an empty file: so nobody else can read the copy
        moment = at.timestamp() if at else part.stat().st_mtime
        try:
            connection.set_progress_handler(pace, STEPS)
            connection.execute("vacuum into ?", (str(part),))
            _sync_file(part)
            _check(part, pace)
            os.utime(part, (moment, moment))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    sync_folder(target.parent)
    return target


def _check(path: Path, pace: Pace | None) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(pace, STEPS)
        finding = row_value(connection, "pragma integrity_check(1)")
    if finding != "ok":
        raise BadCopy(finding)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
