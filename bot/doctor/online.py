"""What the providers say. Their answers' Date headers tell how right our clock is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import aiohttp

from bot.config import Config
from bot.doctor.findings import Finding, broken, warning
from bot.doctor.machine import skew
from bot.doctor.telegram import TelegramLooks
from bot.doctor.whatsapp import WhatsAppLooks
from inbox.errors import InboxError, Locked, Throttled, Uncertain, Unreachable

LIMIT = aiohttp.ClientTimeout(total=15, connect=10)

Look = Callable[[], Awaitable[list[Finding]]]


class Dates:
    """How far our clock is from the servers'. The smallest difference counts: a proxy's clock may be wrong too."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.offset: timedelta | None = None

    async def note(self, _: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        try:
            date = parsedate_to_datetime(end.response.headers.get("Date", ""))
        except ValueError:
            return
        offset = self._now() - (date if date.tzinfo else date.replace(tzinfo=UTC))
        if self.offset is None or abs(offset) < abs(self.offset):
            self.offset = offset


@asynccontextmanager
async def calling(dates: Dates) -> AsyncIterator[aiohttp.ClientSession]:
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(dates.note)
    async with aiohttp.ClientSession(
        timeout=LIMIT, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, trace_configs=[trace]
    ) as http:
        yield http


async def online(config: Config, *, running: bool, now: Callable[[], datetime]) -> list[Finding]:
    """One round of calls that change nothing, on every gate that is on."""
    dates = Dates(now)
    async with calling(dates) as http:
        looks: dict[str, Look] = {}
        if config.telegram is not None:
            looks |= TelegramLooks(config.telegram, config.public_url, http, running=running, now=now()).all(
                wants_topics=config.desk_chat_id is None
            )
        if config.whatsapp is not None:
            looks |= WhatsAppLooks(config.whatsapp, config.environment.meta_app_id, http, now()).all()
        findings = await look(looks)
    return [*findings, skew(dates.offset)] if looks else []


async def look(looks: Mapping[str, Look]) -> list[Finding]:
    findings: list[Finding] = []
    for check, ask in looks.items():
        try:
            findings += await ask()
        except InboxError as error:
            findings.append(failure(check, error))
    return findings


def failure(check: str, error: InboxError) -> Finding:
    about = f"{error.reason} {error.code}".strip()
    if isinstance(error, Throttled):
        return warning(check, "the provider asks to wait", f"ask again in {error.retry_after:.0f} s")
    if isinstance(error, Unreachable | Uncertain):
        told = f"no answer ({about}{', ' + error.detail if error.detail else ''})"
        return broken(check, told, "look at the network, the DNS and the base address of the settings")
    if isinstance(error, Locked):
        return broken(check, f"the token is refused ({about})", "get a new token from the provider, and put it in")
    return broken(check, f"refused ({about})", "compare the ids and the token's rights with the provider's console")
