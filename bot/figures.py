"""One picture of the running program, taken every few seconds: what waits, since when, and what is wrong with it.

/metrics, /status and /readyz show it. It costs what waits, not what is stored, and holds no person and no secret: of
a client no more than the number, for the one on the owner's own desk that waits longest.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from inbox.clock import Clock
from inbox.model import Provider
from inbox.store import JobCount, Queue, Reading
from inbox.substance import SinkWorker
from storage.backup import copies
from storage.db import log_of, size_of
from storage.store import SqlStore

NEWEST = "bodies"  # the cursor under which the times of the newest bodies are kept
RECENT = 300.0  # seconds of acknowledgements that a quantile is about
TASKS = tuple("export intake media jobs outbox marks upkeep desk place watch disk backups".split())
"""Tasks that never end while the program runs, by their names."""


class Target(Protocol):
    """What sends, of which one asks how it fares. calls: since the start, by outcome."""

    @property
    def name(self) -> str: ...
    @property
    def calls(self) -> Mapping[str, int]: ...
    @property
    def trouble(self) -> str | None: ...
    def blocked(self) -> float: ...


class Worker(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def stuck(self) -> int: ...
    @property
    def breaks(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One target. throttled: 429s since the start; blocked: seconds for which the network keeps it back."""

    queue: Queue
    calls: Mapping[str, int] = field(default_factory=dict)
    throttled: int = 0
    blocked: float = 0.0
    stuck: int = 0
    breaks: int = 0


