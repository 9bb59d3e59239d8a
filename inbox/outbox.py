"""The worker that empties lanes: order inside a lane, lanes beside each other, nothing sent that is not claimed first.

What a lane's head becomes (a call to a provider, a step on the desk) is the target's business. A row is claimed, that
is committed as `sending`, before anything leaves; what is found in `sending` at the start was in doubt when the
process ended.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from inbox.clock import Clock, Wake
from inbox.errors import StorageDown
from inbox.log import Log
from inbox.model import Delivery, DeliveryId, DeliveryState
from inbox.store import Reading, Store, Unit

IDLE = 1.0  # seconds; a lost wake costs at most this
SHORTEST = 0.005
AT_ONCE = 2  # calls begun in one round: what comes meanwhile is joined to what waits
ATTEMPTS = 3
BROKEN_REST = timedelta(seconds=5)
BROKEN = "broken"  # the name of the error that stands with such a row
STUCK = 1000


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
        """Which lane is served first. Called beside a reading, like `prepare`: changes nothing."""
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

    def give_up(self, unit: Unit, row: Delivery) -> None:
        """A row that cannot be made into a call, however often: it has failed, and the owner is told."""
        ...


@dataclass(slots=True)
class _Look:
    """steps: what may leave, by its head. suspect: a head that could not be prepared; what comes after waits for it."""

    steps: list[tuple[Delivery, Call]] = field(default_factory=list)
    rest: float = IDLE
    suspect: Delivery | None = None


class OutboxWorker:
    """opened: until it is set nothing is started; None: at once."""

    def __init__(
        self, target: Target, store: Store, clock: Clock, wake: Wake, log: Log, opened: asyncio.Event | None = None
    ) -> None:
        self._target = target
        self._store = store
        self._clock = clock
        self._wake = wake
        self._log = log
        self._opened = opened
        self._busy: set[str] = set()
        self._closing = False
        self._stuck: OrderedDict[DeliveryId, float] = OrderedDict()
        self.breaks = 0

    async def run(self) -> None:
        if self._opened is not None:
            await self._opened.wait()
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    pause = await self._round(group)
                except StorageDown:
                    pause = IDLE
                if pause > 0:
                    await self._wake.wait(min(pause, IDLE))

    async def _round(self, group: asyncio.TaskGroup) -> float:
        """Start what may leave now; returns how long to rest."""
        rest = self._target.wait()
        room = min(self._target.parallel - len(self._busy), AT_ONCE)
        if rest > 0 or room <= 0 or self._closing:
            return rest or IDLE
        busy, now = frozenset(self._busy), self._clock.now()
        look = await self._store.read(lambda r: self._look(r, busy, now, room))
        if look.suspect is not None:
            await self._examine(look.suspect)
            look.rest = SHORTEST
        calls: dict[str, Call] = {}
        for head, step in look.steps:
            self._stuck.pop(head.id, None)
            wait = self._target.reserve(step)
            if wait > 0:
                look.rest = min(look.rest, wait)
            else:
                calls[head.lane] = step
        if not calls:
            return max(look.rest, SHORTEST)
        await self._start(group, calls)
        return 0.0

    def _look(self, reading: Reading, busy: frozenset[str], now: datetime, room: int) -> _Look:
        """The steps of free lanes, in the target's order, in one reading: a lone message waits for one thread once."""
        look = _Look()
        heads = [head for head in reading.lane_heads(self._target.name) if head.lane not in busy]
        for head in self._target.order(heads):
            if head.not_before is not None and head.not_before > now:
                look.rest = min(look.rest, (head.not_before - now).total_seconds())
                continue
            try:
                step = self._target.prepare(reading, head)
            except Exception:  # the disk's trouble or the row's own: that is found out alone
                look.suspect = head
                break
            if isinstance(step, Later):
                look.rest = min(look.rest, step.seconds)
                continue
            look.steps.append((head, step))
            if len(look.steps) == room:
                break
        return look

    async def _examine(self, head: Delivery) -> None:
        """A row that cannot be made into a call ends neither its lane nor the process: it rests, then is given up."""
        try:
            await self._store.read(lambda r: self._target.prepare(r, head))
        except StorageDown:
            raise
        except Exception as error:
            await self._set_aside(head, type(error).__name__)

    async def _set_aside(self, head: Delivery, error: str) -> None:
        """The row itself says so too, for whoever looks at the database from outside."""
        self._log.error("outbox.broken", target=self._target.name, row=head.id, error=error)
        self.breaks += 1
        self._stuck[head.id] = self._clock.monotonic()
        self._stuck.move_to_end(head.id)
        while len(self._stuck) > STUCK:
            self._stuck.popitem(last=False)
        stored = f"{BROKEN}:{error}:"
        broke = head.error is not None and head.error.startswith(f"{BROKEN}:")
        attempts = head.attempts + 1 if broke else 1  # what the network did not take before is another matter
        if attempts < ATTEMPTS:
            rests = {"attempts": attempts, "error": stored}
            await self._store.write(lambda u: u.set_delivery(head.id, not_before=u.now + BROKEN_REST, **rests))
            return
        try:
            await self._store.write(lambda u: self._target.give_up(u, head))
        except StorageDown:
            raise
        except Exception:  # what it is about is broken as well: nobody can be told of whom it was
            failed = {"state": DeliveryState.FAILED, "error": stored}
            await self._store.write(lambda u: u.set_delivery(head.id, **failed))
        self._stuck.pop(head.id, None)

    async def _start(self, group: asyncio.TaskGroup, calls: Mapping[str, Call]) -> None:
        """Claim them in one commit, and make those that are still as they were looked at.

        Busy from before the claim: an end that comes meanwhile waits for it and its calls, else they are left in doubt.
        """
        if self._closing:
            return
        self._busy.update(calls)
        started: set[str] = set()
        try:
            rows = [call.rows for call in calls.values()]
            taken = await self._store.write(lambda u: [claim(u, r) for r in rows]) if any(rows) else [True] * len(rows)
            for (lane, call), mine in zip(calls.items(), taken, strict=True):
                if mine:
                    group.create_task(self._perform(lane, call))
                    started.add(lane)
        finally:
            self._busy.difference_update(calls.keys() - started)

    async def _perform(self, lane: str, call: Call) -> None:
        try:
            await self._target.perform(call)
        except StorageDown:
            self._log.error("outbox.unsettled", target=self._target.name, rows=len(call.rows))
        finally:
            self._busy.discard(lane)
            self._wake.ring()

    @property
    def name(self) -> str:
        return self._target.name

    @property
    def stuck(self) -> int:
        """Rows that could not be made into a call when they were last tried; `breaks`: how often that was.

        One that was not tried again when its rest was over has been dropped.
        """
        since = self._clock.monotonic() - 2 * BROKEN_REST.total_seconds()
        return sum(at > since for at in self._stuck.values())

    @property
    def busy(self) -> int:
        """Calls under way."""
        return len(self._busy)

    def close(self) -> None:
        """Start nothing new; what is under way may settle."""
        self._closing = True


def claim(unit: Unit, rows: Sequence[Delivery]) -> bool:
    """Mark the rows as leaving, all or none: one that was changed or taken back meanwhile stops the call.

    So does one that has to wait: only a clock that was just set ahead made it look due.
    """
    for row in rows:
        current = unit.delivery(row.id)
        if current.state is not DeliveryState.WAITING or current.content != row.content:
            return False
        if current.not_before is not None and current.not_before > unit.now:
            return False
    for row in rows:
        unit.set_delivery(row.id, state=DeliveryState.SENDING, call=rows[0].id, attempts=row.attempts + 1)
    return True
