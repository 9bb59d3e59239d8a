"""Files on disk, named by their content."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HELD = "held"
"""Reason of a StorageDown: nothing was fetched, because the disk is known to take nothing now."""


@dataclass(frozen=True, slots=True)
class Blob:
    sha256: str
    size: int


class Blobs(Protocol):
    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        """Store what comes, fsynced, under its hash. Raises Refused("too_big") over `limit` bytes, StorageDown."""
        ...

    def path(self, sha256: str) -> Path: ...

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Chunks of at most 256 KiB. Raises FileNotFoundError."""
        ...
