"""The gate's own side: secrets, downloads, the webhook, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from pydantic import SecretStr, ValidationError

from gates.telegram.abilities import DOWNLOAD_LIMIT
from gates.telegram.access import Connection, DeskPlace
from gates.telegram.gate import TelegramGate, WebhookInfo
from gates.telegram.names import TELEGRAM
from gates.telegram.parse import UPDATE_KINDS
from gates.telegram.settings import TelegramSettings
from inbox.errors import Locked, Refused, Throttled, Unreachable, Unverified
from inbox.gate import Deletes, Edits, Gate, Polls, Probes, Reacts, Registers
from inbox.model import Attachment, MediaKind
from tests.gates.telegram.cases import BOT, FIXTURES, OWNER, ROUTE, TOKEN, raw
from tests.gates.telegram.server import Server, failed, hang_up, ok

HEADER = "X-Telegram-Bot-Api-Secret-Token"
FILE = Attachment(MediaKind.PHOTO, TELEGRAM, "AgAC-1")
BODY = {path.stem: path.read_bytes() for path in FIXTURES}


def test_it_has_the_powers_that_it_says(gate: TelegramGate) -> None:
    as_gate: Gate = gate
    assert as_gate.provider == TELEGRAM
    for power in (Edits, Deletes, Reacts, Polls, Probes, Registers):
        assert isinstance(gate, power)


@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.upper()])
def test_the_right_secret(gate: TelegramGate, name: str) -> None:
    assert gate.verify("POST", {}, CIMultiDict({name: "sec-ret_1"}), b"") is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER: ""},
        {HEADER: "sec-ret_2"},
        {HEADER: "sec-ret_1 "},
        {HEADER: "сек"},
        {HEADER: "\udcff"},
        {"X": "sec-ret_1"},
    ],
)
def test_any_other_secret(gate: TelegramGate, headers: dict[str, str]) -> None:
    with pytest.raises(Unverified):
        gate.verify("POST", {}, headers, b"")


def test_the_parser_follows_the_desk_and_the_connections(gate: TelegramGate) -> None:
    assert [type(fact).__name__ for fact in gate.parse(raw(BODY["desk_message"]))] == ["Came"]
    gate.set_desk(DeskPlace(owner_id=OWNER))
    assert [type(fact).__name__ for fact in gate.parse(raw(BODY["desk_message"]))] == ["ForDesk"]
    gate.set_connections({ROUTE: Connection(OWNER, can_reply=True, enabled=True)})
    assert [type(fact).__name__ for fact in gate.parse(raw(BODY["business_text"]))] == ["Came"]
    assert gate.key(BODY["text"]) == gate.key(BODY["text"])


async def collected(gate: TelegramGate, attachment: Attachment = FILE) -> bytes:
    return b"".join([chunk async for chunk in gate.download(attachment)])


def named(path: str, **fields: Any) -> web.Response:
    return ok({"file_id": "AgAC-1", "file_unique_id": "u", "file_path": path, **fields})


async def test_a_download(gate: TelegramGate, server: Server) -> None:
    content = bytes(range(256)) * 1000
    server.will("getFile", named("photos/file_1.jpg", file_size=len(content)))
    server.will("file", web.Response(body=content))
    assert await collected(gate) == content
    assert server.asked("getFile")[0].fields == {"file_id": "AgAC-1"}


async def test_what_telegram_does_not_give_out_is_refused_for_good(gate: TelegramGate, server: Server) -> None:
    with pytest.raises(Refused, match="too_big"):
        await collected(gate, Attachment(MediaKind.VIDEO, TELEGRAM, "AgAC-1", size=DOWNLOAD_LIMIT + 1))
    assert server.calls == []
    server.will("getFile", failed(400, "Bad Request: file is too big"))
    with pytest.raises(Refused, match="too_big"):
        await collected(gate)
    server.will("getFile", named("x", file_size=DOWNLOAD_LIMIT + 1))
    with pytest.raises(Refused, match="too_big"):
        await collected(gate)
    server.will("getFile", named("x"))
    server.will("file", web.Response(body=bytes(DOWNLOAD_LIMIT + 1)))
    with pytest.raises(Refused, match="too_big"):
        await collected(gate)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../getMe", "a/../../x", "http://evil.example/x", "//evil.example/x", "x?y", "x#y", "%2e%2e/x", ""],
)
async def test_the_token_goes_nowhere_else(gate: TelegramGate, server: Server, path: str) -> None:
    server.will("getFile", named(path))
    with pytest.raises(Refused, match="bad_media"):
        await collected(gate)
    assert server.asked("file") == []


async def test_a_redirect_is_not_followed(gate: TelegramGate, server: Server) -> None:
    server.will("getFile", named("x"))
    server.will("file", web.Response(status=302, headers={"Location": f"{server.base}/bot{TOKEN}/getMe"}))
    with pytest.raises(Unreachable):
        await collected(gate)
    assert server.asked("getMe") == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(400, "Bad Request: wrong file_id or the file is temporarily unavailable"), Unreachable),
        (failed(400, "Bad Request: invalid file_id"), Refused),
        (failed(401, "Unauthorized"), Locked),
        (failed(429, "Too Many Requests", retry_after=3), Throttled),
        (failed(500, "Internal Server Error"), Unreachable),
        (web.Response(status=502, text="<html>"), Unreachable),
        (web.Response(text="[]"), Unreachable),
        (ok([]), Unreachable),
        (hang_up, Unreachable),
    ],
)
async def test_downloads_that_fail(gate: TelegramGate, server: Server, answer: Any, error: type[Exception]) -> None:
    server.will("getFile", answer)
    with pytest.raises(error) as caught:
        await collected(gate)
    assert type(caught.value) is error
    assert TOKEN not in str(caught.value)


async def test_a_file_that_is_not_there_now_is_tried_again_later(gate: TelegramGate, server: Server) -> None:
    server.will("getFile", named("x"))
    server.will("file", web.Response(status=404))
    with pytest.raises(Unreachable):
        await collected(gate)


async def test_the_webhook(gate: TelegramGate, server: Server) -> None:
    assert not gate.registered
    await gate.register("https://desk.example/")
    (call,) = server.calls
    assert call.method == "setWebhook"
    assert call.fields == {
        "url": "https://desk.example/webhooks/telegram",
        "secret_token": "sec-ret_1",
        "allowed_updates": list(UPDATE_KINDS),
        "max_connections": 40,
        "drop_pending_updates": False,
    }
    assert gate.registered


async def test_a_webhook_that_telegram_does_not_take(gate: TelegramGate, server: Server) -> None:
    server.will("setWebhook", failed(429, "Too Many Requests", retry_after=1), failed(400, "Bad Request: bad webhook"))
    with pytest.raises(Throttled):
        await gate.register("https://desk.example")
    with pytest.raises(Refused):
        await gate.register("https://desk.example")
    assert not gate.registered


async def test_what_telegram_says_of_the_webhook(gate: TelegramGate, server: Server) -> None:
    ours = "https://desk.example.com"
    server.will("getWebhookInfo", ok({"url": f"{ours}/webhooks/telegram", "pending_update_count": 3}))
    assert await gate.webhook(ours) == WebhookInfo(elsewhere=False, pending=3)
    error = {"last_error_date": 1_790_000_000, "last_error_message": "Connection refused"}
    server.will("getWebhookInfo", ok({"url": "https://other.example.com", **error}))
    at = datetime.fromtimestamp(1_790_000_000, UTC)
    assert await gate.webhook(ours) == WebhookInfo(True, 0, "Connection refused", at)
    odds: list[object] = [{"last_error_date": 2**62, "pending_update_count": "x"}, [], None]
    for odd in odds:
        server.will("getWebhookInfo", ok(odd))
        assert (await gate.webhook(ours)).error_at is None


async def test_a_probe(gate: TelegramGate, server: Server) -> None:
    await gate.probe()
    assert [call.method for call in server.calls] == ["getMe"]
    server.will("getMe", failed(401, "Unauthorized"), failed(502, "Bad Gateway"))
    with pytest.raises(Locked):
        await gate.probe()
    with pytest.raises(Unreachable):
        await gate.probe()


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": SecretStr("sesame")},
        {"token": SecretStr("1:")},
        {"webhook_secret": SecretStr("")},
        {"webhook_secret": SecretStr("пароль")},
        {"api_base": "api.telegram.org"},
        {"api_base": "ftp://x"},
    ],
)
def test_settings_that_cannot_work_say_so_without_their_value(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"token": SecretStr(TOKEN), "webhook_secret": SecretStr("s")}
    assert TelegramSettings(**right, api_base="https://x/").api_base == "https://x"
    assert TelegramSettings(**right).bot_id == BOT
    with pytest.raises(ValidationError) as caught:
        TelegramSettings(**(right | wrong))
    assert "sesame" not in str(caught.value)


async def test_a_token_is_never_in_an_error_text(
    telegram_settings: TelegramSettings, http: aiohttp.ClientSession, unused_tcp_port: int, gate: TelegramGate
) -> None:
    nowhere = telegram_settings.model_copy(update={"api_base": f"http://127.0.0.1:{unused_tcp_port}"})
    lost = TelegramGate(nowhere, http, gate._blobs, gate.poller._clock)
    with pytest.raises(Unreachable) as caught:
        await lost.register("https://desk.example")
    assert TOKEN not in f"{caught.value!r}{caught.value.detail}" and caught.value.__suppress_context__


def test_importing_the_gate_does_not_import_aiogram() -> None:
    code = "import sys, gates.telegram.gate; sys.exit('aiogram' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
