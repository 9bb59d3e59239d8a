"""The program with one promise broken: what the checker of the kills must find.

Each is named for what it does; the test's child puts it in before it runs, the product itself has none of them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import bot.taking_up
import inbox.outbox
import storage.deliveries
import storage.store
from inbox import fate
from inbox.gate import Raw
from inbox.lanes import DESK
from inbox.model import Act, Delivery, DeliveryState, Event
from inbox.store import Unit
from inbox.substance import SinkWorker
from storage.inbox import put_values
from storage.store import SqlStore
from tests.kill.points import replace_in

LATER = 0.05  # seconds between the answer and the commit


def _acknowledge_first() -> None:
    put = SqlStore.put
    kept: set[asyncio.Task[None]] = set()

    async def early(self: SqlStore, raws: Sequence[Raw]) -> None:
        async def later() -> None:
            await asyncio.sleep(LATER)
            await put(self, raws)

        task = asyncio.get_running_loop().create_task(later())
        kept.add(task)
        task.add_done_callback(kept.discard)

    replace_in(SqlStore, "put", early)


def _no_key() -> None:
    def values(raw: Raw) -> tuple[str, str, bytes, int]:
        return put_values(replace(raw, key=f"{raw.key}:{secrets.token_hex(8)}"))

    replace_in(storage.store, "put_values", values)


def _again_by_itself() -> None:
    def orphaned(unit: Unit, rows: Sequence[Delivery], _: Any) -> None:
        for row in rows:
            unit.set_delivery(row.id, state=DeliveryState.WAITING, repeat=row.target == DESK, call=None)

    replace_in(bot.taking_up, "orphaned", orphaned)


def _no_claim() -> None:
    def claim(unit: Unit, rows: Sequence[Delivery]) -> bool:
        return all(unit.delivery(row.id).state is DeliveryState.WAITING for row in rows)

    replace_in(inbox.outbox, "claim", claim)


def _repeat_unmarked() -> None:
    def orphaned(unit: Unit, rows: Sequence[Delivery], voice: Any) -> None:
        fate.orphaned(unit, rows, voice)
        for row in rows:
            if row.target == DESK:
                unit.set_delivery(row.id, repeat=False)

    replace_in(bot.taking_up, "orphaned", orphaned)


def _cursor_first() -> None:
    hand_over = SinkWorker._hand_over

    async def early(self: SinkWorker, events: Sequence[Event]) -> tuple[int, Exception | None]:
        if not self._sink.remembers:
            await self._save(last_event_id=events[-1].id)
        return await hand_over(self, events)

    replace_in(SinkWorker, "_hand_over", early)


def _newest_first() -> None:
    oldest = "select min(d.id) from deliveries d where d.target = ?1 and d.lane = lanes.lane"
    assert oldest in storage.deliveries.HEADS
    replace_in(storage.deliveries, "HEADS", storage.deliveries.HEADS.replace(oldest, oldest.replace("min", "max")))


def _dropped_at_start() -> None:
    def orphaned(unit: Unit, rows: Sequence[Delivery], voice: Any) -> None:
        for row in rows:
            if row.target != DESK and row.act is Act.SEND:
                unit.set_delivery(row.id, state=DeliveryState.DROPPED)
        fate.orphaned(unit, [row for row in rows if row.target == DESK], voice)

    replace_in(bot.taking_up, "orphaned", orphaned)


DEFECTS: Mapping[str, Callable[[], None]] = {
    "acknowledged before the commit": _acknowledge_first,
    "no unique key on the inbox": _no_key,
    "an answer in doubt is sent again by itself": _again_by_itself,
    "an answer leaves before it is claimed": _no_claim,
    "an answer in doubt is dropped": _dropped_at_start,
    "a repeat on the desk is not marked": _repeat_unmarked,
    "the export's cursor moves before the call": _cursor_first,
    "the newest of a lane goes first": _newest_first,
}
