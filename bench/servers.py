"""The receivers that are measured, each a process of its own: `python -m bench.servers VARIANT`.

bare     reads the body and answers 200
floor    appends the body to a file and answers after an fdatasync that its group shares: the least that durable costs
ingest   the product's own route, the gate's check and key, and the product's storage with its full schema
slow     the same on a disk that takes 5 ms longer for each commit

One JSON object is printed when the port is open. `{"backup": PATH}` on standard input makes a copy beside the load, as
the product does it, in a child process that has the same core; its time is printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from bench.bodies import ACCESS_TOKEN, APP_SECRET, PHONE_ID, VERIFY_TOKEN
from bot.health import Metrics
from gates import web as gate_web
from gates.catalog import WEBHOOKS
from gates.http import open_http
from gates.whatsapp.gate import WhatsAppGate
from gates.whatsapp.settings import WhatsAppSettings
from inbox.clock import SystemClock, Wake
from storage import writer
from storage.blobs import FileBlobs
from storage.gently import copy_gently
from storage.store import open_store

SLOW_COMMIT = 0.005
VARIANTS = ("bare", "floor", "ingest", "slow")


@dataclass(frozen=True, slots=True)
class Site:
    """set_up: what is done to the runner before its port opens."""

    routes: Sequence[web.AbstractRouteDef]
    set_up: Callable[[web.AppRunner], None] | None = None


@asynccontextmanager
async def bare(_: Path) -> AsyncIterator[Site]:
    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="ok")

    yield Site([web.post("/webhooks/whatsapp", handle)])


@asynccontextmanager
async def floor(folder: Path) -> AsyncIterator[Site]:
    with (folder / "floor.log").open("ab", buffering=0) as file:
        groups = Groups(file.fileno())
        writing = asyncio.create_task(groups.run())

        async def handle(request: web.Request) -> web.Response:
            await groups.add(await request.read())
            return web.Response(text="ok")

        try:
            yield Site([web.post("/webhooks/whatsapp", handle)])
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


class Groups:
    """What came while the last group was written is the next group."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._bell = asyncio.Event()
        self._bodies: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, body: bytes) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bodies.append(body)
        self._waiting.append(done)
        self._bell.set()
        return done

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._bell.wait()
            self._bell.clear()
            bodies, waiting = self._bodies, self._waiting
            self._bodies, self._waiting = [], []
            await loop.run_in_executor(None, self._write, bodies)
            for done in waiting:
                if not done.done():
                    done.set_result(None)

    def _write(self, bodies: list[bytes]) -> None:
        os.write(self._file, b"".join(bodies))
        os.fdatasync(self._file)


@asynccontextmanager
async def ingest(folder: Path) -> AsyncIterator[Site]:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(folder, clock))
        http = await stack.enter_async_context(open_http())
        gate = WhatsAppGate(gate_settings(), http, FileBlobs(folder), clock)
        intakes = {"whatsapp": gate}
        webhooks = gate_web.Webhooks(intakes, store.put, clock, Wake().ring, Metrics("bench"), WEBHOOKS)
        yield Site(webhooks.routes(), webhooks.put_before)


@asynccontextmanager
async def slow(folder: Path) -> AsyncIterator[Site]:
    """The wait lies in the writer's own thread, where a slow disk's would."""
    commit = writer.commit

    def slowly(connection: sqlite3.Connection, **group: Any) -> Any:
        time.sleep(SLOW_COMMIT)
        return commit(connection, **group)

    writer.commit = slowly
    async with ingest(folder) as site:
        yield site


def gate_settings() -> WhatsAppSettings:
    return WhatsAppSettings(
        phone_number_id=PHONE_ID,
        access_token=SecretStr(ACCESS_TOKEN),
        app_secret=SecretStr(APP_SECRET),
        verify_token=SecretStr(VERIFY_TOKEN),
    )


BUILDERS: dict[str, Callable[[Path], Any]] = {"bare": bare, "floor": floor, "ingest": ingest, "slow": slow}


async def serve(variant: str, folder: Path) -> None:
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    async with BUILDERS[variant](folder) as site:
        application = web.Application()
        application.add_routes(site.routes)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5, **gate_web.SERVER_OPTIONS)
        await runner.setup()
        if site.set_up is not None:
            site.set_up(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        say({"port": runner.addresses[0][1]})
        obeying = asyncio.create_task(obey(folder))
        await ending.wait()
        obeying.cancel()
        await asyncio.gather(obeying, return_exceptions=True)
        await runner.cleanup()


async def obey(folder: Path) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        target = Path(json.loads(line)["backup"])
        started = time.perf_counter()
        await copy_gently(folder, target, datetime.now(UTC))
        say({"seconds": time.perf_counter() - started, "bytes": size_of(target)})


def size_of(file: Path) -> int:
    return file.stat().st_size


def say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path.cwd()))
