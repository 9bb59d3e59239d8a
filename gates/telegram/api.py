"""Calls of the Bot API through aiogram, with every failure named by what it means for the outcome.

Importing this module imports aiogram, which takes seconds: only what sends may do it, after the port is open.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import Response, TelegramMethod

from gates.telegram.errors import refusal
from gates.telegram.settings import TelegramSettings
from inbox.errors import InboxError, Refused, Uncertain, Unreachable

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds. What ends inside them was certainly not taken; that is why they are counted apart."""

_STATUS: tuple[tuple[type[TelegramAPIError], int], ...] = (
    (TelegramBadRequest, 400),
    (TelegramUnauthorizedError, 401),
    (TelegramForbiddenError, 403),
    (TelegramNotFound, 404),
    (TelegramConflictError, 409),
    (TelegramServerError, 500),
)

_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


def make_bot(settings: TelegramSettings) -> Bot:
    """No default parse mode: it would be sent beside the entities and win over them."""
    session = _Session(api=TelegramAPIServer.from_base(settings.api_base))
    return Bot(settings.token.get_secret_value(), session=session)


async def call(bot: Bot, method: TelegramMethod[T], timeout: float = 30) -> T:
    """Raise Refused, TopicGone, Throttled, Locked, Unreachable (certainly not taken) or Uncertain, nothing else.

    timeout: seconds for all of it. An answer that is not Telegram's own error leaves the outcome unknown.
    """
    try:
        async with asyncio.timeout(timeout):
            return await bot(method)
    except TimeoutError:
        raise Uncertain("timeout") from None
    except (TelegramAPIError, ClientDecodeError, OSError, aiohttp.ClientError, UnicodeDecodeError) as error:
        # "from None": aiohttp's own errors quote the address, and the address has the token in it.
        raise failure(error) from None


def failure(error: Exception) -> InboxError:
    """What an exception of aiogram means."""
    if isinstance(error, TelegramEntityTooLarge):
        return Refused("too_big", code="413")
    if isinstance(error, TelegramNetworkError):
        return _network_failure(error)
    if isinstance(error, TelegramRetryAfter):
        return refusal(429, error.message, retry_after=error.retry_after)
    if isinstance(error, TelegramMigrateToChat):
        return refusal(400, error.message, migrate_to=error.migrate_to_chat_id)
    if isinstance(error, TelegramAPIError):
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 0)
        return refusal(status or _named_status(error.message), error.message)
    if isinstance(error, ClientDecodeError):
        return Uncertain("answer", detail=type(error.original).__name__)
    return Uncertain("network", detail=type(error).__name__)


def _network_failure(error: TelegramNetworkError) -> InboxError:
    cause: BaseException | None = error.__cause__ or error.__context__
    name = type(cause).__name__
    return Unreachable("connect", detail=name) if isinstance(cause, _NOT_SENT) else Uncertain("network", detail=name)


def _named_status(message: str) -> int:
    """aiogram keeps no status with an error that it has no class for; a 429 without its seconds is one."""
    return 429 if message.lower().startswith("too many requests") else 400


class _Session(AiohttpSession):
    def __init__(self, api: TelegramAPIServer) -> None:
        super().__init__(api=api)
        self._answers: dict[Any, type[Response[Any]]] = {}
        # aiogram hands the number on to aiohttp, which takes this as well; a plain number would count connecting
        # and waiting for the answer as one, and the two have different meanings.
        limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        self.timeout = limits  # type: ignore[assignment]

    def check_response(self, bot: Bot, method: TelegramMethod[Any], status_code: int, content: str) -> Response[Any]:
        # pydantic forgets a model with parameters as soon as nobody holds it, and making one takes some 30 ms.
        returned = method.__returning__
        self._answers.setdefault(returned, Response[returned])  # type: ignore[valid-type]
        try:
            response = super().check_response(bot, method, status_code, content)
        except ClientDecodeError:
            if status_code == 413:  # the web server in front of the Bot API says so in HTML
                raise TelegramEntityTooLarge(method=method, message="too large") from None
            raise
        except TypeError as error:  # an error body without a description
            raise ClientDecodeError("No description", error, None) from error
        except TelegramAPIError as error:
            if error.message is None:  # the same where aiogram does not look into it
                raise ClientDecodeError("No description", error, None) from error
            raise
        if response.result is None:
            raise ClientDecodeError("No result", ValueError("result"), None)
        return response
