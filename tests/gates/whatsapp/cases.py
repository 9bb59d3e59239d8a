"""What the tests of this gate share: invented accounts and people, and files on disk."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gates.whatsapp
from gates.whatsapp.parse import Mine
from inbox.blobs import Blob
from inbox.gate import Outgoing, Raw
from inbox.model import EMPTY, Address, Attachment, MediaKind, Provider

FIXTURES = Path(gates.whatsapp.__file__).parent / "fixtures"
WHATSAPP = Provider("whatsapp")
PHONE, WABA = "200300400500600", "100200300400500"
MINE = Mine(PHONE, WABA)
RECEIVED = datetime(2026, 11, 24, 9, tzinfo=UTC)
ANNA, ANNA_ID = "12025550143", "US.7700112233445566778"
LENA, LENA_ID = "12025550161", "GE.8800223344556677889"
WAMID = "wamid.HBgLMTIwMjU1NTAxNDMVAgASGBQzQU0101AA="

TO_ANNA = Outgoing(
    Address(WHATSAPP, PHONE, ANNA_ID),
    route=ANNA,
    keys=(f"whatsapp:{PHONE}:bsuid:{ANNA_ID}", f"whatsapp:{PHONE}:number:{ANNA}"),
    text=EMPTY,
    attachments=(),
    token="out:777",
)


def to_anna(**fields: Any) -> Outgoing:
    return replace(TO_ANNA, **fields)


def file(kind: MediaKind, **fields: Any) -> Attachment:
    return Attachment(kind, Provider("telegram"), "telegram-file", **{"sha256": "0" * 64, **fields})


def raw(body: bytes) -> Raw:
    return Raw(WHATSAPP, "key", body, RECEIVED)


class Shelf:
    """Blobs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        return self.keep(b"".join([chunk async for chunk in chunks]))

    def keep(self, content: bytes) -> Blob:
        digest = hashlib.sha256(content).hexdigest()
        self.path(digest).write_bytes(content)
        return Blob(digest, len(content))

    def path(self, sha256: str) -> Path:
        return self._folder / sha256

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        yield self.path(sha256).read_bytes()
