"""What goes after thirty days, what stays, and that a write never waits for more than one step of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from inbox.model import INBOX
from inbox.quarantine import put_aside
from inbox.store import Unit
from storage import writer
from storage.db import FILE
from storage.retention import EVERY, KEPT, STEP, sweep_some
from storage.store import SqlStore, open_store
from storage.writer import Limits
from tests.inbox.factories import PlainVoice
from tests.storage.world import StoodClock, person, raw, said

OLD = KEPT + timedelta(days=2)


def swept(path: Path, now: datetime) -> int:
    """The whole pass as the writer makes it; how many steps it took."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        steps = 1
        while sweep_some(connection, now):
            steps += 1
    return steps


async def sweep(store: SqlStore, clock: StoodClock) -> int:
    return await asyncio.to_thread(swept, store.path, clock.at)


def bodies(store: SqlStore) -> Callable[[], dict[str, bytes]]:
    def look() -> dict[str, bytes]:
        with closing(sqlite3.connect(store.path)) as connection:
            return dict(connection.execute("select key, body from inbox"))

    return look


async def arrived(store: SqlStore, clock: StoodClock, *keys: str, state: str = "done") -> list[int]:
    await store.put([raw(key, clock.at, body=b"words") for key in keys])

    def settle(unit: Unit) -> list[int]:
        rows = [row.raw.id for row in unit.raws("new", 100_000)]
        for row in rows:
            assert row is not None
            unit.set_raw(row, state, error="no_entry" if state == "quarantined" else None)
        return [row for row in rows if row is not None]

    return await store.write(settle)


async def test_bodies_go_and_their_keys_stay(store: SqlStore, clock: StoodClock) -> None:
    await arrived(store, clock, "old")
    aside = await arrived(store, clock, "aside", state="quarantined")
    clock.move(days=2)
    await arrived(store, clock, "younger")
    clock.at += KEPT - timedelta(days=1)
    await sweep(store, clock)
    look = bodies(store)
    assert await asyncio.to_thread(look) == {"old": b"", "aside": b"words", "younger": b"words"}
    await store.put([raw("old", clock.at), raw("new", clock.at)])
    assert [row.raw.key for row in await store.read(lambda r: r.raws("new", 10))] == ["new"]
    assert await store.read(lambda r: r.count_raws("quarantined")) == 1
    # What is understood at last loses its body at once: the sweep has passed it.
    await store.write(lambda u: u.set_raw(aside[0], "new", attempts=1))
    assert (await asyncio.to_thread(look))["aside"] == b"words"
    await store.write(lambda u: u.set_raw(aside[0], "done"))
    assert (await asyncio.to_thread(look))["aside"] == b""


async def test_a_time_that_was_never_true_holds_up_nobody(store: SqlStore, clock: StoodClock) -> None:
    clock.move(days=3650)
    await arrived(store, clock, "from the future")
    clock.move(days=-3650)
    await arrived(store, clock, "old")
    clock.at += OLD
    await sweep(store, clock)
    assert await asyncio.to_thread(bodies(store)) == {"from the future": b"words", "old": b""}


async def test_keys_of_what_happens_once(store: SqlStore, clock: StoodClock) -> None:
    for key in ("change:1", "fix:7", "stranger:chat:-5"):
        await store.write(lambda u, key=key: u.once(key))  # type: ignore[misc]
    clock.at += OLD
    await store.write(lambda u: u.once("change:2"))
    await sweep(store, clock)
    known = {}
    for key in ("change:1", "change:2", "fix:7", "stranger:chat:-5"):
        known[key] = not await store.write(lambda u, key=key: u.once(key))  # type: ignore[misc]
    assert known == {"change:1": False, "change:2": True, "fix:7": True, "stranger:chat:-5": True}


async def test_what_buttons_remember_goes_with_the_words_it_was_asked_for(store: SqlStore, clock: StoodClock) -> None:
    [old] = await arrived(store, clock, "old")

    def remember(unit: Unit, row: int) -> None:
        for prefix in ("ask", "find", "history"):
            unit.set_setting(f"{prefix}:{row}", f"{row}")
        unit.set_setting(f"ask:album:{row + 100}", f"{row}")
        unit.set_setting(f"fix:{row + 200}", f"{row}")

    await store.write(partial(remember, row=old))
    clock.at += OLD
    [young] = await arrived(store, clock, "young")
    await store.write(partial(remember, row=young))
    await store.write(lambda u: u.set_setting("owner_id", "1"))
    await sweep(store, clock)
    left = await asyncio.to_thread(lambda: setting_keys(store.path))
    assert left == {
        f"ask:{young}",
        f"find:{young}",
        f"history:{young}",
        f"ask:album:{young + 100}",
        f"fix:{young + 200}",
        "owner_id",
    }


async def record(store: SqlStore) -> dict[str, object]:
    """What was told of shapes."""
    stored = await store.read(lambda r: r.setting("quarantine:whatsapp"))
    told: dict[str, object] = json.loads(stored or "{}")
    return told


def setting_keys(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("select key from settings")}


