"""Without a public address: updates by long polling, everything else as with webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.world import Fault
from tests.rig import ANNA, OWNER, Rig, rig, words


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data", PUBLIC_URL="") as made:
        yield made


async def test_polling_serves_both_sides_and_goes_on_after_a_restart(home: Rig) -> None:
    await home.start()
    home.telegram.starts(ANNA)
    home.telegram.writes(ANNA, "Можно вопрос?")
    await home.until(lambda: bool(home.said("Можно вопрос?")), "shown")
    topic = home.topic("Анна Петрова")
    answer = home.telegram.writes(OWNER, "Конечно", thread_id=topic)
    await home.until(lambda: home.mark(answer) == "🕊", "answered")
    igor = await home.known()
    to_igor = home.telegram.writes(OWNER, "Добрый день", thread_id=igor)
    await home.until(lambda: home.mark(to_igor) == "👌", "WhatsApp still comes by webhook")
    asked = home.world.of("telegram", "getUpdates")
    assert "message_reaction" in asked[0].request["allowed_updates"]
    assert home.world.of("telegram", "setWebhook") == []

    await home.stop()
    home.telegram.writes(ANNA, "Пока вас не было")
    offline = home.telegram.writes(OWNER, "И это тоже", thread_id=topic)
    await home.start()
    await home.until(lambda: bool(home.said("Пока вас не было")), "what waited is taken")
    await home.until(lambda: home.mark(offline) == "🕊", "on both sides")
    assert len(home.said("Можно вопрос?")) == 1 and len(home.said("Пока вас не было")) == 1
    assert [words(m) for m in home.telegram.messages(ANNA)].count("Конечно") == 1


async def test_a_lost_answer_of_get_updates_repeats_nothing(home: Rig) -> None:
    home.world.plan(Fault("lost", "telegram", "getUpdates"))
    home.telegram.writes(ANNA, "Здравствуйте")
    await home.start()
    await home.until(lambda: bool(home.said("Здравствуйте")), "shown")
    home.telegram.writes(ANNA, "Ещё вопрос")
    await home.until(lambda: bool(home.said("Ещё вопрос")), "and on it goes")
    assert len(home.said("Здравствуйте")) == 1
    await home.until(lambda: len(home.exported("message.in")) > 1, "exported too, by a worker of its own")
    assert [e["text"] for e in home.exported("message.in")] == ["Здравствуйте", "Ещё вопрос"]


async def test_a_webhook_left_over_is_taken_away_and_what_waits_there_is_kept(home: Rig) -> None:
    home.telegram.writes(ANNA, "Писала раньше")
    home.telegram.updates.url = "http://127.0.0.1:9/nowhere"
    await home.start()
    await home.until(lambda: bool(home.said("Писала раньше")), "shown")
    (gone,) = home.world.of("telegram", "deleteWebhook")
    assert gone.request.get("drop_pending_updates") in (None, False)
