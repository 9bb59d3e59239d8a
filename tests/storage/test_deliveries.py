"""Lanes, their heads, and what stands aside."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.model import Act, Button, DeliveryId, DeliveryState, ExternalId, MessageId, Notice, Part, Place, Span, Text
from inbox.store import Queue, Unit
from storage.migrate import migrate, migrations
from storage.store import SqlStore
from storage.unit import SqlUnit
from tests.storage.world import StoodClock, person, said

AT = datetime(2026, 3, 1, tzinfo=UTC)


def add(unit: Unit, lane: str, *, rank: int = 1, state: DeliveryState = DeliveryState.WAITING) -> DeliveryId:
    return unit.add_delivery(Act.SEND, lane.split(":", maxsplit=1)[0], lane, rank=rank, state=state)


async def test_a_delivery_comes_back_as_it_was_given(store: SqlStore, clock: StoodClock) -> None:
    part = Part(Text("да", (Span("bold", 0, 2),)), extra=Place(1.0, 2.0), quote="?", emoji="👍")
    later = clock.at + timedelta(seconds=5)

    def work(unit: Unit) -> tuple[MessageId, DeliveryId]:
        message = said(unit, person(unit, "1")[1], "да")
        return message.id, unit.add_delivery(
            Act.REACT, "whatsapp", "whatsapp:1", message_id=message.id, part=2, content=part, not_before=later
        )

    message_id, delivery_id = await store.write(work)
    made = await store.read(lambda r: r.delivery(delivery_id))
    assert (made.act, made.target, made.lane, made.state) == (
        Act.REACT,
        "whatsapp",
        "whatsapp:1",
        DeliveryState.WAITING,
    )
    assert (made.message_id, made.part, made.content, made.not_before) == (message_id, 2, part, later)
    assert (made.created_at, made.attempts, made.repeat) == (clock.at, 0, False)
    changed = await store.write(
        lambda u: u.set_delivery(
            delivery_id,
            state=DeliveryState.SENDING,
            call=9,
            attempts=1,
            repeat=True,
            not_before=None,
            external_id=ExternalId("wamid.1"),
            error="refused:window:131047",
            content=Part(Text("нет")),
            lane="whatsapp:2",
        )
    )
    assert (changed.state, changed.call, changed.attempts, changed.repeat) == (DeliveryState.SENDING, 9, 1, True)
    assert (changed.not_before, changed.external_id, changed.error) == (None, "wamid.1", "refused:window:131047")
    assert (changed.content, changed.lane) == (Part(Text("нет")), "whatsapp:2")


async def test_a_notice_has_no_message(store: SqlStore) -> None:
    notice = Notice("card:1", Text("…"), ((Button("Да", data="y"), Button("Нет", url="https://example.com")),), 5, True)
    made = await store.write(lambda u: u.add_delivery(Act.NOTICE, "desk", "desk:1", content=notice))
    delivery = await store.read(lambda r: r.delivery(made))
    assert (delivery.content, delivery.message_id) == (notice, None)


async def test_unknown(store: SqlStore) -> None:
    with pytest.raises(KeyError):
        await store.read(lambda r: r.delivery(DeliveryId(1)))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_delivery(DeliveryId(1), attempts=1))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.add_delivery(Act.SEND, "desk", "desk:1", message_id=MessageId(1)))


async def test_deliveries_of_a_message(store: SqlStore) -> None:
    def work(unit: Unit) -> MessageId:
        message = said(unit, person(unit, "1")[1], "…")
        for target in ("desk", "whatsapp", "desk"):
            unit.add_delivery(Act.SEND, target, f"{target}:1", message_id=message.id)
        return message.id

    message_id = await store.write(work)
    assert [d.target for d in await store.read(lambda r: r.deliveries_of(message_id))] == ["desk", "whatsapp", "desk"]
    assert [d.id for d in await store.read(lambda r: r.deliveries_of(message_id, "desk"))] == [1, 3]


async def test_heads_go_by_rank_and_then_by_age(store: SqlStore) -> None:
    def work(unit: Unit) -> list[DeliveryId]:
        made = [add(unit, "desk:1"), add(unit, "desk:2"), add(unit, "desk:1"), add(unit, "desk:3", rank=0)]
        add(unit, "desk:4", state=DeliveryState.SENDING)
        add(unit, "desk:4")
        add(unit, "desk:2", rank=0)
        parked = add(unit, "desk:5", state=DeliveryState.PARKED)
        behind = add(unit, "desk:5")
        add(unit, "whatsapp:1")
        assert parked < behind
        return [made[3], made[0], made[1], behind]

    expected = await store.write(work)
    assert [d.id for d in await store.read(lambda r: r.lane_heads("desk"))] == expected
    assert await store.read(lambda r: r.lane_heads("nobody")) == []
    assert [d.id for d in await store.read(lambda r: r.lane_rows("desk:1", 9))] == [1, 3]
    assert [d.id for d in await store.read(lambda r: r.lane_rows("desk:1", 1))] == [1]


LANES = ("desk:1", "desk:2", "desk:10", "whatsapp:1")
ROW = st.tuples(st.sampled_from(LANES), st.sampled_from(list(DeliveryState)), st.integers(0, 1))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=25))
def test_heads_against_a_plain_model(rows: list[tuple[str, DeliveryState, int]]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection, Path(), migrations())
        unit = SqlUnit(connection, AT)
        made = [(add(unit, lane, rank=rank, state=state), lane, state, rank) for lane, state, rank in rows]
        busy = {lane for _, lane, state, _ in made if state is DeliveryState.SENDING}
        heads: dict[str, tuple[int, DeliveryId]] = {}
        for delivery_id, lane, state, rank in made:
            if state is DeliveryState.WAITING and lane not in busy and lane.startswith("desk"):
                heads.setdefault(lane, (rank, delivery_id))
        assert [d.id for d in unit.lane_heads("desk")] == [i for _, i in sorted(heads.values())]
        aside = {
            state: [i for i, lane, found, _ in made if found is state and lane == "desk:1"] for state in DeliveryState
        }
        assert [d.id for d in unit.parked_in("desk:1")] == aside[DeliveryState.PARKED]
        unsettled = sorted(aside[DeliveryState.SENDING] + aside[DeliveryState.UNCERTAIN])
        assert [d.id for d in unit.unsettled_in("desk:1")] == unsettled
        assert [d.id for d in unit.orphans()] == [i for i, _, state, _ in made if state is DeliveryState.SENDING]


async def test_unsettled_are_sends_only(store: SqlStore) -> None:
    def work(unit: Unit) -> None:
        unit.add_delivery(Act.EDIT, "whatsapp", "whatsapp:1", state=DeliveryState.UNCERTAIN)
        unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:1", state=DeliveryState.UNCERTAIN)

    await store.write(work)
    assert [d.act for d in await store.read(lambda r: r.unsettled_in("whatsapp:1"))] == [Act.SEND]


async def test_queues(store: SqlStore, clock: StoodClock) -> None:
    start = clock.at
    await store.write(lambda u: add(u, "desk:1"))
    clock.move(minutes=3)

    def work(unit: Unit) -> None:
        for lane, state in (
            ("desk:2", DeliveryState.WAITING),
            ("desk:2", DeliveryState.SENDING),
            ("desk:2", DeliveryState.UNCERTAIN),
            ("whatsapp:1", DeliveryState.PARKED),
            ("whatsapp:1", DeliveryState.PARKED),
            ("telegram:1", DeliveryState.SENT),
        ):
            add(unit, lane, state=state)

    await store.write(work)
    assert await store.read(lambda r: r.queues()) == [
        Queue("desk", 2, start, 1, 0, lanes=2, longest="desk:1"),
        Queue("whatsapp", 0, None, 0, 2),
    ]


async def test_orphans_are_what_is_sending(store: SqlStore) -> None:
    made = await store.write(lambda u: add(u, "desk:1", state=DeliveryState.SENDING))
    assert [d.id for d in await store.write(lambda u: u.orphans())] == [made]
    await store.write(lambda u: u.set_delivery(made, state=DeliveryState.UNCERTAIN))
    assert await store.write(lambda u: u.orphans()) == []
