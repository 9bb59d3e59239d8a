"""The whole product between strict fakes: the fakes live in the process of the load, the product in a child.

Every call that a fake takes is stamped when it is answered, so the fake's own time counts against the product.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.bodies import (
    ACCESS_TOKEN,
    APP_SECRET,
    BUSINESS_PHONE,
    PHONE_ID,
    TAG,
    VERIFY_TOKEN,
    WABA_ID,
    Bodies,
    Client,
    people,
)
from bench.child import Child, child
from bench.history import OWNER
from bench.load import Load, saturate
from bench.phrases import GREETING, OWNER_NAME
from sandbox.meta import FakeGraph
from sandbox.telegram import FakeTelegram
from sandbox.world import Call, World

TOKEN = "7000000001:AAHexampleexampleexampleexampleexample"  # noqa: S105 the fake's
BOT = 7000000001
READY_SECONDS = 60.0


@dataclass
class StampedWorld(World):
    """arrived: perf_counter of the first call to each provider that carried the message of that number."""

    arrived: dict[str, dict[int, float]] = field(default_factory=lambda: {"telegram": {}, "graph": {}})
    methods: dict[str, int] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)  # perf_counter of a method's first call

    def record(
        self, provider: str, method: str, request: Mapping[str, Any], status: int, answer: Any, fault: str = ""
    ) -> Call:
        now = time.perf_counter()
        if status == 200:
            seen = self.arrived[provider]
            for number in TAG.findall(_words(request)):
                seen.setdefault(int(number), now)
        self.methods[method] = self.methods.get(method, 0) + 1
        self.first.setdefault(method, now)
        return super().record(provider, method, request, status, answer, fault)


def _words(request: Mapping[str, Any]) -> str:
    text = request.get("text") or request.get("caption") or ""
    if isinstance(text, Mapping):
        text = text.get("body", "")
    return f"{text} {request.get('media', '')}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stage:
    def __init__(self, folder: Path, clients: Sequence[Client], extra: Mapping[str, str]) -> None:
        self.world = StampedWorld(seed=1)
        self.telegram = FakeTelegram(self.world, TOKEN, BOT)
        self.graph = FakeGraph(
            self.world,
            app_secret=APP_SECRET,
            verify_token=VERIFY_TOKEN,
            access_token=ACCESS_TOKEN,
            phone_number_id=PHONE_ID,
            waba_id=WABA_ID,
            display_phone=BUSINESS_PHONE,
        )
        self.folder = folder
        self.clients = list(clients)
        self.port = free_port()
        self.bodies = Bodies()
        self._extra = extra
        self._numbers = 0

    async def open(self) -> None:
        self.environment = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_BASE": await self.telegram.start(),
            "OWNER_ID": str(OWNER),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "GRAPH_API_BASE": await self.graph.start(),
            "WHATSAPP_PHONE_NUMBER_ID": PHONE_ID,
            "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": VERIFY_TOKEN,
            "PORT": str(self.port),
            "DATA_DIR": str(self.folder / "data"),
            **self._extra,
        }
        self.telegram.add_user(OWNER, OWNER_NAME)
        self.telegram.starts(OWNER)
        for client in self.clients:
            self.graph.add_phone(client.number, client.name)
        self.graph.webhook_url = f"http://127.0.0.1:{self.port}/webhooks/whatsapp"

    async def close(self) -> None:
        await self.telegram.stop()
        await self.graph.stop()

    @asynccontextmanager
    async def app(self, *, at_once: bool, core: int | None = 0) -> AsyncIterator[Child]:
        """The product, ready. at_once: without Telegram's pace."""
        arguments = ["-m", "bench.app", *(["open"] if at_once else [])]
        async with child(arguments, self.folder, self.environment, core=core) as process:
            await process.says()
            await self.ready()
            yield process

    async def ready(self) -> None:
        async with aiohttp.ClientSession() as http, asyncio.timeout(READY_SECONDS):
            while True:
                async with http.get(f"http://127.0.0.1:{self.port}/readyz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.1)

    def numbers(self, count: int) -> range:
        """Numbers of messages that were not used yet."""
        start, self._numbers = self._numbers, self._numbers + count
        return range(start, start + count)

    def requests(self, numbers: range) -> list[bytes]:
        return self.bodies.requests(self.clients, numbers.start, len(numbers), size=0)

    async def until(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        await self.world.until(condition, timeout, what)

    async def shown(self, numbers: Iterable[int], timeout: float = 60.0) -> None:
        """Until all of these messages are on the desk."""
        wanted = set(numbers)
        seen = self.world.arrived["telegram"]

        def all_there() -> bool:
            wanted.difference_update([n for n in wanted if n in seen])
            return not wanted

        await self.until(all_there, f"{len(wanted)} messages on the desk", timeout)

    async def pump(self, count: int, timeout: float = 120.0) -> tuple[range, float, Load]:
        """Send so many as fast as they are taken and wait until they are shown: numbers, start, the load."""
        numbers = self.numbers(count)
        requests = self.requests(numbers)
        started = time.perf_counter()
        load = await saturate(self.port, iter(requests), timeout, connections=8)
        if load.failures:
            raise RuntimeError(f"{load.failures} webhooks were refused")
        await self.shown(numbers, timeout)
        return numbers, started, load

    async def acquaint(self) -> None:
        """Every client has written once and has a topic with a card."""
        for client in self.clients:
            self.graph.writes(client.number, f"#n{self.numbers(1).start}# {GREETING}")
        await self.shown(range(self._numbers))

    def threads(self) -> dict[str, int]:
        """The topic's thread of each client, by name."""
        topics = self.telegram.topics_of(OWNER)
        return {c.name: int(t["message_thread_id"]) for c in self.clients for t in topics if t["name"].endswith(c.name)}


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


@asynccontextmanager
async def stage(folder: Path, count: int, **extra: str) -> AsyncIterator[Stage]:
    """Fakes with so many clients; the folder is emptied first."""
    _empty(folder)
    made = Stage(folder, people(count), extra)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
