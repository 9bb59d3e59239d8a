"""Work that becomes due: the mark of waiting, an echo that waited for a send, the sweep of what came too early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from inbox.apply import Effects, Rules, apply
from inbox.clock import Clock, Wake
from inbox.codec import build
from inbox.errors import StorageDown
from inbox.fate import refresh_mark
from inbox.gate import Came
from inbox.log import Log
from inbox.model import MessageId
from inbox.store import Job, Store, Unit

EARLY_KEPT = timedelta(hours=1)
SWEEP_EVERY = 300.0
BROKEN = "broken"  # the kind of a job that broke
REOPENED = 1000

Work = Callable[[Unit, Job], None]


class JobWorker:
    """Runs due jobs of every kind but "fetch"; each in one unit together with its removal.

    One that breaks is kept aside as it is, and tried again at the next start: a newer version may know better.
    """

    def __init__(
        self, store: Store, work: Mapping[str, Work], clock: Clock, wake: Wake, done: Sequence[Wake], log: Log
    ) -> None:
        self._store = store
        self._work = work
        self._clock = clock
        self._wake = wake
        self._done = done
        self._log = log
        self._swept = -SWEEP_EVERY

    async def run(self) -> None:
        opened = False
        while True:
            try:
                if not opened:
                    await self._store.write(reopen)
                    opened = True
                busy = False
                for kind in self._work:
                    busy = await self._due(kind) or busy
                await self._sweep()
            except StorageDown:
                await self._clock.sleep(1.0)
                continue
            if busy:
                for wake in self._done:
                    wake.ring()
            else:
                await self._wake.wait(0.25)

    async def _due(self, kind: str) -> bool:
        jobs = await self._store.read(lambda r: r.jobs_due(kind, self._clock.now(), 50))
        for job in jobs:
            try:
                await self._store.write(lambda u, job=job: self._run(u, job))  # type: ignore[misc]
            except StorageDown:
                raise
            except Exception as error:
                self._log.error("job.broken", kind=kind, job=job.id, error=type(error).__name__)
                await self._store.write(lambda u, job=job: set_aside(u, job))  # type: ignore[misc]
        return bool(jobs)

    def _run(self, unit: Unit, job: Job) -> None:
        if unit.job(job.id).due_at > unit.now:  # only a clock that was just set ahead made it look due
            return
        unit.finish_job(job.id)
        self._work[job.kind](unit, job)

    async def _sweep(self) -> None:
        now = self._clock.monotonic()
        if now - self._swept < SWEEP_EVERY:
            return
        self._swept = now
        dropped = await self._store.write(lambda u: u.drop_early(u.now - EARLY_KEPT))
        if dropped:
            self._log.info("early.dropped", count=dropped)


def set_aside(unit: Unit, job: Job) -> None:
    unit.finish_job(job.id)
    unit.add_job(BROKEN, {"kind": job.kind, "payload": job.payload}, job.due_at)


def reopen(unit: Unit) -> None:
    for job in unit.jobs_due(BROKEN, unit.now, REOPENED):
        unit.finish_job(job.id)
        unit.add_job(str(job.payload["kind"]), job.payload["payload"], unit.now)


def work(rules: Rules) -> dict[str, Work]:
    """The kinds of jobs and what they do."""

    def mark(unit: Unit, job: Job) -> None:
        refresh_mark(unit, MessageId(int(job.payload["message"])), waited=True)

    def echo(unit: Unit, job: Job) -> None:
        fact = build(Came, job.payload["fact"])
        apply(unit, fact, rules, Effects())

    return {"mark": mark, "echo": echo}
