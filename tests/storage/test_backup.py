"""A copy beside the running bot, put in place of the database; and looking on from outside."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from operator import methodcaller
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.model import INBOX
from inbox.store import Unit
from storage.backup import BadCopy, Copy, backup, copies, copy, default_path, drop_parts, part_of, still_true
from storage.gently import LONGEST_LOG, PIECE, REASONS, REST, SLICE, CopyFailed, Gentle, copy_gently
from storage.inspect import events_since, integrity, resets_log_safely, schema_version
from storage.migrate import migrations
from storage.store import SqlStore, open_store
from storage.thin import Room, room, surplus, thin
from tests.storage.world import StoodClock, raw

ROOT = Path(__file__).parents[2]


def test_its_name_is_its_time(tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)
    assert default_path(tmp_path, at) == tmp_path / "backups" / "inbox-20260301T090507Z.db"


async def test_a_copy_under_load_is_a_prefix_of_the_history(tmp_path: Path, clock: StoodClock) -> None:
    data, restored = tmp_path / "data", tmp_path / "restored"
    async with open_store(data, clock) as store:
        stop, grown = asyncio.Event(), asyncio.Event()

        async def write() -> int:
            n = 0
            while not stop.is_set():
                await store.put([raw(f"k{n}", clock.at, body=b"x" * 2000)])
                await store.write(methodcaller("emit", INBOX, "x", clock.at, n=n))
                n += 1
                if n == 50:
                    grown.set()
            return n

        writing = asyncio.ensure_future(write())
        async with asyncio.timeout(10):
            await grown.wait()
        target = default_path(data, clock.at)
        assert await asyncio.to_thread(backup, data, target) == target
        stop.set()
        written = await writing
    assert names(target.parent) == {target.name}
    assert target.stat().st_mode & 0o777 == 0o600
    assert integrity(target) is None and schema_version(target) == len(migrations())
    restored.mkdir()
    shutil.copy(target, restored / "inbox.db")
    async with open_store(restored, clock) as store:
        rows = await store.read(lambda r: r.raws("new", 100_000))
        assert [row.raw.key for row in rows] == [f"k{n}" for n in range(len(rows))]
        events = await store.read(lambda r: r.events_after(0, 100_000))
        assert [e.data["n"] for e in events] == list(range(len(events)))
        assert 50 <= len(rows) <= written and len(rows) - len(events) in (0, 1)
        await store.put([raw("k0", clock.at), raw("new", clock.at)])
        assert len(await store.read(lambda r: r.raws("new", 100_000))) == len(rows) + 1
        assert await store.write(lambda u: u.emit(INBOX, "x", u.now)) == len(events) + 1


async def test_ids_of_events_are_not_given_again_after_a_copy(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path / "a", clock) as store:
        await store.ensure_events_after(500)
        target = await asyncio.to_thread(backup, tmp_path / "a", tmp_path / "b" / "inbox.db")
        assert target.exists()
    async with open_store(tmp_path / "b", clock) as store:
        assert await store.write(lambda u: u.emit(INBOX, "x", u.now)) == 501


async def test_a_stopped_database_is_copied_and_looked_at_too(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock) as store:
        await store.write(lambda u: u.emit(INBOX, "x", u.now))
    before = (tmp_path / "inbox.db").read_bytes()
    target = backup(tmp_path, tmp_path / "copy.db")
    assert [e.id for e in events_since(target, 0)] == [1] == [e.id for e in events_since(tmp_path / "inbox.db", 0)]
    assert integrity(tmp_path / "inbox.db") is None
    assert (tmp_path / "inbox.db").read_bytes() == before
    async with open_store(tmp_path, clock) as store:
        assert await store.write(lambda u: u.emit(INBOX, "x", u.now)) == 2


async def test_the_database_is_no_target(store: SqlStore, tmp_path: Path) -> None:
    for target in (store.path, tmp_path / "." / "inbox.db", tmp_path / "other.db"):
        if target.name == "other.db":
            await asyncio.to_thread(target.hardlink_to, store.path)
        with pytest.raises(FileExistsError):
            await asyncio.to_thread(backup, tmp_path, target)
    assert await store.write(lambda u: u.once("k"))


def test_without_a_database_there_is_no_copy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        backup(tmp_path, tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []
    for look in (integrity, schema_version):
        with pytest.raises(FileNotFoundError):
            look(tmp_path / "inbox.db")


async def test_a_copy_that_fails_leaves_the_old_one(store: SqlStore, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    await asyncio.to_thread(copy, store.path, target)
    old = target.read_bytes()
    broken = tmp_path / "broken.db"
    damage(store.path, broken)
    with pytest.raises((BadCopy, sqlite3.DatabaseError)):
        await asyncio.to_thread(copy, broken, target)
    assert target.read_bytes() == old
    assert names(tmp_path) & {"copy.db", ".copy.db.part"} == {"copy.db"}


async def test_damage_is_found(store: SqlStore, tmp_path: Path) -> None:
    assert await asyncio.to_thread(integrity, store.path) is None
    broken = tmp_path / "broken.db"
    damage(store.path, broken)
    assert await asyncio.to_thread(integrity, broken) is not None
    (tmp_path / "text.db").write_bytes(b"not a database at all" * 100)
    assert await asyncio.to_thread(integrity, tmp_path / "text.db") is not None


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def damage(source: Path, target: Path) -> None:
    """A copy whose first table's root page is garbage."""
    copy(source, target)
    with closing(sqlite3.connect(target)) as connection:
        page = connection.execute("select rootpage from sqlite_master where name = 'inbox'").fetchone()[0]
        size = connection.execute("pragma page_size").fetchone()[0]
    content = bytearray(target.read_bytes())
    content[(page - 1) * size : page * size] = b"\x55" * size
    target.write_bytes(content)


