"""The page's side of the stage: its files, the state as JSON and as a stream of events, and one address for acts.

It runs on a person's machine beside their browser, so it answers only to its own page: the Host header must be a
loopback name (a foreign name that resolves to 127.0.0.1 is refused), a POST must come from the same origin.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.acts import Impossible

if TYPE_CHECKING:
    from sandbox.stage import Stage

PAGE = Path(__file__).parent / "page"
ASSETS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
BODY_LIMIT = 8 * 1024 * 1024
EVERY = 0.15  # seconds between two states
HEARTBEAT = 10.0
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(stage: Stage) -> list[web.RouteDef]:
    page = _Page(stage)
    return [
        web.get("/", guarded(page.index)),
        web.get("/sandbox/state", guarded(page.state)),
        web.get("/sandbox/events", guarded(page.events)),
        web.get("/sandbox/media/{provider}/{id}", guarded(page.media)),
        web.post("/sandbox/do", guarded(page.do)),
        web.get("/sandbox/{name}", guarded(page.asset)),
    ]


def guarded(handler: Handler) -> Handler:
    async def check(request: web.Request) -> web.StreamResponse:
        if not _own_host(request.headers.get("Host", "")):
            return web.Response(status=403, text="This page answers on loopback names only.\n")
        if request.method == "POST" and not _same_origin(request):
            return web.Response(status=403, text="Acts come from this page only.\n")
        return await handler(request)

    return check


def _own_host(host: str) -> bool:
    return _name(f"//{host}") in LOOPBACK


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _same_origin(request: web.Request) -> bool:
    if request.content_type != "application/json":
        return False
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin == f"http://{request.headers['Host']}"


class _Page:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def index(self, request: web.Request) -> web.Response:
        return _file(PAGE / "index.html", "text/html")

    async def asset(self, request: web.Request) -> web.Response:
        path = PAGE / request.match_info["name"]
        if path.parent != PAGE or path.suffix not in ASSETS or not path.is_file():
            return web.Response(status=404)
        return _file(path, ASSETS[path.suffix])

    async def state(self, request: web.Request) -> web.Response:
        return web.json_response(self._stage.state(), headers=HEADERS)

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        changed = asyncio.Event()
        changed.set()
        listeners = self._stage.scene.world.listeners
        listeners.append(changed.set)
        closing = asyncio.create_task(self._stage.closing.wait())
        closing.add_done_callback(lambda _: changed.set())
        try:
            await self._send_states(response, changed)
        except ConnectionError:
            pass  # the page was closed
        finally:
            listeners.remove(changed.set)
            closing.cancel()
        return response

    async def _send_states(self, response: web.StreamResponse, changed: asyncio.Event) -> None:
        while not self._stage.closing.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await changed.wait()
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            changed.clear()
            state = json.dumps(self._stage.state(), ensure_ascii=False)
            await response.write(f"data: {state}\n\n".encode())
            await asyncio.sleep(EVERY)

    async def media(self, request: web.Request) -> web.Response:
        found = self._media(request.match_info["provider"], request.match_info["id"])
        if found is None:
            return web.Response(status=404)
        data, mime = found
        picture = _picture_type(data)
        headers = dict(HEADERS)
        if picture is None:
            # Whatever a person uploaded is never run or shown as a page of this origin.
            headers["Content-Disposition"] = "attachment"
        headers["Cache-Control"] = "private, max-age=3600"
        return web.Response(body=data, content_type=picture or mime, headers=headers)

    def _media(self, provider: str, media_id: str) -> tuple[bytes, str] | None:
        if provider == "telegram":
            stored = self._stage.scene.telegram.files.by_id.get(media_id)
            return None if stored is None else (stored.data, stored.mime.partition(";")[0])
        try:
            data, mime = self._stage.scene.graph.media(media_id)
        except LookupError:
            return None
        return data, mime.partition(";")[0]

    async def do(self, request: web.Request) -> web.Response:
        try:
            act = json.loads(await _body(request))
            if not isinstance(act, dict):
                raise Impossible("an act is an object")
            if act.get("action") == "play":
                self._stage.play(str(act.get("name")))
            else:
                self._stage.acts.do(act)
        except (Impossible, KeyError, ValueError) as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400, headers=HEADERS)
        return web.json_response({"ok": True}, headers=HEADERS)


async def _body(request: web.Request) -> bytes:
    """Read here: the product's own server takes less than a picture. ValueError over the limit."""
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > BODY_LIMIT:
            raise ValueError("too large")
    return bytes(data)


def _file(path: Path, mime: str) -> web.Response:
    return web.Response(body=path.read_bytes(), content_type=mime, charset="utf-8", headers=HEADERS)


def _picture_type(data: bytes) -> str | None:
    starts: tuple[tuple[bytes, str], ...] = (
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
    )
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for start, mime in starts if data.startswith(start)), None)
