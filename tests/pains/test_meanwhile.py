"""What the owner does while the bot is down is known before anything of hers leaves after the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from bot import app, catching_up
from bot.catching_up import catch_up
from inbox.clock import SystemClock
from sandbox.world import Fault
from storage.store import open_store
from tests.rig import OWNER, Rig, rig


@pytest.fixture(params=["webhook", "polling"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(app, "SETTLE", 0.1)  # the answer under way never settles
    settings = {"PUBLIC_URL": ""} if request.param == "polling" else {}
    async with rig(tmp_path / "data", **settings) as made:
        made.graph.auto_statuses = False
        await made.start()
        yield made


async def stopped_with_answers(desk: Rig, *texts: str) -> list[int]:
    """The first of her answers is under way without an outcome, so that the others wait; then the bot goes down."""
    topic = await desk.known()
    desk.world.plan(Fault("hang", "graph", "POST /messages", seconds=60))
    written = [desk.telegram.writes(OWNER, text, thread_id=topic) for text in texts]
    await desk.until(lambda: len(desk.exported("message.out")) == len(texts) and len(desk.sends()) == 1, "queued")
    await desk.until(lambda: desk.telegram.pending == 0, "taken")
    await desk.stop()
    return written


def sent(desk: Rig) -> list[str]:
    return [call.request["text"]["body"] for call in desk.sends()]


async def test_edits_and_deletions_come_before_what_waited_leaves(desk: Rig) -> None:
    _, second, third = await stopped_with_answers(desk, "держит", "старые слова", "передумала")
    topic = desk.topic("Игорь")
    desk.telegram.edits(OWNER, second, "новые слова")
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=third)
    last = desk.telegram.writes(OWNER, "дальше", thread_id=topic)
    await desk.start()
    await desk.until(lambda: desk.mark(last) == "🕊", "the last one left", 30.0)
    assert sent(desk) == ["держит", "новые слова", "дальше"]


async def test_a_telegram_that_asks_to_wait_still_brings_what_she_did(desk: Rig) -> None:
    _, second = await stopped_with_answers(desk, "держит", "старые слова")
    desk.telegram.edits(OWNER, second, "новые слова")
    desk.world.plan(Fault("429", "telegram", "getWebhookInfo", seconds=1))
    await desk.start()
    await desk.until(lambda: desk.mark(second) == "🕊", "it left", 30.0)
    assert sent(desk) == ["держит", "новые слова"]


async def test_a_telegram_that_does_not_answer_holds_up_no_answer(desk: Rig) -> None:
    await stopped_with_answers(desk, "держит", "ждёт")
    desk.world.plan(Fault("refuse", "telegram", times=None))
    await desk.start()
    await desk.until(lambda: sent(desk) == ["держит", "ждёт"], "what waited left")


class Keeps:
    """A Telegram that never brings what it keeps."""

    async def pending(self) -> int:
        return 3


async def test_what_telegram_keeps_for_long_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "LIMIT", 0.2)
    opened = asyncio.Event()
    clock = SystemClock()
    async with open_store(tmp_path, clock) as store:
        await catch_up(Keeps(), lambda: True, store, clock, opened, structlog.get_logger("test"))
    assert opened.is_set()
