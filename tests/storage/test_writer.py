"""Groups: one fsync for what piled up, one bad unit alone, a disk that does not take it, callers that go away."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from operator import methodcaller
from pathlib import Path

import pytest

import storage.writer
from inbox.clock import SystemClock
from inbox.errors import StorageDown
from inbox.model import INBOX
from inbox.store import Unit
from storage.db import set_up_writer
from storage.inspect import integrity
from storage.store import SqlStore, open_store
from storage.unit import SqlUnit
from storage.writer import LOCK_LOOK, Limits, checkpoint
from tests.faults.limits import with_file_limit
from tests.storage.world import StoodClock, piled_up, raw


class Gate:
    """A unit that holds the writer's thread until it is let go."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, unit: Unit) -> None:
        self._entered.set()
        self._open.wait(10)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, 10)

    def open(self) -> None:
        self._open.set()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process's write lock, as SQLite sees it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        try:
            yield
        finally:
            other.execute("rollback")


def limit_pages(unit: Unit, more: int) -> None:
    assert isinstance(unit, SqlUnit)
    pages = unit._all("pragma page_count")[0][0]
    unit._all(f"pragma max_page_count = {pages + more}")


async def held(store: SqlStore) -> tuple[Gate, asyncio.Task[None]]:
    gate = Gate()
    task = asyncio.ensure_future(store.write(gate))
    await gate.reached()
    return gate, task


async def keys(store: SqlStore) -> set[str]:
    return {row.raw.key for row in await store.read(lambda r: r.raws("new", 10_000))}


async def test_old_rows_that_cannot_be_read_end_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = threading.Event()

    def broken(connection: sqlite3.Connection, now: datetime) -> bool:
        tried.set()
        raise ValueError("an old row")

    monkeypatch.setattr(storage.writer, "sweep_some", broken)
    async with open_store(tmp_path, SystemClock(), limits=Limits(idle=0.01)) as store:
        assert await asyncio.to_thread(tried.wait, 10)
        await store.write(lambda u: u.set_setting("a", "1"))
        assert await store.read(lambda r: r.setting("a")) == "1"


async def test_what_piles_up_is_one_commit(store: SqlStore, clock: StoodClock) -> None:
    gate, first = await held(store)
    before = store.commits
    puts = [asyncio.ensure_future(store.put([raw(f"k{n}", clock.at)])) for n in range(200)]
    unit = asyncio.ensure_future(store.write(lambda u: u.count_raws("new")))
    await piled_up(store, 201)
    gate.open()
    await asyncio.gather(first, *puts)
    assert store.commits - before == 2
    assert await unit == 200, "bodies go first in their group"
    assert len(await keys(store)) == 200


async def test_callers_a_turn_of_the_loop_apart_share_a_commit(store: SqlStore, clock: StoodClock) -> None:
    before = store.commits
    first = asyncio.ensure_future(store.put([raw("a", clock.at)]))
    await asyncio.sleep(0)
    assert store.waiting == 1
    await asyncio.sleep(0)
    second = asyncio.ensure_future(store.put([raw("b", clock.at)]))
    await asyncio.gather(first, second)
    assert store.commits - before == 1


async def test_a_group_has_its_size(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(group=10)) as store:
        gate, first = await held(store)
        puts = [asyncio.ensure_future(store.put([raw(f"k{n}", clock.at)])) for n in range(35)]
        await piled_up(store, 35)
        gate.open()
        await asyncio.gather(first, *puts)
        assert store.commits == 1 + 4


async def test_one_bad_unit_is_rolled_back_alone(store: SqlStore) -> None:
    gate, first = await held(store)

    def bad(unit: Unit) -> None:
        unit.set_setting("bad", "1")
        raise LookupError("no")

    def stops(unit: Unit) -> None:
        raise StopIteration

    def good(name: str) -> asyncio.Future[None]:
        return asyncio.ensure_future(store.write(lambda u: u.set_setting(name, "1")))

    tasks = [good("a"), asyncio.ensure_future(store.write(bad)), good("b")]
    stopping = asyncio.ensure_future(store.write(stops))
    await piled_up(store, 4)
    gate.open()
    await first
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] is None and results[2] is None and isinstance(results[1], LookupError)
    with pytest.raises(RuntimeError):
        await stopping
    assert store.commits == 2
    assert await store.read(lambda r: [r.setting(k) for k in ("a", "bad", "b")]) == ["1", None, "1"]


async def test_the_time_is_the_same_for_all_of_a_unit(store: SqlStore, clock: StoodClock) -> None:
    assert await store.write(lambda u: u.now) == clock.at
    clock.move(seconds=1)
    assert await store.write(lambda u: u.now) == clock.at


