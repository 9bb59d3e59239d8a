"""After a start the lanes to clients wait for what the owner did meanwhile: an edit or a `/del` of what waits there.

Telegram keeps her updates and says how many they are. A Telegram that does not answer holds nothing up, and neither
does one that keeps its updates for longer than a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from inbox.clock import Clock
from inbox.errors import InboxError, StorageDown, Throttled
from inbox.log import Log
from inbox.store import Store

LIMIT = 5.0  # seconds; after an outage Telegram may take a minute to come back by itself
LOOK = 0.1


class Keeper(Protocol):
    async def pending(self) -> int:
        """How many updates it still keeps for us. Raises InboxError."""
        ...


async def catch_up(
    keeper: Keeper, asked: Callable[[], bool], store: Store, clock: Clock, opened: asyncio.Event, log: Log
) -> None:
    """Set `opened` once nothing is kept and all that came is applied. asked: updates are asked for."""
    try:
        async with asyncio.timeout(LIMIT):
            while (pause := await _pause(keeper, asked, store)) > 0:
                await clock.sleep(pause)
    except (InboxError, TimeoutError) as error:
        log.info("lanes.opened_early", error=error.stored() if isinstance(error, InboxError) else "timeout")
    opened.set()


async def _pause(keeper: Keeper, asked: Callable[[], bool], store: Store) -> float:
    """Seconds until the next look; 0: all is known. Who asks us to wait is there, and so is what she did."""
    try:
        return LOOK if await keeper.pending() or not asked() or await _unread(store) else 0.0
    except Throttled as error:
        return max(error.retry_after, LOOK)
    except StorageDown:
        return LOOK


async def _unread(store: Store) -> int:
    return await store.read(lambda r: r.count_raws("new") + r.count_raws("desk"))
