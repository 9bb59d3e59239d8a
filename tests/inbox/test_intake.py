"""Bodies are applied in the order of their commits; a strange or a broken one stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest

from inbox.apply import Effects, Rules
from inbox.clock import Wake
from inbox.errors import StorageDown, Unreadable
from inbox.gate import Claim, Fact, ForDesk, Inbound, Intake, Raw, Road
from inbox.intake import ATTEMPTS, BATCH, IntakeWorker
from inbox.model import Notice, Provider
from inbox.store import Reading, Unit
from storage.store import SqlStore
from tests.inbox.factories import (
    CHAT,
    NOW,
    TELEGRAM,
    WHATSAPP,
    Bell,
    Desk,
    PlainVoice,
    ScriptedGate,
    abilities,
    came,
    person,
    raw,
    running,
    until,
)

T = TypeVar("T")


class Mouth(ScriptedGate):
    """A body is one word a fact: "m1" a message, "?shape" not understood, "!" breaks the parser, "x" a poison."""

    def __init__(self) -> None:
        super().__init__(abilities())
        self.learned: set[str] = set()
        self.parsed: list[str] = []

    def parse(self, raw: Raw) -> Sequence[Inbound]:
        body = raw.body.decode()
        self.parsed.append(body)
        if body.startswith("?") and body not in self.learned:
            raise Unreadable(body[1:])
        if body == "!":
            raise KeyError("entry")
        return [self._fact(word) for word in body.split()]

    def _fact(self, word: str) -> Inbound:
        match word:
            case "x":
                return Fact(WHATSAPP, "x", NOW, {"id": "is not ours to set"})  # the store refuses it, always
            case "desk":
                return ForDesk()
            case "claim":
                return Claim(CHAT, CHAT, None)
            case "road":
                return Road(WHATSAPP, "acc", "r", open=True, may_reply=True, at=NOW)
            case _:
                return came(word, word, person(word[0] if word[0] in "ab" else "u1"))


class Flaky:
    """The store, with a disk that takes nothing for a while."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.up = 0  # calls that pass before it is down
        self.down = 0
        self.broken = 0

    def _check(self) -> None:
        if self.up:
            self.up -= 1
        elif self.down:
            self.down -= 1
            raise StorageDown("full")

    async def write(self, work: Callable[[Unit], T]) -> T:
        self._check()
        try:
            return await self.store.write(work)
        except TypeError:
            self.broken += 1
            raise

    async def read(self, work: Callable[[Reading], T]) -> T:
        self._check()
        return await self.store.read(work)

    async def put(self, raws: Sequence[Raw]) -> None:
        await self.store.put(raws)


