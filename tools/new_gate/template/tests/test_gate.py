"""The gate: who may call it, what it makes of broken bodies, and sends over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterable, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from gates.http import open_http
from gates.newgate.abilities import NEWGATE
from gates.newgate.gate import SIGNATURE, NewgateGate
from gates.newgate.settings import NewgateSettings
from inbox.blobs import Blob
from inbox.clock import SystemClock
from inbox.errors import InboxError, Locked, Refused, Throttled, Uncertain, Unreachable, Unreadable, Unverified
from inbox.gate import Gate, Outgoing, Raw
from inbox.model import Address, Text

SIGNING = "webhook-key"
TO_ANNA = Outgoing(Address(NEWGATE, "desk", "u-77"), None, (), Text("Добрый день!"), (), "out:777")


class Shelf:
    """Blobs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        content = b"".join([chunk async for chunk in chunks])
        digest = hashlib.sha256(content).hexdigest()
        self.path(digest).write_bytes(content)
        return Blob(digest, len(content))

    def path(self, sha256: str) -> Path:
        return self._folder / sha256

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        yield self.path(sha256).read_bytes()


def settings(base: str = "http://127.0.0.1:1") -> NewgateSettings:
    return NewgateSettings(account="desk", token=SecretStr("t"), webhook_secret=SecretStr(SIGNING), api_base=base)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[NewgateGate]:
    async with open_http() as http:
        yield NewgateGate(settings(), http, Shelf(tmp_path), SystemClock())


async def test_it_is_a_gate(gate: NewgateGate) -> None:
    whole: Gate = gate
    assert whole.provider in whole.roads


async def test_only_what_is_signed_is_taken(gate: NewgateGate) -> None:
    body = b'{"event": "message"}'
    right = hmac.new(SIGNING.encode(), body, hashlib.sha256).hexdigest()
    assert gate.verify("POST", {}, {SIGNATURE: right}, body) is None
    for method, headers, sent in (
        ("POST", {SIGNATURE: right}, body + b" "),
        ("POST", {SIGNATURE: right[:-1]}, body),
        ("POST", {SIGNATURE: "подпись"}, body),
        ("POST", {}, body),
        ("GET", {SIGNATURE: right}, body),
    ):
        with pytest.raises(Unverified):
            gate.verify(method, {}, headers, sent)


def signed_nonsense() -> list[bytes]:
    bare: list[Any] = [{}, {"account": "other", "event": "message"}, {"account": "desk"}]
    messages: list[Any] = [{}, [], {"id": "1", "sender": 5}, {"id": "1", "sender": {"id": "u"}, "photo": 7}]
    bare += [{"account": "desk", "event": "message", "message": message} for message in messages]
    bare += [{"account": "desk", "event": "status", "status": {"state": "lost", "message_id": "1"}}]
    return [b"", b"\xff", b"[]", b"null", b"[" * 100_000, *(json.dumps(body).encode() for body in bare)]


@pytest.mark.parametrize("body", signed_nonsense())
async def test_what_is_not_understood_is_unreadable_and_nothing_else(gate: NewgateGate, body: bytes) -> None:
    assert gate.key(body) == gate.key(body)
    with pytest.raises(Unreadable):
        list(gate.parse(Raw(NEWGATE, "key", body, datetime(2026, 11, 25, tzinfo=UTC))))


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, {"id": "m-9"}, None),
        (200, {}, Uncertain),
        (500, {}, Uncertain),
        (400, {"error": "window_closed"}, Refused),
        (400, {"error": "new_one"}, Refused),
        (401, {}, Locked),
        (403, {"error": "invalid_token"}, Locked),
        (404, {}, Refused),
        (429, {}, Throttled),
    ],
)
async def test_answers(
    aiohttp_server: Any, tmp_path: Path, status: int, answer: dict[str, str], expected: type[InboxError] | None
) -> None:
    taken: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        taken.append((request.headers["Authorization"], await request.json()))
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_post("/messages", take)
    server = await aiohttp_server(app)
    async with open_http() as http:
        gate = NewgateGate(settings(str(server.make_url(""))), http, Shelf(tmp_path), SystemClock())
        if expected is None:
            assert (await gate.send(TO_ANNA)).external_ids == ("m-9",)
        else:
            with pytest.raises(expected):
                await gate.send(TO_ANNA)
    assert taken == [("Bearer t", {"to": "u-77", "text": "Добрый день!", "token": "out:777"})]


async def test_without_a_connection_nothing_was_sent(gate: NewgateGate) -> None:
    with pytest.raises(Unreachable):
        await gate.send(TO_ANNA)
