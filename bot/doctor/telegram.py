"""What Telegram says of the bot: its topics, and where its updates go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from pydantic import SecretStr

from bot.config import Telegram
from bot.doctor.findings import Finding, broken, fine, warning
from gates.telegram.wire import Wire

PENDING = 50  # from here on Telegram itself writes about it into its log
RECENT = timedelta(hours=1)
BOTFATHER = "@BotFather, Open App, the bot, Bot Settings"


class TelegramLooks:
    """Each look raises InboxError. running: the bot holds the data folder, so the webhook should be as it sets it."""

    def __init__(
        self, telegram: Telegram, public_url: str | None, http: aiohttp.ClientSession, *, running: bool, now: datetime
    ) -> None:
        # The header secret is not sent by what is asked here.
        self._wire = Wire(telegram.settings(SecretStr("unused")), http)
        self._url = f"{public_url}/webhooks/telegram" if public_url else None
        self._running = running
        self._now = now

    def all(self, *, wants_topics: bool) -> dict[str, Callable[[], Awaitable[list[Finding]]]]:
        return {"telegram.bot": lambda: self._bot(wants_topics), "telegram.webhook": self._webhook}

    async def _bot(self, wants_topics: bool) -> list[Finding]:
        bot = _object(await self._wire.call("getMe", {}))
        findings = [fine("telegram.bot", f"@{bot.get('username', '?')}")]
        if wants_topics:
            findings.append(topics(bot))
        return findings

    async def _webhook(self) -> list[Finding]:
        info = _object(await self._wire.call("getWebhookInfo", {}))
        return webhook(info, self._url, running=self._running, now=self._now)


def topics(bot: dict[str, Any]) -> Finding:
    check = "telegram.topics"
    if not bot.get("has_topics_enabled"):
        return warning(check, "are off: one conversation for all clients", f"{BOTFATHER}, Threaded Mode: on")
    if bot.get("allows_users_to_create_topics"):
        return warning(check, "users may create them: stray topics appear", f"{BOTFATHER}, users create topics: off")
    return fine(check, "on, made by the bot alone")


def webhook(info: dict[str, Any], wanted: str | None, *, running: bool, now: datetime) -> list[Finding]:
    """The registered address, what waits at Telegram, and its last complaint. wanted None: long polling."""
    findings = [_address(str(info.get("url") or ""), wanted, running)]
    pending = info.get("pending_update_count", 0)
    if isinstance(pending, int) and pending >= PENDING:
        findings.append(
            warning("telegram.pending", f"{pending} updates wait at Telegram", "see that PUBLIC_URL leads to this bot")
        )
    error, at = info.get("last_error_message"), info.get("last_error_date")
    if error and isinstance(at, int):
        when = datetime.fromtimestamp(at, UTC)
        text = f"Telegram could not deliver at {when:%Y-%m-%d %H:%M} UTC: {error}"
        if now - when < RECENT:
            findings.append(warning("telegram.delivery", text, "see that PUBLIC_URL answers from outside, with TLS"))
        else:
            findings.append(fine("telegram.delivery", text))
    return findings


def _address(url: str, wanted: str | None, running: bool) -> Finding:
    check = "telegram.webhook"
    if wanted is None:
        if not url:
            return fine(check, "none: updates are asked for")
        if running:
            return broken(check, f"{url} is set while this bot polls", "stop the other program that has this token")
        return fine(check, f"{url} is set; the next start takes it away and polls")
    if url == wanted:
        return fine(check, url)
    if running:
        found = url or "none"
        return broken(check, f"{found} instead of {wanted}", "stop the other program with this token, start again")
    return fine(check, f"{url or 'none'}; the next start sets {wanted}")


def _object(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {}
