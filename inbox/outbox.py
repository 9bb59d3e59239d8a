"""The worker that empties lanes: order inside a lane, lanes beside each other, nothing sent that is not claimed first.

What a lane's head becomes (a call to a provider, a step on the desk) is the target's business. A row is claimed, that
is committed as `sending`, before anything leaves; what is found in `sending` at the start was in doubt when the
process ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from inbox.clock import Clock, Wake
from inbox.errors import StorageDown
from inbox.log import Log
from inbox.model import Delivery, DeliveryState
from inbox.store import Reading, Store, Unit

IDLE = 1.0  # seconds; a lost wake costs at most this
BROKEN_REST = timedelta(minutes=10)


class Call(Protocol):
    """A prepared step: `rows` are claimed together, may be empty (a step that has no row of its own)."""

    @property
    def rows(self) -> Sequence[Delivery]: ...


@dataclass(frozen=True, slots=True)
class Later:
    """Not yet: look again after so many seconds, or at the next wake."""

    seconds: float


class Target(Protocol):
    """Where a set of lanes leads."""

    name: str
    parallel: int

    def wait(self) -> float:
        """Seconds for which the whole target rests; 0: it is open."""
        ...

    def order(self, heads: Sequence[Delivery]) -> Sequence[Delivery]:
        """Which lane is served first."""
        ...

    def prepare(self, reading: Reading, head: Delivery) -> Call | Later:
        """What to do for this lane now. Pure but for the reading; takes nothing yet."""
        ...

    def reserve(self, call: Call) -> float:
        """Take the pace that the call costs: 0, or the seconds for which it has to wait."""
        ...

    async def perform(self, call: Call) -> None:
        """Do it and settle its rows. Raises nothing but StorageDown."""
        ...


class OutboxWorker:
    def __init__(self, target: Target, store: Store, clock: Clock, wake: Wake, log: Log) -> None:
        self._target = target
        self._store = store
        self._clock = clock
        self._wake = wake
        self._log = log
        self._busy: set[str] = set()
        self._closing = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    pause = await self._round(group)
                except StorageDown:
                    pause = IDLE
                if pause > 0:
                    await self._wake.wait(min(pause, IDLE))

    async def _round(self, group: asyncio.TaskGroup) -> float:
        """Start at most one call; returns how long to rest."""
        rest = self._target.wait()
        if rest > 0:
            return rest
        if self._closing or len(self._busy) >= self._target.parallel:
            return IDLE
        heads = await self._store.read(lambda r: r.lane_heads(self._target.name))
        free = [h for h in heads if h.lane not in self._busy]
        now = self._clock.now()
        rest = IDLE
        for head in self._target.order(free):
            if head.not_before is not None and head.not_before > now:
                rest = min(rest, (head.not_before - now).total_seconds())
                continue
            step = await self._prepared(head)
            if isinstance(step, Later):
                rest = min(rest, step.seconds)
                continue
            wait = self._target.reserve(step)
            if wait > 0:
                rest = min(rest, wait)
                continue
            await self._start(group, head.lane, step)
            return 0.0
        return max(rest, 0.005)

    async def _prepared(self, head: Delivery) -> Call | Later:
        """A row that cannot be made into a call rests: it ends neither the other lanes nor the process."""
        try:
            return await self._store.read(lambda r: self._target.prepare(r, head))
        except StorageDown:
            raise
        except Exception as error:
            self._log.error("outbox.broken", target=self._target.name, row=head.id, error=type(error).__name__)
            until = self._clock.now() + BROKEN_REST
            await self._store.write(lambda u: u.set_delivery(head.id, not_before=until))
            return Later(IDLE)

    async def _start(self, group: asyncio.TaskGroup, lane: str, call: Call) -> None:
        rows = call.rows
        if rows and not await self._store.write(lambda u: claim(u, rows)):
            return
        self._busy.add(lane)
        group.create_task(self._perform(lane, call))

    async def _perform(self, lane: str, call: Call) -> None:
        try:
            await self._target.perform(call)
        except StorageDown:
            self._log.error("outbox.unsettled", target=self._target.name, rows=len(call.rows))
        finally:
            self._busy.discard(lane)
            self._wake.ring()

    @property
    def busy(self) -> int:
        """Calls under way."""
        return len(self._busy)

    def close(self) -> None:
        """Start nothing new; what is under way may settle."""
        self._closing = True


def claim(unit: Unit, rows: Sequence[Delivery]) -> bool:
    """Mark the rows as leaving, all or none: one that was changed or taken back meanwhile stops the call."""
    for row in rows:
        current = unit.delivery(row.id)
        if current.state is not DeliveryState.WAITING or current.content != row.content:
            return False
    for row in rows:
        unit.set_delivery(row.id, state=DeliveryState.SENDING, call=rows[0].id, attempts=row.attempts + 1)
    return True
