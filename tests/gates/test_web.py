"""The webhook doors over real sockets: what is refused, how fast, and that a 200 is always a committed body."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import logging
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from gates.web import BODY_LIMIT, SERVER_OPTIONS, Webhooks
from inbox.errors import StorageDown, Unverified
from inbox.gate import Inbound, Raw
from inbox.model import Provider

KNOWN = frozenset({"telegram", "whatsapp", "messenger", "instagram", "zoom", "calcom"})
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECRET = "open-sesame"
MIB = 1024 * 1024

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[..., Awaitable[Client]]
MakeServer = Callable[..., Awaitable[TestServer]]
Serve = Callable[["World"], Awaitable[TestServer]]
Connect = Callable[["World"], Awaitable[Client]]


class FrozenClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds - 100.0)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Door:
    """A gate with a secret header, Meta's handshake, and Zoom's address check."""

    def __init__(self, provider: str) -> None:
        self.provider = Provider(provider)

    def verify(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str | None:
        if method == "GET":
            if query.get("hub.verify_token") != SECRET:
                raise Unverified
            return query.get("hub.challenge")
        if not hmac.compare_digest(headers.get("X-Secret", "").encode("utf-8", "surrogateescape"), SECRET.encode()):
            raise Unverified
        if body == b"boom":
            raise RuntimeError("a fault of ours")
        return '{"plainToken":"x"}' if body == b"check" else None

    def key(self, body: bytes) -> str:
        return f"key:{len(body)}"

    def parse(self, raw: Raw) -> Iterable[Inbound]:
        return ()


class World:
    """The store's end of the doors, and what was counted."""

    def __init__(self, *, body_seconds: float = 10.0, linger_seconds: float = 4.0) -> None:
        self.clock = FrozenClock()
        self.stored: list[Raw] = []
        self.woken = 0
        self.counted: list[tuple[str, str]] = []
        self.reached = asyncio.Event()
        self.failure: Exception | None = None
        self.noticed = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.app = web.Application()
        intakes = {name: Door(name) for name in ("telegram", "whatsapp", "zoom")}
        self.webhooks = Webhooks(
            intakes,
            self.put,
            self.clock,
            self.wake,
            self,
            KNOWN,
            body_seconds=body_seconds,
            linger_seconds=linger_seconds,
        )
        self.app.add_routes(self.webhooks.routes())

    async def put(self, raws: Sequence[Raw]) -> None:
        self.reached.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.stored.extend(raws)

    def wake(self) -> None:
        self.woken += 1

    def webhook(self, gate: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.counted.append((gate, outcome))
        self.noticed.set()


GOOD = {"X-Secret": SECRET}


@pytest.fixture(params=["router", "short way"])
def short(request: pytest.FixtureRequest) -> bool:
    """Both ways into the doors do the same: all of aiohttp's site, and past its router."""
    return bool(request.param == "short way")


@pytest.fixture
async def serve(aiohttp_server: MakeServer, short: bool) -> Serve:
    async def started(world: World) -> TestServer:
        server = await aiohttp_server(world.app, **SERVER_OPTIONS)
        if short:
            assert server.runner is not None
            world.webhooks.put_before(server.runner)
        return server

    return started


@pytest.fixture
async def connect(aiohttp_client: MakeClient, serve: Serve) -> Connect:
    async def connected(world: World) -> Client:
        client: Client = await aiohttp_client(await serve(world))
        return client

    return connected


async def test_stores_the_raw_body_then_answers(connect: Connect) -> None:
    world = World()
    client = await connect(world)
    body = bytes(range(256))
    response = await client.post("/webhooks/whatsapp", data=body, headers=GOOD)
    assert (response.status, await response.text()) == (200, "ok")
    assert world.stored == [Raw(Provider("whatsapp"), "key:256", body, NOW)]
    assert world.woken == 1
    assert world.counted == [("whatsapp", "stored")]


async def test_no_answer_before_the_commit(connect: Connect) -> None:
    world = World()
    client = await connect(world)
    world.gate.clear()
    call = asyncio.create_task(client.post("/webhooks/telegram", data=b"{}", headers=GOOD))
    done, _ = await asyncio.wait({call}, timeout=0.2)
    assert not done
    world.gate.set()
    assert (await call).status == 200
    assert len(world.stored) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "counted"),
    [
        ("POST", "/webhooks/messenger", 404, ("messenger", "off")),
        ("GET", "/webhooks/instagram", 404, ("instagram", "off")),
        ("POST", "/webhooks/nobody", 404, ("unknown", "off")),
        ("GET", "/webhooks/telegram", 405, ("telegram", "method")),
        ("GET", "/webhooks/zoom", 405, ("zoom", "method")),
        ("HEAD", "/webhooks/telegram", 405, ("telegram", "method")),
        ("HEAD", "/webhooks/whatsapp", 405, ("whatsapp", "method")),
        ("PUT", "/webhooks/telegram", 405, ("telegram", "method")),
        ("DELETE", "/webhooks/whatsapp", 405, ("whatsapp", "method")),
        ("OPTIONS", "/webhooks/whatsapp", 405, ("whatsapp", "method")),
        ("GET", "/webhooks/whatsapp", 403, ("whatsapp", "unverified")),
    ],
)
async def test_refuses(connect: Connect, method: str, path: str, status: int, counted: tuple[str, str]) -> None:
    world = World()
    client = await connect(world)
    response = await client.request(method, path)
    assert response.status == status
    assert world.counted == [counted]
    assert world.stored == []
    if status == 405:
        assert response.headers["Allow"] == ("GET, POST" if "whatsapp" in path else "POST")


