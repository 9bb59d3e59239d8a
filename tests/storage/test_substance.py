"""The export's files on a disk that refuses, and after a kill: whole lines, each once, in order."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inbox.model import INBOX, Event
from inbox.substance import SinkFailed
from storage.substance import FOLDER, FileSink, last_event_id
from tests.faults.limits import with_file_limit

DAY = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def event(number: int, at: datetime = DAY, words: int = 100) -> Event:
    return Event(number, INBOX, at, {"type": "x", "id": number, "stored_at": at.isoformat(), "text": "ж" * words})


def ids(data_dir: Path) -> list[int]:
    """Every line is whole, or this raises."""
    lines: list[bytes] = []
    for path in sorted((data_dir / FOLDER).glob("*.jsonl")):
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\n")
        lines += data.splitlines()
    return [json.loads(line)["data"]["id"] for line in lines]


async def test_a_disk_that_takes_half_a_batch_leaves_none_of_it(tmp_path: Path, counts: Callable[..., None]) -> None:
    """The kernel's own limit on a file's size cuts a write short, as a full disk does."""
    sink = FileSink(tmp_path)
    await sink.take([event(1)])
    (path,) = (tmp_path / FOLDER).iterdir()
    size = path.stat().st_size
    refused = 0
    for room, batch in ((1, 200), (150, 200), (20_000, 200), (1, 12), (1500, 12)):
        with with_file_limit(size + room), pytest.raises(SinkFailed):
            await sink.take([event(n) for n in range(2, batch)])
        refused += 1
        assert path.stat().st_size == size
    await sink.take([event(n) for n in range(2, 200)])
    found = ids(tmp_path)
    assert found == list(range(1, 200))
    counts("R5", export_refused=refused, lines=len(found), twice=len(found) - len(set(found)))


async def test_a_batch_over_midnight_that_fails_half_way_is_not_written_twice(tmp_path: Path) -> None:
    sink = FileSink(tmp_path)
    days = [event(1), event(2), event(3, DAY + timedelta(days=1), 1000), event(4, DAY + timedelta(days=1))]
    with with_file_limit(700), pytest.raises(SinkFailed):
        await sink.take(days)
    assert ids(tmp_path)[:2] == [1, 2]
    await sink.take(days)
    assert ids(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("torn", [1, 5, 3 << 20])
async def test_a_half_line_is_cut_before_the_next_is_written(tmp_path: Path, torn: int) -> None:
    sink = FileSink(tmp_path)
    await sink.take([event(1)])
    (path,) = (tmp_path / FOLDER).iterdir()
    with path.open("ab") as file:
        file.write(b"x" * torn)
    await sink.take([event(2)])
    assert ids(tmp_path) == [1, 2]
    with path.open("ab") as file:
        file.write(b"x" * torn)
    assert last_event_id(tmp_path / FOLDER) == 2
    assert ids(tmp_path) == [1, 2]


async def test_a_disk_that_says_no_at_the_end_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync fails: what may not be on disk is not counted, and is written again."""
    sink = FileSink(tmp_path)
    await sink.take([event(1)])

    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(SinkFailed):
        patch.setattr(os, "fsync", broken)
        await sink.take([event(2)])
    assert ids(tmp_path) == [1]
    await sink.take([event(2)])
    assert ids(tmp_path) == [1, 2]


KILLED = """
import asyncio, sys
from pathlib import Path
from storage.substance import FileSink
from tests.storage.test_substance import event

async def main():
    sink = FileSink(Path(sys.argv[1]))
    number = (await sink.last() or 0) + 1
    while True:
        await sink.take([event(number + n, words=5000) for n in range(50)])
        number += 50
        print(number - 1, flush=True)

asyncio.run(main())
"""


async def test_a_kill_in_the_middle_of_lines_leaves_whole_ones_in_order(
    tmp_path: Path, counts: Callable[..., None]
) -> None:
    kills, promised = 4, 0
    for _ in range(kills):
        promised = max(promised, _until_killed([sys.executable, "-c", KILLED, str(tmp_path)]))
        last = await FileSink(tmp_path).last()
        assert last is not None and last >= promised
        found = ids(tmp_path)
        assert found == list(range(1, last + 1))
    counts("R1", export_kills=kills, lines=len(found), promised=promised, twice=len(found) - len(set(found)))


def _until_killed(command: Sequence[str]) -> int:
    """The last event that the process said it had written."""
    reading, writing = os.pipe()
    pid = os.posix_spawn(
        command[0],
        list(command),
        {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as out:
        said = [out.readline() for _ in range(3)]
        os.kill(pid, signal.SIGKILL)
        said += out.readlines()
    os.waitpid(pid, 0)
    whole = [int(line) for line in said if line.endswith(b"\n")]
    assert len(whole) >= 3
    return whole[-1]
