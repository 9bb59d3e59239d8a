from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from pydantic import SecretStr

from gates.telegram.api import make_bot
from gates.telegram.gate import TelegramGate
from gates.telegram.settings import TelegramSettings
from inbox.blobs import Blob
from inbox.clock import SystemClock
from tests.gates.telegram.cases import TOKEN
from tests.gates.telegram.server import Server, serving


class FolderBlobs:
    """inbox.blobs.Blobs in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.path(sha256).write_bytes(content)
        return sha256

    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        content = b"".join([chunk async for chunk in chunks])
        return Blob(self.add(content), len(content))

    def path(self, sha256: str) -> Path:
        return self._folder / sha256

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        yield self.path(sha256).read_bytes()


async def close(bot: Bot) -> None:
    """Without aiogram's quarter of a second for TLS, which loopback does not have."""
    assert isinstance(bot.session, AiohttpSession)
    if bot.session._session is not None:
        await bot.session._session.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def telegram_settings(server: Server) -> TelegramSettings:
    return TelegramSettings(token=SecretStr(TOKEN), api_base=server.base, webhook_secret=SecretStr("sec-ret_1"))


@pytest.fixture
async def bot(telegram_settings: TelegramSettings) -> AsyncIterator[Bot]:
    made = make_bot(telegram_settings)
    yield made
    await close(made)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path)


@pytest.fixture
async def gate(
    telegram_settings: TelegramSettings, http: aiohttp.ClientSession, blobs: FolderBlobs, bot: Bot
) -> TelegramGate:
    made = TelegramGate(telegram_settings, http, blobs, SystemClock())
    made.connect(bot)
    return made
