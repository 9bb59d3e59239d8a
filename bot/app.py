"""Runs the program: the order of its start, and its end.

Settings, storage, port and intake come first, in a fraction of a second, so that webhooks are taken and committed at
once; then aiogram is imported in a thread, and the desk and all that sends start.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from bot.build import build
from bot.config import Config
from bot.crowd import make_room
from bot.health import WORKERS
from bot.listening import listen
from bot.parts import App
from bot.workers import run_workers
from inbox.clock import SystemClock

log = structlog.get_logger("bot")

SETTLE = 2.0  # seconds in which what is under way at the end may settle; with the rest of the end well below 5


async def serve(
    config: Config,
    *,
    clock: SystemClock | None = None,
    routes: Sequence[web.AbstractRouteDef] = (),
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
    rate: float | None = None,
    loaded: Callable[[], None] | None = None,
) -> int:
    """Run until `stop` is set or SIGTERM comes; returns the exit code.

    routes: further pages on the same port. ready(port): the port is open. rate: messages a second to the desk instead
    of Telegram's own pace; inf opens it. loaded: aiogram is imported, and with it everything.
    """
    ending = stop or asyncio.Event()
    make_room()
    async with build(config, clock or SystemClock(), rate) as app:
        if stop is None:  # a stop before this one settles nothing, so it is the command's
            for name in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(name, ending.set)
        app.loaded = loaded
        runner = await listen(app, routes)
        try:
            if ready is not None:
                ready(runner.addresses[0][1])
            return await _run(app, ending)
        finally:
            app.health.stop()
            await runner.cleanup()


async def _run(app: App, ending: asyncio.Event) -> int:
    """All workers in one group; the end of one of them is the end of the process, which is safe: all is in rows."""
    running = asyncio.create_task(run_workers(app), name="workers")
    waiting = asyncio.create_task(ending.wait(), name="stop")
    try:
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            app.health.set(WORKERS, "down", "ended")
            log.error("workers.ended", error=repr(running.exception()))
            return 1
        log.info("stopping")
        app.health.stop()
        await _settle(app)
        return 0
    finally:
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


async def _settle(app: App) -> None:
    for outbox in app.outboxes:
        outbox.close()
    until = app.clock.monotonic() + SETTLE
    while any(o.busy for o in app.outboxes) and app.clock.monotonic() < until:
        await app.clock.sleep(0.05)
