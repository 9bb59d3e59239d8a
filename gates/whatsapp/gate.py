"""The WhatsApp gate: verify, parse, send, react, download."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import aiohttp

from gates.http import CHUNK, Hosts, fetching, transport
from gates.meta import signature
from gates.meta.errors import PAIR_RATE, WAITS
from gates.meta.graph import GraphClient
from gates.whatsapp.abilities import ABILITIES, WHATSAPP
from gates.whatsapp.parse import Mine, parse
from gates.whatsapp.send import Upload, message, reaction, upload
from gates.whatsapp.settings import WhatsAppSettings
from inbox.abilities import Abilities
from inbox.blobs import Blobs
from inbox.clock import Clock
from inbox.errors import Locked, Refused, Throttled, Uncertain, Unreachable
from inbox.gate import Inbound, Outgoing, Raw, Receipt
from inbox.model import Attachment, ExternalId, Provider

_TIME = re.compile(rb'"timestamp":"([0-9]{10})"')
_PAIRS = 1024
_LONGEST_PAIR_WAIT = 300.0


class WhatsAppGate:
    """Implements Gate, Reacts and Probes. WhatsApp can neither edit nor take back what was sent."""

    def __init__(self, settings: WhatsAppSettings, http: aiohttp.ClientSession, blobs: Blobs, clock: Clock) -> None:
        self._settings = settings
        self._http = http
        self._blobs = blobs
        self._clock = clock
        self._mine = Mine(settings.phone_number_id, settings.business_account_id)
        self._graph = GraphClient(
            http,
            settings.graph_api_base,
            settings.graph_api_version,
            settings.access_token.get_secret_value(),
        )
        self._hosts = Hosts(settings.media_hosts, (settings.graph_api_base,))
        self._pair_waits: dict[str, float] = {}
        self._secrets = (settings.app_secret.get_secret_value(),)
        self._token = settings.verify_token.get_secret_value()

    @property
    def provider(self) -> Provider:
        return WHATSAPP

    @property
    def roads(self) -> Mapping[Provider, Abilities]:
        return MappingProxyType({WHATSAPP: ABILITIES})

    def verify(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str | None:
        return signature.verify(method, query, headers, body, secrets=self._secrets, token=self._token)

    def key(self, body: bytes) -> str:
        """A body has no id of its own; each message in it does, and is told apart when it is applied.

        The first time in it comes first, so that the keys of an hour are neighbours: the index of a group's bodies is
        then a page or two, where bare digests would write one for each body, anywhere in the file.
        """
        found = _TIME.search(body)
        return (found[1].decode() if found else "") + hashlib.sha256(body).hexdigest()

    def parse(self, raw: Raw) -> Iterable[Inbound]:
        return parse(raw, self._mine)

    async def send(self, out: Outgoing) -> Receipt:
        uploaded = await self._upload(out.attachments[0]) if out.attachments else None
        return await self._message(out, message(out, uploaded))

    async def react(self, to: Outgoing, external_id: ExternalId, emoji: str | None) -> None:
        await self._message(to, reaction(to, external_id, emoji))

    async def probe(self) -> None:
        """Ask for the number's own id. A refusal is an answer: the network and the token live; whether the number
        is the right one, the first send and the doctor say.
        """
        try:
            await self._graph.get(self._settings.phone_number_id, params={"fields": "id"})
        except Refused:
            return

    async def download(self, attachment: Attachment) -> AsyncIterator[bytes]:
        async with self._media(attachment.ref) as response:
            try:
                with transport():
                    async for chunk in response.content.iter_chunked(CHUNK):
                        yield chunk
            except Uncertain as error:
                raise Unreachable(error.reason, detail=error.detail) from None

    async def _message(self, out: Outgoing, body: Mapping[str, object]) -> Receipt:
        try:
            answer = await self._graph.post(self._settings.phone_number_id, "messages", body=body)
        except Throttled as error:
            if error.code != str(PAIR_RATE):
                raise
            raise Throttled(self._pair_wait(out.to.user), code=error.code) from None
        self._pair_waits.pop(out.to.user, None)
        return Receipt((_wamid(answer),), self._clock.now())

    def _pair_wait(self, user: str) -> float:
        """Seconds for this one person, twice as long each time until a message goes through."""
        wait = min(self._pair_waits.pop(user, WAITS[PAIR_RATE] / 2) * 2, _LONGEST_PAIR_WAIT)
        self._pair_waits[user] = wait
        if len(self._pair_waits) > _PAIRS:
            del self._pair_waits[next(iter(self._pair_waits))]
        return wait

    async def _upload(self, attachment: Attachment) -> tuple[Upload, str]:
        """Give WhatsApp the bytes. Whatever happens here, the message itself has not been sent."""
        file = upload(attachment)
        if attachment.sha256 is None:
            raise Refused("not_found")
        try:
            answer = await self._graph.upload(
                self._settings.phone_number_id,
                "media",
                fields={"messaging_product": "whatsapp", "type": file.mime},
                file=self._blobs.path(attachment.sha256),
                name=file.part_name,
                mime=file.mime,
            )
        except FileNotFoundError:
            raise Refused("not_found") from None
        except Uncertain as error:
            raise Unreachable("upload", code=error.code, detail=error.detail) from None
        except Refused as error:
            raise _bad_media(error) from None
        media_id = answer.get("id")
        if not isinstance(media_id, str) or not media_id:
            raise Unreachable("upload", detail="no id")
        return file, media_id

    @asynccontextmanager
    async def _media(self, media_id: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open the file behind an id. Its address lives five minutes: one that has died is asked for once more."""
        for last in (False, True):
            url = await self._media_url(media_id)
            async with fetching(self._http, self._hosts, url, self._graph.headers) as response:
                if 200 <= response.status < 300:
                    yield response
                    return
                if last or response.status not in (401, 403, 404, 410):
                    raise _failed(response.status)

    async def _media_url(self, media_id: str) -> str:
        try:
            answer = await self._graph.get(media_id)
        except Uncertain as error:
            raise Unreachable(error.reason, code=error.code, detail=error.detail) from None
        except Refused as error:
            raise _gone(error) from None
        url = answer.get("url")
        if not isinstance(url, str):
            raise Unreachable("answer", detail="no url")
        return url


def _wamid(answer: Mapping[str, object]) -> ExternalId:
    """The message was taken; without its id nothing can be matched to it later."""
    messages = answer.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    wamid = first.get("id") if isinstance(first, dict) else None
    if not isinstance(wamid, str) or not wamid:
        raise Uncertain("answer", detail="no message id")
    return ExternalId(wamid)


def _bad_media(error: Refused) -> Refused:
    """On an upload Graph's word for a file that it does not take is a wrong parameter."""
    return (
        Refused("bad_media", code=error.code, detail=error.detail)
        if error.reason in ("parameter", "invalid")
        else error
    )


def _gone(error: Refused) -> Refused:
    """For an id that no longer stands for a file Graph says a wrong parameter, or that the download failed."""
    gone = error.reason in ("parameter", "invalid", "bad_media")
    return Refused("gone", code=error.code, detail=error.detail) if gone else error


def _failed(status: int) -> Refused | Throttled | Unreachable | Locked:
    code = f"http{status}"
    if status == 429:
        return Throttled(30, everyone=True, code=code)
    if status in (401, 403):
        return Refused("not_allowed", code=code)
    return Refused("gone", code=code) if 400 <= status < 500 else Unreachable("answer", code=code)
