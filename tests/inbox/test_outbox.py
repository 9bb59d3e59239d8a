"""Lanes: order inside one, none waits for another, and nothing leaves that is not claimed first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from inbox.errors import StorageDown, Unreachable
from inbox.model import Act, Delivery, DeliveryState, Part, Text
from inbox.outbox import BROKEN_REST, Call, Later, OutboxWorker, claim
from inbox.store import Reading, Unit
from storage.store import SqlStore
from tests.inbox.factories import Bell, Desk, came, later, person, running, until

S = DeliveryState
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    rows: Sequence[Delivery]
    words: str


class Recorder:
    """A target that notes what it performs. `held`: words whose call does not end before they are let go."""

    name = "whatsapp"
    parallel = 3

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.done: list[str] = []
        self.begun: list[str] = []
        self.held: dict[str, asyncio.Event] = {}
        self.rest = 0.0
        self.pace: deque[float] = deque()
        self.later: dict[str, Later] = {}
        self.fails: list[str] = []
        self.broken: set[str] = set()
        self.reversed = False
        self.hopeless: Part | None = None

    def wait(self) -> float:
        return self.rest

    def order(self, heads: Sequence[Delivery]) -> Sequence[Delivery]:
        return list(reversed(heads)) if self.reversed else heads

    def prepare(self, reading: Reading, head: Delivery) -> Call | Later:
        assert isinstance(head.content, Part)
        words = head.content.text.plain
        if words in self.broken:
            raise LookupError(words)
        return self.later.get(words) or Step((head,), words)

    def reserve(self, call: Call) -> float:
        return self.pace.popleft() if self.pace else 0.0

    def give_up(self, unit: Unit, row: Delivery) -> None:
        if row.content == self.hopeless:
            raise ValueError("its message cannot be read either")
        unit.set_delivery(row.id, state=S.FAILED)

    async def perform(self, call: Call) -> None:
        assert isinstance(call, Step)
        self.begun.append(call.words)
        if call.words in self.held:
            await self.held[call.words].wait()
        if call.words in self.fails:
            raise StorageDown("full")
        await self.store.write(lambda u: [u.set_delivery(r.id, state=S.SENT) for r in call.rows])
        self.done.append(call.words)


class Meddling:
    """The store, in which something happens just before a commit."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.before: deque[Callable[[], Awaitable[Any]]] = deque()

    async def write(self, work: Callable[[Unit], T]) -> T:
        if self.before:
            await self.before.popleft()()
        return await self.store.write(work)

    async def read(self, work: Callable[[Reading], T]) -> T:
        return await self.store.read(work)

    async def put(self, raws: Sequence[Any]) -> None:
        await self.store.put(raws)


class Lanes:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.target = Recorder(desk.store)
        self.store = Meddling(desk.store)
        self.bell = Bell()
        self.worker = OutboxWorker(self.target, self.store, desk.clock, self.bell, desk.log)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with running(self.worker.run()):
            yield

    async def until_done(self, *words: str) -> None:
        async def done() -> bool:
            return self.target.done == list(words)

        try:
            await until(done, self.bell)
        except TimeoutError:
            assert self.target.done == list(words)

    async def until_begun(self, *words: str) -> None:
        async def begun() -> bool:
            return sorted(self.target.begun) == sorted(words)

        await until(begun, self.bell)


@pytest.fixture
async def lanes(desk: Desk) -> Lanes:
    for number in range(1, 6):
        await desk.apply(came(f"m{number}", "вопрос", person(f"u{number}")))
    return Lanes(desk)


async def test_a_lane_keeps_its_order_and_calls_do_not_overlap_in_it(lanes: Lanes) -> None:
    lanes.target.held["1"] = asyncio.Event()
    for n in range(1, 5):
        await lanes.desk.answer(str(n))
    async with lanes.working():
        await lanes.until_begun("1")
        await lanes.bell.settle()
        assert lanes.target.begun == ["1"]
        lanes.target.held["1"].set()
        await lanes.until_done("1", "2", "3", "4")


async def test_lanes_do_not_wait_for_each_other(lanes: Lanes) -> None:
    lanes.target.held["slow"] = asyncio.Event()
    await lanes.desk.answer("slow", "u1")
    await lanes.desk.answer("behind", "u1")
    await lanes.desk.answer("a", "u2")
    await lanes.desk.answer("b", "u2")
    async with lanes.working():
        await lanes.until_done("a", "b")
        assert lanes.worker.busy == 1
        lanes.target.held["slow"].set()
        await lanes.until_done("a", "b", "slow", "behind")
    assert lanes.worker.busy == 0


