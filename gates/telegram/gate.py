"""The Telegram gate: one bot, its private chats ("telegram") and the owner's Business chats ("telegram_business").

Importing this module does not import aiogram: the port is open, and what comes in is verified, keyed and parsed, before
anything can be sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from gates.telegram.abilities import DOWNLOAD_LIMIT, ROADS
from gates.telegram.access import Connection, DeskPlace, same_secret
from gates.telegram.errors import FILE_UNAVAILABLE, NO_ROUTE
from gates.telegram.names import BUSINESS, TELEGRAM
from gates.telegram.parse import UPDATE_KINDS, TelegramParser, update_key
from gates.telegram.polling import Poller
from gates.telegram.settings import TelegramSettings
from gates.telegram.shape import integer, word
from gates.telegram.wire import Wire
from inbox.abilities import Abilities
from inbox.blobs import Blobs
from inbox.clock import Clock
from inbox.errors import Refused, Unreachable, Unverified
from inbox.gate import Inbound, Outgoing, Raw, Receipt
from inbox.model import Attachment, ExternalId, Provider

if TYPE_CHECKING:
    from aiogram import Bot

    from gates.telegram.send import Sender

VERIFY_HEADER = "X-Telegram-Bot-Api-Secret-Token"
WEBHOOK_PATH = "/webhooks/telegram"
MAX_CONNECTIONS = 40
PROBE_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class WebhookInfo:
    """elsewhere: another address than ours is set. pending: updates that wait at Telegram. error: its last one."""

    elsewhere: bool
    pending: int
    error: str | None = None
    error_at: datetime | None = None


class TelegramGate:
    """Implements Gate, Edits, Deletes, Reacts, Polls, Probes and Registers.

    `parser` is replaced whenever the desk or the Business connections change. `registered`: setWebhook was answered.
    """

    def __init__(
        self,
        settings: TelegramSettings,
        http: aiohttp.ClientSession,
        blobs: Blobs,
        clock: Clock,
        *,
        poller: Poller | None = None,
    ) -> None:
        self._settings = settings
        self._wire = Wire(settings, http)
        self._blobs = blobs
        self._sender: Sender | None = None
        self._desk = DeskPlace()
        self._connections: Mapping[str, Connection] = {}
        self.bot_id = settings.bot_id
        self.poller = poller or Poller(self._wire, clock)
        self.registered = False
        self.parser = TelegramParser(self.bot_id, self._desk, self._connections)

    @property
    def settings(self) -> TelegramSettings:
        return self._settings

    @property
    def provider(self) -> Provider:
        return TELEGRAM

    @property
    def roads(self) -> Mapping[Provider, Abilities]:
        return ROADS

    def set_desk(self, desk: DeskPlace) -> None:
        self._desk = desk
        self.parser = TelegramParser(self.bot_id, desk, self._connections)

    def set_connections(self, connections: Mapping[str, Connection]) -> None:
        self._connections = dict(connections)
        self.parser = TelegramParser(self.bot_id, self._desk, self._connections)

    def connect(self, bot: Bot) -> None:
        """From here on it can send. The bot is closed by whoever made it."""
        from gates.telegram.send import Sender  # noqa: PLC0415 - imports aiogram, which whoever made the bot has done

        self._sender = Sender(bot, self._blobs)

    def verify(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str | None:
        if not same_secret(headers.get(VERIFY_HEADER, ""), self._settings.webhook_secret.get_secret_value()):
            raise Unverified("secret")
        return None

    def key(self, body: bytes) -> str:
        return update_key(body)

    def parse(self, raw: Raw) -> Iterable[Inbound]:
        return self.parser.parse(raw)

    def serves(self, chat_id: int, user_id: int) -> bool:
        """Whether what this user does in this chat is work at the desk."""
        return self._desk.serves(chat_id, user_id)

    async def send(self, out: Outgoing) -> Receipt:
        """A Business connection that is switched off, or may not reply, is a closed road: nothing is asked for."""
        known = self._connections.get(out.route or "") if out.to.provider == BUSINESS else None
        if known is not None and not (known.enabled and known.can_reply):
            raise Refused("window", code=NO_ROUTE)
        return await self._ready().send(out)

    async def edit(self, to: Outgoing, external_id: ExternalId) -> None:
        await self._ready().edit(to, external_id)

    async def delete(self, to: Outgoing, external_id: ExternalId) -> None:
        await self._ready().delete(to, external_id)

    async def react(self, to: Outgoing, external_id: ExternalId, emoji: str | None) -> None:
        await self._ready().react(to, external_id, emoji)

    async def download(self, attachment: Attachment) -> AsyncIterator[bytes]:
        if (attachment.size or 0) > DOWNLOAD_LIMIT:
            raise Refused("too_big_here")
        try:
            file = await self._wire.call("getFile", {"file_id": attachment.ref})
        except Refused as error:
            if error.code == FILE_UNAVAILABLE:
                raise Unreachable("file") from None
            raise Refused("too_big_here" if error.reason == "too_big" else error.reason, code=error.code) from None
        path = word(file, "file_path") if isinstance(file, dict) else None
        if path is None:
            raise Unreachable("file")
        if (integer(file, "file_size") or 0) > DOWNLOAD_LIMIT:
            raise Refused("too_big_here")
        async for chunk in self._wire.file(path, DOWNLOAD_LIMIT):
            yield chunk

    def fetch(self, cursor: str | None) -> AsyncIterator[tuple[str, list[Raw]]]:
        return self.poller.fetch(cursor)

    async def register(self, public_url: str) -> None:
        """Set the webhook, at each start: Telegram does not tell which secret it has, so a changed one would show
        only as refused calls. What waits there is never dropped."""
        await self._wire.call(
            "setWebhook",
            {
                "url": _address(public_url),
                "secret_token": self._settings.webhook_secret.get_secret_value(),
                "allowed_updates": list(UPDATE_KINDS),
                "max_connections": MAX_CONNECTIONS,
                "drop_pending_updates": False,
            },
        )
        self.registered = True

    async def pending(self) -> int:
        """How many updates Telegram still keeps for us. Raises Refused, Locked, Throttled or Unreachable."""
        info = await self._wire.call("getWebhookInfo", {}, timeout=PROBE_TIMEOUT)
        return (integer(info, "pending_update_count") or 0) if isinstance(info, dict) else 0

    async def webhook(self, public_url: str) -> WebhookInfo:
        """What Telegram says of our webhook. Raises as `probe` does, and Refused."""
        info = await self._wire.call("getWebhookInfo", {}, timeout=PROBE_TIMEOUT)
        info = info if isinstance(info, dict) else {}
        at = integer(info, "last_error_date")
        return WebhookInfo(
            elsewhere=word(info, "url") != _address(public_url),
            pending=integer(info, "pending_update_count") or 0,
            error=word(info, "last_error_message") if at is not None else None,
            error_at=_moment(at),
        )

    async def probe(self) -> None:
        """Whether Telegram answers and the token lives."""
        await self._wire.call("getMe", {}, timeout=PROBE_TIMEOUT)

    def _ready(self) -> Sender:
        if self._sender is None:
            raise Unreachable("starting")
        return self._sender


def _moment(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _address(public_url: str) -> str:
    return f"{public_url.rstrip('/')}{WEBHOOK_PATH}"