async def test_the_export_from_an_id_or_a_time_on(store: SqlStore, clock: StoodClock) -> None:
    start = clock.at

    def many(unit: Unit) -> None:
        for n in range(700):
            unit.emit(INBOX, "x", unit.now, n=n)

    await store.write(many)
    clock.move(minutes=1)
    await store.write(lambda u: u.emit(INBOX, "y", start, n=700))
    clock.move(minutes=-2)
    await store.write(lambda u: u.emit(INBOX, "z", start, n=701))

    def numbers(since: datetime | int) -> list[int]:
        return [e.data["n"] for e in events_since(store.path, since)]

    assert await asyncio.to_thread(numbers, 0) == list(range(702))
    assert await asyncio.to_thread(numbers, 701) == [700, 701]
    assert await asyncio.to_thread(numbers, 9999) == []
    assert await asyncio.to_thread(numbers, start) == list(range(702))
    assert await asyncio.to_thread(numbers, start + timedelta(seconds=1)) == [700, 701]
    assert await asyncio.to_thread(numbers, start + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("found", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
    ],
)
def test_which_sqlite_resets_its_log_safely(found: tuple[int, int, int], safe: bool) -> None:
    assert resets_log_safely(found) is safe


def test_hourly_copies_are_thinned(tmp_path: Path) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    made = {start + timedelta(hours=n) for n in range(24 * 60)}
    kept = made - surplus(made)
    newest = max(made)
    assert {newest - timedelta(hours=n) for n in range(24)} <= kept
    assert len({at.date() for at in kept}) >= 7 + 2
    assert len(kept) <= 24 + 7 + 4
    for at in (start, start + timedelta(hours=1)):
        default_path(tmp_path, at).parent.mkdir(exist_ok=True)
        default_path(tmp_path, at).touch()
    for name in ("inbox-schema-0001.db", "inbox-mine.db", "other.txt"):
        (tmp_path / "backups" / name).touch()
    assert thin(tmp_path) == []
    for n in range(48):
        default_path(tmp_path, start + timedelta(hours=n)).touch()
    removed = thin(tmp_path)
    left = names(tmp_path / "backups")
    assert {"inbox-schema-0001.db", "inbox-mine.db", "other.txt"} <= left
    assert len(removed) == 48 - 25 and not {p.name for p in removed} & left


