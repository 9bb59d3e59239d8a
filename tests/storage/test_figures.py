"""What an operator is told about: how much waits, since when, and what it costs to say so."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inbox.model import Act, DeliveryState
from inbox.store import JobCount, Unit
from storage.inbox import COUNTED
from storage.migrate import migrate, migrations
from storage.store import SqlStore
from storage.unit import SqlReading
from tests.storage.world import TELEGRAM, WHATSAPP, StoodClock, raw


async def test_bodies_that_wait_and_that_were_not_understood(store: SqlStore, clock: StoodClock) -> None:
    assert await store.read(lambda r: (r.oldest_raw("new"), r.quarantined())) == (None, {})
    start = clock.at
    await store.put([raw("a", start), raw("b", start + timedelta(seconds=5))])
    await store.put([raw("c", start, TELEGRAM), raw("d", start, TELEGRAM), raw("e", start)])

    def work(unit: Unit) -> None:
        unit.set_raw(1, "done")
        for number in (3, 4, 5):
            unit.set_raw(number, "quarantined", error="object")

    await store.write(work)
    assert await store.read(lambda r: r.oldest_raw("new")) == start + timedelta(seconds=5)
    assert await store.read(lambda r: r.quarantined()) == {TELEGRAM: 2, WHATSAPP: 1}


async def test_the_newest_body_of_each_gate(store: SqlStore, clock: StoodClock) -> None:
    start = clock.at
    assert await store.read(lambda r: r.newest_raws(0)) == (0, {})
    await store.put([raw("a", start), raw("b", start + timedelta(seconds=5)), raw("c", start, TELEGRAM)])
    last, at = await store.read(lambda r: r.newest_raws(0))
    assert (last, at) == (3, {WHATSAPP: start + timedelta(seconds=5), TELEGRAM: start})
    assert await store.read(lambda r: r.newest_raws(3)) == (3, {})
    await store.put([raw("d", start + timedelta(seconds=9), TELEGRAM)])
    assert await store.read(lambda r: r.newest_raws(3)) == (4, {TELEGRAM: start + timedelta(seconds=9)})


async def test_jobs_events_and_refusals(store: SqlStore, clock: StoodClock) -> None:
    start = clock.at

    def work(unit: Unit) -> None:
        for n in range(3):
            unit.add_job("fetch", {"attachment": n}, unit.now + timedelta(hours=n))
        unit.emit(WHATSAPP, "message.in", unit.now)
        for state in (DeliveryState.FAILED, DeliveryState.SENT, DeliveryState.FAILED):
            unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:1", state=state)

    await store.write(work)
    clock.move(seconds=7)
    await store.write(lambda u: u.add_job("mark", {"message": 1}, u.now))
    assert await store.read(lambda r: r.job_counts()) == [
        JobCount("fetch", 3, start),
        JobCount("mark", 1, start + timedelta(seconds=7)),
    ]
    assert await store.read(lambda r: r.newest_event_id()) == 1
    assert await store.read(lambda r: r.failed_lately(100)) == {"whatsapp": 2}
    assert await store.read(lambda r: r.failed_lately(1)) == {"whatsapp": 1}


@pytest.fixture(scope="module")
def crowded() -> SqlReading:
    """A hundred thousand deliveries wait in forty lanes, as many bodies are done, and some of each are not."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection, Path(), migrations())
    connection.execute("begin")
    connection.executemany(
        "insert into deliveries (act, target, lane, state, created_at, content) values ('send', ?, ?, 'waiting', ?, ?)",
        ((f"t{n % 2}", f"t{n % 2}:{n % 40}", n, "{}" * 100) for n in range(100_000)),
    )
    connection.executemany(
        "insert into inbox (provider, key, body, received_at, state) values (?, ?, ?, ?, ?)",
        (("telegram", str(n), b"{}" * 100, n, "done" if n > 20 else "quarantined") for n in range(100_000)),
    )
    connection.execute("commit")
    return SqlReading(connection)


def test_the_figures_of_a_crowd_are_quick(crowded: SqlReading) -> None:
    """Against the same figure by a plain walk over all that waits."""
    plain = "select target, count(*) n, min(created_at) o from deliveries where state = 'waiting' group by target"

    def walk() -> list[tuple[str, int, int]]:
        return [(r["target"], r["n"], r["o"]) for r in crowded._all(plain)]

    def told() -> list[tuple[str, int, int]]:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return [
            (q.target, q.waiting, (q.oldest - epoch) // timedelta(microseconds=1))
            for q in crowded.queues()
            if q.oldest is not None
        ]

    assert told() == walk()
    assert [q.lanes for q in crowded.queues()] == [20, 20]
    assert min(_cpu(told) for _ in range(5)) < min(_cpu(walk) for _ in range(5)) / 2


def test_a_look_goes_over_so_many_bodies_at_most(crowded: SqlReading) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection = crowded._connection
    connection.set_progress_handler(count, 1000)
    last, at = crowded.newest_raws(0)
    connection.set_progress_handler(None, 0)
    assert last == 100_000 and list(at) == [TELEGRAM]
    assert steps * 1000 < COUNTED * 40
    assert crowded.quarantined() == {TELEGRAM: 21}


def test_no_figure_sorts_or_walks_what_is_done(crowded: SqlReading) -> None:
    statements: list[str] = []
    connection = crowded._connection
    connection.set_trace_callback(statements.append)
    crowded.queues()
    crowded.quarantined()
    crowded.oldest_raw("new")
    crowded.failed_lately(1000)
    crowded.job_counts()
    connection.set_trace_callback(None)
    plans = [line["detail"] for sql in statements for line in connection.execute(f"explain query plan {sql}")]
    indexes = {"deliveries_waiting", "deliveries_open", "inbox_open", "jobs_due"}
    assert all(any(index in plan for plan in plans) for index in indexes)
    assert not [p for p in plans if p.startswith("SCAN") and "USING" not in p and "heads" not in p and "(" not in p]


def _cpu(work: object) -> float:
    assert callable(work)
    begun = time.process_time()
    work()
    return time.process_time() - begun
