"""The Newgate gate: verify, parse, send, download."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
from yarl import URL

from gates.http import CHUNK, TRANSFER, Hosts, attempt, fetching, transport
from gates.newgate.abilities import ABILITIES, NEWGATE
from gates.newgate.errors import read
from gates.newgate.parse import parse
from gates.newgate.send import message
from gates.newgate.settings import NewgateSettings
from inbox.abilities import Abilities
from inbox.blobs import Blobs
from inbox.clock import Clock
from inbox.errors import Refused, Uncertain, Unreachable, Unverified
from inbox.gate import Inbound, Outgoing, Raw, Receipt
from inbox.model import Attachment, ExternalId, Provider

SIGNATURE = "x-newgate-signature"


class NewgateGate:
    """Implements Gate."""

    def __init__(self, settings: NewgateSettings, http: aiohttp.ClientSession, blobs: Blobs, clock: Clock) -> None:
        self._settings = settings
        self._http = http
        self._blobs = blobs
        self._clock = clock
        self._headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._hosts = Hosts((), (settings.api_base,))

    @property
    def provider(self) -> Provider:
        return NEWGATE

    @property
    def roads(self) -> Mapping[Provider, Abilities]:
        return MappingProxyType({NEWGATE: ABILITIES})

    def verify(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str | None:
        given = headers.get(SIGNATURE, "")
        secret = self._settings.webhook_secret.get_secret_value().encode()
        wanted = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
        # As bytes: a signature that is not ASCII would make the comparison of two texts raise TypeError.
        if method != "POST" or not hmac.compare_digest(given.encode("ascii", "replace"), wanted):
            raise Unverified("signature")
        return None

    def key(self, body: bytes) -> str:
        return hashlib.sha256(body).hexdigest()

    def parse(self, raw: Raw) -> Iterable[Inbound]:
        return parse(raw, self._settings.account)

    async def send(self, out: Outgoing) -> Receipt:
        photo = await self._upload(out.attachments[0]) if out.attachments else None
        answer = await self._post("messages", json=message(out, photo))
        found = answer.get("id")
        if not isinstance(found, str) or not found:
            raise Uncertain("answer", detail="no message id")
        return Receipt((ExternalId(found),), self._clock.now())

    async def download(self, attachment: Attachment) -> AsyncIterator[bytes]:
        async with fetching(self._http, self._hosts, attachment.ref, self._headers) as response:
            if not 200 <= response.status < 300:
                raise Refused("gone", code=f"http{response.status}")
            try:
                with transport():
                    async for chunk in response.content.iter_chunked(CHUNK):
                        yield chunk
            except Uncertain as error:
                raise Unreachable(error.reason, detail=error.detail) from None

    async def _upload(self, attachment: Attachment) -> str:
        """Whatever happens here, the message itself has not been sent."""
        if attachment.sha256 is None:
            raise Refused("not_found")
        path = self._blobs.path(attachment.sha256)
        try:
            with await asyncio.to_thread(path.open, "rb") as content:
                form = aiohttp.FormData()
                form.add_field("file", content, content_type=attachment.mime or "application/octet-stream")
                answer = await self._post("files", data=form, timeout=TRANSFER)
        except FileNotFoundError:
            raise Refused("not_found") from None
        except Uncertain as error:
            raise Unreachable("upload", code=error.code, detail=error.detail) from None
        return str(answer.get("id"))

    async def _post(self, path: str, **request: Any) -> dict[str, Any]:
        url = URL(f"{self._settings.api_base.rstrip('/')}/{path}")
        return read(await attempt(self._http, "POST", url, headers=self._headers, **request))
