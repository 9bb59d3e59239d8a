"""The doors of the networks: POST and GET /webhooks/{name}. A body gets 200 after it is on disk, not before.

The body is streamed here with a limit and a deadline of its own: aiohttp waits for ever for a slow one, and answers
500 where it unpacks junk. After a refusal that leaves bytes unread the connection is cut, so that a peer that keeps
sending holds a socket for seconds and no memory.

What costs every call is kept short: `Webhooks.put_before` takes the usual call past aiohttp's router, a body that is
all there is taken without a timer, and the usual answer is written as it stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import ClientError, HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from inbox.clock import Clock
from inbox.errors import StorageDown, Unverified
from inbox.gate import Intake, Raw
from inbox.model import Provider

BODY_LIMIT = 4 * 1024 * 1024
BODY_SECONDS = 10.0
LINGER_SECONDS = 4.0
IDLE_SECONDS = 75.0
"""Without a whole head of a request; longer than the proxies in front of us keep a connection."""
RETRY_AFTER = "30"
PATH = "/webhooks/"
HANDSHAKES = frozenset({"whatsapp", "messenger", "instagram"})
"""Names whose network asks by GET whether the address is ours."""

_log = logging.getLogger(__name__)


class _NoJunk(logging.Filter):
    """What a peer sends that is no HTTP gets its 400; a traceback for each would be a way to fill our disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_server_log = logging.getLogger(f"{__name__}.server")
_server_log.addFilter(_NoJunk())
SERVER_OPTIONS: Mapping[str, Any] = {
    "keepalive_timeout": IDLE_SECONDS,  # aiohttp's own is an hour, and counts for a peer that has not said a word yet
    "auto_decompress": False,  # aiohttp's own unpacking answers 400 before the 415 here can
    "max_field_size": 128 * 1024,  # a signature of any length is a wrong one, not a broken request
    "logger": _server_log,
}
"""For the AppRunner that serves these routes."""


class Outcome(StrEnum):
    STORED = "stored"
    ANSWERED = "answered"  # a handshake or an address check: nothing to store
    OFF = "off"
    METHOD = "method"
    ENCODED = "encoded"
    TOO_LARGE = "too_large"
    SLOW = "slow"
    BROKEN = "broken"  # the peer left, or its chunks make no sense
    UNVERIFIED = "unverified"
    STORAGE = "storage"
    FAILED = "failed"


class Counters(Protocol):
    def webhook(self, gate: str, outcome: str, seconds: float) -> None:
        """`gate` is one of the known names or "unknown"; `seconds`: from the headers to the answer."""
        ...


class _TooLarge(Exception):
    pass


class _Broken(Exception):
    pass


_Answer = tuple[Outcome, web.Response]
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_CUT = frozenset({Outcome.ENCODED, Outcome.TOO_LARGE, Outcome.SLOW})


