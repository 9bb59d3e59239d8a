"""The picture that an operator gets, and its words for Prometheus: bounded, and naming nobody."""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.exposition import FiguresCollector
from bot.figures import TASKS, Acknowledgements, Hook, Observer, look_at_disk
from bot.health import Metrics
from inbox.model import Act, DeliveryState, Part, Text
from inbox.store import Unit
from storage.store import SqlStore, open_store
from tests.storage.world import TELEGRAM, WHATSAPP, StoodClock, raw

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class Sending:
    name: str
    calls: Counter[str] = field(default_factory=Counter)
    trouble: str | None = None

    def blocked(self) -> float:
        return 12.0


@dataclass
class Working:
    name: str
    stuck: int = 1
    breaks: int = 3


@pytest.fixture
def clock() -> StoodClock:
    return StoodClock(NOW)


@pytest.fixture
async def store(tmp_path: Path, clock: StoodClock) -> AsyncIterator[SqlStore]:
    async with open_store(tmp_path, clock) as opened:
        yield opened


def observer(store: SqlStore, clock: StoodClock, buckets: Mapping[float, float] | None = None) -> Observer:
    return Observer(store, clock, store.path.parent, ("telegram", "whatsapp"), [], lambda: buckets or {})


async def exposed(seen: Observer) -> dict[str, float]:
    metrics = Metrics("1")
    metrics.add(FiguresCollector(lambda: seen.latest))
    lines = [line for line in metrics.exposition().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def fill(unit: Unit) -> None:
    unit.set_raw(1, "done")
    unit.set_raw(2, "quarantined", error="object")
    for lane in ("desk:17", "desk:18"):
        unit.add_delivery(Act.SEND, "desk", lane, content=Part(Text("Тайна")))
    lost = unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:17")
    unit.set_delivery(lost, state=DeliveryState.UNCERTAIN)
    unit.add_job("fetch", {"attachment": 1}, unit.now)
    unit.add_contact("Анна Петрова", language=None, source=None)


async def test_what_waits_is_in_the_figures(store: SqlStore, clock: StoodClock) -> None:
    await store.put([raw(key, clock.at, gate) for key, gate in (("a", TELEGRAM), ("b", WHATSAPP), ("c", WHATSAPP))])
    await store.write(fill)
    seen = observer(store, clock)
    target = Sending("whatsapp", Counter(accepted=5, throttled=2))
    seen.targets, seen.workers = [target], [Working("whatsapp")]
    seen.hook = Hook(7, "502", NOW - timedelta(hours=1))
    clock.move(seconds=90)
    await seen.look()
    found = await exposed(seen)
    for name, value in (
        ('desk_queue_waiting{target="desk"}', 2),
        ('desk_queue_lanes{target="desk"}', 2),
        ('desk_queue_oldest_seconds{target="desk"}', 90),
        ('desk_queue_uncertain{target="whatsapp"}', 1),
        ('desk_queue_stuck{target="whatsapp"}', 1),
        ('desk_breaks_total{target="whatsapp"}', 3),
        ('desk_calls_total{outcome="accepted",target="whatsapp"}', 5),
        ('desk_throttled_total{target="whatsapp"}', 2),
        ('desk_blocked_seconds{target="whatsapp"}', 12),
        ("desk_intake_waiting", 1),
        ("desk_intake_oldest_seconds", 90),
        ("desk_updates_waiting", 0),
        ('desk_quarantined{gate="whatsapp"}', 1),
        ('desk_quarantined{gate="telegram"}', 0),
        ('desk_last_body_timestamp_seconds{gate="whatsapp"}', NOW.timestamp()),
        ("desk_telegram_pending_updates", 7),
        ("desk_telegram_error_timestamp_seconds", NOW.timestamp() - 3600),
        ('desk_jobs_waiting{kind="fetch"}', 1),
        ('desk_jobs_waiting{kind="broken"}', 0),
        ('desk_jobs_oldest_seconds{kind="fetch"}', 90),
        ("desk_writes_waiting", 0),
    ):
        assert found[name] == value, name
    assert found["desk_database_bytes"] + found["desk_wal_bytes"] > 0 and found["desk_disk_free_bytes"] > 0
    assert found["desk_commits_total"] >= 2
    assert not [name for name in found if name.startswith("desk_backup")], "there is none"


async def test_no_figure_names_a_person_and_none_grows_with_clients(store: SqlStore, clock: StoodClock) -> None:
    seen = observer(store, clock)
    await store.put([raw("a", NOW), raw("b", NOW)])
    await store.write(fill)
    await seen.look()
    before = await exposed(seen)
    await store.write(lambda u: [u.add_delivery(Act.SEND, "desk", f"desk:{n}") for n in range(100, 300)])
    await seen.look()
    after = await exposed(seen)
    assert set(after) == set(before)
    assert after['desk_queue_lanes{target="desk"}'] == 202
    labels = {value for name in after for value in re.findall(r'[a-z]="([^"]*)"', name) if "le=" not in name}
    kinds = {"desk", "whatsapp", "telegram", "fetch", "broken", *TASKS}
    assert labels - {"1"} <= kinds, labels - kinds


async def test_the_last_body_of_a_gate_is_known_after_a_restart(tmp_path: Path, clock: StoodClock) -> None:
    """The second process looks only at what came since the first one's last look, and still knows the rest."""
    async with open_store(tmp_path, clock) as store:
        await store.put([raw("a", NOW, TELEGRAM), raw("b", NOW)])
        seen = observer(store, clock)
        await seen.look()
        await seen.remember()
        commits = store.commits
        await seen.look()
        await seen.remember()
        assert store.commits == commits, "nothing new, nothing written"
    clock.move(hours=2)
    async with open_store(tmp_path, clock) as store:
        await store.put([raw("c", clock.at)])
        figures = await observer(store, clock).look()
    assert figures.newest == {TELEGRAM: NOW, WHATSAPP: NOW + timedelta(hours=2)}


def test_the_newest_copy_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "inbox.db").write_bytes(b"x" * 10)
    assert look_at_disk(tmp_path / "inbox.db", tmp_path).backup is None
    (tmp_path / "backups").mkdir()
    for name, size in (
        ("inbox-20260101T000000Z.db", 1),
        ("inbox-20260102T000000Z.db", 5),
        ("inbox-schema-0001.db.txt", 9),
        ("of-somebody-else.db", 9),
    ):
        (tmp_path / "backups" / name).write_bytes(b"x" * size)
    old = tmp_path / "backups" / "inbox-20260101T000000Z.db"
    os.utime(old, (1, 1))
    disk = look_at_disk(tmp_path / "inbox.db", tmp_path)
    assert disk.backup is not None and disk.backup[1] == 5
    assert (disk.database, disk.log) == (10, 0)


