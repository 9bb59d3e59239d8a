"""A Bot API on loopback that answers what the test tells it to and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.gates.telegram.cases import ANNA, TOKEN

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """fields: form or JSON, values that are JSON decoded. files: part name -> (file name, bytes)."""

    method: str
    fields: dict[str, Any]
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)


class Server:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.changed = asyncio.Condition()
        self.base = ""
        self._answers: defaultdict[str, deque[web.Response | Answer]] = defaultdict(deque)

    def will(self, method: str, *answers: web.Response | Answer) -> None:
        """Queue answers for a method ("file" for the file route); past them a plain success is given."""
        self._answers[method].extend(answers)

    def asked(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    async def until(self, method: str, count: int) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.asked(method)) >= count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info.get("method", "file")
        call = await _read(method, request)
        async with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        if self._answers[method]:
            answer = self._answers[method].popleft()
            return answer if isinstance(answer, web.Response) else await answer(request)
        return ok(_result(call))


def ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def failed(status: int, description: str, **parameters: int) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description}
    return web.json_response(body | ({"parameters": parameters} if parameters else {}), status=status)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Take the request, then break the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", f"/bot{TOKEN}/{{method}}", server.handle)
    app.router.add_get(f"/file/bot{TOKEN}/{{path:.*}}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.base = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def _read(method: str, request: web.Request) -> Call:
    if request.content_type == "application/json":
        return Call(method, await request.json())
    call = Call(method, {})
    if request.content_type.startswith("multipart/") or request.content_type.endswith("urlencoded"):
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                call.files[name] = (value.filename, value.file.read())
            else:
                call.fields[name] = _value(str(value))
    return call


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _result(call: Call) -> Any:
    message = {"message_id": 501, "date": 1798000000, "chat": {"id": ANNA, "type": "private"}, "text": "x"}
    if call.method == "sendMediaGroup":
        return [message | {"message_id": 501 + number} for number in range(len(call.fields["media"]))]
    if call.method == "getUpdates":
        return []
    if call.method == "getWebhookInfo":
        return {"url": "", "pending_update_count": 0}
    return message if call.method.startswith(("send", "edit")) else True
