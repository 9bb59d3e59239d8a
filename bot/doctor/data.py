"""The data folder: disk, lock, database, what waits in it, backups. Read only, also beside the running bot."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from bot.doctor.contents import Setup, contents
from bot.doctor.findings import Finding, broken, fine, warning
from bot.room import BACK, low
from bot.secrets import KEY_FILE
from storage import inspect, locks
from storage.backup import FLOOR, OLD, copies
from storage.backup import FOLDER as BACKUPS
from storage.db import FILE, LOCK, log_of
from storage.migrate import migrations
from storage.substance import FOLDER as SUBSTANCE

HELD_LOOKS, HELD_SECONDS = 10, 1.0
OLD_STOPPED = timedelta(days=2)


def data(folder: Path, now: datetime, *, has_secret_key: bool, setup: Setup | None = None) -> Iterator[Finding]:
    """setup: what the settings say of it; None: nothing but the folder is known."""
    path = folder / FILE
    yield from disk(folder, path.stat().st_size if path.is_file() else 0)
    yield from writable(path)
    yield from rights(folder)
    yield lock(folder, has_database=path.is_file())
    yield from secret_key(folder, has_secret_key, path.is_file())
    if not path.is_file():
        yield missing(folder)
        return
    yield from held(folder)
    yield from database(folder, now, setup or Setup())
    yield backup(folder, now)


def missing(folder: Path) -> Finding:
    """No database is right before the first start only."""
    left = [name for name in (SUBSTANCE, BACKUPS) if (folder / name).exists()]
    if left or is_running(folder):
        others = f", though {', '.join(f'{name}/' for name in left)} is there" if left else ", though the bot runs"
        return broken("database", f"{folder / FILE} is missing{others}", f"stop, put the newest of {BACKUPS}/ in place")
    return fine("database", f"{folder / FILE} does not exist yet: the first start makes it")


def rights(folder: Path) -> Iterator[Finding]:
    """Conversations lie in it: nobody else on the machine has to see them."""
    for path, mask in ((folder, 0o007), (folder / FILE, 0o077)):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & mask:
            yield warning(
                "data.rights", f"others can read {path}", f"chmod {'700' if path == folder else '600'} {path}"
            )


def disk(folder: Path, database_size: int) -> Iterator[Finding]:
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield broken("data.folder", f"{place} cannot be written: {reason}", f"give its user the right to write {place}")
    else:
        yield fine("data.folder", f"{folder}" if place == folder.absolute() else f"{folder} is made at the first start")
    space = shutil.disk_usage(place)
    yield free_space(space.free, database_size, space.total)


def writable(path: Path) -> Iterator[Finding]:
    """The folder may be writable and a file in it not: put back by another user, or on a disk that turned read-only."""
    for file in (path, log_of(path), path.with_name(f"{path.name}-shm")):
        if file.exists() and not os.access(file, os.W_OK):
            fix = f"give it to the bot's user, chmod 600 {file}; if that fails, the disk itself is read-only"
            yield broken("database.rights", f"{file} cannot be written: webhooks are refused", fix)


def held(folder: Path, table: Path = locks.TABLE) -> Iterator[Finding]:
    """A lock that is there at every look belongs to somebody who keeps it."""
    seen: set[int | None] = set()
    for look in range(HELD_LOOKS):
        if look:
            time.sleep(HELD_SECONDS / HELD_LOOKS)
        seen.add(locks.writer_of(folder, table))
        if None in seen:
            return
    who = next((f"process {pid}" for pid in seen if pid), "a process of another container")
    text = f"{who} holds the database's write lock: nothing can be written meanwhile"
    yield broken("database.lock", text, "let it finish, or end it; copies are made by python -m bot backup")


def free_space(free: int, database_size: int, total: int | None = None) -> Finding:
    """Bytes; total: of the disk, where it is known. The room that is wanted is that of one more copy."""
    text = f"{free / 1024**2:,.0f} MB are free"
    if free < BACK:
        return broken("data.space", text, "free space: without it webhooks are refused")
    if total is not None and free < low(total):
        return warning("data.space", f"{text}: little", "free space: without it webhooks will be refused")
    if free < database_size + FLOOR:
        return warning("data.space", f"{text}: too little for a backup", "free space, or move old copies elsewhere")
    return fine("data.space", text)


def is_running(folder: Path) -> bool:
    """Whether a process holds the folder. A shared lock is tried and let go at once; nothing is made or written."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def lock(folder: Path, *, has_database: bool) -> Finding:
    if is_running(folder):
        return fine("running", "yes")
    if not has_database:
        return fine("running", "no")
    return warning(
        "running", "no: nothing is taken, shown or sent", "start it; beforehand this finding is as it should be"
    )