class Place:
    """The worker with everything around it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.gate = Mouth()
        self.store = Flaky(desk.store)
        self.bell = Bell()
        self.applied = Wake()
        self.changes: list[Effects] = []
        self.intakes: dict[Provider, Intake] = {WHATSAPP: self.gate}

    async def _changed(self, effects: Effects) -> None:
        self.changes.append(effects)

    def worker(self) -> IntakeWorker:
        rules = Rules(self.desk.rules.roads, PlainVoice())
        return IntakeWorker(
            self.store, self.intakes, rules, self.desk.clock, self.bell, [self.applied], self._changed, self.desk.log
        )

    async def put(self, *bodies: str, provider: Provider = WHATSAPP) -> None:
        count = self.desk.table("select count(*) from inbox")[0][0]
        await self.store.put([raw(f"{count + n}", body, provider) for n, body in enumerate(bodies)])

    async def take(self, *bodies: str) -> None:
        """Let a worker, started anew, take these."""
        await self.put(*bodies)
        async with running(self.worker().run()):
            await self.bell.settle()

    def states(self) -> list[tuple[Any, ...]]:
        return self.desk.table("select cast(body as text), state, attempts, error from inbox order by id")


@pytest.fixture
def place(desk: Desk) -> Place:
    return Place(desk)


def told(desk: Desk, rows: Sequence[Any]) -> list[tuple[str, str]]:
    return [(d.content.key, d.content.text.plain) for d in rows if isinstance(d.content, Notice)]


async def test_bodies_are_applied_in_order_over_all_batches(place: Place) -> None:
    bodies = [f"m{n}" for n in range(2 * BATCH + 7)]
    await place.take(*bodies)
    assert [e.data["external_id"] for e in await place.desk.events("message.in")] == bodies
    assert {state for _, state, _, _ in place.states()} == {"done"}


async def test_a_body_that_is_committed_while_the_worker_rests_is_taken_at_the_bell(place: Place) -> None:
    async with running(place.worker().run()):
        await place.bell.settle()
        await place.put("m1")
        place.bell.ring()
        await place.applied.wait(5)
        assert len(await place.desk.events("message.in")) == 1


async def test_a_repeat_of_a_body_under_another_key_changes_nothing(place: Place) -> None:
    await place.take("m1 m2", "m2 m1", "m1")
    assert len(await place.desk.events("message.in")) == 2


async def test_what_is_not_understood_is_kept_and_told_once_with_the_count(place: Place) -> None:
    await place.take("m1", "?poll", "m2", "?poll", "?quiz")
    assert place.states() == [
        ("m1", "done", 0, None),
        ("?poll", "quarantined", 1, "poll"),
        ("m2", "done", 0, None),
        ("?poll", "quarantined", 1, "poll"),
        ("?quiz", "quarantined", 1, "quiz"),
    ]
    assert await place.desk.notices(0) == ["quarantined whatsapp poll 2", "quarantined whatsapp quiz 1"]


async def test_within_a_day_the_notice_that_stands_counts_on_and_after_it_a_new_one_is_said(place: Place) -> None:
    async def say() -> list[tuple[str, str]]:
        """What waits to be said, which is said with that."""
        rows = await place.desk.lane("desk:0")
        for row in rows:
            await place.desk.store.write(lambda u, row=row: u.set_delivery(row.id, state="sent"))  # type: ignore[misc]
        return told(place.desk, rows)

    await place.take("?poll")
    ((first, _),) = await say()
    place.desk.clock.move(hours=23)
    await place.take("?poll")
    assert await say() == [(first, "quarantined whatsapp poll 2")]
    place.desk.clock.move(hours=1, seconds=1)
    await place.take("?poll")
    ((second, words),) = await say()
    assert words == "quarantined whatsapp poll 3"
    assert second != first


async def test_it_is_tried_again_at_each_start_and_not_told_again_or_counted_twice(place: Place) -> None:
    await place.take("?poll", "?quiz")
    assert place.gate.parsed == ["?poll", "?quiz"]
    place.gate.learned.add("?quiz")
    await place.take()
    assert place.gate.parsed == ["?poll", "?quiz", "?poll", "?quiz"]
    assert [(state, error) for _, state, _, error in place.states()] == [("quarantined", "poll"), ("done", None)]
    assert await place.desk.notices(0) == ["quarantined whatsapp poll 1", "quarantined whatsapp quiz 1"]
    assert ("send", "?quiz") in await place.desk.shown(1)


async def test_a_body_of_a_gate_that_is_off_is_kept(place: Place) -> None:
    await place.put("m1", provider=TELEGRAM)
    await place.take("m2")
    assert [(state, error) for _, state, _, error in place.states()] == [("quarantined", "gate_off"), ("done", None)]


async def test_a_body_that_breaks_the_parser_is_set_aside(place: Place) -> None:
    await place.take("!", "m1")
    assert place.states() == [("!", "quarantined", 1, "broken:KeyError"), ("m1", "done", 0, None)]
    assert place.desk.log.count("body.broken") == 1
    assert await place.desk.notices(0) == ["quarantined whatsapp broken:KeyError 1"]


async def test_a_poison_is_tried_three_times_and_set_aside_whole_while_the_next_goes_on(place: Place) -> None:
    await place.take("m1", "m2 x m3", "m4")
    assert place.states() == [
        ("m1", "done", 0, None),
        ("m2 x m3", "quarantined", 1, "broken:TypeError"),
        ("m4", "done", 0, None),
    ]
    assert [e.data["external_id"] for e in await place.desk.events("message.in")] == ["m1", "m4"]
    assert place.store.broken == ATTEMPTS
    assert place.desk.log.count("body.broken") == 1
    assert await place.desk.notices(0) == ["quarantined whatsapp broken:TypeError 1"]


async def test_a_full_disk_delays_and_loses_nothing(place: Place) -> None:
    await place.put("m1", "m2", "m3")
    place.store.down = 5
    async with running(place.worker().run()):
        await until(lambda: _done(place, 3), place.bell)
        place.store.down = 4
        await place.put("m4", "m5")
        await until(lambda: _done(place, 5), place.bell)
    assert [e.data["external_id"] for e in await place.desk.events("message.in")] == ["m1", "m2", "m3", "m4", "m5"]
    assert set(place.desk.clock.slept) == {1.0}
    assert {attempts for _, _, attempts, _ in place.states()} == {0}


async def _done(place: Place, count: int) -> bool:
    return place.desk.table("select count(*) from inbox where state = 'done'") == [(count,)]


async def test_the_owners_update_is_left_for_the_dispatcher(place: Place) -> None:
    await place.take("desk", "m1 desk", "m2")
    assert [state for _, state, _, _ in place.states()] == ["desk", "desk", "done"]
    assert len(await place.desk.events("message.in")) == 2


async def test_what_the_parsers_must_know_is_told_before_the_next_body_is_parsed(place: Place) -> None:
    seen: list[list[str]] = []

    async def changed(effects: Effects) -> None:
        place.changes.append(effects)
        seen.append([e.data["external_id"] for e in await place.desk.events("message.in")])

    place._changed = changed  # type: ignore[method-assign]
    await place.take("m1", "claim", "m2", "road", "claim", "m3")
    assert [(e.claimed, e.roads_changed) for e in place.changes] == [(True, False), (False, True)]
    assert seen == [["m1"], ["m1", "m2"]]
    assert len(await place.desk.events("message.in")) == 3


async def test_a_claim_is_told_though_the_disk_did_not_take_the_body_before_it(place: Place) -> None:
    await place.put("m1", "claim")
    place.store.up, place.store.down = 2, 1  # what was set aside is reopened, the bodies are read
    async with running(place.worker().run()):
        await until(lambda: _done(place, 2), place.bell)
        await place.bell.settle()
    assert [e.claimed for e in place.changes] == [True]
