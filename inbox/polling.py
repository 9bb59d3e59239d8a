"""Fetching where there is no webhook: what was fetched and the cursor are committed together, then it counts."""

from __future__ import annotations

import asyncio

from inbox.clock import Wake
from inbox.errors import InboxError, StorageDown
from inbox.gate import Polls, Raw
from inbox.log import Log
from inbox.store import Store, Unit

PAUSE = 30.0


class PollWorker:
    def __init__(self, name: str, gate: Polls, store: Store, fetched: Wake, log: Log) -> None:
        self._name = name
        self._gate = gate
        self._store = store
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
            await self._store.write(lambda u, raws=raws, after=after: _keep(u, self._name, raws, after))  # type: ignore[misc]
            self._fetched.ring()


def _keep(unit: Unit, name: str, raws: list[Raw], cursor: str) -> None:
    for raw in raws:
        unit.add_raw(raw)
    unit.set_cursor(name, cursor)