async def test_there_are_no_more_calls_at_once_than_the_target_takes(lanes: Lanes) -> None:
    for n in range(1, 6):
        lanes.target.held[str(n)] = asyncio.Event()
        await lanes.desk.answer(str(n), f"u{n}")
    async with lanes.working():
        await lanes.until_begun("1", "2", "3")
        await lanes.bell.settle()
        assert len(lanes.target.begun) == lanes.target.parallel
        for event in lanes.target.held.values():
            event.set()
        await until(lambda: _count(lanes, 5), lanes.bell)


async def _count(lanes: Lanes, count: int) -> bool:
    return len(lanes.target.done) == count


async def test_a_row_is_claimed_on_disk_before_its_call(lanes: Lanes) -> None:
    lanes.target.held["1"] = asyncio.Event()
    message = await lanes.desk.answer("1")
    async with lanes.working():
        await lanes.until_begun("1")
        (row,) = await lanes.desk.rows(message)
        assert (row.state, row.attempts, row.call) == (S.SENDING, 1, row.id)
        lanes.target.held["1"].set()
        await lanes.until_done("1")


async def test_nothing_leaves_before_its_time_and_others_do(lanes: Lanes) -> None:
    first = await lanes.desk.answer("later", "u1")
    await lanes.desk.answer("behind", "u1")
    await lanes.desk.answer("now", "u2")
    await lanes.desk.store.write(
        lambda u: u.set_delivery(u.deliveries_of(first.id)[0].id, not_before=later(seconds=30))
    )
    async with lanes.working():
        await lanes.until_done("now")
        lanes.desk.clock.move(seconds=29)
        await lanes.bell.settle()
        assert lanes.target.begun == ["now"]
        lanes.desk.clock.move(seconds=1)
        await lanes.until_done("now", "later", "behind")


async def test_a_target_that_rests_is_left_alone(lanes: Lanes) -> None:
    lanes.target.rest = 30.0
    await lanes.desk.answer("1")
    async with lanes.working():
        await lanes.bell.settle()
        assert lanes.target.begun == []
        lanes.target.rest = 0.0
        await lanes.until_done("1")


async def test_what_is_not_ready_or_has_no_slot_holds_up_only_its_own_lane(lanes: Lanes) -> None:
    lanes.target.later["not yet"] = Later(5.0)
    lanes.target.pace.append(0.0)
    await lanes.desk.answer("not yet", "u1")
    await lanes.desk.answer("now", "u2")
    async with lanes.working():
        await lanes.until_done("now")
        lanes.target.pace.extend([0.2, 0.2])
        del lanes.target.later["not yet"]
        await lanes.until_done("now", "not yet")
    assert (await lanes.desk.see(lambda r: r.lane_heads("whatsapp"))) == []


async def test_a_row_that_breaks_rests_is_counted_and_says_so(lanes: Lanes) -> None:
    lanes.target.broken.add("odd")
    message = await lanes.desk.answer("odd", "u1")
    await lanes.desk.answer("well", "u2")
    async with lanes.working():
        await lanes.until_done("well")
        await until(lambda: _broke(lanes, 1), lanes.bell)
        assert (lanes.worker.stuck, (await lanes.desk.rows(message))[0].error) == (1, "broken:LookupError:")
        lanes.desk.clock.move(seconds=BROKEN_REST.total_seconds())
        await until(lambda: _broke(lanes, 2), lanes.bell)
        assert lanes.worker.stuck == 1
        lanes.target.broken.clear()
        lanes.desk.clock.move(seconds=BROKEN_REST.total_seconds())
        await lanes.until_done("well", "odd")
    assert (lanes.worker.stuck, lanes.worker.breaks) == (0, 2)


async def test_a_broken_row_that_was_dropped_is_not_counted_for_ever(lanes: Lanes) -> None:
    lanes.target.broken.add("odd")
    message = await lanes.desk.answer("odd", "u1")
    async with lanes.working():
        await until(lambda: _broke(lanes, 1), lanes.bell)
        row = (await lanes.desk.rows(message))[0]
        await lanes.desk.store.write(lambda u: u.set_delivery(row.id, state=S.DROPPED))
        assert lanes.worker.stuck == 1
        lanes.desk.clock.move(seconds=2 * BROKEN_REST.total_seconds())
        await lanes.bell.settle()
    assert lanes.worker.stuck == 0


async def _broke(lanes: Lanes, times: int) -> bool:
    return lanes.worker.breaks == times


async def test_the_target_says_which_lane_is_first(lanes: Lanes) -> None:
    lanes.target.reversed = True
    for n in (1, 2, 3):
        await lanes.desk.answer(str(n), f"u{n}")
    lanes.target.parallel = 1
    async with lanes.working():
        await lanes.until_done("3", "2", "1")


