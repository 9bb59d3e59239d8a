"""Requests byte by byte, as no client library would send them, to the port of a running product."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterable
from contextlib import suppress

Headers = Iterable[tuple[bytes, bytes]]


def signature(body: bytes, secret: str) -> bytes:
    return b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


def head(path: str, headers: Headers = (), method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: desk", *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"", b""])


async def ask(port: int, request: bytes, within: float = 20.0) -> int:
    """Send these bytes and give the status; 0 where the connection ended without one."""
    async with asyncio.timeout(within):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            line = await reader.readline()
        except ConnectionError:
            line = b""
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    return int(line.split()[1]) if line else 0


async def post(port: int, path: str, body: bytes, headers: Headers) -> int:
    length = (b"Content-Length", str(len(body)).encode())
    return await ask(port, head(path, [*headers, length, (b"Connection", b"close")]) + body)
