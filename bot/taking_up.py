"""At the start: what was under way at the last end is in doubt, or is shown again."""

from __future__ import annotations

from inbox.clock import Clock
from inbox.errors import StorageDown
from inbox.fate import orphaned
from inbox.log import Log
from inbox.model import Delivery, DeliveryState
from inbox.store import Store
from inbox.voice import Voice

AGAIN = 1.0  # seconds until a disk that does not take it is asked again


async def take_up(store: Store, voice: Voice, clock: Clock, log: Log) -> None:
    """All in one commit; where a row breaks that, each by itself, as one must not keep the program from starting."""
    while True:
        try:
            await _take_up(store, voice, log)
            return
        except StorageDown as error:
            if error.reason == "closed":
                raise
            log.warning("orphans.later", error=error.stored())
            await clock.sleep(AGAIN)


async def _take_up(store: Store, voice: Voice, log: Log) -> None:
    try:
        await store.write(lambda u: orphaned(u, u.orphans(), voice))
    except StorageDown:
        raise
    except Exception:
        for row in await store.write(lambda u: u.orphans()):
            await _one(store, row, voice, log)


async def _one(store: Store, row: Delivery, voice: Voice, log: Log) -> None:
    try:
        await store.write(lambda u: orphaned(u, [row], voice))
    except StorageDown:
        raise
    except Exception as error:  # what it is about is broken as well: that it is in doubt is all that can be said
        log.error("orphan.broken", row=row.id, error=type(error).__name__)
        stored = f"broken:{type(error).__name__}:"
        await store.write(lambda u: u.set_delivery(row.id, state=DeliveryState.UNCERTAIN, error=stored))
