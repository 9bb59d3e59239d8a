"""Signed hostile calls to every webhook route of the real app, and what is counted of its answers."""

from __future__ import annotations

import asyncio
import io
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator

import aiohttp

from sandbox.meta_hooks import sign
from tests.faults.bodies import mutated, oddities, recorded
from tests.gates.telegram import cases as telegram
from tests.gates.whatsapp import cases as whatsapp
from tests.rig import OWNER, Rig

ROUTES = ("telegram", "whatsapp", "messenger", "instagram", "zoom", "calcom")
ON = ("telegram", "whatsapp")
APP_SECRET = "app-secret"
STRANGER = "12025550155"

_UPDATE_ID = re.compile(rb'"update_id": ?[0-9]+')


def bodies(gate: str, seed: int, count: int) -> Iterator[bytes]:
    """Hostile bodies, none of them about a client of the rig; updates have ids of their own, the owner's are hers."""
    rng = random.Random(seed)
    good = [_renamed(body) for body in recorded("telegram" if gate == "telegram" else "whatsapp")]
    ids = itertools.count(700_000_000)
    for body in itertools.chain(oddities(), (mutated(good, rng) for _ in range(count))):
        yield _UPDATE_ID.sub(b'"update_id": %d' % next(ids), body)


def _renamed(body: bytes) -> bytes:
    other = body.replace(whatsapp.ANNA.encode(), STRANGER.encode())
    return other.replace(str(telegram.OWNER).encode(), str(OWNER).encode())


def signed(gate: str, body: bytes, rig: Rig) -> dict[str, str]:
    if gate == "telegram":
        return {"X-Telegram-Bot-Api-Secret-Token": rig.telegram.updates.secret}
    return {"X-Hub-Signature-256": sign(APP_SECRET, body)}


async def flood(rig: Rig, seed: int, count: int) -> dict[str, Counter[int]]:
    """HTTP statuses by route; 0 stands for a call without an answer."""
    statuses: dict[str, Counter[int]] = {gate: Counter() for gate in ROUTES}
    todo = [(gate, body) for gate in ROUTES for body in bodies(gate, seed, count if gate in ON else 20)]
    random.Random(seed).shuffle(todo)
    queue = iter(todo)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{rig.port}") as http:

        async def work() -> None:
            for gate, body in queue:
                try:
                    content = io.BytesIO(body)
                    async with http.post(f"/webhooks/{gate}", data=content, headers=signed(gate, body, rig)) as answer:
                        await answer.read()
                        statuses[gate][answer.status] += 1
                except aiohttp.ClientError:
                    statuses[gate][0] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(work())
    return statuses


def calls(rig: Rig) -> Iterator[bytes]:
    """Raw HTTP that no client library would send; what is signed is signed rightly."""
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    ours = b"X-Hub-Signature-256: " + sign(APP_SECRET, body).encode()
    path = b"/webhooks/whatsapp"
    head = b"Host: x\r\nConnection: close\r\n"
    length = b"Content-Length: %d\r\n" % len(body)

    def post(more: bytes, content: bytes, target: bytes = path, version: bytes = b"1.1") -> bytes:
        return b"POST " + target + b" HTTP/" + version + b"\r\n" + head + more + b"\r\n" + content

    plain = post(ours + b"\r\n" + length, body)
    for method in (b"GET", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND", b"get"):
        yield plain.replace(b"POST", method, 1)
    for target in (
        b"/webhooks/whatsapp?" + b"a=b&" * 5_000,
        b"/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=%00%ff%0d%0aX:1&hub.verify_token=%ff",
        b"/webhooks/whatsapp/",
        b"/webhooks//whatsapp",
        b"/webhooks/%00",
        b"/webhooks/..%2f..%2fetc%2fpasswd",
        b"/webhooks/" + b"x" * 7_000,
        b"/webhooks/\xd0\xb0\xff",
        b"/webhooks/WHATSAPP",
        b"/webhooks/",
        b"/",
        b"*",
        b"http://example.test/webhooks/whatsapp",
        b"/media/" + b"x" * 500,
        b"/healthz",
        b"/readyz",
        b"/metrics",
    ):
        for verb in (b"POST", b"GET"):
            yield post(ours + b"\r\n" + length, body, target).replace(b"POST", verb, 1)
    for header in (
        b"X-Hub-Signature-256: \xff\xfe\x80",
        b"X-Hub-Signature-256: sha256=" + b"0" * 100_000,
        ours + b"\r\n" + ours,
        ours + b"\r\nX-Hub-Signature-256: sha256=00",
        ours.lower(),
        ours + b"\r\nContent-Encoding: gzip",
        ours + b"\r\nContent-Encoding: identity, gzip, \xff",
        ours + b"\r\nContent-Type: multipart/form-data; boundary=\xff",
        ours + b"\r\nContent-Type: application/json; charset=no-such-thing",
        ours + b"\r\nExpect: 100-continue",
        ours + b"\r\nExpect: something-else",
        ours + b"\r\n" + b"\r\n".join(b"X-%d: y" % n for n in range(300)),
        ours + b"\r\nCookie: " + b"a=b;" * 2_000,
        ours + b"\r\nX: \x01\x02",
        ours + b"\r\nForwarded: for=\xff;by=[::1",
        ours + b"\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x",
        ours + b"\r\nRange: bytes=0-18446744073709551616",
    ):
        yield post(header + b"\r\n" + length, body)
    yield post(ours + b"\r\n" + length, body, version=b"1.0")
    yield post(ours + b"\r\n" + length, body, version=b"0.9")
    yield post(ours + b"\r\n" + length, body, version=b"9.9")
    yield post(ours + b"\r\n" + length + length, body)
    yield post(ours + b"\r\nContent-Length: 5\r\n" + length, body)
    for wrong in (b"-1", b"+5", b"5,5", b"0x5", b"9" * 30, b"5 "):
        yield post(ours + b"\r\nContent-Length: " + wrong + b"\r\n", body)
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
    te = ours + b"\r\nTransfer-Encoding: chunked\r\n"
    yield post(te, chunks)
    yield post(te, b"%x;ext=%s\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), b"y" * 500, body))
    yield post(te + length, chunks)
    for broken in (
        b"zz\r\n",
        b"-1\r\nx\r\n",
        b"5\r\nab",
        b"ffffffffffffffffff\r\nx\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"\xff\r\n",
    ):
        yield post(te, broken)
    yield post(ours + b"\r\nTransfer-Encoding: chunked, gzip\r\n", chunks)
    yield plain.replace(b"Connection: close\r\n", b"") * 20  # pipelined, and then silence
    yield from (
        b"\r\n" * 500,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
    )
    yield from (b"\x00" * 1_000, b"POST / HTTP/1.1\r\n" + b"A" * 300_000, plain.replace(b"\r\n", b"\n"))
    yield from (plain[:-5], plain[: len(plain) // 2], b"")


_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


async def spoken(rig: Rig, call: bytes) -> list[int]:
    """The statuses that came back for these bytes. Nothing more is sent: a call that waits for more is hung up on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    answer = b""
    try:
        writer.write(call)
        async with asyncio.timeout(3):
            while chunk := await reader.read(65_536):
                answer += chunk
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return [int(status) for status in _STATUS.findall(answer)]
