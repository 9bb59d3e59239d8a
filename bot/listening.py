"""The port: the gates' webhooks, what the program says of itself, and how many peers may be connected."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bot import health
from bot.crowd import Crowd
from bot.parts import App
from gates import catalog
from gates import web as gate_web

CLOSING = 0.5  # seconds at the end for the answers that are under way


async def listen(app: App, routes: Sequence[web.AbstractRouteDef]) -> web.AppRunner:
    """Open the port. routes: further pages on it."""
    site, crowd = web.Application(), Crowd()
    crowd.watch(site)
    token = app.config.metrics_token

    webhooks = gate_web.Webhooks(
        dict(app.gates), app.put, app.clock, app.wakes.intake.ring, app.metrics, catalog.WEBHOOKS
    )
    site.add_routes(webhooks.routes())
    site.add_routes(health.routes(app.health, app.metrics, token.get_secret_value() if token else None))
    site.add_routes(routes)
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=CLOSING, **gate_web.SERVER_OPTIONS)
    await runner.setup()
    webhooks.put_before(runner)
    if runner.server is not None:
        crowd.surround(runner.server)
    await web.TCPSite(runner, app.config.host, app.config.port, backlog=1024).start()
    return runner
