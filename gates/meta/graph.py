"""Calls to the Graph API: Bearer token, JSON in and out, and what each answer means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from gates.http import TRANSFER, Answer, attempt
from gates.meta import errors, shape
from inbox.errors import InboxError, Locked, Refused, Throttled, Uncertain, Unreachable

BUSY = 30.0
"""Seconds to wait after a 429 that says nothing else."""


class GraphClient:
    """One token's way to the API. Every method raises Refused, Throttled, Unreachable, Uncertain or Locked."""

    def __init__(self, http: aiohttp.ClientSession, base: str, version: str, token: str) -> None:
        self._http = http
        self._base = f"{base.rstrip('/')}/{version}"
        self.headers = {"Authorization": f"Bearer {token}"}

    async def post(self, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call("POST", path, json=body)

    async def get(self, *path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._call("GET", path, params=params)

    async def delete(self, *path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._call("DELETE", path, params=params)

    async def upload(self, *path: str, fields: Mapping[str, str], file: Path, name: str, mime: str) -> dict[str, Any]:
        """POST a multipart form with the file read from disk as it goes out. Raises FileNotFoundError too."""
        form = aiohttp.FormData()
        for field, value in fields.items():
            form.add_field(field, value)
        with await asyncio.to_thread(file.open, "rb") as content:
            form.add_field("file", content, filename=name, content_type=mime)
            return await self._call("POST", path, data=form, timeout=TRANSFER)

    async def _call(self, method: str, path: tuple[str, ...], **request: Any) -> dict[str, Any]:
        url = URL("/".join([self._base, *(quote(part, safe="") for part in path)]), encoded=True)
        return read(await attempt(self._http, method, url, headers=self.headers, **request))


def read(answer: Answer) -> dict[str, Any]:
    """Return the object that Graph answered with, or raise what its answer means.

    Graph's own error object decides wherever there is one. Without it a 429 and another 4xx are a no that surely
    took nothing, and anything else leaves open what became of the request.
    """
    body = _object(answer.body)
    if body is not None and isinstance(body.get("error"), dict):
        raise _from_graph(body["error"], answer.headers)
    if 200 <= answer.status < 300:
        if body is None:
            raise Uncertain("answer", code=f"http{answer.status}")
        return body
    raise _from_status(answer)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _from_graph(error: dict[str, Any], headers: Mapping[str, str]) -> InboxError:
    code = shape.whole(error.get("code"))
    detail = f"fbtrace_id={shape.text(error.get('fbtrace_id'))}"
    if code is None:
        return Refused("unknown", detail=detail)
    return errors.error(code, regain=_regain(headers), detail=detail)


def _from_status(answer: Answer) -> InboxError:
    code = f"http{answer.status}"
    if answer.status == 429:
        return Throttled(_retry_after(answer.headers) or BUSY, everyone=True, code=code)
    if answer.status == 401:
        return Locked("token", code=code)
    if 300 <= answer.status < 400:
        return Unreachable("redirect", code=code)
    if 400 <= answer.status < 500:
        return Refused("invalid", code=code)
    return Uncertain("answer", code=code)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() and 0 < int(value) <= 86_400 else None


def _regain(headers: Mapping[str, str]) -> float | None:
    """Seconds until the usage header gives access again (it says minutes); None: it does not say."""
    usage = _object(headers.get("X-Business-Use-Case-Usage", "").encode("utf-8", "replace")) or {}
    minutes = [
        shape.number(shape.obj(line).get("estimated_time_to_regain_access")) or 0.0
        for lines in usage.values()
        for line in shape.items(lines)
    ]
    longest = max(minutes, default=0.0)
    return min(longest, 24 * 60) * 60 if longest > 0 else None