async def test_a_body_sent_with_a_refused_method_is_not_kept(connect: Connect) -> None:
    world = World()
    client = await connect(world)
    response = await client.put("/webhooks/telegram", data=BytesIO(b"x" * MIB), headers=GOOD)
    assert response.status == 405
    assert world.stored == []


@pytest.mark.parametrize("challenge", ["1158201444", "<b>x</b>", "%ff%fe", "Привет"])
async def test_handshake_gives_the_challenge_back_as_text(connect: Connect, challenge: str) -> None:
    world = World()
    client = await connect(world)
    response = await client.get(f"/webhooks/whatsapp?hub.verify_token={SECRET}&hub.challenge={challenge}")
    assert response.status == 200
    assert response.content_type == "text/plain"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    if "%" not in challenge:
        assert await response.text() == challenge
    assert world.stored == []
    assert world.woken == 0


@pytest.mark.parametrize("query", ["", "?hub.verify_token=wrong&hub.challenge=1", f"?hub.verify_token={SECRET}"])
async def test_handshake_that_is_not_ours(connect: Connect, query: str) -> None:
    world = World()
    client = await connect(world)
    response = await client.get(f"/webhooks/whatsapp{query}")
    assert response.status == 403
    assert world.counted == [("whatsapp", "unverified")]


async def test_address_check_is_answered_and_not_stored(connect: Connect) -> None:
    world = World()
    client = await connect(world)
    response = await client.post("/webhooks/zoom", data=b"check", headers=GOOD)
    assert (response.status, await response.json()) == (200, {"plainToken": "x"})
    assert world.stored == []


@pytest.mark.parametrize("headers", [{}, {"X-Secret": "wrong"}, {"X-Secret": ""}])
async def test_unverified_is_not_stored(connect: Connect, headers: dict[str, str]) -> None:
    world = World()
    client = await connect(world)
    response = await client.post("/webhooks/whatsapp", data=b"{}", headers=headers)
    assert response.status == 401
    assert world.stored == []
    assert world.counted == [("whatsapp", "unverified")]


