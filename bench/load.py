"""The load: raw HTTP/1.1 over keep-alive sockets, in as few instructions as Python allows.

`saturate` keeps every connection busy; `offered` sends at the times of a Poisson process whatever the server does, and
counts from the time at which a request was due, so that a stall is felt by all that came during it.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Done = Callable[[int], None]
SPIN = 0.002  # seconds before a due time in which the loop is polled instead of put to sleep
CONNECTIONS = 32


class Connection(asyncio.Protocol):
    """One request at a time; `done` gets the status, 0 when the connection was lost."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._done: Done | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, done: Done) -> None:
        self._done = done
        if self._transport is None or self._transport.is_closing():
            self._finish(0)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._buffer = b""
            self._finish(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _finish(self, status: int) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status)


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return 0 if at < 0 else int(lowered[at + 15 :].split(b"\r\n", 1)[0])


@dataclass(slots=True)
class Load:
    """latencies: seconds, of what was answered 200. failures: other answers, and none."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    own_cpu: float = 0.0  # seconds of this process: near `seconds`, the load itself was the limit

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def count(self, status: int, latency: float) -> None:
        if status == 200:
            self.latencies.append(latency)
        else:
            self.failures += 1


@asynccontextmanager
async def connected(port: int, count: int = CONNECTIONS) -> AsyncIterator[list[Connection]]:
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(count)]
    try:
        yield made
    finally:
        for connection in made:
            connection.close()


async def saturate(port: int, requests: Iterator[bytes], seconds: float, connections: int = CONNECTIONS) -> Load:
    """As many as the server takes in so long, or until the requests are used up."""
    load = Load()
    async with connected(port, connections) as sockets:
        gc.collect()
        cpu, started = time.process_time(), time.perf_counter()
        until = started + seconds
        await asyncio.gather(*(_busy(socket, requests, until, load) for socket in sockets))
        load.seconds, load.own_cpu = time.perf_counter() - started, time.process_time() - cpu
    return load


async def _busy(socket: Connection, requests: Iterator[bytes], until: float, load: Load) -> None:
    """All of it in callbacks: a task switch for each request would cost as much as the request."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    clock = time.perf_counter
    sent = 0.0

    def following() -> None:
        nonlocal sent
        request = next(requests, None) if clock() < until else None
        if request is None:
            over.set_result(None)
            return
        sent = clock()
        socket.send(request, answered)

    def answered(status: int) -> None:
        load.count(status, clock() - sent)
        if status:
            following()
        else:
            over.set_result(None)

    following()
    await over


async def offered(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seed: int,
    *,
    connections: int = 2 * CONNECTIONS,
    due_times: dict[int, float] | None = None,
) -> Load:
    """All requests, `rate` a second on the average. A request that finds no free connection waits, and that counts.

    due_times: is given the time (perf_counter) at which each was due, by its place in `requests`.
    """
    load = Load()
    async with connected(port, connections) as sockets:
        sender = _Sender(sockets, load)
        gc.collect()
        cpu, started = time.process_time(), time.perf_counter()
        async for number, due in poisson(len(requests), rate, seed):
            if due_times is not None:
                due_times[number] = due
            sender.send(requests[number], due)
        await sender.drained(len(requests))
        load.seconds, load.own_cpu = time.perf_counter() - started, time.process_time() - cpu
    return load


async def poisson(count: int, rate: float, seed: int) -> AsyncIterator[tuple[int, float]]:
    """Numbers and the times (perf_counter) at which they are due, each given when its time has come."""
    chance = random.Random(seed)
    due = time.perf_counter()
    for number in range(count):
        due += chance.expovariate(rate)
        await until(due)
        yield number, due


async def until(due: float) -> None:
    while (left := due - time.perf_counter()) > 0:  # noqa: ASYNC110 a time is no event
        await asyncio.sleep(left - SPIN if left > SPIN else 0)


class _Sender:
    def __init__(self, sockets: Sequence[Connection], load: Load) -> None:
        self._free = deque(sockets)
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._load = load
        self._answered = asyncio.Event()

    def send(self, request: bytes, due: float) -> None:
        if not self._free:
            self._waiting.append((request, due))
            return
        socket = self._free.popleft()

        def answered(status: int) -> None:
            self._load.count(status, time.perf_counter() - due)
            if status:
                self._free.append(socket)
            if self._waiting and self._free:
                self.send(*self._waiting.popleft())
            self._answered.set()

        socket.send(request, answered)

    async def drained(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self._load.latencies) + self._load.failures < count:
                self._answered.clear()
                await self._answered.wait()