async def test_a_read_sees_what_was_written_before_it_and_one_state_throughout(store: SqlStore) -> None:
    for n in range(50):
        await store.write(methodcaller("set_setting", "n", str(n)))
        assert await store.read(lambda r: r.setting("n")) == str(n)


async def test_readers_cannot_write(store: SqlStore) -> None:
    def write(reading: object) -> None:
        reading._all("delete from settings")  # type: ignore[attr-defined]

    with pytest.raises(StorageDown) as raised:
        await store.read(write)
    assert raised.value.reason == "readonly"


async def test_a_wrong_query_is_an_error_of_its_own(store: SqlStore) -> None:
    with pytest.raises(KeyError):
        await store.read(lambda r: r.raw(1))
    with pytest.raises(sqlite3.OperationalError):
        await store.read(lambda r: r._all("select nothing"))  # type: ignore[attr-defined]
    with pytest.raises(sqlite3.OperationalError):
        await store.write(lambda u: u._all("select nothing"))  # type: ignore[attr-defined]
    assert await store.write(lambda u: u.once("still there"))


async def test_a_full_disk_and_its_end(store: SqlStore, clock: StoodClock) -> None:
    await store.put([raw("before", clock.at)])
    await store.write(lambda u: limit_pages(u, 2))
    big = b"x" * 100_000
    with pytest.raises(StorageDown) as raised:
        await store.put([raw("refused", clock.at, body=big)])
    assert raised.value.reason == "full"
    with pytest.raises(StorageDown) as raised:
        await store.write(lambda u: u.set_setting("k", "x" * 100_000))
    assert raised.value.reason == "full"
    assert await keys(store) == {"before"}
    await store.write(lambda u: limit_pages(u, 10_000))
    await store.put([raw("after", clock.at, body=big)])
    assert await keys(store) == {"before", "after"}
    assert await store.read(lambda r: r.setting("k")) is None


async def test_a_unit_that_fills_the_disk_leaves_its_group_as_promised(store: SqlStore, clock: StoodClock) -> None:
    """Whoever was told that it is stored, is stored; whoever was not, is not."""
    await store.write(lambda u: limit_pages(u, 8))
    gate, first = await held(store)
    names = ["small", "big", "small too"]
    tasks = [
        asyncio.ensure_future(store.write(methodcaller("set_setting", n, "x" * (100_000 if n == "big" else 9))))
        for n in names
    ]
    put = asyncio.ensure_future(store.put([raw("body", clock.at)]))
    await piled_up(store, 4)
    gate.open()
    await first
    told = [not isinstance(x, StorageDown) for x in await asyncio.gather(*tasks, return_exceptions=True)]
    stored = [await store.read(methodcaller("setting", n)) is not None for n in names]
    assert told == stored and told[1] is False
    accepted = not isinstance((await asyncio.gather(put, return_exceptions=True))[0], StorageDown)
    assert accepted == ("body" in await keys(store))


async def test_a_locked_database_and_its_end(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(busy_timeout=20)) as store:
        with locked(store.path):
            for work in (store.put([raw("k", clock.at)]), store.write(lambda u: u.once("k"))):
                with pytest.raises(StorageDown) as raised:
                    await work
                assert raised.value.reason == "locked"
            assert await keys(store) == set()
        await store.put([raw("k", clock.at)])
        assert await store.write(lambda u: u.once("k")) is True
        assert await keys(store) == {"k"}


async def test_an_end_does_not_wait_for_a_lock(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(busy_timeout=60_000)) as store:
        with locked(store.path):
            waits = asyncio.ensure_future(store.put([raw("k", clock.at)]))
            await asyncio.sleep(0)
            store._writer.close()
            async with asyncio.timeout(10):
                with pytest.raises(StorageDown):
                    await waits


async def test_a_lock_that_is_let_go_costs_only_its_time(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(busy_timeout=60_000)) as store:
        with locked(store.path):
            waits = asyncio.ensure_future(store.put([raw("k", clock.at)]))
            done, _ = await asyncio.wait([waits], timeout=3 * LOCK_LOOK / 1000)
            assert not done
        await waits
        assert await keys(store) == {"k"}


