"""The real program as an operator starts it, between fake providers: what the tests of the contract drive.

Nothing of the program's inside is used here: its environment, its port, its files, its output, its exit code.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import os
import random
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from sandbox.meta import FakeGraph
from sandbox.telegram import FakeTelegram
from sandbox.world import World

ROOT = Path(__file__).parents[2]
TOKEN = "7000000001:AAHcontractcontractcontractcontract"
BOT = 7000000001
OWNER = 1001
ANNA = 2001
BORIS = 2002
STRANGER = 2003
IGOR = "12025550143"
MARIA = "12025550144"
PHONE_ID = "200300400500600"
ACCESS = "EAAcontractaccesstoken"
APP_SECRET = "contract-app-secret"
VERIFY = "contract-verify-token"
HOOK_SECRET = "contract-hook-secret_1"
METRICS = "contract-metrics-token"
SUBSTANCE = "whsec_Y29udHJhY3Qtc3Vic3RhbmNlLWtleQ=="
SECRET_KEY = "contract-secret-key"
SECRETS = (TOKEN, TOKEN.partition(":")[2], ACCESS, APP_SECRET, VERIFY, HOOK_SECRET, METRICS, SUBSTANCE, SECRET_KEY)

START_SECONDS = 60.0


def free_port() -> int:
    """Below the range from which the system itself gives ports away: between two starts it stays free."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ran to its end."""

    code: int
    out: str
    err: str
    seconds: float


async def command(cwd: Path, environment: Mapping[str, str], *arguments: str) -> Ended:
    async with child(cwd, environment, *arguments) as started:
        return await started.ended()


@asynccontextmanager
async def child(cwd: Path, environment: Mapping[str, str], *arguments: str) -> AsyncIterator[Child]:
    """The program with these variables and no others, in a folder without a .env; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=cwd,
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(cwd), "PYTHONPATH": str(ROOT), **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    started = Child(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await started.ended()


class Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._begun = time.monotonic()
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self._out)),
            asyncio.create_task(self._read(process.stderr, self._err)),
        ]

    @property
    def out(self) -> str:
        return b"".join(self._out).decode()

    @property
    def err(self) -> str:
        return b"".join(self._err).decode()

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> Ended:
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        return Ended(code, self.out, self.err, time.monotonic() - self._begun)

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """The exit code, and the seconds from the signal to the end."""
        asked = time.monotonic()
        self._process.send_signal(number)
        ended = await self.ended()
        return ended.code, time.monotonic() - asked

    @staticmethod
    async def _read(stream: asyncio.StreamReader, into: list[bytes]) -> None:
        while piece := await stream.read(65536):
            into.append(piece)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Post:
    """One call of the export. at: monotonic seconds."""

    at: float
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def id(self) -> int:
        return int(self.event["data"]["id"])


class Receiver:
    """Somebody's end of the export. status: what it answers; 0 closes the connection without an answer."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.status = 200
        self.address = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/events", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}/events"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.posts.append(Post(time.monotonic(), dict(request.headers), body, self.status))
        if self.status == 0 and request.transport is not None:
            request.transport.abort()
            return web.Response()
        return web.Response(status=self.status)

    @property
    def taken(self) -> list[Post]:
        return [post for post in self.posts if 200 <= post.status < 300]


