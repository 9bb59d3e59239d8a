"""Parses what was committed, in the order of the commits, and applies it.

One worker, serial: global order, no races. A body is applied only while none before it waits: where the disk refuses
one, those after it in the batch stand back, whichever group of commits they fell into. A body that is not understood is
kept aside and told; one that breaks the product three times as well. Nothing here waits for a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from inbox.apply import Effects, Rules, apply
from inbox.clock import Clock, Wake
from inbox.errors import StorageDown, Unreadable
from inbox.gate import Claim, Inbound, Intake, Road
from inbox.log import Log
from inbox.model import Provider
from inbox.quarantine import put_aside, reopen
from inbox.store import RawRow, Store, Unit

BATCH = 100
ATTEMPTS = 3


class _Behind(Exception):
    """A body before this one waits still."""


class IntakeWorker:
    """`changed` is awaited after a commit that changes what the parsers must know (the claim, a Business road)."""

    def __init__(
        self,
        store: Store,
        intakes: Mapping[Provider, Intake],
        rules: Rules,
        clock: Clock,
        wake: Wake,
        applied: Sequence[Wake],
        changed: Callable[[Effects], Awaitable[None]],
        log: Log,
    ) -> None:
        self._store = store
        self._intakes = intakes
        self._rules = rules
        self._clock = clock
        self._wake = wake
        self._applied = applied
        self._changed = changed
        self._log = log

    async def run(self) -> None:
        opened = False
        while True:
            try:
                if not opened:
                    await self._store.write(reopen)
                    opened = True
                busy = await self._round()
            except StorageDown:
                await self._clock.sleep(1.0)
                continue
            except _Behind:
                continue
            if not busy:
                await self._wake.wait(1.0)

    async def _round(self) -> bool:
        rows = await self._store.read(lambda r: r.raws("new", BATCH))
        pending: list[asyncio.Future[Effects]] = []
        for row in rows:
            facts = self._parse(row)
            alone = any(isinstance(f, Claim | Road) for f in facts)
            if alone:
                await self._collect(pending)
            pending.append(asyncio.ensure_future(self._apply(row, facts)))
            if alone:
                await self._collect(pending)
        await self._collect(pending)
        return bool(rows)

    async def _collect(self, pending: list[asyncio.Future[Effects]]) -> None:
        """Wait for the commits in order; then let the rest of the product look."""
        if not pending:
            return
        results = await asyncio.gather(*pending, return_exceptions=True)
        pending.clear()
        for result in results:
            if isinstance(result, BaseException):
                raise result  # the first of them is why those after it stood back
        for wake in self._applied:
            wake.ring()
        for effects in results:
            if isinstance(effects, Effects) and (effects.claimed or effects.roads_changed):
                await self._changed(effects)

    def _parse(self, row: RawRow) -> Sequence[Inbound] | str:
        """The facts, or the shape under which the body is put aside."""
        intake = self._intakes.get(row.raw.provider)
        if intake is None:
            return "gate_off"
        try:
            return list(intake.parse(row.raw))
        except Unreadable as error:
            return error.reason or "unknown"
        except Exception as error:
            self._log.error("body.broken", raw_id=row.raw.id, provider=row.raw.provider, error=type(error).__name__)
            return f"broken:{type(error).__name__}"

    async def _apply(self, row: RawRow, facts: Sequence[Inbound] | str) -> Effects:
        if isinstance(facts, str):
            await self._put_aside(row, facts)
            return Effects()
        error: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return await self._store.write(lambda u: self._apply_all(u, row, facts))
            except (StorageDown, _Behind):
                raise
            except Exception as problem:
                error = problem
        self._log.error("body.broken", raw_id=row.raw.id, provider=row.raw.provider, error=type(error).__name__)
        await self._put_aside(row, f"broken:{type(error).__name__}")
        return Effects()

    async def _put_aside(self, row: RawRow, shape: str) -> None:
        def aside(unit: Unit) -> None:
            _in_turn(unit, row)
            put_aside(unit, row, shape, self._rules.voice)

        await self._store.write(aside)

    def _apply_all(self, unit: Unit, row: RawRow, facts: Sequence[Inbound]) -> Effects:
        _in_turn(unit, row)
        effects = Effects()
        for fact in facts:
            apply(unit, fact, self._rules, effects)
        unit.set_raw(_id(row), "desk" if effects.for_desk else "done")
        return effects


def _in_turn(unit: Unit, row: RawRow) -> None:
    """Units run in the order of their bodies, but a group of them may fail whose successor does not."""
    if unit.first_raw("new") != _id(row):
        raise _Behind


def _id(row: RawRow) -> int:
    assert row.raw.id is not None
    return row.raw.id