async def test_what_leaves_together_is_claimed_in_one_commit(lanes: Lanes) -> None:
    for user in ("u1", "u2"):
        await lanes.desk.apply(came(f"m-{user}", "Здравствуйте", person(user)))
        await lanes.desk.answer(f"ответ {user}", user)
        lanes.target.held[f"ответ {user}"] = asyncio.Event()
    before = lanes.desk.store.commits
    async with lanes.working():
        await lanes.until_begun("ответ u1", "ответ u2")
        assert lanes.desk.store.commits == before + 1


async def test_a_row_that_cannot_be_prepared_rests_alone(lanes: Lanes) -> None:
    for user in ("u1", "u2"):
        await lanes.desk.apply(came(f"m-{user}", "Здравствуйте", person(user)))
        await lanes.desk.answer(f"ответ {user}", user)
    lanes.target.broken.add("ответ u1")
    async with lanes.working():
        await lanes.until_done("ответ u2")
    (row,) = await lanes.desk.lane("whatsapp:1")
    assert row.not_before == later(seconds=BROKEN_REST.total_seconds())


async def test_what_was_changed_just_before_the_claim_leaves_changed(lanes: Lanes) -> None:
    message = await lanes.desk.answer("old")

    async def edit() -> None:
        await lanes.desk.store.write(
            lambda u: u.set_delivery(u.deliveries_of(message.id)[0].id, content=Part(text=Text("new")))
        )

    lanes.store.before.append(edit)
    async with lanes.working():
        await lanes.until_done("new")
    assert lanes.target.begun == ["new"]


async def test_what_was_taken_back_just_before_the_claim_does_not_leave(lanes: Lanes) -> None:
    message = await lanes.desk.answer("gone")
    await lanes.desk.answer("next")

    async def drop() -> None:
        await lanes.desk.store.write(lambda u: u.set_delivery(u.deliveries_of(message.id)[0].id, state=S.DROPPED))

    lanes.store.before.append(drop)
    async with lanes.working():
        await lanes.until_done("next")
    assert lanes.target.begun == ["next"]


@pytest.mark.parametrize("change", [{"state": S.SENDING}, {"state": S.PARKED}, {"content": Part(text=Text("other"))}])
async def test_rows_are_claimed_all_or_none(lanes: Lanes, change: dict[str, Any]) -> None:
    first, second = await lanes.desk.answer("1"), await lanes.desk.answer("2")
    rows = [(await lanes.desk.rows(m))[0] for m in (first, second)]
    await lanes.desk.store.write(lambda u: u.set_delivery(rows[1].id, **change))
    assert await lanes.desk.store.write(lambda u: claim(u, rows)) is False
    assert await lanes.desk.states(first) == ["waiting"]
    fresh = [(await lanes.desk.rows(first))[0]]
    assert await lanes.desk.store.write(lambda u: claim(u, fresh)) is True


async def test_a_disk_that_takes_no_claim_lets_nothing_out(lanes: Lanes) -> None:
    await lanes.desk.answer("1")

    async def full() -> None:
        raise StorageDown("full")

    lanes.store.before.extend([full, full])
    async with lanes.working():
        await lanes.until_done("1")
    assert lanes.target.begun == ["1"]


async def test_a_call_that_could_not_be_settled_stands_alone_in_its_doubt(lanes: Lanes) -> None:
    lanes.target.fails.append("lost")
    await lanes.desk.answer("lost", "u1")
    await lanes.desk.answer("fine", "u2")
    async with lanes.working():
        await lanes.until_done("fine")
        await until(lambda: _idle(lanes), lanes.bell)
    assert lanes.desk.log.count("outbox.unsettled") == 1
    assert [d.act for d in await lanes.desk.store.write(lambda u: u.orphans())] == [Act.SEND]


async def _idle(lanes: Lanes) -> bool:
    return lanes.worker.busy == 0 and lanes.target.begun == ["lost", "fine"]


async def test_at_the_end_nothing_new_is_begun_and_what_is_under_way_may_settle(lanes: Lanes) -> None:
    lanes.target.held["1"] = asyncio.Event()
    await lanes.desk.answer("1", "u1")
    async with lanes.working():
        await lanes.until_begun("1")
        lanes.worker.close()
        await lanes.desk.answer("2", "u2")
        await lanes.bell.settle()
        lanes.target.held["1"].set()
        await lanes.until_done("1")
        await lanes.bell.settle()
    assert lanes.target.begun == ["1"]


