"""Outgoing HTTP: one shared session, one way to say what a failed call means, and which hosts media come from.

Errors raised here carry the name of what went wrong and nothing of the request: an address may hold a token.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from inbox.errors import Refused, Uncertain, Unreachable

ANSWER_LIMIT = 2 * 1024 * 1024
"""Bytes of an API answer; a longer one is none that we asked for."""
CHUNK = 64 * 1024
MAX_REDIRECTS = 5
MEDIA_HOSTS = ("*.fbcdn.net", "*.fbsbx.com", "*.facebook.com", "*.cdninstagram.com", "*.whatsapp.net")

CALL = aiohttp.ClientTimeout(total=30, connect=10, sock_connect=10)
TRANSFER = aiohttp.ClientTimeout(total=600, connect=10, sock_connect=10, sock_read=30)

_NOT_SENT = (
    aiohttp.ClientConnectorError,  # refused, DNS, TLS, certificate
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


@asynccontextmanager
async def open_http(
    *, timeout: aiohttp.ClientTimeout = CALL, connections: int = 64, per_host: int = 16
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the session that all gates share: no cookies, nothing from the environment (proxies, netrc).

    Idle connections are kept for a short time only: a call on one that the other side just closed fails in a way
    that leaves open whether it was taken.
    """
    connector = aiohttp.TCPConnector(limit=connections, limit_per_host=per_host, keepalive_timeout=10)
    async with _open(connector, timeout) as session:
        yield session


def _open(connector: aiohttp.BaseConnector, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )


@contextmanager
def transport() -> Iterator[None]:
    """Map what goes wrong between us and a server.

    Unreachable: the request surely did not leave. Uncertain: everything else, a timeout after connecting and a
    connection that broke while writing or reading included.
    """
    try:
        yield
    except _NOT_SENT as error:
        raise Unreachable("connection", detail=type(error).__name__) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Uncertain("connection", detail=type(error).__name__) from None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


async def attempt(http: aiohttp.ClientSession, method: str, url: URL, **request: Any) -> Answer:
    """Make one call and read the whole answer, whatever its status. Redirects are not followed.

    `request`: as aiohttp's own keywords (headers, json, data, params, timeout). Raises Unreachable or Uncertain.
    """
    if http.closed:
        raise Unreachable("connection", detail="closed")
    with transport():
        async with http.request(method, url, allow_redirects=False, **request) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK):
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    raise Uncertain("answer", detail="too long")
            return Answer(response.status, response.headers, bytes(body))


_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
"""A name in plain letters: what needs decoding (percent signs, a trailing dot) could mean two hosts."""
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """Look up a name. Raises Unreachable."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("connection", detail=type(error).__name__) from None
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a provider's media may come from, and where its token may go.

    patterns: "*.fbcdn.net" (any name below it) or "cdn.example" (that name), over https at the usual port.
    bases: addresses from the settings; their origins are allowed as they are, on loopback too.
    """

    patterns: Sequence[str] = MEDIA_HOSTS
    bases: Sequence[str] = ()
    resolve: Resolve = field(default=resolve)

    def check(self, url: URL) -> None:
        """Raise Refused("not_allowed") for an address outside the list."""
        if self._is_base(url):
            return
        host = (url.raw_host or "").lower()
        if url.scheme != "https" or url.port != 443 or url.user is not None or url.password is not None:
            raise Refused("not_allowed", detail="address")
        if not _HOST.fullmatch(host) or not any(_matches(host, pattern.strip().lower()) for pattern in self.patterns):
            raise Refused("not_allowed", detail="host")

    async def admit(self, url: URL) -> Sequence[str]:
        """`check`, look the name up and refuse one that leads into a private network.

        Returns the addresses to connect to; none for an address of the settings, which may be anywhere.
        """
        self.check(url)
        if self._is_base(url):
            return ()
        found = await self.resolve(url.host or "", url.port or 443)
        if not all(is_public(address) for address in found):
            raise Refused("not_allowed", detail="private address")
        return found

    def _is_base(self, url: URL) -> bool:
        try:
            bare = url.raw_user is None and url.raw_password is None
            return bare and any(URL(base).origin() == url.origin() for base in self.bases)
        except ValueError:
            return False


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also where it carries an IPv4 address inside."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(ip.packed[-4:]) if ip in _NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
        return ip.is_global and ip in _GLOBAL_V6
    return ip.is_global and not ip.is_multicast


class _Pinned(AbstractResolver):
    """Leads to the addresses that were looked at: what the name says a moment later changes nothing."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) and host != pattern[1:] if pattern.startswith("*.") else host == pattern


def address(url: str) -> URL:
    """Read an address as it stands (a signed query must not be quoted anew). Raises Refused("not_allowed")."""
    try:
        found = URL(url, encoded=True)
        _ = found.host, found.port
    except (ValueError, TypeError):
        raise Refused("not_allowed", detail="address") from None
    return found


@asynccontextmanager
async def fetching(
    http: aiohttp.ClientSession, hosts: Hosts, url: str, headers: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """GET a file, each redirect looked at before it is followed; the body is left to the caller.

    `headers` go to the first origin only: a redirect to another host is followed without the token.
    Raises Refused("not_allowed"), or Unreachable for every trouble on the way: reading may always be tried again.
    """
    where = address(url)
    if http.closed:
        raise Unreachable("connection", detail="closed")
    try:
        with transport():
            for _ in range(MAX_REDIRECTS + 1):
                async with (
                    _session(http, await hosts.admit(where)) as session,
                    session.get(where, headers=headers, allow_redirects=False, timeout=TRANSFER) as response,
                ):
                    if response.status not in (301, 302, 303, 307, 308):
                        yield response
                        return
                    came_from, where = where, where.join(address(response.headers.get("Location", "")))
                    headers = headers if _same_origin(came_from, where) else {}
    except Uncertain as error:
        raise Unreachable(error.reason, detail=error.detail) from None
    raise Refused("not_allowed", detail="redirects")


@asynccontextmanager
async def _session(http: aiohttp.ClientSession, addresses: Sequence[str]) -> AsyncIterator[aiohttp.ClientSession]:
    """The shared session, or one of its own that connects to these addresses and no others."""
    if not addresses:
        yield http
        return
    async with _open(aiohttp.TCPConnector(resolver=_Pinned(addresses)), CALL) as session:
        yield session


def _same_origin(one: URL, other: URL) -> bool:
    return (one.scheme, one.raw_host, one.port) == (other.scheme, other.raw_host, other.port)