@dataclass
class Place:
    """Fakes, a data folder and a port; the program may be started on it as often as a test likes."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    world: World = field(default_factory=lambda: World(seed=1))
    receiver: Receiver = field(default_factory=Receiver)
    port: int = field(default_factory=free_port)
    seen: list[str] = field(default_factory=list)  # all that the program has ever printed or answered

    def __post_init__(self) -> None:
        self.telegram = FakeTelegram(self.world, TOKEN, BOT)
        self.graph = FakeGraph(
            self.world,
            app_secret=APP_SECRET,
            verify_token=VERIFY,
            access_token=ACCESS,
            phone_number_id=PHONE_ID,
            waba_id="100200300400500",
        )
        self._http: aiohttp.ClientSession | None = None
        self.child: Child | None = None

    async def __aenter__(self) -> Self:
        await self.telegram.start()
        await self.graph.start()
        await self.receiver.start()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        for user, name in ((OWNER, "Ольга"), (ANNA, "Анна"), (BORIS, "Борис"), (STRANGER, "Чужой")):
            self.telegram.add_user(user, name)
            self.telegram.chats.private(user).started = True
        self.graph.add_phone(IGOR, "Игорь")
        self.graph.add_phone(MARIA, "Мария")
        self.graph.webhook_url = f"{self.address}/webhooks/whatsapp"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()
        await self.telegram.stop()
        await self.graph.stop()
        await self.receiver.stop()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        basis = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_BASE": self.telegram.base,
            "TELEGRAM_WEBHOOK_SECRET": HOOK_SECRET,
            "OWNER_ID": str(OWNER),
            "PUBLIC_URL": self.address,
            "GRAPH_API_BASE": self.graph.base,
            "WHATSAPP_PHONE_NUMBER_ID": PHONE_ID,
            "WHATSAPP_ACCESS_TOKEN": ACCESS,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": VERIFY,
            "SUBSTANCE_WEBHOOK_URL": self.receiver.address,
            "SUBSTANCE_WEBHOOK_SECRET": SUBSTANCE,
            "SECRET_KEY": SECRET_KEY,
            "PORT": str(self.port),
            "DATA_DIR": str(self.data),
        }
        return {name: value for name, value in {**basis, **self.settings}.items() if value}

    # the program

    @asynccontextmanager
    async def running(self, **settings: str) -> AsyncIterator[Child]:
        """Started, and answering on its port; ready it may not be yet. Ends by SIGTERM, with 0, in time, in silence."""
        environment = {name: value for name, value in {**self.environment, **settings}.items() if value}
        async with child(self.folder, environment) as started:
            self.child = started
            await self.until_async(self._alive, "the port is open")
            yield started
            if started.running:
                code, seconds = await started.stop()
                assert (code, seconds < 5.0) == (0, True), (code, seconds, started.err[-2000:])
        self.seen += [started.out, started.err]
        assert "Traceback" not in started.err, started.err
        assert "never retrieved" not in started.err, started.err

    async def command(self, *arguments: str, **settings: str) -> Ended:
        ended = await command(self.folder, {**self.environment, **settings}, *arguments)
        self.seen += [ended.out, ended.err]
        return ended

    async def _alive(self) -> bool:
        assert self.child is not None and self.child.running, self.child and self.child.err
        try:
            return (await self.get("/healthz")).status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def ready(self, within: float = START_SECONDS) -> None:
        await self.until_async(self._is_ready, "ready", within)

    async def _is_ready(self) -> bool:
        return (await self.get("/readyz")).status == 200

    # its port

    async def call(self, method: str, path: str, **request: Any) -> Answer:
        assert self._http is not None
        async with self._http.request(method, f"{self.address}{path}", allow_redirects=False, **request) as answer:
            found = Answer(answer.status, dict(answer.headers), await answer.text())
        self.seen.append(f"{found.headers}{found.text}")
        return found

    async def get(self, path: str, **request: Any) -> Answer:
        return await self.call("GET", path, **request)

    async def whatsapp(self, body: bytes | Mapping[str, Any], **headers: str) -> Answer:
        """A body that is signed as Meta signs it; headers replace those that go with it."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.call("POST", "/webhooks/whatsapp", data=io.BytesIO(raw), headers={**signed(raw), **headers})

    async def update(self, update: Mapping[str, Any], secret: str = HOOK_SECRET) -> Answer:
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
        return await self.call("POST", "/webhooks/telegram", data=json.dumps(update).encode(), headers=headers)

    async def part(self, name: str) -> dict[str, str]:
        found: dict[str, str] = (await self.get("/readyz")).json()["parts"][name]
        return found

    # what is seen

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read beside the running program."""
        with closing(sqlite3.connect(f"file:{self.data / 'inbox.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    def stored(self) -> int:
        return int(self.rows("select count(*) from inbox")[0][0])

    def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path in sorted((self.data / "substance").glob("*.jsonl")):
            found += [json.loads(line) for line in path.read_text().splitlines()]
        return found

    def exported(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["data"]["type"] == kind]

    def said_to(self, user: int, part: str) -> list[dict[str, Any]]:
        """Messages of the bot in this person's chat that have the words."""
        messages = self.telegram.messages(user)
        words = [(m, str(m.get("text") or m.get("caption") or "")) for m in messages if m["from"]["id"] == BOT]
        return [m for m, text in words if part in text]

    async def until(self, condition: Callable[[], bool], what: str, timeout: float = 15.0) -> None:
        await self.world.until(condition, timeout, what)

    async def until_async(self, condition: Callable[[], Any], what: str, timeout: float = START_SECONDS) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not await condition():  # noqa: ASYNC110 - the condition is another process's
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"waited {timeout} s for: {what}; {self.child and self.child.err[-2000:]}") from None

    def leaks(self, *more: str) -> list[str]:
        """The secrets that stand in anything that the program has printed, answered, exported or said."""
        exported = [path.read_text() for path in (self.data / "substance").glob("*.jsonl")]
        said = [json.dumps(m, ensure_ascii=False) for user in (OWNER, ANNA) for m in self.telegram.messages(user)]
        everything = "\n".join([*self.seen, *exported, *said, *(p.body.decode() for p in self.receiver.posts)])
        return [secret for secret in (*SECRETS, *more) if secret in everything]


def signed(raw: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


def text_message(
    text: str, number: str = IGOR, wamid: str = "wamid.contract", phone_id: str = PHONE_ID, at: int = 1_790_000_000
) -> dict[str, Any]:
    """WhatsApp's body of one text."""
    message = {"from": number, "id": wamid, "timestamp": str(at), "type": "text", "text": {"body": text}}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "12025550100", "phone_number_id": phone_id},
        "contacts": [{"profile": {"name": "Игорь"}, "wa_id": number}],
        "messages": [message],
    }
    entry = [{"id": "100200300400500", "changes": [{"field": "messages", "value": value}]}]
    return {"object": "whatsapp_business_account", "entry": entry}


def private_message(update_id: int, user: int, text: str, **more: Any) -> dict[str, Any]:
    """Telegram's update of one text in a private chat."""
    who = {"id": user, "is_bot": False, "first_name": "Чужой"}
    chat = {"id": user, "type": "private", "first_name": "Чужой"}
    message = {"message_id": update_id % 10_000, "date": 1_790_000_000, "chat": chat, "from": who, "text": text}
    return {"update_id": update_id, "message": {**message, **more}}


def in_order(posts: Sequence[Post]) -> list[int]:
    """The ids of what was taken, repeats apart, as they first came."""
    return list(dict.fromkeys(post.id for post in posts))