async def test_an_end_during_the_claim_waits_for_its_call(lanes: Lanes) -> None:
    busy: list[int] = []

    async def end() -> None:
        lanes.worker.close()
        busy.append(lanes.worker.busy)

    message = await lanes.desk.answer("1")
    lanes.store.before.append(end)
    async with lanes.working():
        await lanes.until_done("1")
        await lanes.bell.settle()
    assert (busy, lanes.worker.busy) == ([1], 0)
    assert await lanes.desk.states(message) == ["sent"]


async def test_an_end_while_it_looks_begins_nothing(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the process looks once whether anything is under way: nothing may come after that."""
    message = await lanes.desk.answer("1")
    looked = asyncio.Event()

    def reserve(_: Call) -> float:
        lanes.worker.close()
        looked.set()
        return 0.0

    monkeypatch.setattr(lanes.target, "reserve", reserve)
    async with lanes.working():
        await looked.wait()
        await lanes.bell.settle()
    assert lanes.target.begun == []
    assert await lanes.desk.states(message) == ["waiting"]


async def test_nothing_is_begun_before_the_lanes_are_opened(lanes: Lanes) -> None:
    opened = asyncio.Event()
    lanes.worker = OutboxWorker(lanes.target, lanes.store, lanes.desk.clock, lanes.bell, lanes.desk.log, opened)
    await lanes.desk.answer("1")
    async with lanes.working():
        for _ in range(10):  # an open worker needs three turns of the store to begin
            await lanes.desk.store.write(lambda _: None)
        assert lanes.target.begun == []
        opened.set()
        await lanes.until_done("1")


async def test_the_oldest_of_a_rank_goes_first(lanes: Lanes) -> None:
    lanes.target.parallel = 1
    messages = [await lanes.desk.answer(str(n), f"u{n}") for n in (1, 2)]

    def urgent(unit: Unit) -> None:
        content = Part(text=Text("urgent"))
        unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:3", message_id=messages[0].id, content=content, rank=0)

    await lanes.desk.store.write(urgent)
    async with lanes.working():
        await lanes.until_done("urgent", "1", "2")


async def test_a_lost_ring_costs_a_second_at_most(lanes: Lanes) -> None:
    waits: list[float] = []

    class Watched(Bell):
        async def wait(self, timeout: float) -> None:
            waits.append(timeout)
            await super().wait(timeout)

    lanes.bell = Watched()
    lanes.worker = OutboxWorker(lanes.target, lanes.store, lanes.desk.clock, lanes.bell, lanes.desk.log)
    message = await lanes.desk.answer("later")
    (row,) = await lanes.desk.rows(message)
    at = lanes.desk.clock.now()
    for seconds in (40.0, 0.4):
        when = at + timedelta(seconds=seconds)
        await lanes.desk.store.write(lambda u, when=when: u.set_delivery(row.id, not_before=when))  # type: ignore[misc]
        async with lanes.working():
            await lanes.bell.settle()
    assert max(waits) <= 1.0
    assert min(waits) == pytest.approx(0.4)


@pytest.mark.parametrize("hopeless", [False, True])
async def test_a_row_that_cannot_be_made_into_a_call_holds_its_lane_up_three_times_only(
    lanes: Lanes, hopeless: bool
) -> None:
    """hopeless: what it is about cannot be read either, so that giving it up fails as well."""
    lanes.target.broken.add("odd")
    broken = await lanes.desk.answer("odd")
    await lanes.desk.answer("next")
    await lanes.desk.answer("other", "u2")
    if hopeless:
        lanes.target.hopeless = Part(text=Text("odd"))
    async with lanes.working():
        await lanes.until_done("other")
        for _ in range(3):
            await lanes.bell.settle()
            lanes.desk.clock.move(seconds=BROKEN_REST.total_seconds())
        await lanes.until_done("other", "next")
    assert (lanes.worker.breaks, lanes.worker.stuck) == (3, 0)
    assert await lanes.desk.states(broken) == ["failed"]


async def test_tries_that_the_network_did_not_take_are_not_among_the_three(lanes: Lanes) -> None:
    lanes.target.broken.add("odd")
    message = await lanes.desk.answer("odd")
    refused = Unreachable("connect").stored()
    await lanes.desk.store.write(lambda u: u.set_delivery(u.deliveries_of(message.id)[0].id, attempts=7, error=refused))
    async with lanes.working():
        await lanes.bell.settle()
        assert await lanes.desk.states(message) == ["waiting"]
        lanes.target.broken.clear()
        lanes.desk.clock.move(seconds=BROKEN_REST.total_seconds())
        await lanes.until_done("odd")
