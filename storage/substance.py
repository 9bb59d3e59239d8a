"""The export's own files: one line an event, one file a day, on disk before it counts."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from inbox.model import Event
from inbox.substance import SinkFailed
from storage.db import sync_folder

FOLDER = "substance"
_CUT = 1 << 20  # bytes that are looked at in one go for where a half line begins
TAILS = (1 << 12, 1 << 20, 1 << 24)  # bytes at the end of a file in which its last lines are looked for


class FileSink:
    """Appends to DATA_DIR/substance/YYYY-MM-DD.jsonl by the UTC day on which an event was stored.

    Its cursor is the highest id at the end of any of its files: after a kill nothing is missing and nothing is twice,
    also where a clock that was set back led into an older day's file.
    """

    name = "file"
    batch = 200
    remembers = True

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._last = 0

    async def last(self) -> int | None:
        return await asyncio.to_thread(last_event_id, self._folder)

    async def take(self, events: Sequence[Event]) -> None:
        try:
            await asyncio.to_thread(self._append, events)
        except OSError as error:
            raise SinkFailed(type(error).__name__) from error

    def _append(self, events: Sequence[Event]) -> None:
        """A try that failed at midnight has written the day before already."""
        fresh = [event for event in events if event.id > self._last]
        for day, group in groupby(fresh, key=_day):
            path = self._folder / f"{day}.jsonl"
            of_day = list(group)
            lines = b"".join(line(event) + b"\n" for event in of_day)
            if not path.exists():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.touch(mode=0o600)
                sync_folder(self._folder)
            _cut_half_line(path)
            _append(path, lines)
            self._last = of_day[-1].id


def _append(path: Path, lines: bytes) -> None:
    """All of it and on disk, or nothing. Without a buffer: one that is closed after a failure would write its rest."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        start = os.fstat(handle).st_size
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, start)
            raise
    finally:
        os.close(handle)


def line(event: Event) -> bytes:
    """The event as the export writes it, without the line's end."""
    return json.dumps(event.substance(), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def last_event_id(folder: Path) -> int | None:
    """The highest id on the last whole line of any file: a clock that was ahead began a day too early. A line that a
    kill cut short is taken away first."""
    for path in _files(folder):
        _cut_half_line(path)
    return newest_event_id(folder)


def newest_event_id(folder: Path) -> int | None:
    """The same without touching the files: a line that is not whole is passed over."""
    ends = map(_last_line, _files(folder))
    return max((_id_of(end) for end in ends if end), default=None)


def _id_of(line: bytes) -> int:
    return int(json.loads(line)["data"]["id"])


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("????-??-??.jsonl"))


def _cut_half_line(path: Path) -> None:
    """What a kill left unfinished at the end; where it could not be cut when it failed, it is cut before the next."""
    with path.open("rb+", buffering=0) as file:
        size = end = file.seek(0, os.SEEK_END)
        if size and os.pread(file.fileno(), 1, size - 1) == b"\n":
            return
        while end:
            start = max(0, end - _CUT)
            newline = os.pread(file.fileno(), end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)


def _last_line(path: Path) -> bytes:
    """The last whole one, empty where there is none."""
    size = path.stat().st_size
    whole = b""
    for reach in TAILS:
        with path.open("rb") as file:
            file.seek(max(0, size - reach))
            whole = file.read().rpartition(b"\n")[0]
        if b"\n" in whole or reach >= size:
            break
    return whole.rpartition(b"\n")[2]


def _day(event: Event) -> str:
    return datetime.fromisoformat(event.data["stored_at"]).date().isoformat()
