"""No address that a client, a provider's answer or a redirect chose is called, and the token goes nowhere else."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohappyeyeballs
import aiohttp
import pytest
from aiohttp import web

import gates.http
from bot.receiver import WebhookSink
from gates.http import Hosts, fetching, is_public, open_http
from inbox.clock import SystemClock
from inbox.errors import InboxError, Refused
from inbox.model import INBOX, Event
from inbox.substance import SinkFailed
from sandbox.meta_http import Answer
from tests.gates.meta.serving import serving
from tests.rig import ANNA, IGOR, Rig, rig

TOKEN = "EAAexampletoken"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
MEDIA = "https://cdn.fbsbx.com/file"


@dataclass
class House:
    """A server inside, which nobody may reach: what came in, byte by byte, TLS or not."""

    port: int = 0
    reached: list[bytes] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached.append(await reader.read(4096))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
        await writer.drain()
        writer.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    inside = House()
    server = await asyncio.start_server(inside.take, "127.0.0.1", 0)
    inside.port = server.sockets[0].getsockname()[1]
    yield inside
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def provider(location: Callable[[web.Request], str | None]) -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server of the settings that sends elsewhere: its base, and the tokens that it got."""
    tokens: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        tokens.append(request.headers.get("Authorization"))
        where = location(request)
        if where is None:
            return web.Response(body=b"file")
        return web.Response(status=302, headers={"Location": where})

    async with serving(answer) as base:
        yield base, tokens


async def fetch(hosts: Hosts, url: str) -> bytes | InboxError:
    async with open_http(timeout=aiohttp.ClientTimeout(total=5)) as http:
        try:
            async with fetching(http, hosts, url, HEADERS) as response:
                return await response.read()
        except InboxError as error:
            return error


def inside(port: int) -> list[str]:
    """Spellings of the house's address, and of what else must not be opened."""
    at = f"127.0.0.1:{port}"
    return [
        f"http://{at}/x",
        f"https://{at}/x",
        f"http://localhost:{port}/x",
        f"http://localhost.:{port}/x",
        f"http://2130706433:{port}/x",
        f"http://0x7f000001:{port}/x",
        f"http://0177.0.0.1:{port}/x",
        f"http://127.1:{port}/x",
        f"http://[::ffff:127.0.0.1]:{port}/x",
        f"http://0.0.0.0:{port}/x",
        f"http://cdn.fbsbx.com@{at}/x",
        f"https://cdn.fbsbx.com:443@{at}/x",
        f"http://{at}#@cdn.fbsbx.com/x",
        f"http://{at}?.fbsbx.com/x",
        f"http://{at}%2f.fbsbx.com/x",
        f"http://{at}\\.fbsbx.com/x",
        f"//{at}/x",
        f"ftp://{at}/x",
        f"https://cdn.fbsbx.com:{port}/x",
        "https://cdn.fbsbx.com%2e/x",
        "https://127.0.0.1%2f.fbsbx.com/x",
        "https://cdn.fbsbx.com./x",
        "https://cdn.fbsbx。com/x",
        "https://xn--fbsbx-evil.example/x",
        "file:///etc/passwd",
        "data:text/plain,secret",
        "gopher://127.0.0.1/x",
        "javascript:x",
        "",
    ]


async def walk(house: House) -> dict[str, object]:
    """Every spelling as the address of a file, and as the place a server of the settings sends to."""
    refused = 0
    for url in inside(house.port):
        for found in (await fetch(Hosts(), url), await _sent_to(url)):
            refused += isinstance(found, Refused) and found.reason == "not_allowed"
    leaked = sum(TOKEN.encode() in request for request in house.reached)
    addresses = 2 * len(inside(house.port))
    return {"addresses": addresses, "refused": refused, "reached": len(house.reached), "leaked": leaked}


async def _sent_to(url: str) -> bytes | InboxError:
    async with provider(lambda request: url) as (base, _):
        return await fetch(Hosts(bases=(base,)), f"{base}/media")


async def test_no_spelling_of_an_inner_address_is_called(house: House, counts: Callable[..., None]) -> None:
    found = await walk(house)
    counts("SSRF", **found)
    assert found["reached"] == found["leaked"] == 0
    assert found["refused"] == found["addresses"]


