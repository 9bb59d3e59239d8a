"""The export: every event to every sink, in order, at least once. No sink waits for another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from inbox.clock import Clock, Wake
from inbox.errors import StorageDown
from inbox.fate import tell_general
from inbox.log import Log
from inbox.model import Event
from inbox.pace import export_backoff
from inbox.store import Store, Unit
from inbox.voice import Voice

BATCH = 200
GIVE_UP = timedelta(days=3)
FILE_PAUSE = 5.0


class SinkFailed(Exception):
    """The receiver did not take the event; it is tried again."""


class SinkEnded(Exception):
    """The receiver wants no more events (410)."""


class Sink(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def batch(self) -> int:
        """How many events one `take` may get."""
        ...

    @property
    def remembers(self) -> bool:
        """It knows by itself what it holds (`last`): no cursor is kept for it, and nothing is ever given up."""
        ...

    async def last(self) -> int | None:
        """The last event that it surely holds, where it can tell itself."""
        ...

    async def take(self, events: Sequence[Event]) -> None:
        """Raises SinkFailed or SinkEnded."""
        ...


class SinkWorker:
    """One cursor over the events. `lag`: seconds that the oldest event not yet taken has waited."""

    def __init__(self, sink: Sink, store: Store, voice: Voice, clock: Clock, wake: Wake, log: Log) -> None:
        self._sink = sink
        self._store = store
        self._voice = voice
        self._clock = clock
        self._wake = wake
        self._log = log
        self._behind_since: float | None = None
        self._cursor = 0
        self._failures = 0
        self.stopped = False

    @property
    def name(self) -> str:
        return self._sink.name

    @property
    def cursor(self) -> int:
        """The last event that it took."""
        return self._cursor

    @property
    def lag(self) -> float:
        return 0.0 if self._behind_since is None else self._clock.monotonic() - self._behind_since

    async def run(self) -> None:
        started = False
        while True:
            try:
                if not started:
                    await self._start()
                    started = True
                await self._round()
            except StorageDown:
                await self._clock.sleep(1.0)

    async def _start(self) -> None:
        row = await self._store.read(lambda r: r.sink(self._sink.name))
        self.stopped = row.stopped if row else False
        own = await self._sink.last()
        self._cursor = max(own or 0, row.last_event_id if row else 0)

    async def _round(self) -> None:
        if self.stopped:
            await self._wake.wait(60.0)
            return
        events = await self._store.read(lambda r: r.events_after(self._cursor, BATCH))
        if not events:
            self._behind_since = None
            await self._wake.wait(1.0)
            return
        if self._behind_since is None:
            self._behind_since = self._clock.monotonic()
        taken, error = await self._hand_over(events)
        self._cursor = taken or self._cursor
        self._failures = 0 if taken else self._failures
        if isinstance(error, SinkEnded):
            await self._end()
        elif error is not None:
            self._failures += 1
            await self._pause(next(e for e in events if e.id > self._cursor))

    async def _hand_over(self, events: Sequence[Event]) -> tuple[int, Exception | None]:
        """Returns the last event taken (0: none) and what stopped it."""
        taken, error = 0, None
        for start in range(0, len(events), self._sink.batch):
            chunk = events[start : start + self._sink.batch]
            try:
                await self._sink.take(chunk)
            except Exception as problem:
                if not isinstance(problem, SinkFailed | SinkEnded):
                    self._log.error("export.broken", sink=self._sink.name, error=type(problem).__name__)
                error = problem
                break
            taken = chunk[-1].id
        if taken and not self._sink.remembers:
            await self._save(last_event_id=taken, failing_since=None, attempts=0)
        return taken, error

    async def _pause(self, front: Event) -> None:
        """Wait before the next try; give an event up that was refused for three days. A file is never given up."""
        if self._sink.remembers:
            await self._clock.sleep(min(export_backoff(self._failures), FILE_PAUSE))
            return
        if await self._failed(front):
            self._log.error("export.given_up", sink=self._sink.name, event_id=front.id)
            self._cursor, self._failures = front.id, 0
            return
        await self._clock.sleep(export_backoff(self._failures))

    async def _failed(self, front: Event) -> bool:
        """Note it; True: it has failed for so long that it was given up."""
        try:
            return await self._store.write(lambda u: self._note_failure(u, front))
        except StorageDown:
            self._log.warning("export.cursor_not_saved", sink=self._sink.name)
            return False

    def _note_failure(self, unit: Unit, front: Event) -> bool:
        row = unit.sink(self._sink.name)
        since = row.failing_since if row and row.failing_since else unit.now
        if unit.now - since > GIVE_UP:
            self._give_up(unit, front)
            return True
        unit.set_sink(self._sink.name, failing_since=since, attempts=self._failures)
        return False

    def _give_up(self, unit: Unit, front: Event) -> None:
        unit.set_sink(self._sink.name, last_event_id=front.id, failing_since=None, attempts=0)
        tell_general(unit, self._voice.export_given_up(self._sink.name, front.id), rank=1)

    async def _end(self) -> None:
        def end(unit: Unit) -> None:
            unit.set_sink(self._sink.name, stopped=True)
            tell_general(unit, self._voice.export_stopped(self._sink.name), rank=1)

        await self._store.write(end)
        self.stopped = True

    async def _save(self, **fields: object) -> None:
        try:
            await self._store.write(lambda u: u.set_sink(self._sink.name, **fields))
        except StorageDown:
            self._log.warning("export.cursor_not_saved", sink=self._sink.name)
