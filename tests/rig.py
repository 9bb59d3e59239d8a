"""The real process's inside between strict fakes, in one event loop: what the end-to-end tests drive."""

from __future__ import annotations

import asyncio
import json
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import bot.deskwork  # noqa: F401 - imports aiogram, which takes seconds: no test has to wait for it
from bot.app import serve
from bot.config import load
from inbox.clock import SystemClock
from sandbox.meta import FakeGraph
from sandbox.telegram import FakeTelegram
from sandbox.world import Call, World

TOKEN = "7000000001:AAHexampleexampleexampleexampleexample"
BOT = 7000000001
OWNER = 1001
ANNA = 2001
BORIS = 2002
IGOR = "12025550143"
MARIA = "12025550144"
PHONE_ID = "200300400500600"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Rig:
    """Fakes that outlive the app: it may be stopped and started between them."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.world = World(seed=1)
        self.telegram = FakeTelegram(self.world, TOKEN, BOT)
        self.graph = FakeGraph(
            self.world,
            app_secret="app-secret",
            verify_token="verify-token",
            access_token="EAAexampletoken",
            phone_number_id=PHONE_ID,
            waba_id="100200300400500",
        )
        self.graph.auto_statuses = True
        self.data_dir = data_dir
        self.port = free_port()
        self.clock = SystemClock()
        self.extra = settings
        self._stop: asyncio.Event | None = None
        self._running: asyncio.Task[int] | None = None
        self._bases: tuple[str, str] = ("", "")

    async def open(self) -> None:
        self._bases = (await self.telegram.start(), await self.graph.start())
        self.telegram.add_user(OWNER, "Ольга")
        self.telegram.add_user(ANNA, "Анна", "Петрова", "anna_p")
        self.telegram.add_user(BORIS, "Борис")
        self.graph.add_phone(IGOR, "Игорь")
        self.graph.add_phone(MARIA, "Мария")
        self.graph.webhook_url = f"http://127.0.0.1:{self.port}/webhooks/whatsapp"
        self.telegram.starts(OWNER)

    async def close(self) -> None:
        await self.stop()
        await self.telegram.stop()
        await self.graph.stop()

    @property
    def environment(self) -> dict[str, str]:
        telegram, graph = self._bases
        return {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_BASE": telegram,
            "OWNER_ID": str(OWNER),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "GRAPH_API_BASE": graph,
            "WHATSAPP_PHONE_NUMBER_ID": PHONE_ID,
            "WHATSAPP_ACCESS_TOKEN": "EAAexampletoken",
            "META_APP_SECRET": "app-secret",
            "META_VERIFY_TOKEN": "verify-token",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            **self.extra,
        }

    async def start(self, *, rate: float | None = math.inf) -> None:
        self._stop = asyncio.Event()
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        config = load({k: v for k, v in self.environment.items() if v}, env_file=None)
        self._running = asyncio.create_task(
            serve(config, clock=self.clock, stop=self._stop, ready=listening.set_result, rate=rate)
        )
        await asyncio.wait((self._running, listening), return_when=asyncio.FIRST_COMPLETED)
        if self._running.done():
            raise RuntimeError(f"the app ended with {self._running.result()}")

    async def stop(self) -> None:
        if self._running is None or self._stop is None:
            return
        self._stop.set()
        running, self._running = self._running, None
        assert await running == 0

    # what is seen

    def desk(self) -> list[dict[str, Any]]:
        return [
            m for m in self.telegram.messages(OWNER) if "forum_topic_created" not in m and "pinned_message" not in m
        ]

    def said(self, part: str) -> list[dict[str, Any]]:
        """Messages of the bot on the desk that contain the words."""
        return [m for m in self.desk() if m["from"]["id"] == BOT and part in words(m)]

    def topic(self, name: str) -> int:
        """The thread of the topic whose name ends so."""
        found = [t for t in self.telegram.topics_of(OWNER) if t["name"].endswith(name) and not t["deleted"]]
        return int(found[-1]["message_thread_id"])

    def mark(self, message_id: int) -> str:
        message = next(m for m in self.telegram.messages(OWNER) if m["message_id"] == message_id)
        return "".join(r["emoji"] for r in message["_reactions"] if r["who"] == BOT)

    def export(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        for path in sorted((self.data_dir / "substance").glob("*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    def exported(self, kind: str) -> list[dict[str, Any]]:
        return [line["data"] for line in self.export() if line["data"]["type"] == kind]

    def sends(self) -> list[Call]:
        """What was sent to WhatsApp clients, read marks apart."""
        return [c for c in self.world.of("graph", "POST /messages") if c.request.get("type")]

    async def until(self, condition: Callable[[], bool], what: str = "", timeout: float = 15.0) -> None:
        await self.world.until(condition, timeout, what)

    async def known(self, phone: str = IGOR, name: str = "Игорь", text: str = "Здравствуйте") -> int:
        """A WhatsApp client who has written; returns the topic."""
        self.graph.writes(phone, text)
        await self.until(lambda: bool(self.said(text)), f"{name} on the desk")
        if self.environment["OWNER_ID"]:
            await self.until(lambda: bool(self.said("Это пульт")), "the answer to the owner's /start")
        return self.topic(name)


def words(message: dict[str, Any]) -> str:
    return str(message.get("text") or message.get("caption") or "")


@asynccontextmanager
async def rig(data_dir: Path, **settings: str) -> AsyncIterator[Rig]:
    made = Rig(data_dir, **settings)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
