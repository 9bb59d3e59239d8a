"""The export's webhook: one event a call, signed as Standard Webhooks 1.0 asks, in order."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Sequence

import aiohttp

from inbox.clock import Clock
from inbox.model import Event
from inbox.substance import SinkEnded, SinkFailed
from storage.substance import line

TIMEOUT = 15.0  # seconds; what the standard asks a sender to wait at least


class WebhookSink:
    name = "webhook"
    batch = 1
    remembers = False

    def __init__(self, url: str, key: bytes, http: aiohttp.ClientSession, clock: Clock) -> None:
        self._url = url
        self._key = key
        self._http = http
        self._clock = clock

    async def last(self) -> int | None:
        return None

    async def take(self, events: Sequence[Event]) -> None:
        for event in events:
            await self._post(event)

    async def _post(self, event: Event) -> None:
        body = line(event)
        headers = signed(self._key, f"evt_{event.id}", int(self._clock.now().timestamp()), body)
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SinkFailed(type(error).__name__) from error
        if status == 410:
            raise SinkEnded
        if not 200 <= status < 300:
            raise SinkFailed(str(status))


def signed(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: the signature covers id, timestamp and body, joined by dots."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{digest}",
    }