def test_quantiles_are_of_the_last_minutes_and_say_no_more_than_the_buckets() -> None:
    acks = Acknowledgements(300)
    assert acks.quantiles(0.5) == [None]
    acks.add(0, {0.005: 0, 0.1: 0, math.inf: 0})
    assert acks.quantiles(0.5, 0.99) == [None, None]
    acks.add(10, {0.005: 99, 0.1: 100, math.inf: 100})
    assert acks.quantiles(0.5, 0.99, 1.0) == [0.005, 0.005, 0.1]
    acks.add(310, {0.005: 99, 0.1: 100, math.inf: 110})
    assert acks.quantiles(0.5) == [math.inf], "the hundred quick ones are long ago"
    for at in range(320, 100_000, 5):
        acks.add(at, {0.005: 99, 0.1: 100, math.inf: 110})
    assert len(acks._seen) <= 300 / 5 + 2
    assert acks.quantiles(0.5) == [None]


async def test_tasks_are_counted_by_name(store: SqlStore, clock: StoodClock) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    workers = [asyncio.create_task(wait(), name=name) for name in ("outbox", "outbox", "intake", "a client of mine")]
    try:
        tasks = (await observer(store, clock).look()).tasks
    finally:
        for worker in workers:
            worker.cancel()
    assert (tasks["outbox"], tasks["intake"], tasks["jobs"]) == (2, 1, 0)
    assert "a client of mine" not in tasks