async def test_blind_redirects_would_reach_the_house(
    house: House, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = aiohttp.ClientSession.get

    def follow(self: aiohttp.ClientSession, url: Any, **request: Any) -> Any:
        return ask(self, url, **{**request, "allow_redirects": True})

    monkeypatch.setattr(aiohttp.ClientSession, "get", follow)
    found = await walk(house)
    counts("SSRF", mutant="redirects followed blindly", reached=found["reached"])
    assert isinstance(found["reached"], int) and found["reached"] > 0


async def test_the_token_stays_with_the_host_that_was_asked() -> None:
    """Another host of the settings may send the file; the token is none of its business."""
    async with provider(lambda request: None) as (other, others):
        async with provider(lambda request: f"{other}/b") as (base, own):
            assert await fetch(Hosts(bases=(base, other)), f"{base}/a") == b"file"
        assert (own, others) == ([f"Bearer {TOKEN}"], [None])
        async with provider(lambda r: "/b" if r.path == "/a" else None) as (base, own):
            assert await fetch(Hosts(bases=(base,)), f"{base}/a") == b"file"
        assert own == [f"Bearer {TOKEN}"] * 2


async def rebind(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], int]:
    """A name of the list that is public when it is looked at and ours when it is called: who was called, lookups."""
    called: list[str] = []
    lookups = 0
    connect = aiohappyeyeballs.start_connection

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Any]:
        nonlocal lookups
        lookups += 1
        where = ("157.240.1.1", port) if lookups == 1 else ("127.0.0.1", house.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where)]

    async def start(addr_infos: Sequence[Any], **more: Any) -> socket.socket:
        called.extend(info[4][0] for info in addr_infos)
        if any(info[4][0] != "127.0.0.1" for info in addr_infos):
            raise OSError("nothing of the test leaves this machine")
        connected: socket.socket = await connect(addr_infos=addr_infos, **more)
        return connected

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        patched.setattr(aiohappyeyeballs, "start_connection", start)
        found = await fetch(Hosts(), MEDIA)
    assert isinstance(found, InboxError) and found.reason == "connection"
    return called, lookups


async def test_what_was_looked_up_is_what_is_called(
    house: House, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    called, lookups = await rebind(house, monkeypatch)
    assert (called, lookups, house.reached) == (["157.240.1.1"], 1, [])

    @asynccontextmanager
    async def shared(http: aiohttp.ClientSession, addresses: Sequence[str]) -> AsyncIterator[aiohttp.ClientSession]:
        yield http

    with monkeypatch.context() as patched:
        patched.setattr(gates.http, "_session", shared)
        called, lookups = await rebind(house, monkeypatch)
    counts("SSRF", mutant="a name looked up anew when it is called", called=len(called), lookups=lookups)
    assert (called, lookups) == (["127.0.0.1"], 2)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, False) for address in "127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1".split()),
        *((address, False) for address in "169.254.169.254 100.64.0.1 224.0.0.1 240.0.0.1 255.255.255.255".split()),
        *((address, False) for address in "192.0.2.1 198.18.0.1 ::1 :: ::127.0.0.1 fe80::1%lo fec0::1 fd00::1".split()),
        *((address, False) for address in "ff02::1 2001:db8::1 2001:0:7f00:1:: ::ffff:10.0.0.1".split()),
        *((address, False) for address in "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::".split()),
        *((address, True) for address in "157.240.1.1 2a03:2880::1 ::ffff:157.240.1.1 64:ff9b::9df0:101".split()),
    ],
)
def test_which_addresses_are_of_the_open_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_the_exports_receiver_cannot_send_us_elsewhere(house: House) -> None:
    async with provider(lambda request: f"http://127.0.0.1:{house.port}/x") as (base, _), open_http() as http:
        sink = WebhookSink(f"{base}/events", base64.b64decode("a2V5"), http, SystemClock())
        event = Event(1, INBOX, datetime.now(UTC), {"id": 1, "type": "gate.changed"})
        with pytest.raises(SinkFailed, match="302"):
            await sink.take([event])
    assert house.reached == []


@pytest.fixture
async def desk(tmp_path: Any) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        await made.start()
        yield made


async def test_end_to_end_a_foreign_media_address_becomes_a_line(
    desk: Rig, house: House, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's own answer names a foreign host; and links that clients write are never opened."""
    urls = [f"http://127.0.0.1:{house.port}/x", f"https://127.0.0.1:{house.port}/x", "file:///etc/passwd"]
    wanted = iter(urls)
    asked: list[str] = []

    async def media_address(request: web.Request, about: dict[str, Any]) -> Answer:
        asked.append(next(wanted))
        return Answer(200, {"url": asked[-1], "mime_type": "image/jpeg", "id": about["id"]})

    monkeypatch.setattr(desk.graph, "_media_address", media_address)
    for number in range(len(urls)):
        desk.graph.writes(
            IGOR, kind="image", file=b"\xff\xd8\xff picture", mime="image/jpeg", caption=f"снимок {number}"
        )
    link = f"http://127.0.0.1:{house.port}/page"
    desk.graph.writes(IGOR, f"посмотрите {link}")
    desk.telegram.writes(ANNA, link, entities=[{"type": "text_link", "offset": 0, "length": 4, "url": link}])
    await desk.until(lambda: len(desk.said("удалось получить")) == len(urls), "each file is said to be lost")
    await desk.until(lambda: len(desk.said(link)) == 2, "the links are shown")
    assert all(m.get("link_preview_options", {}).get("is_disabled") for m in desk.said(link))
    assert asked == urls
    counts("SSRF", media=len(asked), links=2, reached=len(house.reached))
    assert house.reached == []
