"""Fetching where there is no webhook: what was fetched is committed, then the cursor; a repeat between is ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from inbox.clock import Wake
from inbox.errors import InboxError, StorageDown
from inbox.gate import Polls, Raw
from inbox.log import Log
from inbox.store import Store

PAUSE = 30.0


class PollWorker:
    """put: as `Store.put`."""

    def __init__(
        self,
        name: str,
        gate: Polls,
        store: Store,
        put: Callable[[Sequence[Raw]], Awaitable[None]],
        fetched: Wake,
        log: Log,
    ) -> None:
        self._name = name
        self._gate = gate
        self._store = store
        self._put = put
        self._fetched = fetched
        self._log = log

    async def run(self) -> None:
        while True:
            try:
                await self._fetch()
            except StorageDown:
                await asyncio.sleep(1)
            except InboxError as error:
                self._log.error("poll.stopped", gate=self._name, error=error.stored())
                await asyncio.sleep(PAUSE)

    async def _fetch(self) -> None:
        cursor = await self._store.read(lambda r: r.cursor(self._name))
        async for after, raws in self._gate.fetch(cursor):
            await self._put(raws)
            await self._store.write(lambda u, after=after: u.set_cursor(self._name, after))  # type: ignore[misc]
            self._fetched.ring()