def test_the_last_three_copies_before_migrations_stay(tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    for n in range(1, 7):
        path = tmp_path / "backups" / f"inbox-schema-{n:04}.db"
        path.touch()
        os.utime(path, (n, n))
    assert len(thin(tmp_path)) == 3
    assert names(tmp_path / "backups") == {f"inbox-schema-{n:04}.db" for n in (4, 5, 6)}


@settings(max_examples=50)
@given(st.sets(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)), min_size=1))
def test_the_newest_copy_always_stays(made: set[datetime]) -> None:
    gone = surplus(made)
    assert max(made) not in gone and gone <= made
    assert surplus(made - gone) == set()


def held(hours: int, *, size: int = 10, schema: int = 0) -> list[Copy]:
    """So many hourly copies, newest first, and some before migrations that are older than all of them."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [start + timedelta(hours=n) for n in reversed(range(hours))]
    dated = [Copy(default_path(Path("data"), at), at, size) for at in moments]
    olds = [start - timedelta(days=n) for n in range(1, schema + 1)]
    return [*dated, *(Copy(Path(f"data/backups/inbox-schema-{n:04}.db"), at, size) for n, at in enumerate(olds))]


def test_where_there_is_room_nothing_goes() -> None:
    assert room(held(30), need=10, free=25, floor=15) == Room((), True)
    assert room([], need=10, free=25, floor=15) == Room((), True)
    assert room([], need=10, free=24, floor=15) == Room((), False)


def test_the_oldest_hourly_ones_make_room() -> None:
    found = held(30, schema=2)
    plan = room(found, need=10, free=0, floor=15)
    assert plan.fits
    # Of the thirty 23 hourly ones of two days are no day's or week's last; six are older than a day's hours.
    assert [copy.path.name for copy in plan.gone] == [
        "inbox-20260301T000000Z.db",
        "inbox-20260301T010000Z.db",
        "inbox-20260301T020000Z.db",
    ]
    everything = room(found, need=250, free=25, floor=15)
    assert everything.fits and found[0] not in everything.gone
    last_day = default_path(Path("data"), datetime(2026, 3, 1, 23, tzinfo=UTC))
    order = [copy.path for copy in room(found, need=10, free=0, floor=10**9).gone]
    assert order[-3:] == [last_day, *(c.path for c in reversed(found[-2:]))]


def test_a_copy_that_would_not_fit_costs_none_of_the_others() -> None:
    found = held(30)
    assert room(found, need=10_000, free=50, floor=15) == Room((), False)
    # Where the floor itself is gone, copies make room for the messages.
    assert [c.size for c in room(found, need=10_000, free=0, floor=15).gone] == [10, 10]


@settings(max_examples=200)
@given(st.integers(0, 40), st.integers(0, 3), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_room_is_made_by_as_few_as_need_be_and_the_newest_stays(
    hours: int, schema: int, need: int, free: int, floor: int
) -> None:
    found = held(hours, schema=schema)
    plan = room(found, need=need, free=free, floor=floor)
    assert not found or found[0] not in plan.gone
    assert len(set(plan.gone)) == len(plan.gone) and set(plan.gone) <= set(found)
    wanted = floor + need if plan.fits else floor
    after = free + sum(copy.size for copy in plan.gone)
    if plan.fits:
        assert after >= wanted
    if plan.gone:
        assert after - plan.gone[-1].size < wanted


async def test_copies_are_known_by_their_names_and_as_young_as_they_are_true(store: SqlStore, tmp_path: Path) -> None:
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    target = default_path(tmp_path, at)
    await asyncio.to_thread(copy, store.path, target, None, at)
    for name in (".inbox-20260301T100000Z.db.part", ".inbox-20260301T100000Z.db.part-journal", "inbox-mine.db"):
        (target.parent / name).touch()
    assert await asyncio.to_thread(copies, tmp_path) == [Copy(target, at, target.stat().st_size)]
    still_true(copies(tmp_path)[0], at + timedelta(hours=5))
    assert copies(tmp_path)[0].at == at + timedelta(hours=5)
    assert drop_parts(tmp_path) == 2 and names(target.parent) == {target.name, "inbox-mine.db"}


def fill(path: Path, megabytes: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        sql = "insert into inbox (provider, key, body, received_at) values ('x', ?, randomblob(1000000), 0)"
        connection.executemany(sql, [(str(n),) for n in range(megabytes)])
        connection.commit()


async def test_a_gentle_copy_in_a_child_that_knows_no_secret(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "7000000001:AAHexample")
    await asyncio.to_thread(fill, store.path, 20)
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    target = default_path(tmp_path, at)
    making = asyncio.ensure_future(copy_gently(tmp_path, target, at))
    child = await running(str(target))
    assert b"AAHexample" not in (child / "environ").read_bytes()
    assert await making == target
    assert names(target.parent) == {target.name} and target.stat().st_mode & 0o777 == 0o600
    assert copies(tmp_path)[0].at == at and integrity(target) is None


async def running(argument: str) -> Path:
    """The process with this argument, in /proc."""
    async with asyncio.timeout(10):
        while True:
            if (process := await asyncio.to_thread(process_with, argument)) is not None:
                return process
            await asyncio.sleep(0.01)


def process_with(argument: str) -> Path | None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"storage.gently" in words and argument.encode() in words:
            return process
    return None


async def begun(target: Path) -> None:
    async with asyncio.timeout(10):
        while not (part_of(target).exists() and part_of(target).stat().st_size):  # noqa: ASYNC110 it rings no bell
            await asyncio.sleep(0.002)


async def test_a_copy_that_is_given_up_ends_at_once_and_leaves_nothing(store: SqlStore, tmp_path: Path) -> None:
    await asyncio.to_thread(fill, store.path, 60)
    target = tmp_path / "backups" / "copy.db"
    making = asyncio.ensure_future(copy_gently(tmp_path, target, datetime.now(UTC)))
    child = await running(str(target))
    await begun(target)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert not child.exists() and names(target.parent) == set()
    assert await store.write(lambda u: u.once("k"))


ORPHAN = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from storage.gently import copy_gently
from storage.backup import part_of

async def main():
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    making = asyncio.ensure_future(copy_gently(folder, target, datetime.now(UTC)))
    while not (part_of(target).exists() and part_of(target).stat().st_size):
        await asyncio.sleep(0.002)
    os._exit(9)

asyncio.run(main())
"""


