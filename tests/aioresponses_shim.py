"""aioresponses 0.7.9 under aiohttp 3.14: two repairs for the length of a test.

`ClientResponse` wants a `stream_writer`, of which only `output_size` is read; and a body over 64 KiB asks the
protocol to pause a parser that is not there.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler
from aioresponses import core


class _Response(aiohttp.ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


class _Parser:
    """Flow control has nothing to pause."""

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None

    def feed_data(self, data: bytes) -> tuple[tuple[()], bool, bytes]:
        return (), False, b""


def _reader(loop: asyncio.AbstractEventLoop) -> StreamReader:
    protocol = ResponseHandler(loop=loop)
    protocol._parser = _Parser()  # type: ignore[assignment]
    return StreamReader(protocol, limit=2**16, loop=loop)


def repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call it before `with aioresponses() as mocked:`; it lasts as long as the fixture."""
    monkeypatch.setattr(core, "ClientResponse", _Response)
    monkeypatch.setattr(core, "stream_reader_factory", _reader)
