"""getUpdates, for a place without a public address. The offset moves only with the commit of what was fetched."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import structlog

from gates.telegram.names import TELEGRAM
from gates.telegram.parse import UPDATE_KINDS, update_key
from gates.telegram.shape import integer
from gates.telegram.wire import Wire
from inbox.clock import Clock
from inbox.errors import InboxError, Throttled, Unreachable
from inbox.gate import Raw

LONG_POLL = 50
"""Seconds; the most that Telegram allows."""

BATCH = 100
_LONGEST_PAUSE = 30.0

_log = structlog.get_logger("gates.telegram.polling")


class Poller:
    """`asked`: whether updates were asked for at least once. `trouble`: the last failure as InboxError.stored().
    `answered_at`: when updates, or none, were last given.
    """

    def __init__(self, wire: Wire, clock: Clock, *, long_poll: int = LONG_POLL, first_pause: float = 1.0) -> None:
        self._wire = wire
        self._clock = clock
        self._long_poll = long_poll
        self._first_pause = first_pause
        self._failures = 0
        self.asked = False
        self.trouble: str | None = None
        self.answered_at: datetime | None = None

    async def fetch(self, cursor: str | None) -> AsyncIterator[tuple[str, list[Raw]]]:
        """Yield (next offset, updates) for ever; an offset is confirmed to Telegram by the request after it.

        Raises Locked, Refused: what waiting does not cure. A second poller or a webhook set elsewhere (409) is
        logged, kept in `trouble`, and waited out.
        """
        offset = int(cursor) if cursor else None
        unhooked = False
        while True:
            try:
                if not unhooked:
                    await self._unhook()
                    unhooked = True
                updates = await self._updates(offset)
            except (Unreachable, Throttled) as error:
                unhooked = unhooked and error.reason != "conflict"
                await self._pause(error)
                continue
            self._failures, self.trouble = 0, None
            if not updates:
                continue
            ids = [number for update in updates if (number := integer(update, "update_id")) is not None]
            if not ids:
                await self._pause(Unreachable("answer"))
                continue
            offset = max(ids) + 1
            yield str(offset), [self._raw(update) for update in updates]

    async def _unhook(self) -> None:
        """Polling and a webhook exclude each other. What waits for us stays."""
        info = await self._wire.call("getWebhookInfo", {})
        if isinstance(info, dict) and info.get("url"):
            await self._wire.call("deleteWebhook", {"drop_pending_updates": False})

    async def _updates(self, offset: int | None) -> list[dict[str, Any]]:
        parameters: dict[str, Any] = {
            "limit": BATCH,
            "timeout": self._long_poll,
            "allowed_updates": list(UPDATE_KINDS),
        }
        if offset is not None:
            parameters["offset"] = offset
        self.asked = True
        result = await self._wire.call("getUpdates", parameters, timeout=self._long_poll + 15)
        if not isinstance(result, list):
            raise Unreachable("answer")
        self.answered_at = self._clock.now()
        return [update for update in result if isinstance(update, dict)]

    def _raw(self, update: dict[str, Any]) -> Raw:
        body = json.dumps(update, separators=(",", ":")).encode()
        return Raw(TELEGRAM, update_key(body), body, self._clock.now())

    async def _pause(self, error: InboxError) -> None:
        self._failures += 1
        self.trouble = error.stored()
        pause = min(self._first_pause * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
        if isinstance(error, Throttled):
            pause = max(pause, error.retry_after)
        pause *= random.uniform(0.75, 1.25)
        _log.warning("polling failed", error=error.stored(), pause=round(pause, 1))
        await asyncio.sleep(pause)
