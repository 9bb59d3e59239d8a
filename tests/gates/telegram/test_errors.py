"""Answers of Telegram, and what each means for what was to be sent."""

from __future__ import annotations

import asyncio
import gc
import weakref
from importlib.metadata import version

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramNetworkError
from aiogram.methods import GetMyName, Response, SendMessage
from aiogram.types import BotName, BotShortDescription
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses
from pydantic import SecretStr

from gates.telegram.api import call, failure, make_bot
from gates.telegram.errors import refusal
from gates.telegram.settings import TelegramSettings
from inbox.errors import InboxError, Locked, Refused, Throttled, TopicGone, Uncertain, Unreachable
from tests.aioresponses_shim import repair
from tests.gates.telegram.cases import TOKEN
from tests.gates.telegram.conftest import close
from tests.gates.telegram.server import Server, failed, hang_up, ok

ANSWERS = [
    (400, "Bad Request: message is not modified: specified new message content is the same", "refused:unchanged:400"),
    (400, "Bad Request: message thread not found", "topic_gone::400"),
    (400, "Bad Request: TOPIC_DELETED", "topic_gone::TOPIC_DELETED"),
    (400, "Bad Request: TOPIC_NOT_MODIFIED", "refused:unchanged:TOPIC_NOT_MODIFIED"),
    (400, "Bad Request: message to be replied not found", "refused:not_found:400"),
    (400, "Bad Request: message to edit not found", "refused:not_found:400"),
    (400, "Bad Request: message can't be edited", "refused:too_old:400"),
    (400, "Bad Request: message to delete not found", "refused:not_found:400"),
    (400, "Bad Request: message can't be deleted for everyone", "refused:too_old:400"),
    (400, "Bad Request: BUSINESS_PEER_INVALID", "refused:window:BUSINESS_PEER_INVALID"),
    (400, "Bad Request: business connection not found", "refused:window:400"),
    (400, "Bad Request: wrong file identifier/HTTP URL specified", "refused:bad_media:400"),
    (400, "Bad Request: wrong file_id or the file is temporarily unavailable", "refused:bad_media:unavailable"),
    (400, "Bad Request: invalid file_id", "refused:bad_media:400"),
    (400, "Bad Request: PHOTO_INVALID_DIMENSIONS", "refused:bad_media:PHOTO_INVALID_DIMENSIONS"),
    (400, "Bad Request: file is too big", "refused:too_big:400"),
    (413, "Request Entity Too Large", "refused:too_big:413"),
    (400, "Bad Request: VOICE_MESSAGES_FORBIDDEN", "refused:not_allowed:VOICE_MESSAGES_FORBIDDEN"),
    (400, "Bad Request: REACTION_INVALID", "refused:not_allowed:REACTION_INVALID"),
    (400, "Bad Request: not enough rights to send text messages to the chat", "refused:not_allowed:400"),
    (400, "Bad Request: need administrator rights in the channel chat", "refused:not_allowed:400"),
    (400, "Bad Request: chat not found", "refused:unreachable:400"),
    (400, "Bad Request: PEER_ID_INVALID", "refused:unreachable:PEER_ID_INVALID"),
    (400, "Bad Request: QUOTE_TEXT_INVALID", "refused:invalid:QUOTE_TEXT_INVALID"),
    (400, "Bad Request: message is too long", "refused:invalid:400"),
    (400, "Bad Request: can't parse entities: unsupported start tag", "refused:invalid:400"),
    (400, "Bad Request: BUTTON_DATA_INVALID", "refused:invalid:BUTTON_DATA_INVALID"),
    (400, "Bad Request: query is too old and response timeout expired or query ID is invalid", "refused:too_old:400"),
    (400, "Bad Request: the moon is full", "refused:unknown:400"),
    (401, "Unauthorized", "locked:token:401"),
    (404, "Not Found", "locked:token:404"),
    (403, "Forbidden: bot was blocked by the user", "refused:blocked:403"),
    (403, "Forbidden: user is deactivated", "refused:unreachable:403"),
    (403, "Forbidden: bot can't initiate conversation with a user", "refused:unreachable:403"),
    (403, "Forbidden: bot is not a member of the channel chat", "refused:unreachable:403"),
    (409, "Conflict: terminated by other getUpdates request", "unreachable:conflict:409"),
    (429, "Too Many Requests: retry after 7", "throttled:later:429"),
    (500, "Internal Server Error", "unreachable:temporary:500"),
    (502, "Bad Gateway", "unreachable:temporary:502"),
    (503, "Internal Server Error: restart", "unreachable:temporary:503"),
]

HELLO = SendMessage(chat_id=1, text="hello")


@pytest.mark.parametrize(("status", "description", "stored"), ANSWERS)
def test_the_table(status: int, description: str, stored: str) -> None:
    assert refusal(status, description).stored() == stored


def test_numbers_that_come_beside_the_words() -> None:
    throttled = refusal(429, "Too Many Requests", retry_after=41)
    assert isinstance(throttled, Throttled) and throttled.retry_after == 41
    spoken = refusal(429, "Too Many Requests: retry after 7")
    assert isinstance(spoken, Throttled) and spoken.retry_after == 7
    silent = refusal(429, "Too Many Requests")
    assert isinstance(silent, Throttled) and silent.retry_after > 0
    moved = refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to=-1001000000002)
    assert moved.stored() == "refused:migrated:400" and moved.detail == "-1001000000002"


@pytest.fixture
async def mocked_bot(monkeypatch: pytest.MonkeyPatch) -> Bot:
    repair(monkeypatch)
    return make_bot(TelegramSettings(token=SecretStr(TOKEN), webhook_secret=SecretStr("s")))