async def test_what_was_told_of_a_shape_stays_while_one_of_it_is_kept_aside(store: SqlStore, clock: StoodClock) -> None:
    """As the inbox itself writes it down, and as an earlier version did: a key for each shape."""
    await store.put([raw(key, clock.at) for key in ("aside", "understood later")])

    def put_both_aside(unit: Unit) -> None:
        for row, shape in zip(unit.raws("new", 2), ("no_entry", "broken:KeyError"), strict=True):
            put_aside(unit, row, shape, PlainVoice())
        unit.set_setting("quarantine:whatsapp:no_entry", json.dumps({"count": 3, "told": clock.at.timestamp()}))

    await store.write(put_both_aside)
    told = await record(store)
    assert told.keys() == {"no_entry", "broken:KeyError"}
    understood = (await store.read(lambda r: r.raws("quarantined", 2)))[1].raw.id
    assert understood is not None
    await store.write(lambda u: u.set_raw(understood, "done"))
    await sweep(store, clock)
    assert await record(store) == told
    clock.at += OLD
    await sweep(store, clock)
    left = await record(store)
    assert left == {"no_entry": told["no_entry"]}
    assert await asyncio.to_thread(setting_keys, store.path) == {"quarantine:whatsapp"}


async def test_messages_and_the_export_are_not_touched(store: SqlStore, clock: StoodClock) -> None:
    def talk(unit: Unit) -> None:
        contact, identity = person(unit, "u1")
        message = said(unit, identity, "давно")
        unit.emit(INBOX, "message.in", unit.now, client=contact.id, message=message.id)

    await store.write(talk)
    await arrived(store, clock, "old")
    before = await asyncio.to_thread(dump, store.path)
    clock.at += OLD
    await sweep(store, clock)
    after = await asyncio.to_thread(dump, store.path)
    assert before.keys() == after.keys() and {name for name in before if before[name] != after[name]} == {
        "inbox",
        "cursors",
    }


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("select name from sqlite_schema where type = 'table'")]
        kept = [name for name in names if not name.startswith("search")]
        return {name: connection.execute(f"select * from {name}").fetchall() for name in kept}  # noqa: S608


async def test_one_pass_a_day_in_bounded_steps(store: SqlStore, clock: StoodClock, counts: Callable[..., None]) -> None:
    await arrived(store, clock, *(f"k{n}" for n in range(STEP * 3 + 1)))
    for n in range(STEP + 1):
        await store.write(lambda u, n=n: u.once(f"change:{n}"))  # type: ignore[misc]
    clock.at += OLD
    most = await asyncio.to_thread(_most_rows_a_step, store.path, clock.at)
    counts("retention", rows=STEP * 4 + 2, most_rows_in_a_step=most)
    assert 0 < most <= STEP + 2  # and the cursors
    assert not any((await asyncio.to_thread(bodies(store))).values())
    assert await sweep(store, clock) == 1
    clock.at += EVERY
    await store.write(lambda u: u.once("change:new"))
    assert await sweep(store, clock) > 1


def _most_rows_a_step(path: Path, now: datetime) -> int:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        most = 0
        while True:
            before = connection.total_changes
            more = sweep_some(connection, now)
            most = max(most, connection.total_changes - before)
            if not more:
                return most


async def test_a_write_waits_for_one_step_at_most(
    tmp_path: Path, clock: StoodClock, monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]
) -> None:
    async with open_store(tmp_path, clock) as store:
        await arrived(store, clock, *(f"k{n}" for n in range(STEP * 5)))
    clock.at += OLD
    steps, reached, go_on = [0], threading.Event(), threading.Event()

    def watched(connection: sqlite3.Connection, now: datetime) -> bool:
        more = sweep_some(connection, now)
        steps[0] += 1
        if steps[0] == 2:
            reached.set()
            go_on.wait(10)
        return more

    monkeypatch.setattr(writer, "sweep_some", watched)
    async with open_store(tmp_path, clock, limits=Limits(idle=0.01)) as store:
        assert await asyncio.to_thread(reached.wait, 10)
        write = asyncio.ensure_future(store.put([raw("now", clock.at)]))
        await asyncio.sleep(0)  # it is asked for
        go_on.set()
        await write
        taken = steps[0]
        counts("retention", steps_before_the_write=taken - 2)
        assert taken <= 3
        async with asyncio.timeout(10):
            while any(key.startswith("k") and body for key, body in bodies(store)().items()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_disk_that_takes_nothing_ends_the_pass_and_not_the_writer(store: SqlStore, clock: StoodClock) -> None:
    await arrived(store, clock, "old")
    clock.at += OLD
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("pragma query_only = on")
        assert sweep_some(connection, clock.at) is False
        assert not connection.in_transaction


async def test_a_heartbeat_neither_keeps_the_log_long_nor_counts_as_a_change(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(idle=0.3)) as store:
        await store.write(lambda u: u.emit(INBOX, "x", u.now))
        before = store.changes
        log = tmp_path / f"{FILE}-wal"
        beats = 0
        async with asyncio.timeout(10):
            while log.stat().st_size:
                await store.beat()
                beats += 1
                await asyncio.sleep(0.05)
        assert beats > 1 and store.changes == before
        await store.write(lambda u: u.once("k"))
        assert store.changes > before