async def test_refusals_are_logged_once_a_minute_per_source(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    client = await connect(world)
    with caplog.at_level(logging.WARNING, logger="gates.web"):
        for _ in range(5):
            await client.post("/webhooks/whatsapp", data=b"{}")
        await client.get("/webhooks/whatsapp")
        assert len(caplog.records) == 1
        world.clock.seconds += 61
        await client.post("/webhooks/whatsapp", data=b"{}")
    assert [vars(record)["unsaid"] for record in caplog.records] == [0, 5]
    assert len(world.counted) == 7


@pytest.mark.parametrize(
    ("encoding", "status"),
    [("gzip", 415), ("deflate", 415), ("br", 415), ("identity, gzip", 415), ("identity", 200), ("IDENTITY", 200)],
)
async def test_content_encoding(serve: Serve, encoding: str, status: int) -> None:
    world = World(linger_seconds=0.2)
    server = await serve(world)
    body = b"junk that is no gzip"
    answer = await exchange(server, post(body, f"Content-Encoding: {encoding}"))
    assert answer.status == status
    assert answer.closed
    assert len(world.stored) == (status == 200)


async def test_a_small_bomb_is_not_unpacked(connect: Connect) -> None:
    world = World(linger_seconds=0.2)
    client = await connect(world)
    body = gzip.compress(b"\0" * (64 * MIB))
    response = await client.post("/webhooks/telegram", data=body, headers={**GOOD, "Content-Encoding": "gzip"})
    assert response.status == 415
    assert response.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("size", "status"), [(0, 200), (300_000, 200), (3 * MIB, 200), (BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_size(connect: Connect, size: int, status: int, chunked: bool) -> None:
    world = World(linger_seconds=0.5)
    client = await connect(world)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, 65536):
            yield b"x" * min(65536, size - start)

    response = await client.post("/webhooks/telegram", data=pieces() if chunked else BytesIO(b"x" * size), headers=GOOD)
    assert response.status == status
    assert [len(raw.body) for raw in world.stored] == ([size] if status == 200 else [])
    assert (response.headers.get("Connection") == "close") == (status == 413)


async def test_a_flood_is_cut_without_being_kept(serve: Serve) -> None:
    world = World(linger_seconds=0.5)
    server = await serve(world)
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    tracemalloc.start()
    try:
        async with connection(server) as (reader, writer):
            status = asyncio.create_task(reader.readline())
            writer.write(head("Transfer-Encoding: chunked"))
            sent = await pour(writer, piece, pieces=100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert b" 413 " in await status
    assert sent > BODY_LIMIT
    assert peak < 16 * MIB
    assert world.counted == [("telegram", "too_large")]


async def test_content_length_alone_is_enough_for_413(serve: Serve) -> None:
    world = World(linger_seconds=0.2)
    server = await serve(world)
    answer = await exchange(server, head("Content-Length: 20000000"))
    assert answer.status == 413
    assert answer.closed
    assert answer.headers["connection"] == "close"


async def test_a_body_that_stops_half_way(serve: Serve) -> None:
    world = World(body_seconds=0.3, linger_seconds=0.2)
    server = await serve(world)
    answer = await exchange(server, head("Content-Length: 100") + b"half")
    assert answer.status == 408
    assert answer.headers["connection"] == "close"
    assert answer.closed
    assert world.stored == []
    assert world.counted == [("telegram", "slow")]


async def test_a_body_in_single_bytes_is_cut_while_it_still_comes(serve: Serve) -> None:
    world = World(body_seconds=0.4, linger_seconds=0.4)
    server = await serve(world)
    started = asyncio.get_running_loop().time()
    async with connection(server) as (reader, writer):
        status = asyncio.create_task(reader.readline())
        writer.write(head("Content-Length: 1000"))
        await pour(writer, b"x", pieces=1000, pause=0.02)
    assert b" 408 " in await status
    assert 0.4 <= asyncio.get_running_loop().time() - started < 3
    assert world.stored == []


async def test_a_peer_that_leaves_in_the_middle(short: bool) -> None:
    world = World()
    # Not the test server: that one cancels a handler whose peer has left, which a real runner does not.
    runner = web.AppRunner(world.app, **SERVER_OPTIONS)
    await runner.setup()
    if short:
        world.webhooks.put_before(runner)
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        reader, writer = await asyncio.open_connection(*runner.addresses[0])
        writer.write(head("Content-Length: 100", "Expect: 100-continue"))
        assert b" 100 " in await reader.readline()
        writer.write(b"half")
        await writer.drain()
        writer.transport.abort()
        async with asyncio.timeout(5):
            await world.noticed.wait()
    finally:
        await runner.cleanup()
    assert world.counted == [("telegram", "broken")]
    assert world.stored == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"Content-Length: -5\r\n\r\nhello", 400),
        (b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n", 400),
        (b"X-Secret: " + b"x" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n", 400),
    ],
)
async def test_malformed_requests(serve: Serve, request_bytes: bytes, status: int) -> None:
    world = World(linger_seconds=0.2)
    server = await serve(world)
    answer = await exchange(server, b"POST /webhooks/telegram HTTP/1.1\r\nHost: a\r\n" + request_bytes)
    assert answer.status == status
    assert world.stored == []


async def test_a_header_of_odd_bytes_is_a_wrong_secret(serve: Serve) -> None:
    world = World()
    server = await serve(world)
    request = b"POST /webhooks/telegram HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Secret: \xff\xd0\x9f\r\n"
    answer = await exchange(server, request + b"Content-Length: 2\r\n\r\n{}")
    assert answer.status == 401
    assert world.stored == []


async def test_a_full_disk_asks_for_another_try(connect: Connect) -> None:
    world = World()
    client = await connect(world)
    world.failure = StorageDown("full")
    response = await client.post("/webhooks/telegram", data=b"{}", headers=GOOD)
    assert (response.status, response.headers["Retry-After"]) == (503, "30")
    assert world.woken == 0
    world.failure = None
    assert (await client.post("/webhooks/telegram", data=b"{}", headers=GOOD)).status == 200
    assert [outcome for _, outcome in world.counted] == ["storage", "stored"]


@pytest.mark.parametrize(("body", "failure"), [(b"boom", None), (b"{}", ValueError("a fault of ours"))])
async def test_a_fault_of_ours_asks_for_another_try(connect: Connect, body: bytes, failure: Exception | None) -> None:
    world = World()
    client = await connect(world)
    world.failure = failure
    response = await client.post("/webhooks/telegram", data=body, headers=GOOD)
    assert (response.status, response.headers["Retry-After"]) == (503, "30")
    assert world.counted == [("telegram", "failed")]


async def test_many_slow_peers_do_not_stop_a_healthy_one(serve: Serve) -> None:
    world = World(body_seconds=1.0, linger_seconds=0.2)
    server = await serve(world)
    slow = [asyncio.create_task(exchange(server, head("Content-Length: 9") + b"x")) for _ in range(50)]
    async with ClientSession() as session:
        for _ in range(5):
            async with session.post(server.make_url("/webhooks/telegram"), data=b"{}", headers=GOOD) as response:
                assert response.status == 200
    answers = await asyncio.gather(*slow)
    assert {answer.status for answer in answers} == {408}
    assert all(answer.closed for answer in answers)
    assert len(world.stored) == 5


async def test_the_usual_answer_is_whole(serve: Serve) -> None:
    """As aiohttp would have written it, but for the name of the server."""
    world = World()
    server = await serve(world)
    call = head("Content-Length: 2") + b"{}"
    async with connection(server) as (reader, writer):
        for _ in range(2):
            writer.write(call)
            answer = Answer(await reader.readuntil(b"\r\n\r\nok"), closed=False)
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["content-length"] == "2"
            assert answer.headers["date"] == "Wed, 25 Nov 2026 12:00:00 GMT"
            assert "connection" not in answer.headers


@pytest.mark.parametrize(
    ("version", "line", "kept"),
    [("1.1", "Connection: close", False), ("1.0", "Connection: keep-alive", True), ("1.0", "X-Nothing: 1", False)],
)
async def test_other_versions_and_wishes_of_a_connection(serve: Serve, version: str, line: str, kept: bool) -> None:
    world = World()
    server = await serve(world)
    call = (head("Content-Length: 2", line) + b"{}").replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    async with connection(server) as (reader, writer):
        writer.write(call)
        answer = Answer(await reader.readuntil(b"\r\n\r\nok"), closed=False)
        assert answer.status == 200
        assert answer.headers.get("connection") == {"1.1": "close", "1.0": "keep-alive" if kept else None}[version]
        if not kept:
            assert await reader.read() == b""
    assert len(world.stored) == 1


async def test_a_peer_that_does_not_wait_for_its_answer(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    server = await serve(world)
    world.gate.clear()
    async with connection(server) as (_, writer):
        writer.write(head("Content-Length: 2") + b"{}")
        async with asyncio.timeout(5):
            await world.reached.wait()
        writer.transport.abort()
    assert server.runner is not None
    assert server.runner.server is not None
    async with asyncio.timeout(5):
        while any(peer.transport is not None for peer in server.runner.server.connections):  # noqa: ASYNC110 aiohttp's
            await asyncio.sleep(0.01)
    world.gate.set()
    async with ClientSession() as session:
        async with session.post(server.make_url("/webhooks/telegram"), data=b"{}", headers=GOOD) as response:
            assert response.status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("path", ["/webhooks/%74elegram", "/webhooks/telegram?x=1", "http://a/webhooks/telegram"])
async def test_other_spellings_of_an_address(serve: Serve, path: str) -> None:
    world = World()
    server = await serve(world)
    answer = await exchange(server, post(b"{}").replace(b" /webhooks/telegram ", f" {path} ".encode()))
    assert answer.status == 200
    assert [raw.provider for raw in world.stored] == ["telegram"]


async def test_one_who_asks_before_sending_is_told_to_go_on(serve: Serve) -> None:
    world = World()
    server = await serve(world)
    async with connection(server) as (reader, writer):
        writer.write(head("Content-Length: 2", "Expect: 100-continue"))
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{}")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    assert len(world.stored) == 1


async def test_one_connection_serves_many_calls(serve: Serve) -> None:
    world = World()
    server = await serve(world)
    call = b"POST /webhooks/telegram HTTP/1.1\r\nHost: a\r\nX-Secret: " + SECRET.encode() + b"\r\nContent-Length: 2\r\n"
    async with connection(server) as (reader, writer):
        for _ in range(3):
            writer.write(call + b"\r\n{}")
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
    assert len(world.stored) == 3


class Answer:
    def __init__(self, data: bytes, closed: bool) -> None:
        first, *lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers: dict[str, Any] = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        self.closed = closed


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /webhooks/telegram HTTP/1.1", "Host: a", f"X-Secret: {SECRET}", *lines, "", ""]).encode()


def post(body: bytes, *lines: str) -> bytes:
    return head(f"Content-Length: {len(body)}", "Connection: close", *lines) + body


@asynccontextmanager
async def connection(server: TestServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(server: TestServer, request: bytes) -> Answer:
    """Send, keep the sending side open, and read to the end that the server makes."""
    async with connection(server) as (reader, writer):
        writer.write(request)
        async with asyncio.timeout(5):
            return Answer(await reader.read(), closed=True)


async def pour(writer: asyncio.StreamWriter, piece: bytes, *, pieces: int, pause: float = 0.0) -> int:
    """Send until the server hangs up; bytes that went out."""
    sent = 0
    try:
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            await asyncio.sleep(pause)
    except ConnectionError:
        return sent
    raise AssertionError("the server never hung up")
