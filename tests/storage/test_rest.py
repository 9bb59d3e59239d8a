"""Raw bodies, events, sinks, jobs, settings, cursors, keys of what happens once."""

from __future__ import annotations

from datetime import timedelta
from operator import methodcaller

import pytest

from inbox.gate import Raw
from inbox.model import INBOX, ContactId, Event, MessageId
from inbox.store import RawRow, Sink, Unit
from storage.store import SqlStore
from tests.storage.world import TELEGRAM, WHATSAPP, StoodClock, raw


async def test_bodies_are_kept_once_and_in_order(store: SqlStore, clock: StoodClock) -> None:
    body = bytes(range(256))
    await store.put([raw("b", clock.at, body=body), raw("a", clock.at), raw("b", clock.at, body=b"again")])
    await store.put([raw("b", clock.at), raw("b", clock.at, TELEGRAM)])
    await store.put([])
    rows = await store.read(lambda r: r.raws("new", 9))
    assert [(row.raw.provider, row.raw.key) for row in rows] == [(WHATSAPP, "b"), (WHATSAPP, "a"), (TELEGRAM, "b")]
    assert rows[0] == RawRow(Raw(WHATSAPP, "b", body, clock.at, rows[0].raw.id), "new", 0, None)
    assert len(await store.read(lambda r: r.raws("new", 2))) == 2
    assert await store.write(lambda u: [u.add_raw(raw("a", u.now)), u.add_raw(raw("c", u.now))]) == [False, True]


async def test_bodies_move_from_state_to_state(store: SqlStore, clock: StoodClock) -> None:
    await store.put([raw(key, clock.at) for key in "abcd"])
    ids = [row.raw.id or 0 for row in await store.read(lambda r: r.raws("new", 9))]

    def work(unit: Unit) -> None:
        unit.set_raw(ids[0], "done")
        unit.set_raw(ids[1], "desk")
        unit.set_raw(ids[2], "quarantined", error="unreadable:shape:", attempts=3)

    await store.write(work)
    for state, expected in (("new", "d"), ("done", "a"), ("desk", "b"), ("quarantined", "c")):
        assert [row.raw.key for row in await store.read(methodcaller("raws", state, 9))] == [expected]
        assert await store.read(methodcaller("count_raws", state)) == 1
    row = await store.read(lambda r: r.raw(ids[2]))
    assert (row.state, row.attempts, row.error) == ("quarantined", 3, "unreadable:shape:")
    await store.write(lambda u: u.set_raw(ids[2], "new"))
    row = await store.read(lambda r: r.raw(ids[2]))
    assert (row.state, row.attempts, row.error) == ("new", 3, None)
    with pytest.raises(KeyError):
        await store.read(lambda r: r.raw(99))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_raw(99, "done"))


async def test_once(store: SqlStore) -> None:
    assert await store.write(lambda u: [u.once("tap:1"), u.once("tap:1"), u.once("tap:2")]) == [True, False, True]


async def test_an_event_is_a_line_of_the_export(store: SqlStore, clock: StoodClock) -> None:
    at = clock.at - timedelta(seconds=3)

    def work(unit: Unit) -> list[int]:
        return [
            unit.emit(
                WHATSAPP,
                "message.in",
                at,
                client=ContactId(4),
                message=MessageId(5),
                external_id="wamid.1",
                text="при\0вет \ud800",
                late=float("nan"),
                when=at,
            ),
            unit.emit(INBOX, "gate.changed", at),
        ]

    one, two = await store.write(work)
    events = await store.read(lambda r: r.events_after(0, 9))
    assert list(events[0].data) == [
        "id", "type", "stored_at", "client", "message", "external_id", "text", "late", "when",
    ]  # fmt: skip
    stamp = "2026-03-01T09:00:00+00:00"
    assert events[0].data | {"when": ""} == {
        "id": one,
        "type": "message.in",
        "stored_at": stamp,
        "client": 4,
        "message": 5,
        "external_id": "wamid.1",
        "text": "привет ?",
        "late": None,
        "when": "",
    }
    assert events[1] == Event(two, INBOX, at, {"id": two, "type": "gate.changed", "stored_at": stamp, "client": None})
    assert [e.id for e in await store.read(lambda r: r.events_after(one, 9))] == [two]
    assert len(await store.read(lambda r: r.events_after(0, 1))) == 1
    with pytest.raises(TypeError):
        await store.write(lambda u: u.emit(INBOX, "x", at, stored_at="then"))


