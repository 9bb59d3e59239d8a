"""From the start, or from a claim, to a desk that stands: its place is told to the gate, its back-end is chosen."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import structlog

from bot.health import DESK, Start
from bot.parts import App
from bot.place import find_place, tell_gate
from bot.say import BEFORE_THE_ROAD
from inbox.errors import StorageDown
from inbox.quarantine import OTHER, reopen

if TYPE_CHECKING:
    from bot.deskwork import DeskWork

log = structlog.get_logger("bot")

RETRY = 5.0  # seconds
PROBE_EVERY = 3600.0


async def follow_place(app: App, desk: DeskWork, changed: asyncio.Event) -> None:
    """Choose the desk's back-end at the start and look at it again hourly; obey a claim or a changed connection."""
    _announce_claim(app.place.claim_code)
    known = False
    while True:
        known = await desk.settle() or known
        if known:
            app.health.set(DESK, "ok", app.place.note)
            app.health.mark_started(Start.BOT)
            app.health.mark_started(Start.BACKEND)
        try:
            async with asyncio.timeout(PROBE_EVERY if known else RETRY):
                await changed.wait()
        except TimeoutError:
            continue
        changed.clear()
        if app.place.owner_id is not None and not desk.is_claimed:
            known = await desk.settle()
            await _welcome(desk)


async def _welcome(desk: DeskWork) -> None:
    try:
        await desk.welcome()
    except StorageDown as error:
        log.warning("desk.welcome_lost", error=error.stored())


async def learn(app: App) -> None:
    """The gate must know of a claim or a connection before the next body is parsed; what waited for it is read anew."""
    place = await find_place(app.store, app.config)
    app.place.owner_id = place.owner_id
    app.place.claim_code = None if place.owner_id else app.place.claim_code
    await tell_gate(app.telegram, app.place, app.store)
    await app.store.write(lambda u: reopen(u, BEFORE_THE_ROAD | {OTHER}))
    app.wakes.intake.ring()


def _announce_claim(code: str | None) -> None:
    """To standard output, not to the log: whoever reads it owns the desk."""
    if code is None:
        return
    sys.stdout.write(f"To claim the desk send the bot: /start {code}\n")
    sys.stdout.flush()
