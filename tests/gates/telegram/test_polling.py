"""Long polling against a Bot API on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gates.telegram.parse import UPDATE_KINDS
from gates.telegram.polling import Poller
from gates.telegram.settings import TelegramSettings
from gates.telegram.wire import Wire
from inbox.clock import SystemClock
from inbox.errors import Locked
from inbox.gate import Raw
from tests.gates.telegram.server import Server, failed, hang_up, ok

UPDATES = [{"update_id": 40, "message": {"text": "👋 \ud83d"}}, {"update_id": 41, "poll": {}}]


@pytest.fixture
def poller(telegram_settings: TelegramSettings, http: aiohttp.ClientSession) -> Poller:
    return Poller(Wire(telegram_settings, http), SystemClock(), long_poll=0, first_pause=0.001)


async def first(batches: AsyncIterator[tuple[str, list[Raw]]]) -> tuple[str, list[Raw]]:
    return await anext(batches)


async def test_a_batch_and_its_confirmation(poller: Poller, server: Server) -> None:
    server.will("getUpdates", ok(UPDATES), ok([]), ok([{"update_id": 42}]))
    batches = poller.fetch(None)
    cursor, raws = await first(batches)
    assert poller.asked
    assert cursor == "42"
    assert [raw.key for raw in raws] == ["40", "41"]
    assert [json.loads(raw.body) for raw in raws] == UPDATES
    assert all(raw.received_at.tzinfo is not None for raw in raws)
    assert [call.fields.get("offset") for call in server.asked("getUpdates")] == [None]
    assert (await first(batches))[0] == "43"
    assert [call.fields.get("offset") for call in server.asked("getUpdates")] == [None, 42, 42]
    assert server.asked("getUpdates")[0].fields["allowed_updates"] == list(UPDATE_KINDS)


async def test_it_goes_on_from_the_cursor(poller: Poller, server: Server) -> None:
    server.will("getUpdates", ok([{"update_id": 90}]))
    assert (await first(poller.fetch("88")))[0] == "91"
    assert server.asked("getUpdates")[0].fields["offset"] == 88


async def test_when_telegram_last_answered_is_known(poller: Poller, server: Server) -> None:
    assert poller.answered_at is None
    server.will("getUpdates", ok(UPDATES))
    await first(poller.fetch(None))
    assert poller.answered_at is not None


async def test_a_webhook_is_taken_away_first_and_drops_nothing(poller: Poller, server: Server) -> None:
    server.will("getWebhookInfo", ok({"url": "https://old.example/hook"}))
    server.will("getUpdates", ok(UPDATES))
    await first(poller.fetch(None))
    assert [call.method for call in server.calls] == ["getWebhookInfo", "deleteWebhook", "getUpdates"]
    assert server.calls[1].fields == {"drop_pending_updates": False}


@pytest.mark.parametrize(
    "answer",
    [
        failed(500, "Internal Server Error"),
        failed(429, "Too Many Requests", retry_after=0),
        web.Response(status=502, text="<html>"),
        web.Response(text="not json"),
        ok({"not": "a list"}),
        ok([{"message": {}}]),
        ok([5]),
        hang_up,
    ],
)
async def test_a_bad_answer_is_waited_out(poller: Poller, server: Server, answer: Any) -> None:
    server.will("getUpdates", answer, ok(UPDATES))
    assert (await first(poller.fetch("7")))[0] == "42"
    assert [call.fields["offset"] for call in server.asked("getUpdates")] == [7, 7]
    assert poller.trouble is None


async def test_a_conflict_is_kept_in_sight_and_the_webhook_is_looked_at_again(poller: Poller, server: Server) -> None:
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(poller.trouble)
        return ok(UPDATES)

    server.will("getUpdates", failed(409, "Conflict: can't use getUpdates method while webhook is active"), note)
    await first(poller.fetch(None))
    assert seen == ["unreachable:conflict:409"]
    assert len(server.asked("getWebhookInfo")) == 2


async def test_a_dead_token_is_not_waited_out(poller: Poller, server: Server) -> None:
    server.will("getWebhookInfo", failed(401, "Unauthorized"))
    with pytest.raises(Locked):
        await first(poller.fetch(None))


async def test_nobody_there_at_first(poller: Poller, server: Server) -> None:
    server.will("getWebhookInfo", hang_up, failed(502, "Bad Gateway"))
    server.will("getUpdates", ok(UPDATES))
    assert (await first(poller.fetch(None)))[0] == "42"
    assert len(server.asked("getWebhookInfo")) == 3


async def test_pauses_grow_and_stay_limited(
    telegram_settings: TelegramSettings, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    pauses: list[float] = []

    async def at_once(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("gates.telegram.polling.asyncio.sleep", at_once)
    server.will("getUpdates", *[failed(500, "Internal Server Error") for _ in range(9)], ok(UPDATES))
    await first(Poller(Wire(telegram_settings, http), SystemClock(), long_poll=0).fetch(None))
    assert len(pauses) == 9
    assert 0.7 < pauses[0] < 1.3 and max(pauses) <= 37.5 and pauses[5] > pauses[2] > pauses[0]