@pytest.mark.parametrize(("before", "floor", "following"), [(0, 0, 1), (0, 41, 42), (3, 41, 42), (3, 2, 4)])
async def test_ids_of_events_only_grow(store: SqlStore, before: int, floor: int, following: int) -> None:
    for _ in range(before):
        await store.write(lambda u: u.emit(INBOX, "x", u.now))
    await store.ensure_events_after(floor)
    assert await store.write(lambda u: u.emit(INBOX, "x", u.now)) == following


async def test_sinks(store: SqlStore, clock: StoodClock) -> None:
    assert await store.read(lambda r: r.sink("file")) is None
    await store.write(lambda u: u.set_sink("file"))
    assert await store.read(lambda r: r.sink("file")) == Sink("file", 0, None, 0, False)
    await store.write(lambda u: u.set_sink("file", last_event_id=5, failing_since=clock.at, attempts=2, stopped=True))
    assert await store.read(lambda r: r.sink("file")) == Sink("file", 5, clock.at, 2, True)
    await store.write(lambda u: u.set_sink("file", failing_since=None))
    assert await store.read(lambda r: r.sink("file")) == Sink("file", 5, None, 2, True)


async def test_jobs(store: SqlStore, clock: StoodClock) -> None:
    def work(unit: Unit) -> list[int]:
        return [
            unit.add_job(kind, {"attachment": n, "text": "a\0"}, unit.now + timedelta(seconds=due))
            for n, (kind, due) in enumerate([("fetch", 5), ("fetch", 0), ("remind", 0), ("fetch", 9)])
        ]

    ids = await store.write(work)
    later = clock.at + timedelta(seconds=5)
    due = await store.read(lambda r: r.jobs_due("fetch", later, 9))
    assert [job.id for job in due] == [ids[1], ids[0]]
    assert (due[0].payload, due[0].kind, due[0].attempts) == ({"attachment": 1, "text": "a"}, "fetch", 0)
    assert (due[0].created_at, due[0].due_at) == (clock.at, clock.at)
    assert len(await store.read(lambda r: r.jobs_due("fetch", later, 1))) == 1
    assert await store.read(lambda r: r.next_job_at("fetch")) == clock.at
    assert await store.read(lambda r: r.next_job_at("nothing")) is None
    await store.write(lambda u: u.set_job(ids[1], due_at=later, attempts=1))
    await store.write(lambda u: u.finish_job(ids[0]))
    assert [(j.id, j.attempts) for j in await store.read(lambda r: r.jobs_due("fetch", later, 9))] == [(ids[1], 1)]
    for work_on_unknown in (
        lambda u: u.finish_job(ids[0]),
        lambda u: u.set_job(ids[0], due_at=later, attempts=1),
    ):
        with pytest.raises(KeyError):
            await store.write(work_on_unknown)


async def test_settings_and_cursors(store: SqlStore) -> None:
    for value in ("one", "two"):
        await store.write(methodcaller("set_setting", "k", value))
        await store.write(methodcaller("set_cursor", "telegram", value))
    assert await store.read(lambda r: (r.setting("k"), r.cursor("telegram"))) == ("two", "two")
    await store.write(lambda u: u.set_setting("k", None))
    assert await store.read(lambda r: (r.setting("k"), r.cursor("x"))) == (None, None)


async def test_what_is_quarantined_is_reopened_by_provider_and_shape(store: SqlStore, clock: StoodClock) -> None:
    def quarantine(unit: Unit) -> None:
        for number, provider in enumerate([WHATSAPP, WHATSAPP, WHATSAPP, TELEGRAM]):
            unit.add_raw(raw(str(number), clock.now(), provider))
        for row in unit.raws("new", 10):
            assert row.raw.id is not None
            unit.set_raw(row.raw.id, "quarantined", error="change" if row.raw.key == "2" else "object")

    await store.write(quarantine)
    assert await store.write(lambda u: u.reopen_raws(WHATSAPP, ["object", "unknown"])) == 2
    assert [r.raw.key for r in await store.read(lambda r: r.raws("new", 10))] == ["0", "1"]
    assert await store.write(lambda u: u.reopen_raws(shapes=["change"])) == 1
    assert await store.write(lambda u: u.reopen_raws(shapes=[])) == 0
    assert await store.write(lambda u: u.reopen_raws()) == 1
    assert {(r.attempts, r.error) for r in await store.read(lambda r: r.raws("new", 10))} == {(1, None)}