async def test_a_copy_ends_with_its_parent(store: SqlStore, tmp_path: Path) -> None:
    await asyncio.to_thread(fill, store.path, 60)
    target = tmp_path / "backups" / "copy.db"
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", ORPHAN, str(tmp_path), str(target), cwd=ROOT)
    child = await running(str(target))
    assert await parent.wait() == 9
    async with asyncio.timeout(10):
        while child.exists():  # noqa: ASYNC110 not ours to wait for
            await asyncio.sleep(0.01)
    assert names(target.parent) == set()


async def test_why_a_copy_failed_is_said(store: SqlStore, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    broken = tmp_path / "broken"
    broken.mkdir()
    await asyncio.to_thread(damage, store.path, broken / "inbox.db")
    (tmp_path / "file").touch()
    cases = (
        (broken, broken / "copy.db", {"broken", "corrupt"}),
        (tmp_path / "nothing", tmp_path / "copy.db", {"gone"}),
        (tmp_path, tmp_path / "file" / "copy.db", {"io"}),
    )
    for data, target, reasons in cases:
        with pytest.raises(CopyFailed) as failed:
            await copy_gently(data, target, now)
        assert failed.value.reason in reasons <= REASONS
        assert not target.exists() and not part_of(target).exists()


def test_its_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, log = tmp_path / "part", tmp_path / "log"
    clock = [100.0]
    slept: list[float] = []
    synced: list[int] = []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append(part.stat().st_size))
    pace = Gentle(part, log)
    assert pace() == 0 and slept == []  # it has not worked yet
    for size in (PIECE - 1, PIECE, PIECE + 1, 2 * PIECE):
        part.write_bytes(b"x" * size)
        clock[0] += SLICE * 2
        assert pace() == 0
    assert synced == [PIECE, 2 * PIECE]
    assert slept == [pytest.approx(SLICE * 2 * REST)] * 4
    with log.open("wb") as file:
        file.truncate(LONGEST_LOG)
    clock[0] += SLICE * 2
    assert pace() == 0 and len(slept) == 4  # the log is long: it hurries
    monkeypatch.setattr(os, "getppid", lambda: 1)
    clock[0] += SLICE * 2
    assert pace() != 0
