"""How many peers may be connected at once: silent ones must not take the files that the disk and the networks need.

Whoever waits longest without a request is cut first, so that a crowd which only sits there makes room for those who
have something to say. The look is repeated ten times a second; what comes in between is what `make_room` allows for.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

CONNECTIONS = 512
FILES = 4096
EVERY = 0.1  # seconds


class Crowd:
    """Counts who is being answered; watches while the application runs, once it knows the server."""

    def __init__(self, limit: int = CONNECTIONS) -> None:
        self._limit = limit
        self._busy: set[web.RequestHandler] = set()
        self.server: web.Server | None = None

    def watch(self, app: web.Application) -> None:
        app.cleanup_ctx.append(self._run)

    def surround(self, server: web.Server) -> None:
        """Last of all that stands in front of the site: what skips it is being answered too."""
        self.server = server
        handler = server.request_handler

        async def count(request: web.BaseRequest) -> web.StreamResponse:
            peer = request.protocol
            self._busy.add(peer)
            try:
                return await handler(request)
            finally:
                self._busy.discard(peer)

        server.request_handler = count

    def trim(self) -> None:
        """Close what is too much: first who waits longest for nothing, then whose request takes longest."""
        peers = self.server.connections if self.server is not None else []
        excess = len(peers) - self._limit
        if excess <= 0:
            return
        for peer in sorted(peers, key=lambda p: p in self._busy)[:excess]:
            peer.force_close()

    async def _run(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._look(), name="crowd")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.trim()


def make_room() -> None:
    """Let this process open more files than the usual 1024, where the system allows it (a strict unit does not)."""
    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
