"""The export: in order, each at least once, retried for three days, and no receiver waits for another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import pytest

from inbox.errors import StorageDown
from inbox.model import INBOX, Event
from inbox.store import Reading, Unit
from inbox.substance import GIVE_UP, SinkEnded, SinkFailed, SinkWorker
from storage.store import SqlStore
from tests.inbox.factories import Bell, Desk, PlainVoice, running, until

T = TypeVar("T")


class Receiver:
    """Takes events unless `refuse` says what it answers. `tried`: every first event of a call."""

    def __init__(self, name: str = "webhook", batch: int = 1) -> None:
        self.name = name
        self.batch = batch
        self.got: list[int] = []
        self.tried: list[int] = []
        self.own: int | None = None
        self.remembers = False
        self.refuse: Callable[[int], Exception | None] = lambda _: None

    async def last(self) -> int | None:
        return self.own

    async def take(self, events: Sequence[Event]) -> None:
        self.tried.append(events[0].id)
        for event in events:
            if error := self.refuse(event.id):
                raise error
        self.got += [e.id for e in events]


class FullDisk:
    """The store, that fails so many times."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.down = 0

    def _check(self) -> None:
        if self.down:
            self.down -= 1
            raise StorageDown("full")

    async def write(self, work: Callable[[Unit], T]) -> T:
        self._check()
        return await self.store.write(work)

    async def read(self, work: Callable[[Reading], T]) -> T:
        self._check()
        return await self.store.read(work)

    async def put(self, raws: Sequence[object]) -> None:
        self._check()


class Export:
    def __init__(self, desk: Desk, receiver: Receiver) -> None:
        self.desk = desk
        self.receiver = receiver
        self.store = FullDisk(desk.store)
        self.bell = Bell()
        self.clock = desk.clock
        self.worker = self.anew()

    def anew(self) -> SinkWorker:
        self.worker = SinkWorker(self.receiver, self.store, PlainVoice(), self.clock, self.bell, self.desk.log)
        return self.worker

    async def until_got(self, *ids: int) -> None:
        async def got() -> bool:
            return self.receiver.got == list(ids)

        try:
            await until(got, self.bell)
        except TimeoutError:
            assert self.receiver.got == list(ids)

    async def cursor(self) -> int:
        row = await self.desk.see(lambda r: r.sink(self.receiver.name))
        return row.last_event_id if row else 0


async def emit(desk: Desk, count: int) -> None:
    await desk.store.write(lambda u: [u.emit(INBOX, "gate.changed", u.now, number=n) for n in range(count)])


@pytest.fixture
def export(desk: Desk) -> Export:
    return Export(desk, Receiver())


def first_times(error: Exception, times: int, event: int = 2) -> Callable[[int], Exception | None]:
    left = iter(range(times))
    return lambda number: error if number == event and next(left, None) is not None else None


@pytest.mark.parametrize("batch", [1, 3, 200])
async def test_every_event_in_order_once(desk: Desk, batch: int) -> None:
    export = Export(desk, Receiver(batch=batch))
    await emit(desk, 7)
    async with running(export.worker.run()):
        await export.until_got(*range(1, 8))
        await emit(desk, 2)
        await export.until_got(*range(1, 10))
        await export.bell.settle()
    assert await export.cursor() == 9
    assert export.worker.lag == 0.0


async def test_a_refused_event_is_retried_and_nothing_overtakes_it(export: Export) -> None:
    await emit(export.desk, 3)
    export.receiver.refuse = first_times(SinkFailed(), 6)
    async with running(export.worker.run()):
        await export.until_got(1, 2, 3)
    assert export.receiver.tried == [1, *[2] * 7, 3]
    assert export.clock.slept == [1, 2, 5, 15, 30, 60]


async def test_the_wait_grows_to_ten_minutes_and_starts_anew_after_a_success(export: Export) -> None:
    await emit(export.desk, 3)
    refused = {2: 12, 3: 1}

    def refuse(number: int) -> Exception | None:
        refused[number] = refused.get(number, 0) - 1
        return SinkFailed() if refused[number] >= 0 else None

    export.receiver.refuse = refuse
    async with running(export.worker.run()):
        await export.until_got(1, 2, 3)
    assert export.clock.slept == [1, 2, 5, 15, 30, 60, 120, 240, 480, 600, 600, 600, 1]


async def test_while_the_receiver_is_down_the_lag_grows_and_the_state_is_kept(export: Export) -> None:
    await emit(export.desk, 1)
    export.receiver.refuse = first_times(SinkFailed(), 4, 1)
    seen: list[float] = []
    take = export.receiver.take

    async def watched(events: Sequence[Event]) -> None:
        seen.append(export.worker.lag)
        await take(events)

    export.receiver.take = watched  # type: ignore[method-assign]
    async with running(export.worker.run()):
        await until(lambda: _at(export, 1), export.bell)
    assert seen == [0, 1, 3, 8, 23]
    row = await export.desk.see(lambda r: r.sink("webhook"))
    assert row is not None and (row.failing_since, row.attempts) == (None, 0)