class Webhooks:
    """The doors of all networks: `routes` for the site, and the short way for the server that serves it."""

    def __init__(
        self,
        intakes: Mapping[str, Intake],
        put: Callable[[Sequence[Raw]], Awaitable[None]],
        clock: Clock,
        wake: Callable[[], None],
        counters: Counters,
        known: frozenset[str],
        *,
        body_seconds: float = BODY_SECONDS,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        """`intakes`: the gates that are on, by route name. `put` commits, or raises StorageDown. `known`: names that
        may stand in a counter."""
        self._intakes = intakes
        self._put = put
        self._clock = clock
        self._wake = wake
        self._counters = counters
        self._known = known
        self._body_seconds = body_seconds
        self._linger_seconds = linger_seconds
        self._refusals = _Seldom(clock)
        self._stored = _Stored(clock)

    def routes(self) -> list[web.RouteDef]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(request, request.match_info["name"])

        return [web.route("*", PATH + "{name}", handle)]

    def put_before(self, runner: web.BaseRunner) -> None:
        """Posts to the gates that are on skip the site of `runner`: its router costs more than their signature. All
        else goes on to it. To be called once it is set up and before its port is open."""
        server = runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        posts = {PATH + name: name for name in self._intakes}
        site: _Handler = server.request_handler

        def handle(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            name = posts.get(request.raw_path)
            if name is None or request.method != hdrs.METH_POST or hdrs.EXPECT in request.headers:
                return site(request)
            return self._handle(request, name)

        server.request_handler = handle

    async def _handle(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        started = self._clock.monotonic()
        try:
            outcome, response = await self._answer(request, name)
        except Exception:
            # Without a 200 the sender comes again, so nothing is lost by a fault of ours.
            _log.exception("webhook failed", extra={"gate": self._label(name)})
            outcome, response = Outcome.FAILED, _later()
        self._counters.webhook(self._label(name), outcome, self._clock.monotonic() - started)
        if outcome in _CUT or (outcome in (Outcome.OFF, Outcome.METHOD) and request.body_exists):
            await self._cut(request, response)
        return response

    def _label(self, name: str) -> str:
        return name if name in self._known else "unknown"

    async def _answer(self, request: web.BaseRequest, name: str) -> _Answer:
        intake = self._intakes.get(name)
        if intake is None:
            return Outcome.OFF, _status(HTTPStatus.NOT_FOUND)
        if request.method == "GET" and name in HANDSHAKES:
            return self._handshake(request, name, intake)
        if request.method != "POST":
            allow = "GET, POST" if name in HANDSHAKES else "POST"
            return Outcome.METHOD, _status(HTTPStatus.METHOD_NOT_ALLOWED, Allow=allow)
        if _encoded(request):
            return Outcome.ENCODED, _status(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            body = await self._read(request)
        except _TooLarge:
            return Outcome.TOO_LARGE, _status(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except TimeoutError:
            return Outcome.SLOW, _status(HTTPStatus.REQUEST_TIMEOUT)
        except _Broken:
            return Outcome.BROKEN, _status(HTTPStatus.BAD_REQUEST)
        return await self._take(request, name, intake, body)

    def _handshake(self, request: web.BaseRequest, name: str, intake: Intake) -> _Answer:
        try:
            challenge = intake.verify("GET", request.query, request.headers, b"")
        except Unverified:
            challenge = None
        if challenge is None:
            self._note_refusal(request, name)
            return Outcome.UNVERIFIED, _status(HTTPStatus.FORBIDDEN)
        return Outcome.ANSWERED, _challenge(challenge, "text/plain")

    async def _read(self, request: web.BaseRequest) -> bytes:
        try:
            if request.content.is_eof():  # nearly every body came with its headers
                return request.content.read_nowait()
            return await self._read_on(request)
        except (ConnectionError, ClientError, web.RequestPayloadError) as error:
            raise _Broken from error

    async def _read_on(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > BODY_LIMIT:
            raise _TooLarge
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(self._body_seconds):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > BODY_LIMIT:
                    raise _TooLarge
                chunks.append(chunk)
        return b"".join(chunks)

    async def _take(self, request: web.BaseRequest, name: str, intake: Intake, body: bytes) -> _Answer:
        try:
            answer = intake.verify("POST", request.query, request.headers, body)
        except Unverified:
            self._note_refusal(request, name)
            return Outcome.UNVERIFIED, _status(HTTPStatus.UNAUTHORIZED)
        if answer is not None:
            return Outcome.ANSWERED, _challenge(answer, "application/json")
        raw = Raw(Provider(name), intake.key(body), body, self._clock.now())
        try:
            await self._put([raw])
        except StorageDown:
            return Outcome.STORAGE, _later()
        self._wake()
        plain = request.version == HttpVersion11 and request.keep_alive
        return Outcome.STORED, self._stored if plain else web.Response(text="ok")

    def _note_refusal(self, request: web.BaseRequest, name: str) -> None:
        source = request.remote or "unknown"
        unsaid = self._refusals.due(source)
        if unsaid is not None:
            _log.warning(
                "webhook refused: wrong signature or secret", extra={"gate": name, "source": source, "unsaid": unsaid}
            )

    async def _cut(self, request: web.BaseRequest, response: web.Response) -> None:
        """Answer, read away what comes for a moment (a reset would destroy the answer on its way), hang up."""
        response.force_close()
        try:
            async with asyncio.timeout(self._linger_seconds):
                await response.prepare(request)
                await response.write_eof()
                async for _ in request.content.iter_any():
                    pass
        except (TimeoutError, ConnectionError, ClientError, web.RequestPayloadError):
            pass
        request.protocol.force_close()


class _Stored(web.Response):
    """The usual answer, one object for all calls of HTTP/1.1 that keep their connection. aiohttp would put the same
    bytes together from a status, a dictionary and a body each time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(text="ok")
        self._keep_alive = True
        self._clock = clock
        self._second = -1
        self._bytes = b""

    async def prepare(self, request: web.BaseRequest) -> None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the peer left before its answer")
        second = int(self._clock.now().timestamp())
        if second != self._second:
            self._second = second
            date = formatdate(second, usegmt=True)
            self._bytes = (
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n"
                f"Date: {date}\r\n\r\nok"
            ).encode()
        transport.write(self._bytes)

    async def write_eof(self, data: bytes = b"") -> None:
        """All was written."""


class _Seldom:
    """Says when a source may be logged again, and remembers only the newest sources."""

    def __init__(self, clock: Clock, period: float = 60.0, size: int = 1024) -> None:
        self._clock = clock
        self._period = period
        self._size = size
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def due(self, source: str) -> int | None:
        """How many were passed over since the last line, or None: not yet."""
        now = self._clock.monotonic()
        since, unsaid = self._seen.get(source, (None, 0))
        if since is not None and now - since < self._period:
            self._seen[source] = (since, unsaid + 1)
            return None
        self._seen[source] = (now, 0)
        self._seen.move_to_end(source)
        if len(self._seen) > self._size:
            self._seen.popitem(last=False)
        return unsaid


def _encoded(request: web.BaseRequest) -> bool:
    if hdrs.CONTENT_ENCODING not in request.headers:
        return False
    codings = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING)).split(",")
    return any(coding.strip().lower() not in ("", "identity") for coding in codings)


def _status(status: HTTPStatus, **headers: str) -> web.Response:
    return web.Response(status=status, text=f"{status.value} {status.phrase}\n", headers=headers)


def _later() -> web.Response:
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="later\n", headers={"Retry-After": RETRY_AFTER})


def _challenge(answer: str, content_type: str) -> web.Response:
    # surrogateescape: what came in as odd bytes of an address goes out as the same bytes.
    body = answer.encode("utf-8", "surrogateescape")
    return web.Response(
        body=body, content_type=content_type, charset="utf-8", headers={"X-Content-Type-Options": "nosniff"}
    )