def secret_key(folder: Path, has_setting: bool, has_database: bool) -> Iterator[Finding]:
    path, check = folder / KEY_FILE, "secret_key"
    try:
        mode = path.stat().st_mode if path.exists() else None
    except OSError as error:
        yield broken(check, f"{path} cannot be looked at: {error.strerror}", f"mend the rights of {folder}")
        return
    if mode is not None and mode & 0o077:
        yield warning(check, f"others can read {path}", f"chmod 600 {path}")
    elif mode is not None or has_setting:
        yield fine(check, "SECRET_KEY" if has_setting else f"{path}: keep a copy of it, apart from the backups")
    elif has_database:
        yield warning(
            check,
            "there is none beside the database: secrets pasted on the desk cannot be opened",
            f"put {KEY_FILE} back, or set SECRET_KEY; else they are asked for again",
        )
    else:
        yield fine(check, "is made at the first start")


def database(folder: Path, now: datetime, setup: Setup) -> Iterator[Finding]:
    path = folder / FILE
    try:
        finding = inspect.integrity(path)
        found, known = inspect.schema_version(path), migrations()[-1].number
    except (sqlite3.Error, OSError) as error:
        finding, found, known = str(error), 0, 0
    if finding is not None:
        yield broken("database", f"{path} is damaged: {finding}", f"stop, put the newest of {BACKUPS}/ in place")
        return
    yield fine("database", f"{path} is sound, {path.stat().st_size / 1024**2:,.1f} MB")
    if found > known:
        yield broken(
            "database.schema",
            f"{found} is of a newer version; this one knows {known}",
            "install that version again, or put an older copy in place",
        )
    elif found < known:
        yield fine("database.schema", f"{found}: the next start brings it to {known}, after a copy")
    else:
        yield fine("database.schema", f"{found}")
        yield from contents(folder, now, setup, running=is_running(folder))


def backup(folder: Path, now: datetime) -> Finding:
    """The newest copy: a running bot keeps it younger than an hour, or true for longer where nothing happens."""
    found = copies(folder)
    if not found:
        return warning("backup", "there is none", "start the bot: it makes one an hour; or run python -m bot backup")
    newest = found[0]
    if (trouble := _unsound(newest.path)) is not None:
        text = f"the newest, {newest.path.name}, is no sound copy: {trouble}"
        return warning("backup", text, "look at the disk, remove that file, run python -m bot backup")
    running = is_running(folder)
    age = now - newest.at
    if age > (OLD if running else OLD_STOPPED):
        old = f"{age.days} days" if age.days else f"{age.total_seconds() / 3600:.0f} h"
        fix = "/status on the desk says why there is none younger" if running else "start the bot: it makes one an hour"
        return warning("backup", f"the newest is {old} old", f"{fix}; python -m bot backup makes one now")
    return fine("backup", f"the newest is of {newest.at:%Y-%m-%d %H:%M} UTC, one of {len(found)}")


def _unsound(path: Path) -> str | None:
    try:
        return inspect.integrity(path) or ("it is empty" if not inspect.schema_version(path) else None)
    except (sqlite3.Error, OSError) as error:
        return str(error)
