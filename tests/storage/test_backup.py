"""A copy beside the running bot, put in place of the database; and looking on from outside."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from operator import methodcaller
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.model import INBOX
from inbox.store import Unit
from storage.backup import BadCopy, backup, copy, default_path
from storage.inspect import events_since, integrity, resets_log_safely, schema_version
from storage.migrate import migrations
from storage.store import SqlStore, open_store
from storage.thin import surplus, thin
from tests.storage.world import StoodClock, raw


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
    assert thin(tmp_path / "backups") == []
    for n in range(48):
        default_path(tmp_path, start + timedelta(hours=n)).touch()
    removed = thin(tmp_path / "backups")
    left = names(tmp_path / "backups")
    assert {"inbox-schema-0001.db", "inbox-mine.db", "other.txt"} <= left
    assert len(removed) == 48 - 25 and not {p.name for p in removed} & left


@settings(max_examples=50)
@given(st.sets(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)), min_size=1))
def test_the_newest_copy_always_stays(made: set[datetime]) -> None:
    gone = surplus(made)
    assert max(made) not in gone and gone <= made
    assert surplus(made - gone) == set()