@dataclass(frozen=True, slots=True)
class Receiver:
    """One receiver of the export. lag: seconds that its next event has waited; waiting: events, at most."""

    name: str
    lag: float
    waiting: int
    failing_since: datetime | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """What Telegram says of our webhook. elsewhere: it is set to another address."""

    pending: int
    error: str | None = None
    error_at: datetime | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes, and the newest backup: when, and its bytes."""

    database: int
    log: int
    free: int
    backup: tuple[datetime, int] | None


@dataclass(frozen=True, slots=True)
class Figures:
    """new, updates: bodies that wait to be applied, and the owner's updates that wait for the dispatcher.

    newest: when the last body of each gate came. quick, slow: within so many seconds half, and 99 of 100, of the last
    minutes' webhooks were acknowledged; None: there were none.
    """

    at: datetime
    lines: tuple[Line, ...]
    new: int
    new_since: datetime | None
    updates: int
    quarantined: Mapping[Provider, int]
    newest: Mapping[Provider, datetime]
    receivers: tuple[Receiver, ...]
    jobs: tuple[JobCount, ...]
    disk: Disk
    writes: int
    commits: int
    tasks: Mapping[str, int]
    hook: Hook | None = None
    polled_at: datetime | None = None
    quick: float | None = None
    slow: float | None = None

    @property
    def broken_jobs(self) -> int:
        return sum(job.count for job in self.jobs if job.kind == "broken")

    @property
    def stuck(self) -> int:
        return sum(line.stuck for line in self.lines)


@dataclass(slots=True)
class _Stored:
    """What one look at the database gives."""

    queues: list[Queue]
    new: int
    new_since: datetime | None
    updates: int
    quarantined: dict[Provider, int]
    newest: tuple[int, dict[Provider, datetime]]
    last_event: int
    failing: dict[str, datetime | None]
    jobs: list[JobCount]


@dataclass(slots=True)
class Observer:
    """Takes the picture. targets, workers and polled_at are known once what sends has started.

    troubles: by gate, the error for which it is not well, as it is stored; the watch keeps it.
    """

    store: SqlStore
    clock: Clock
    folder: Path
    gates: Collection[str]
    sinks: Sequence[SinkWorker]
    acknowledged: Callable[[], Mapping[float, float]]
    targets: Sequence[Target] = ()
    workers: Sequence[Worker] = ()
    throttled: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    polled_at: Callable[[], datetime | None] = lambda: None
    hook: Hook | None = None
    latest: Figures | None = None
    troubles: dict[str, str | None] = field(default_factory=dict)
    _cursor: int | None = None
    _newest: dict[Provider, datetime] = field(default_factory=dict)
    _acks: Acknowledgements = field(default_factory=lambda: Acknowledgements())  # noqa: PLW0108

    async def look(self) -> Figures:
        """Raises StorageDown."""
        if self._cursor is None:
            self._cursor, self._newest = await self.store.read(_recall)
        stored = await self.store.read(self._read)
        disk = await asyncio.to_thread(look_at_disk, self.store.path, self.folder)
        self._cursor = stored.newest[0]
        self._newest |= stored.newest[1]
        self._acks.add(self.clock.monotonic(), self.acknowledged())
        self.latest = figures = self._put_together(stored, disk)
        return figures

    async def remember(self) -> None:
        """Keep the times of the newest bodies over a restart. Raises StorageDown."""
        at = {gate: came.timestamp() for gate, came in self._newest.items()}
        kept = json.dumps({"id": self._cursor or 0, "at": at}, sort_keys=True)
        if kept != await self.store.read(lambda r: r.cursor(NEWEST)):
            await self.store.write(lambda u: u.set_cursor(NEWEST, kept))

    def _read(self, reading: Reading) -> _Stored:
        sinks = {s.name: reading.sink(s.name) for s in self.sinks}
        return _Stored(
            queues=reading.queues(),
            new=reading.count_raws("new"),
            new_since=reading.oldest_raw("new"),
            updates=reading.count_raws("desk"),
            quarantined=reading.quarantined(),
            newest=reading.newest_raws(self._cursor or 0),
            last_event=reading.newest_event_id(),
            failing={name: row.failing_since if row else None for name, row in sinks.items()},
            jobs=reading.job_counts(),
        )

    def _put_together(self, stored: _Stored, disk: Disk) -> Figures:
        quick, slow = self._acks.quantiles(0.5, 0.99)
        return Figures(
            at=self.clock.now(),
            lines=tuple(self._lines(stored.queues)),
            new=stored.new,
            new_since=stored.new_since,
            updates=stored.updates,
            quarantined={Provider(gate): 0 for gate in self.gates} | stored.quarantined,
            newest=dict(self._newest),
            receivers=tuple(self._receiver(s, stored) for s in self.sinks),
            jobs=tuple(stored.jobs),
            disk=disk,
            writes=self.store.waiting,
            commits=self.store.commits,
            tasks=running(),
            hook=self.hook,
            polled_at=self.polled_at(),
            quick=quick,
            slow=slow,
        )

    def _lines(self, queues: Sequence[Queue]) -> list[Line]:
        waiting = {queue.target: queue for queue in queues}
        targets = {target.name: target for target in self.targets}
        workers = {worker.name: worker for worker in self.workers}
        lines = []
        for name in sorted({*waiting, *targets}):
            target, worker = targets.get(name), workers.get(name)
            calls = dict(target.calls) if target else {}
            count = self.throttled.get(name)
            lines.append(
                Line(
                    queue=waiting.get(name) or Queue(name, 0, None, 0, 0),
                    calls=calls,
                    throttled=count() if count else calls.get("throttled", 0),
                    blocked=target.blocked() if target else 0.0,
                    stuck=worker.stuck if worker else 0,
                    breaks=worker.breaks if worker else 0,
                )
            )
        return lines

    def _receiver(self, sink: SinkWorker, stored: _Stored) -> Receiver:
        waiting = max(0, stored.last_event - sink.cursor)
        return Receiver(sink.name, sink.lag, waiting, stored.failing[sink.name], sink.stopped)


def recalled(reading: Reading) -> tuple[int, dict[Provider, datetime]]:
    """The newest body, and when the last one of each gate came: what was kept, and what came since."""
    last, newest = _recall(reading)
    last, came = reading.newest_raws(last)
    return last, newest | came


def _recall(reading: Reading) -> tuple[int, dict[Provider, datetime]]:
    kept = json.loads(reading.cursor(NEWEST) or "{}")
    at = {Provider(gate): datetime.fromtimestamp(came, UTC) for gate, came in kept.get("at", {}).items()}
    return int(kept.get("id", 0)), at


class Acknowledgements:
    """Quantiles of the last minutes out of a histogram that only grows, as Prometheus itself would take them.

    A quantile is the upper edge of the bucket in which it lies: "within so many seconds".
    """

    def __init__(self, seconds: float = RECENT) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, Mapping[float, float]]] = deque()

    def add(self, now: float, buckets: Mapping[float, float]) -> None:
        """buckets: by upper edge, how many calls took no longer, since the start."""
        self._seen.append((now, buckets))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._seconds:
            self._seen.popleft()

    def quantiles(self, *wanted: float) -> list[float | None]:
        if not self._seen:
            return [None] * len(wanted)
        first, last = self._seen[0][1] if len(self._seen) > 1 else {}, self._seen[-1][1]
        counts = [(edge, count - first.get(edge, 0.0)) for edge, count in sorted(last.items())]
        total = counts[-1][1] if counts else 0.0
        if total <= 0:
            return [None] * len(wanted)
        return [next(edge for edge, count in counts if count >= share * total) for share in wanted]


def look_at_disk(database: Path, folder: Path) -> Disk:
    newest = next(iter(copies(folder)), None)
    return Disk(
        database=size_of(database),
        log=size_of(log_of(database)),
        free=shutil.disk_usage(folder).free,
        backup=(newest.at, newest.size) if newest else None,
    )


def running() -> dict[str, int]:
    """How many tasks of each name run in this loop."""
    names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
    return {name: names.count(name) for name in TASKS}