async def outcome(bot: Bot, timeout: float = 5) -> InboxError:
    try:
        with pytest.raises(InboxError) as caught:
            await call(bot, HELLO, timeout)
    finally:
        await close(bot)
    assert TOKEN not in f"{caught.value!r} {caught.value.detail} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__
    return caught.value


URL = f"https://api.telegram.org/bot{TOKEN}/sendMessage"


@pytest.mark.parametrize(("status", "description", "stored"), ANSWERS)
async def test_the_same_table_through_aiogram(mocked_bot: Bot, status: int, description: str, stored: str) -> None:
    with aioresponses() as mocked:
        mocked.post(URL, status=status, payload={"ok": False, "error_code": status, "description": description})
        error = await outcome(mocked_bot)
    name, reason, code = stored.split(":")
    assert (error.name, error.reason) == (name, reason)
    assert error.code == ("500" if code in ("502", "503") else code)


async def test_parameters_through_aiogram(mocked_bot: Bot) -> None:
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 41}}
    with aioresponses() as mocked:
        mocked.post(URL, status=429, payload=body)
        error = await outcome(mocked_bot)
    assert isinstance(error, Throttled) and error.retry_after == 41


async def test_a_migrated_group_through_aiogram(mocked_bot: Bot) -> None:
    body = {"ok": False, "error_code": 400, "description": "x", "parameters": {"migrate_to_chat_id": -1001000000002}}
    with aioresponses() as mocked:
        mocked.post(URL, status=400, payload=body)
        error = await outcome(mocked_bot)
    assert (error.stored(), error.detail) == ("refused:migrated:400", "-1001000000002")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Uncertain),
        (200, b"<html>", Uncertain),
        (200, b'{"ok":true,"result":{"message_id":"x"}}', Uncertain),
        (200, b'{"ok":true,"resu', Uncertain),
        (500, b"<html>Internal Server Error</html>", Uncertain),
        (502, b"<html>Bad Gateway</html>", Uncertain),
        (502, b'{"error": "proxy"}', Uncertain),
        (502, b'{"ok":false}', Uncertain),
        (413, b"<html>Request Entity Too Large</html>", Refused),
    ],
)
async def test_answers_that_are_not_telegrams_own(
    mocked_bot: Bot, status: int, body: bytes, kind: type[InboxError]
) -> None:
    with aioresponses() as mocked:
        mocked.post(URL, status=status, body=body)
        assert type(await outcome(mocked_bot)) is kind


KEY = ConnectionKey("api.telegram.org", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("exception", "kind"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError("refused")), Unreachable),
        (aiohttp.ClientConnectorDNSError(KEY, OSError("name")), Unreachable),
        (aiohttp.ClientConnectorSSLError(KEY, OSError("tls")), Unreachable),
        (aiohttp.ConnectionTimeoutError(f"Connection timeout to host {URL}"), Unreachable),
        (aiohttp.ServerDisconnectedError(), Uncertain),
        (aiohttp.ClientOSError(104, "reset"), Uncertain),
        (aiohttp.SocketTimeoutError("read"), Uncertain),
        (TimeoutError(), Uncertain),
        (ConnectionResetError(104, "reset"), Uncertain),
    ],
)
async def test_the_network(mocked_bot: Bot, exception: Exception, kind: type[InboxError]) -> None:
    with aioresponses() as mocked:
        mocked.post(URL, exception=exception)
        assert type(await outcome(mocked_bot)) is kind


def test_a_network_error_without_a_known_cause_is_uncertain() -> None:
    assert failure(TelegramNetworkError(HELLO, "x")).name == "uncertain"


async def test_nobody_listens(server: Server, telegram_settings: TelegramSettings, unused_tcp_port: int) -> None:
    nowhere = telegram_settings.model_copy(update={"api_base": f"http://127.0.0.1:{unused_tcp_port}"})
    assert type(await outcome(make_bot(nowhere))) is Unreachable


async def test_the_line_breaks_after_the_request_left(server: Server, bot: Bot) -> None:
    server.will("sendMessage", hang_up)
    assert type(await outcome(bot)) is Uncertain
    assert len(server.asked("sendMessage")) == 1


async def test_no_answer_in_time(server: Server, bot: Bot) -> None:
    forever = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await forever.wait()
        return web.Response()

    server.will("sendMessage", silent)
    error = await outcome(bot, timeout=0.3)
    forever.set()
    assert error.stored() == "uncertain:timeout:"


async def test_real_refusals_keep_their_class(server: Server, bot: Bot) -> None:
    server.will("sendMessage", failed(400, "Bad Request: message thread not found"), failed(401, "Unauthorized"))
    assert type(await outcome(bot)) is TopicGone
    assert type(await outcome(bot)) is Locked


def test_the_repair_of_aioresponses_is_still_needed() -> None:
    """A newer release may carry the repairs itself: then tests/aioresponses_shim.py goes."""
    assert version("aioresponses") == "0.7.9"


async def test_the_models_of_answers_are_made_once(bot: Bot, server: Server) -> None:
    """A model with a parameter that nobody holds is thrown away, and costs more than the call when it comes again."""
    server.will("getMyName", ok({"name": "Пульт"}))
    await call(bot, GetMyName())
    model = weakref.ref(Response[BotName])
    gc.collect()
    assert model() is not None


async def test_a_model_that_nobody_holds_is_thrown_away() -> None:
    """Else the test before this one could not fail."""
    model = weakref.ref(Response[BotShortDescription])
    gc.collect()
    assert model() is None
