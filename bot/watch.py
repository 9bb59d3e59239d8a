"""Looks at each part every few seconds and says how it is: for /readyz, /metrics and /status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.health import DESK, STORAGE, Health, Metrics, Start, State
from inbox.errors import InboxError, Locked, StorageDown, Throttled, Uncertain, Unreachable
from inbox.gate import Probes
from inbox.log import Log
from inbox.substance import SinkWorker
from storage.store import SqlStore

EVERY = 5.0  # seconds: a change shows within 15
PROBE_LIMIT = 6.0


@dataclass(slots=True)
class Watch:
    """troubles: by part, what a worker last ran into (None: nothing). probes: gates that can be asked.

    note(): what is said of a desk that is well.
    """

    store: SqlStore
    health: Health
    metrics: Metrics
    probes: Mapping[str, Probes]
    troubles: Mapping[str, Callable[[], str | None]]
    sinks: Sequence[SinkWorker]
    note: Callable[[], str]
    log: Log

    async def run(self) -> None:
        while True:
            started = time.monotonic()
            await self._storage()
            async with asyncio.TaskGroup() as group:
                for name, probe in self.probes.items():
                    group.create_task(self._gate(name, probe))
            await self._figures()
            await asyncio.sleep(max(0.5, EVERY - (time.monotonic() - started)))

    async def _storage(self) -> None:
        try:
            await self.store.beat()
        except StorageDown as error:
            self.health.set(STORAGE, "down", error.reason or "the disk refuses")
        else:
            self.health.set(STORAGE, "ok")
            self.health.mark_started(Start.COMMIT)

    async def _gate(self, name: str, probe: Probes) -> None:
        state, detail = await asked(probe.probe)
        trouble = self.troubles.get(name, lambda: None)()
        if state == "ok" and trouble is not None:
            state, detail = "degraded", trouble
        self.health.set(name, state, detail)
        if name == "telegram":
            desk = self.troubles[DESK]() or detail
            self.health.set(DESK, "degraded" if desk else "ok", desk or self.note())

    async def _figures(self) -> None:
        try:
            queues = await self.store.read(lambda r: r.queues())
        except StorageDown:
            return
        for queue in queues:
            self.metrics.pending(queue.target, queue.waiting)
        self.metrics.export_lag(max((s.lag for s in self.sinks), default=0.0))


async def asked(probe: Callable[[], Awaitable[None]]) -> tuple[State, str]:
    """An answer of any kind means that the network and the token live, except where it says that they do not."""
    try:
        async with asyncio.timeout(PROBE_LIMIT):
            await probe()
    except Throttled:
        return "ok", ""
    except (Locked, Unreachable, Uncertain) as error:
        return "degraded", error.stored()
    except TimeoutError:
        return "degraded", "no answer"
    except InboxError:
        return "ok", ""
    return "ok", ""
