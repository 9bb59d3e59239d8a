"""A consistent copy of the database beside the running bot, from a connection of its own that cannot write to it."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from pathlib import Path

from storage.db import FILE, open_read_only, row_value, sync_folder

FOLDER = "backups"


class BadCopy(Exception):
    """The copy does not pass SQLite's own check, so the database may not either."""


def default_path(data_dir: Path, now: datetime) -> Path:
    """`now` is in UTC."""
    return data_dir / FOLDER / f"inbox-{now:%Y%m%dT%H%M%SZ}.db"


def backup(data_dir: Path, target: Path) -> Path:
    """Write one checked SQLite file; it is there whole or not at all.

    Raises FileNotFoundError without a database, FileExistsError where the target is the database itself, BadCopy,
    sqlite3.OperationalError or OSError. Blocks: a gigabyte takes seconds.
    """
    return copy(data_dir / FILE, target)


def copy(source: Path, target: Path) -> Path:
    if target.exists() and source.exists() and target.samefile(source):
        raise FileExistsError(target)
    connection = open_read_only(source)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)  # VACUUM INTO takes an empty file: so nobody else can read the copy
        try:
            connection.execute("vacuum into ?", (str(part),))
            _check(part)
            _sync_file(part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    finally:
        connection.close()
    sync_folder(target.parent)
    return target


def _check(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        finding = row_value(connection, "pragma integrity_check(1)")
    finally:
        connection.close()
    if finding != "ok":
        raise BadCopy(finding)


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
