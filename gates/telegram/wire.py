"""The Bot API over bare aiohttp: for fetching, registering and downloading, none of which may wait for aiogram."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from gates.telegram.errors import refusal
from gates.telegram.settings import TelegramSettings
from gates.telegram.shape import integer, obj, word
from inbox.errors import Refused, Unreachable

CONNECT_TIMEOUT = 10.0
CHUNK = 64 * 1024


class Wire:
    """Only calls that may be repeated: every failure of the network is Unreachable here, whatever was sent."""

    def __init__(self, settings: TelegramSettings, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._http = http

    async def call(self, method: str, parameters: Mapping[str, Any], timeout: float = 30) -> Any:
        """Return `result`. Raises Refused, Throttled, Locked or Unreachable ("conflict": two pollers, or a webhook)."""
        address = f"{self._settings.api_base}/bot{self._settings.token.get_secret_value()}/{method}"
        try:
            async with self._http.post(
                address, json=dict(parameters), timeout=_limits(timeout), allow_redirects=False
            ) as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # "from None": aiohttp's errors may quote the address, and the address has the token in it.
            raise Unreachable("network", detail=type(error).__name__) from None
        return _result(status, body)

    async def file(self, path: str, limit: int, timeout: float = 300) -> AsyncIterator[bytes]:
        """Bytes of a file that getFile named. Raises Refused("too_big") past `limit` bytes, Unreachable."""
        if not _is_relative(path):
            raise Refused("bad_media", detail="file_path")
        address = f"{self._settings.api_base}/file/bot{self._settings.token.get_secret_value()}/{path}"
        size = 0
        try:
            async with self._http.get(address, timeout=_limits(timeout), allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Unreachable("file", code=str(answer.status))
                async for chunk in answer.content.iter_chunked(CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise Refused("too_big")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable("network", detail=type(error).__name__) from None


def _limits(timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout, connect=CONNECT_TIMEOUT)


def _result(status: int, body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreachable("answer", code=str(status)) from None
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise Unreachable("answer", code=str(status))
    if answer["ok"]:
        return answer.get("result")
    parameters = obj(answer, "parameters") or {}
    raise refusal(
        integer(answer, "error_code") or status,
        word(answer, "description") or "",
        retry_after=integer(parameters, "retry_after"),
        migrate_to=integer(parameters, "migrate_to_chat_id"),
    )


def _is_relative(path: str) -> bool:
    """A path below the file route and nothing else: with it the token goes to no other place."""
    plain = path.isascii() and not any(char in path for char in "\\?#%:") and path.isprintable()
    return bool(path) and plain and not path.startswith("/") and ".." not in path.split("/")