async def test_a_failed_write_is_not_committed_and_the_connection_is_made_anew(
    store: SqlStore, clock: StoodClock
) -> None:
    """The kernel refuses what goes beyond the limit: SQLITE_IOERR_WRITE, as from a dying disk."""
    await store.put([raw("before", clock.at)])
    first = await store.write(lambda u: id(u._connection))  # type: ignore[attr-defined]
    with with_file_limit(4096):
        for _ in range(3):
            for work in (store.put([raw("refused", clock.at)]), store.write(lambda u: u.once("refused"))):
                with pytest.raises(StorageDown) as raised:
                    await work
                assert raised.value.reason == store.refusal == "io"
        assert await keys(store) == {"before"}, "readers go on"
    await store.put([raw("after", clock.at)])
    assert store.refusal is None
    assert await store.write(lambda u: id(u._connection)) != first  # type: ignore[attr-defined]
    assert await keys(store) == {"before", "after"}
    assert await store.write(lambda u: u.once("refused")), "nothing of what was refused is there"
    await test_settings_of_the_connections(store)
    assert await asyncio.to_thread(integrity, store.path) is None


async def test_a_transaction_that_cannot_be_ended_does_not_stop_the_writer(store: SqlStore, clock: StoodClock) -> None:
    """What a failed rollback leaves: every later begin would be refused by SQLite."""

    def stuck(connection: sqlite3.Connection) -> None:
        connection.execute("begin immediate")

    await store._writer._connection.run(stuck)
    with pytest.raises(StorageDown) as raised:
        await store.put([raw("refused", clock.at)])
    assert raised.value.reason == "error"
    await store.put([raw("after", clock.at)])
    assert await keys(store) == {"after"}


async def test_a_connection_that_cannot_be_made_anew_is_tried_again(
    store: SqlStore, clock: StoodClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(connection: sqlite3.Connection, busy_timeout: int) -> None:
        connection.execute("select nothing")

    with with_file_limit(4096), pytest.raises(StorageDown):
        await store.put([raw("refused", clock.at)])
    with monkeypatch.context() as patch:
        patch.setattr(storage.writer, "set_up_writer", refuses)
        for _ in range(2):
            with pytest.raises(StorageDown) as raised:
                await store.put([raw("refused", clock.at)])
            assert raised.value.reason == "error"
    await store.put([raw("after", clock.at)])
    assert await keys(store) == {"after"}


async def test_why_the_disk_refuses_is_known_and_rung(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(busy_timeout=20)) as store:
        bell = asyncio.ensure_future(store.judged.wait(10))
        await asyncio.sleep(0)
        with locked(store.path), pytest.raises(StorageDown):
            await store.put([raw("k", clock.at)])
        await bell
        assert store.refusal == "locked"
        await store.put([raw("k", clock.at)])
        assert store.refusal is None
        await store.write(lambda u: limit_pages(u, 2))
        with pytest.raises(StorageDown):
            await store.write(lambda u: u.set_setting("k", "x" * 100_000))
        assert store.refusal == "full", "also where only one unit of the group did not fit"


async def test_a_full_queue_refuses_at_once(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(queue=3)) as store:
        gate, first = await held(store)
        puts = [asyncio.ensure_future(store.put([raw(f"k{n}", clock.at)])) for n in range(3)]
        await piled_up(store, 3)
        for work in (store.put([raw("more", clock.at)]), store.write(lambda u: u.once("more"))):
            with pytest.raises(StorageDown) as raised:
                await work
            assert raised.value.reason == "queue"
        gate.open()
        await asyncio.gather(first, *puts)
        assert await keys(store) == {"k0", "k1", "k2"}


async def test_a_caller_that_goes_away_stops_nothing(store: SqlStore, clock: StoodClock) -> None:
    gate, first = await held(store)
    gone = [
        asyncio.ensure_future(store.put([raw("k", clock.at)])),
        asyncio.ensure_future(store.write(lambda u: u.set_setting("k", "v"))),
        first,
    ]
    await piled_up(store, 2)
    for task in gone:
        task.cancel()
    assert all(isinstance(x, asyncio.CancelledError) for x in await asyncio.gather(*gone, return_exceptions=True))
    gate.open()
    await store.write(lambda u: u.set_setting("next", "v"))
    assert await keys(store) == {"k"}
    assert await store.read(lambda r: (r.setting("k"), r.setting("next"))) == ("v", "v")


async def test_what_waits_at_the_end_is_committed(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock) as store:
        gate, first = await held(store)
        put = asyncio.ensure_future(store.put([raw("k", clock.at)]))
        await piled_up(store, 1)
        gate.open()
    await asyncio.gather(first, put)
    assert not (tmp_path / "inbox.db-wal").exists()
    with pytest.raises(StorageDown) as raised:
        await store.put([raw("late", clock.at)])
    assert raised.value.reason == "closed"
    with pytest.raises(StorageDown):
        await keys(store)
    async with open_store(tmp_path, clock) as again:
        assert await keys(again) == {"k"}


async def test_an_error_inside_the_block_comes_out_as_it_is(tmp_path: Path, clock: StoodClock) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with open_store(tmp_path, clock) as store:
            await store.write(lambda u: u.once("k"))
            raise LookupError("mine")
    async with open_store(tmp_path, clock) as again:
        assert await again.write(lambda u: u.once("k")) is False


async def test_a_cancelled_owner_still_drains(tmp_path: Path, clock: StoodClock) -> None:
    opened = asyncio.Event()
    waiting: list[asyncio.Future[None]] = []

    async def own() -> None:
        async with open_store(tmp_path, clock) as store:
            waiting.extend(asyncio.ensure_future(store.put([raw(f"k{n}", clock.at)])) for n in range(20))
            await piled_up(store, 1)
            opened.set()
            await asyncio.Event().wait()

    owner = asyncio.ensure_future(own())
    await opened.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert await asyncio.gather(*waiting) == [None] * 20
    async with open_store(tmp_path, clock) as again:
        assert len(await keys(again)) == 20


async def test_the_log_is_emptied_when_nothing_happens(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(idle=0.01)) as store:
        await store.write(lambda u: u.emit(INBOX, "x", u.now))
        log = tmp_path / "inbox.db-wal"
        async with asyncio.timeout(10):
            while log.stat().st_size:  # noqa: ASYNC110 a file rings no bell
                await asyncio.sleep(0.01)
        assert await store.write(lambda u: u.emit(INBOX, "x", u.now)) == 2


def test_a_reader_in_the_way_of_the_checkpoint_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as writing,
        closing(sqlite3.connect(path, isolation_level=None)) as reading,
    ):
        set_up_writer(writing, 60_000)
        writing.execute("create table a (id integer)")
        reading.execute("begin")
        assert reading.execute("select count(*) from a").fetchone() == (0,)
        writing.execute("insert into a values (1)")
        checkpoint(writing, busy_timeout=60_000)
        assert (tmp_path / "inbox.db-wal").stat().st_size > 0
        assert writing.execute("pragma busy_timeout").fetchone() == (60_000,)
        reading.execute("rollback")
        checkpoint(writing, busy_timeout=60_000)
        assert (tmp_path / "inbox.db-wal").stat().st_size == 0


