"""How the desk's bot gets its updates: by webhook or by polling; what came before the start; whether they come here."""

from __future__ import annotations

import asyncio
import random

import structlog

from bot.catching_up import catch_up
from bot.figures import Hook
from bot.health import Start
from bot.parts import App
from inbox.errors import InboxError, Throttled
from inbox.polling import PollWorker

log = structlog.get_logger("bot")

LONGEST_PAUSE = 5.0  # seconds between two tries to set the webhook: nothing comes in before it is set
CONFLICT = "conflict"  # the reason where another program takes the updates


async def ask_for(app: App) -> None:
    """By webhook where the world can reach us, else by long polling."""
    if app.config.public_url is None:
        poll = PollWorker("telegram", app.telegram, app.store, app.put, app.wakes.intake, log)
        async with asyncio.TaskGroup() as group:
            group.create_task(poll.run(), name="poll")
            while not app.telegram.poller.asked:
                await app.clock.sleep(0.05)
            app.health.mark_started(Start.UPDATES)
        return
    failures = 0
    while not app.telegram.registered:
        try:
            await app.telegram.register(app.config.public_url)
        except InboxError as error:
            failures += 1
            log.warning("webhook.not_set", error=error.stored())
            asked = error.retry_after if isinstance(error, Throttled) else 0.0
            await app.clock.sleep(
                max(asked, min(LONGEST_PAUSE, 0.5 * 2 ** min(failures, 6))) * random.uniform(1.0, 1.2)
            )
    app.health.mark_started(Start.UPDATES)


async def catch_up_with(app: App) -> None:
    """Open the lanes to clients once what the owner did before the start is known."""
    gate = app.telegram
    asked = (lambda: gate.poller.asked) if app.config.public_url is None else (lambda: gate.registered)
    await catch_up(gate, asked, app.store, app.clock, app.caught_up, log)


def reception(app: App, gate: str) -> str | None:
    """Where Telegram's updates go, if not here."""
    if gate != app.telegram.provider:
        return None
    if app.config.public_url is None:
        trouble = app.telegram.poller.trouble
        return trouble if trouble is not None and CONFLICT in trouble else None
    return f"unreachable:{CONFLICT}:" if app.observer.hook is not None and app.observer.hook.elsewhere else None


async def of_webhook(app: App) -> Hook | None:
    """What Telegram says of our webhook; None before it is set. Raises InboxError."""
    if not app.telegram.registered:
        return None
    info = await app.telegram.webhook(app.config.public_url or "")
    return Hook(info.pending, info.error, info.error_at, info.elsewhere)
