"""A copy made so that nobody feels it: in a child process of low priority, which rests as long as it works.

What would be felt is the copy's own bytes: when hundreds of megabytes of them wait to be written, the fsync of a commit
waits behind them. So they are put on disk every few megabytes. And while a copy is made the database's log cannot start
anew; where it grows too long, the rests end.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.backup import BadCopy, copy, part_of
from storage.db import FILE, down, log_of, size_of

SLICE = 0.01  # seconds of work between two rests
REST = 0.5  # of the work before it
PIECE = 1024**2  # bytes that may wait to be put on disk
LONGEST_LOG = 64 * 1024**2  # bytes; above it a copy that is soon at its end is better than a gentle one
LEAST_PRIORITY = 19
KILLED_WITHIN = 1.0  # seconds, of the five that a stop may take
ROOT = Path(__file__).resolve().parent.parent
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")  # no token of the bot is any of a copy's business
REASONS = frozenset({"broken", "full", "gone", "killed", "io", "locked", "readonly", "memory", "corrupt", "error"})


class CopyFailed(Exception):
    """reason: one of REASONS; "broken": the copy does not pass SQLite's own check."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason
        self.detail = detail


async def copy_gently(data_dir: Path, target: Path, at: datetime) -> Path:
    """Make a checked copy, in the child. at: what the copy's time becomes. Raises CopyFailed, OSError.

    When the caller is cancelled the child is killed, and nothing is left of the copy.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # from our own tree, whatever lies in the folder that the program was started in
        "-m",
        "storage.gently",
        str(data_dir / FILE),
        str(target),
        at.isoformat(),
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the parent, which ends it
    )
    try:
        said, _ = await child.communicate()
    finally:
        await _ended(child)
        if child.returncode != 0:
            await asyncio.to_thread(_drop, part_of(target))
    if child.returncode != 0:
        raise _failure(said)
    return target


async def _ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.kill()
    with suppress(TimeoutError):  # the disk holds it: it dies when that lets go, and the next start sweeps up
        async with asyncio.timeout(KILLED_WITHIN):
            await child.wait()


def _drop(part: Path) -> None:
    with suppress(OSError):
        for file in (part, part.with_name(f"{part.name}-journal")):
            file.unlink(missing_ok=True)


def _failure(said: bytes) -> CopyFailed:
    try:
        told = json.loads(said)
    except ValueError:
        return CopyFailed("killed")
    return CopyFailed(told["reason"], told["detail"])


class Gentle:
    """The pace of a copy that is written to `part`, out of a database with this log. It ends with its parent."""

    def __init__(self, part: Path, log: Path) -> None:
        self._part = part
        self._log = log
        self._parent = os.getppid()
        self._rested = time.monotonic()
        self._synced = 0

    def __call__(self) -> int:
        worked = time.monotonic() - self._rested
        if worked < SLICE:
            return 0
        if os.getppid() != self._parent:
            return 1
        self._put_on_disk()
        if size_of(self._log) < LONGEST_LOG:
            time.sleep(worked * REST)
        self._rested = time.monotonic()
        return 0

    def _put_on_disk(self) -> None:
        size = size_of(self._part)
        if size - self._synced < PIECE:
            return
        handle = os.open(self._part, os.O_RDONLY)
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)
        self._synced = size


def main(arguments: Sequence[str]) -> int:
    """SOURCE TARGET TIME: what the child does. A failure is one JSON object on standard output."""
    source, target, at = Path(arguments[0]), Path(arguments[1]), datetime.fromisoformat(arguments[2])
    with suppress(OSError):  # a hardened service may not even lower it
        os.nice(LEAST_PRIORITY)
    try:
        copy(source, target, Gentle(part_of(target), log_of(source)), at.astimezone(UTC))
    except BadCopy as error:
        return _told("broken", str(error))
    except FileNotFoundError as error:
        return _told("gone", str(error))
    except sqlite3.Error as error:
        told = down(error)
        return _told(told.reason if told else "error", str(error))
    except OSError as error:
        return _told("full" if error.errno == errno.ENOSPC else "io", str(error))
    return 0


def _told(reason: str, detail: str) -> int:
    sys.stdout.write(json.dumps({"reason": reason, "detail": detail}))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
