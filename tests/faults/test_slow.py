"""Slow and silent peers: cut in time, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from bot.crowd import CONNECTIONS, Crowd, make_room
from gates import web as gate_web
from gates.web import BODY_SECONDS, IDLE_SECONDS, LINGER_SECONDS
from tests.faults.doors import ask, head, post, signature
from tests.rig import Rig, rig

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CALM = 4.0  # seconds that a loaded machine may take besides
NAME = b"X-Hub-Signature-256"
SLOW_BODY = head("/webhooks/whatsapp", [(b"Content-Length", b"1000")]) + b"{"
SLOW_HEAD = b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: desk\r\nX-Slow: "


@pytest.fixture
def room() -> None:
    """Both ends of every connection are in this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def connect(port: int, first: bytes) -> Peer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    return reader, writer


async def crowd_of(port: int, size: int, first: bytes) -> list[Peer]:
    peers: list[Peer] = []
    while len(peers) < size:
        peers += await asyncio.gather(*(connect(port, first) for _ in range(min(100, size - len(peers)))))
    return peers


async def rest(peer: Peer, drip: bytes = b"") -> bytes:
    """All that the other side sends until it hangs up; meanwhile a byte now and then."""
    reader, writer = peer
    dripping = asyncio.create_task(_drip(writer, drip)) if drip else None
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        if dripping is not None:
            dripping.cancel()
        writer.transport.abort()


async def _drip(writer: asyncio.StreamWriter, drip: bytes) -> None:
    with suppress(ConnectionError):
        while True:
            await asyncio.sleep(0.5)
            writer.write(drip)
            await writer.drain()


async def healthy(desk: Rig, until: asyncio.Future[object]) -> list[int]:
    """Ordinary calls, one after the other, for as long as the others sit there: what each was answered."""
    statuses: list[int] = []
    while not until.done() or len(statuses) < 20:
        body = json.dumps({"object": "moon", "n": len(statuses)}).encode()
        statuses.append(await post(desk.port, "/webhooks/whatsapp", body, [(NAME, signature(body, "app-secret"))]))
        statuses.append(await ask(desk.port, head("/healthz", [(b"Connection", b"close")], "GET")))
        await asyncio.sleep(0.05)
    return statuses


@pytest.fixture
async def idle(tmp_path: Path, room: None) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        yield made


async def test_slow_peers_are_cut_and_hold_up_nobody(
    idle: Rig, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch, soak: bool
) -> None:
    """As they are set in the long variant (10 s for a body, 75 s for a head), shortened else."""
    body, linger, silence = (BODY_SECONDS, LINGER_SECONDS, IDLE_SECONDS) if soak else (1.5, 0.5, 2.5)
    quick = partial(gate_web.Webhooks, body_seconds=body, linger_seconds=linger)
    monkeypatch.setattr(gate_web, "Webhooks", quick)
    monkeypatch.setattr(gate_web, "SERVER_OPTIONS", {**gate_web.SERVER_OPTIONS, "keepalive_timeout": silence})
    await idle.start()
    bodies, heads = await crowd_of(idle.port, 250, SLOW_BODY), await crowd_of(idle.port, 250, SLOW_HEAD)
    since = time.monotonic()

    async def over(peers: list[Peer]) -> tuple[list[bytes], float]:
        answers = await asyncio.gather(*(rest(peer, b"x") for peer in peers))
        return answers, time.monotonic() - since

    waiting = asyncio.gather(over(bodies), over(heads))
    async with asyncio.timeout(body + linger + silence + 30):
        statuses = await healthy(idle, asyncio.ensure_future(waiting))
        (answered, after_body), (dropped, after_head) = await waiting
    late = sum(not answer.startswith(b"HTTP/1.1 408 ") for answer in answered)
    counts(
        "R11",
        slow=len(bodies) + len(heads),
        not_408=late,
        bodies_gone_after=round(after_body, 1),
        heads_gone_after=round(after_head, 1),
        healthy=len(statuses),
        not_200=sum(status != 200 for status in statuses),
    )
    assert late == 0 and set(statuses) == {200}
    assert after_body <= body + linger + 1.0 + CALM and after_head <= silence + 1.0 + CALM
    assert not any(answer.startswith(b"HTTP/1.1 2") for answer in dropped)


async def crowd(desk: Rig, size: int) -> tuple[int, list[int]]:
    """So many that never say a word: how many were cut, and what ordinary calls were answered meanwhile."""
    peers = await crowd_of(desk.port, size, b"")
    gone = [asyncio.create_task(rest(peer)) for peer in peers]
    settled = asyncio.get_running_loop().create_future()
    settled.set_result(None)
    statuses = await healthy(desk, settled)
    cut = [task.done() for task in gone]
    assert sorted(cut, reverse=True) == cut  # who waited longest went first
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    return sum(cut), statuses


async def test_a_silent_crowd_makes_room(
    idle: Rig, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch, soak: bool
) -> None:
    await idle.start()
    size = 5000 if soak else CONNECTIONS + 150
    cut, statuses = await crowd(idle, size)
    counts("R11", silent=size, left=size - cut, healthy=len(statuses), not_200=sum(s != 200 for s in statuses))
    assert size - cut <= CONNECTIONS and set(statuses) == {200}


async def test_without_a_limit_all_of_it_stays(
    idle: Rig, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Crowd, "trim", lambda self: None)
    await idle.start()
    size = CONNECTIONS + 150
    cut, _ = await crowd(idle, size)
    counts("R11", mutant="no limit", silent=size, left=size - cut)
    assert size - cut > CONNECTIONS


def test_room_is_made_where_the_system_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    infinity = resource.RLIM_INFINITY
    for found in ((1024, 524288), (1024, 2048), (1024, infinity), (8192, 524288), (infinity, infinity)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, found=found: found)
        make_room()
    assert limits == [(4096, 524288), (2048, 2048), (4096, infinity)]

    def forbidden(_: int, __: tuple[int, int]) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 524288))
    monkeypatch.setattr(resource, "setrlimit", forbidden)
    make_room()  # it starts all the same
