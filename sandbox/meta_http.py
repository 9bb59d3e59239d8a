"""HTTP of the fake Graph: reading what was asked, answering it, or cutting the connection."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.meta_errors import GraphError
from sandbox.meta_limits import usage
from sandbox.world import Fault

TAKEN = {"lost", "half", "hang", "garbage"}  # kinds of trouble that come after the call has had its effect
CUT = {"refuse", "lost", "half"}  # kinds that leave the caller without a whole answer


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` stands in the journal; `raw`, if set, is what goes out instead of it."""

    status: int
    body: Any
    raw: bytes | None = None
    mime: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def bytes(self) -> bytes:
        return json.dumps(self.body).encode() if self.raw is None else self.raw


Asked = dict[str, Any]  # what the journal keeps of the request
Act = Callable[[web.Request, Asked], Awaitable[Answer]]


def refusal(fault: Fault, name: str, waba_id: str) -> Answer:
    """The answer to a call that is not taken. Throttling of sends is 130429, of anything else 80007."""
    if fault.kind == "429":
        error = GraphError(130429 if name == "POST /messages" else 80007)
        return Answer(error.status, error.body(), headers=usage(waba_id, fault.seconds))
    if fault.kind == "error":
        error = GraphError(int(fault.error))
        return Answer(error.status, error.body())
    return Answer(500, "", b"Internal Server Error", "text/plain")


def garbage(fault: Fault) -> Answer:
    """200 with what is no answer of Graph's."""
    if fault.error:
        return Answer(200, fault.error, fault.error.encode("latin-1"))
    return Answer(200, "<html>", b"<html>Sorry, something went wrong.</html>", "text/html")


async def respond(request: web.Request, answer: Answer, kind: str) -> web.StreamResponse:
    raw = answer.bytes()
    if kind not in CUT:
        headers = {"Content-Type": answer.mime, **answer.headers}
        return web.Response(status=answer.status, body=raw, headers=headers)
    response = web.StreamResponse(headers={"Content-Type": answer.mime, "Content-Length": str(len(raw))})
    if kind == "half":
        await response.prepare(request)
        await response.write(raw[: len(raw) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def read_json(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise GraphError(100, "The body must be application/json.")
    try:
        body = await request.json()
    except ValueError:
        raise GraphError(100, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise GraphError(100, "The body must be a JSON object.")
    return body


async def read_form(request: web.Request) -> tuple[dict[str, str], bytes, str | None, str]:
    """Plain fields of an upload, then content, name and MIME type of its `file`."""
    if request.content_type != "multipart/form-data":
        raise GraphError(100, "Media is uploaded as multipart/form-data.")
    fields: dict[str, str] = {}
    content, name, mime = b"", None, ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise GraphError(100, "Parts must not be nested.")
        if part.name == "file":
            content, name = bytes(await part.read()), part.filename
            mime = part.headers.get("Content-Type", "")
        else:
            fields[part.name or ""] = await part.text()
    return fields, content, name, mime
