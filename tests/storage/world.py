"""Rows that many tests need."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from inbox.gate import Raw
from inbox.model import Address, Author, Contact, Identity, Message, Part, Provider, Text
from inbox.store import Unit
from storage.store import SqlStore

WHATSAPP = Provider("whatsapp")
TELEGRAM = Provider("telegram")


class StoodClock:
    """Time stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.move(seconds=seconds)

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


def raw(key: str, at: datetime, provider: Provider = WHATSAPP, body: bytes = b"{}") -> Raw:
    return Raw(provider, key, body, at)


def person(
    unit: Unit, user: str, name: str = "Анна", provider: Provider = WHATSAPP, account: str = "2003"
) -> tuple[Contact, Identity]:
    contact = unit.add_contact(name, language=None, source=None)
    return contact, unit.add_identity(contact.id, Address(provider, account, user), name)


def said(unit: Unit, identity: Identity, words: str, author: Author = Author.CLIENT) -> Message:
    return unit.add_message(identity.id, author, at=unit.now, content=Part(Text(words)))


async def piled_up(store: SqlStore, count: int) -> None:
    """Until that many writes wait for their group."""
    async with asyncio.timeout(10):
        while store.waiting < count:  # noqa: ASYNC110 the queue rings no bell for those who only look
            await asyncio.sleep(0)
