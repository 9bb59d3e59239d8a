"""A strict Bot API on loopback: the HTTP server, planned trouble, the journal.

Written from the documented behaviour of Bot API 10.x; what it does not know it refuses, and every refusal has the text
of the real one where that is known. An unknown method answers 404 and stands in the journal: the fake is the list of
what a bot depends on. Parts: `telegram_people` (acts of people), `telegram_methods` (with `telegram_sending`,
`telegram_changes`, `telegram_topics`) and `telegram_profile` (methods), `telegram_chats` (state), `telegram_updates`
(delivery), `telegram_files`, `telegram_rules`, `telegram_parameters`, `telegram_pace`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from typing import Any

from aiohttp import web

from sandbox.telegram_chats import Chats
from sandbox.telegram_files import UPLOAD_LIMIT, Files
from sandbox.telegram_methods import Messages
from sandbox.telegram_pace import Pace, too_many
from sandbox.telegram_parameters import PARAMETERS, Body, Refusal, Request, checked, decoded
from sandbox.telegram_people import People
from sandbox.telegram_profile import Profile
from sandbox.telegram_updates import Updates
from sandbox.world import Fault, World

PROVIDER = "telegram"
_TAKEN = frozenset(("lost", "half", "hang", "garbage"))
_UNAUTHORIZED = Refusal(401, "Unauthorized")
_TOO_LARGE = Refusal(413, "Request Entity Too Large")
_NOT_FOUND = Refusal(404, "Not Found")


def _planned(fault: Fault) -> Refusal:
    """The error answer of a fault: "403 Forbidden: ..." names its status, anything else is a 400."""
    code, text = 400, fault.error or "Bad Request"
    if match := re.match(r"(\d{3})\s+(.*)", text, re.DOTALL):
        code, text = int(match[1]), match[2]
    elif text.startswith("Forbidden"):
        code = 403
    return Refusal(code, text)


class FakeTelegram(People):
    """One bot, everybody it talks to, and the server that it calls. Switches are attributes, usable at run time."""

    def __init__(
        self,
        world: World,
        token: str,
        bot_id: int,
        username: str = "desk_sandbox_bot",
        *,
        topics: bool = True,
        user_topics: bool = False,
        buckets: bool = False,
    ) -> None:
        self.world = world
        self.token = token
        self.token_valid = True
        self.chats = Chats(world, bot_id, username)
        self.files = Files()
        self.updates = Updates(world)
        self.sending = Messages(self.chats, self.files, self.updates.add, Pace(world.now))
        self.profile = Profile(self.chats, self.files, self.updates)
        self.topics = topics
        self.user_topics = user_topics
        self.buckets = buckets
        self._methods: dict[str, Any] = {
            **self.sending.table,
            **self.profile.table,
            "setWebhook": self.profile.set_webhook,
            "deleteWebhook": self.profile.delete_webhook,
            "getUpdates": self.profile.get_updates,
        }
        self.base = ""  # the base URL while it runs
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()

    # -- switches -------------------------------------------------------------------------------------------------

    @property
    def topics(self) -> bool:
        """Threaded Mode of the bot."""
        return self.sending.topics

    @topics.setter
    def topics(self, on: bool) -> None:
        self.sending.topics = self.profile.topics = on

    @property
    def user_topics(self) -> bool:
        """Whether people may make topics; then each message outside of a topic opens one."""
        return self.profile.user_topics

    @user_topics.setter
    def user_topics(self, on: bool) -> None:
        self.profile.user_topics = on

    @property
    def wrong_thread(self) -> bool:
        """A send into a topic succeeds, but the message lands in the main view, as in the outage of May 2026."""
        return self.sending.wrong_thread

    @wrong_thread.setter
    def wrong_thread(self, on: bool) -> None:
        self.sending.wrong_thread = on

    @property
    def buckets(self) -> bool:
        """Whether the pace is limited (see `telegram_pace`)."""
        return self.sending.buckets

    @buckets.setter
    def buckets(self, on: bool) -> None:
        self.sending.buckets = on

    def block(self, chat_id: int, seconds: float) -> float:
        """Refuse every send to this chat for so long (with `buckets`); returns when that ends, by the world's clock."""
        self.sending.pace.block(f"/{chat_id}", seconds)
        return self.world.now() + seconds

    @property
    def duplicate_updates(self) -> bool:
        """Every update is posted to the webhook twice."""
        return self.updates.duplicate

    @duplicate_updates.setter
    def duplicate_updates(self, on: bool) -> None:
        self.updates.duplicate = on

    @property
    def retry_delays(self) -> tuple[float, ...]:
        """Seconds between tries of an update; the last one goes on for ever."""
        return self.updates.delays

    @retry_delays.setter
    def retry_delays(self, delays: tuple[float, ...]) -> None:
        self.updates.delays = delays

    @property
    def pending(self) -> int:
        """Updates that the bot has not taken yet."""
        return self.updates.pending

    # -- the server -----------------------------------------------------------------------------------------------

    def app(self) -> web.Application:
        app = web.Application(client_max_size=UPLOAD_LIMIT + 2 * 1024 * 1024)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        return app

    async def start(self, port: int = 0) -> str:
        """Serve on 127.0.0.1: the base URL."""
        self._stopping = asyncio.Event()
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        await self.updates.start()
        host, bound = self._runner.addresses[0][:2]
        self.base = f"http://{host}:{bound}"
        return self.base

    async def stop(self) -> None:
        self._stopping.set()
        await self.updates.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _file(self, http: web.Request) -> web.StreamResponse:
        stored = self.files.by_path.get(http.match_info["path"])
        if not self._authorized(http):
            return self._json(_UNAUTHORIZED.code, _UNAUTHORIZED.body())
        if stored is None:
            return self._json(_NOT_FOUND.code, _NOT_FOUND.body())
        return web.Response(body=stored.data, content_type="application/octet-stream")

    def _authorized(self, http: web.Request) -> bool:
        return self.token_valid and http.match_info["token"] == self.token

    @staticmethod
    def _json(status: int, body: Body) -> web.Response:
        return web.Response(status=status, text=json.dumps(body, ensure_ascii=False), content_type="application/json")

    async def _call(self, http: web.Request) -> web.StreamResponse:
        method = http.match_info["method"]
        request = Request(method, {})
        try:
            request = await decoded(method, http)
        except Refusal as refusal:
            return self._answer(request, refusal.code, refusal.body())
        except web.HTTPRequestEntityTooLarge:
            return self._answer(request, _TOO_LARGE.code, _TOO_LARGE.body())
        fault = self.world.trouble(PROVIDER, method)
        if fault is not None:
            return await self._trouble(http, request, fault)
        return self._answer(request, *await self._take(http, request))

    def _answer(self, request: Request, status: int, body: Body, fault: str = "") -> web.Response:
        self.world.record(PROVIDER, request.method, request.logged(), status, body, fault)
        return self._json(status, body)

    async def _take(self, http: web.Request, request: Request) -> tuple[int, Body]:
        """Do what the call asks: status and answer."""
        try:
            if not self._authorized(http):
                raise _UNAUTHORIZED
            if request.method not in PARAMETERS:
                raise _NOT_FOUND
            request.values = checked(request).values
            result = self._methods[request.method](request)
            if inspect.isawaitable(result):
                result = await result
        except Refusal as refusal:
            return refusal.code, refusal.body()
        return 200, json.loads(json.dumps({"ok": True, "result": result}))

    async def _trouble(self, http: web.Request, request: Request, fault: Fault) -> web.StreamResponse:
        if fault.kind == "429":
            refusal = too_many(fault.seconds)
            return self._answer(request, refusal.code, refusal.body(), fault.kind)
        if fault.kind == "error":
            refusal = _planned(fault)
            return self._answer(request, refusal.code, refusal.body(), fault.kind)
        if fault.kind == "500":
            self.world.record(PROVIDER, request.method, request.logged(), 500, None, fault.kind)
            return web.Response(status=500, text="<html><h1>500 Internal Server Error</h1></html>")
        if fault.kind == "refuse":
            return self._cut(http, request, None, fault.kind)
        if fault.kind not in _TAKEN:
            raise ValueError(f"unknown fault {fault.kind!r}")
        status, body = await self._take(http, request)
        if fault.kind == "lost":
            return self._cut(http, request, body, fault.kind)
        if fault.kind == "half":
            return await self._half(http, request, body)
        if fault.kind == "garbage":
            self.world.record(PROVIDER, request.method, request.logged(), 200, fault.error or "<html>", fault.kind)
            if fault.error:
                return web.Response(body=fault.error.encode("latin-1"), content_type="application/json")
            return web.Response(text="<html>Bad gateway", content_type="text/html")
        answer = self._answer(request, status, body, fault.kind)
        try:
            async with asyncio.timeout(fault.seconds):
                await self._stopping.wait()
        except TimeoutError:
            return answer
        return answer

    def _cut(self, http: web.Request, request: Request, body: Body | None, fault: str) -> web.Response:
        self.world.record(PROVIDER, request.method, request.logged(), 0, body, fault)
        if http.transport is not None:
            http.transport.abort()
        return web.Response()

    async def _half(self, http: web.Request, request: Request, body: Body) -> web.StreamResponse:
        self.world.record(PROVIDER, request.method, request.logged(), 0, body, "half")
        text = json.dumps(body).encode()
        answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(text))})
        await answer.prepare(http)
        await answer.write(text[: len(text) // 2])
        if http.transport is not None:
            http.transport.close()
        return answer