async def test_an_event_refused_for_three_days_is_given_up_and_told_and_the_next_goes_on(export: Export) -> None:
    await emit(export.desk, 3)
    start = export.clock.at

    def refuse(number: int) -> Exception | None:
        if number != 2:
            return None
        if len(export.receiver.tried) == 5:
            export.clock.at = start + GIVE_UP - timedelta(minutes=1)
        return SinkFailed()

    export.receiver.refuse = refuse
    async with running(export.worker.run()):
        await export.until_got(1, 3)
    assert export.clock.at > start + GIVE_UP
    assert export.receiver.tried[-1] == 3
    assert await export.desk.notices(0) == ["export given up 2"]
    assert await export.cursor() >= 2
    assert export.desk.log.count("export.given_up") == 1


async def test_three_days_count_over_a_restart_which_tries_at_once(export: Export) -> None:
    await emit(export.desk, 2)
    export.receiver.refuse = lambda number: SinkFailed() if number == 1 else None
    async with running(export.worker.run()):
        await until(lambda: _tried(export, 3), export.bell)
    export.clock.at += GIVE_UP
    slept = len(export.clock.slept)
    async with running(export.anew().run()):
        await export.until_got(2)
    assert len(export.clock.slept) == slept
    assert await export.desk.notices(0) == ["export given up 1"]


async def _tried(export: Export, times: int) -> bool:
    return len(export.receiver.tried) >= times


async def test_410_ends_the_sending_for_good_and_is_told(export: Export) -> None:
    await emit(export.desk, 3)
    export.receiver.refuse = first_times(SinkEnded(), 1)
    async with running(export.worker.run()):
        await until(lambda: _stopped(export))
        await emit(export.desk, 1)
        export.bell.ring()
    assert export.receiver.got == [1]
    assert await export.desk.notices(0) == ["export stopped"]
    async with running(export.anew().run()):
        await until(lambda: _stopped(export))
    assert export.receiver.tried == [1, 2]


async def _stopped(export: Export) -> bool:
    return export.worker.stopped


async def test_a_restart_goes_on_behind_the_last_event_taken(export: Export) -> None:
    await emit(export.desk, 2)
    async with running(export.worker.run()):
        await export.until_got(1, 2)
        await until(lambda: _at(export, 2), export.bell)
    await emit(export.desk, 2)
    async with running(export.anew().run()):
        await export.until_got(1, 2, 3, 4)


async def _at(export: Export, cursor: int) -> bool:
    return await export.cursor() == cursor


async def test_a_sink_that_knows_its_last_event_is_believed(export: Export) -> None:
    await emit(export.desk, 4)
    export.receiver.own = 3
    async with running(export.worker.run()):
        await export.until_got(4)


async def test_an_event_whose_cursor_was_not_saved_comes_again(export: Export) -> None:
    await emit(export.desk, 1)
    take = export.receiver.take

    async def then_full(events: Sequence[Event]) -> None:
        await take(events)
        export.store.down = 1

    export.receiver.take = then_full  # type: ignore[method-assign]
    async with running(export.worker.run()):
        await export.until_got(1)
    export.store.down = 0
    assert await export.cursor() == 0
    export.receiver.take = take  # type: ignore[method-assign]
    async with running(export.anew().run()):
        await export.until_got(1, 1)


async def test_a_disk_that_fails_stops_no_export(export: Export) -> None:
    await emit(export.desk, 2)
    export.store.down = 3
    async with running(export.worker.run()):
        await export.until_got(1, 2)
    assert export.clock.slept == [1.0, 1.0, 1.0]


async def test_a_receiver_that_breaks_in_an_unknown_way_is_tried_again(export: Export) -> None:
    await emit(export.desk, 2)
    export.receiver.refuse = first_times(RuntimeError("odd"), 2)
    async with running(export.worker.run()):
        await export.until_got(1, 2)
    assert export.desk.log.count("export.broken") == 2


async def test_no_sink_waits_for_another(desk: Desk) -> None:
    down, up = Export(desk, Receiver("webhook")), Export(desk, Receiver("file", 200))
    down.receiver.refuse = lambda _: SinkFailed()
    await emit(desk, 5)
    async with running(down.worker.run(), up.worker.run()):
        await up.until_got(1, 2, 3, 4, 5)
        await emit(desk, 1)
        await until(lambda: _at(up, 6), up.bell)
    assert up.receiver.got == [1, 2, 3, 4, 5, 6]
    assert down.receiver.got == []
    assert await down.cursor() == 0