KILLED = """
import asyncio, sys
from pathlib import Path
from inbox.clock import SystemClock
from inbox.gate import Raw
from inbox.model import Provider
from storage.store import open_store

async def put(store, clock, lane):
    for n in range(100_000):
        key = f"{lane}:{n}"
        await store.put([Raw(Provider("whatsapp"), key, b"x" * 500, clock.now())])
        sys.stdout.write(key + "\\n")
        sys.stdout.flush()

async def main():
    clock = SystemClock()
    async with open_store(Path(sys.argv[1]), clock) as store:
        await asyncio.gather(*(put(store, clock, lane) for lane in range(8)))

asyncio.run(main())
"""


async def test_what_was_promised_outlives_a_kill(tmp_path: Path, clock: StoodClock) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    promised = [await process.stdout.readline() for _ in range(300)]
    process.kill()
    promised += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    whole = {line.decode().strip() for line in promised if line.endswith(b"\n")}
    async with open_store(tmp_path, clock) as store:
        rows = await store.read(lambda r: r.raws("new", 1_000_000))
        stored = [row.raw.key for row in rows]
        assert len(whole) >= 300 and whole <= set(stored) and len(stored) == len(set(stored))
        for lane in range(8):
            numbers = [int(key.split(":")[1]) for key in stored if key.startswith(f"{lane}:")]
            assert numbers == list(range(len(numbers)))
    assert await asyncio.to_thread(integrity, tmp_path / "inbox.db") is None


async def test_settings_of_the_connections(store: SqlStore) -> None:
    def of(rows: object) -> dict[str, object]:
        names = (
            "journal_mode", "synchronous", "wal_autocheckpoint", "busy_timeout", "foreign_keys", "mmap_size",
            "temp_store", "cache_size", "query_only",
        )  # fmt: skip
        return {name: rows._all(f"pragma {name}")[0][0] for name in names}  # type: ignore[attr-defined]

    writing = await store.write(of)
    assert writing == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 1000,
        "busy_timeout": 200,
        "foreign_keys": 1,
        "mmap_size": 0,
        "temp_store": 2,
        "cache_size": -16384,
        "query_only": 0,
    }
    reading = await store.read(of)
    assert (reading["query_only"], reading["busy_timeout"], reading["mmap_size"]) == (1, 5000, 0)
