"""Feeds the owner's updates to aiogram, one after the other, out of the same durable intake as everything else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiogram import Bot, Dispatcher

from bot.console import Console
from bot.handlers import reactions, strangers, taps, team, writing
from bot.owner import owner_message
from inbox.clock import Wake
from inbox.errors import StorageDown
from inbox.log import Log
from inbox.quarantine import put_aside
from inbox.store import RawRow, Store
from inbox.voice import Voice

ATTEMPTS = 3


def make_dispatcher() -> Dispatcher:
    """The hot router first: what the owner writes in a topic."""
    dispatcher = Dispatcher()
    dispatcher.include_routers(writing.router(), taps.router(), reactions.router())
    return dispatcher


class DeskWorker:
    """One update at a time, so that what she writes keeps its order; its effects are keyed, so a repeat is harmless."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, bot: Bot, console: Console, voice: Voice, wake: Wake, log: Log
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._bot = bot
        self._console = console
        self._voice = voice
        self._wake = wake
        self._log = log

    async def run(self) -> None:
        while True:
            try:
                rows = await self._store.read(lambda r: r.raws("desk", 20))
                for row in rows:
                    await self._handle(row)
            except StorageDown:
                await asyncio.sleep(1)
                continue
            if not rows:
                await self._wake.wait(1.0)

    async def _handle(self, row: RawRow) -> None:
        raw_id = row.raw.id
        assert raw_id is not None
        error: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                await self._feed(row)
                await self._store.write(lambda u: u.set_raw(raw_id, "done"))
                return
            except StorageDown:
                raise
            except Exception as problem:
                error = problem
        shape = f"broken:{type(error).__name__}"
        self._log.error("desk.update_broken", raw_id=raw_id, error=shape)
        await self._store.write(lambda u: put_aside(u, row, shape, self._voice))

    async def _feed(self, row: RawRow) -> None:
        update: dict[str, Any] = json.loads(row.raw.body)
        gone = team.departed(update, self._console.place.forum_id)
        if gone is not None:
            await team.dismiss(gone, self._console)
            return
        if not strangers.may_act(update, self._console.serves):
            found = strangers.stranger(update, self._console.place.forum_id)
            if found is not None:
                await self._console.write(lambda u: strangers.tell_of(u, found, self._console))
            return
        extra: dict[str, Any] = {"console": self._console, "update_key": row.raw.key}
        wrote = owner_message(row.raw)
        if wrote is not None:
            extra["wrote"] = wrote
        await self._dispatcher.feed_raw_update(self._bot, update, **extra)
