"""A desk that nobody owns yet: the one-time code, and what came before it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import say
from bot.handlers.commands import COMMANDS
from tests.rig import ANNA, BORIS, OWNER, Rig, rig, words

CODE = re.compile(r"/start ([A-Za-z0-9_-]{20,64})")
ROUTE = "Bc-4a5b6c7d8e9f"


@pytest.fixture
async def unclaimed(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data", OWNER_ID="", PUBLIC_URL="") as made:
        yield made


async def code_of(desk: Rig, capsys: pytest.CaptureFixture[str]) -> str:
    """What the process printed at its start."""
    printed: list[str] = []

    def found() -> bool:
        printed.append(capsys.readouterr().out)
        return CODE.search("".join(printed)) is not None

    await desk.until(found, "the code is printed")
    match = CODE.search("".join(printed))
    assert match is not None
    return match[1]


def buttons(message: dict[str, Any]) -> list[str]:
    return [b["text"] for row in message["reply_markup"]["inline_keyboard"] for b in row]


def menus(desk: Rig) -> dict[tuple[str, str], list[str]]:
    """(scope, language): names, of the last time each was set."""
    return {
        (str(c.request.get("scope")), str(c.request.get("language_code"))): [
            command["command"] for command in c.request["commands"]
        ]
        for c in desk.world.of("telegram", "setMyCommands")
    }


async def test_the_code_claims_the_desk_once_and_what_waited_is_shown(
    unclaimed: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = unclaimed
    await desk.start()
    code = await code_of(desk, capsys)
    desk.telegram.writes(ANNA, "Есть кто?")
    desk.telegram.starts(BORIS, "wrong-code")
    desk.telegram.writes(BORIS, "пустите")
    desk.telegram.writes(BORIS, "/status")
    await desk.until(lambda: len(desk.exported("message.in")) == 3, "clients before the claim are exported")
    assert desk.said("Есть кто?") == [] and not desk.world.of("telegram", "createForumTopic")

    desk.telegram.starts(OWNER, code)
    await desk.until(lambda: bool(desk.said("Это пульт консультанта")), "the first screen")
    await desk.until(lambda: bool(desk.said("Есть кто?") and desk.said("пустите")), "what waited is shown")
    screen = words(desk.said("Это пульт консультанта")[0])
    assert "Готово: Telegram, WhatsApp" in screen and "Не подключено: " in screen and "Темы в чате: включены" in screen
    assert "reply_markup" not in desk.said("Это пульт консультанта")[0]
    assert {t["name"].split(" · ")[-1] for t in desk.telegram.topics_of(OWNER)} == {"Анна Петрова", "Борис"}
    assert desk.said("/status")  # a client's words like any other

    desk.telegram.starts(BORIS, code)
    desk.telegram.writes(BORIS, "а теперь?")
    await desk.until(lambda: bool(desk.said("а теперь?")), "the second claimer is a client")
    assert len(desk.said("Это пульт консультанта")) == 1
    greetings = {words(m) for m in desk.telegram.messages(BORIS) if m["from"]["id"] != BORIS}
    assert len(greetings) == 1 and greetings.pop().startswith("Здравствуйте. Напишите здесь свой вопрос")
    answer = desk.telegram.writes(OWNER, "Я здесь", thread_id=desk.topic("Анна Петрова"))
    await desk.until(lambda: desk.mark(answer) == "🕊", "and answers go out")
    asked = desk.telegram.writes(OWNER, "кому?")
    await desk.until(lambda: bool(desk.said("Кому это?")), "asked")
    assert desk.said("Кому это?")[0]["reply_to_message"]["message_id"] == asked
    assert "Ольга" not in buttons(desk.said("Кому это?")[0])

    await desk.stop()
    await desk.start()
    answer = desk.telegram.writes(OWNER, "и после запуска", thread_id=desk.topic("Анна Петрова"))
    await desk.until(lambda: desk.mark(answer) == "🕊", "the claim outlives the process")
    assert CODE.search(capsys.readouterr().out) is None


async def test_menus_are_the_owners_for_her_chat_and_three_lines_for_everybody_else(
    unclaimed: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    await unclaimed.start()
    unclaimed.telegram.starts(OWNER, await code_of(unclaimed, capsys))
    await unclaimed.until(lambda: len(menus(unclaimed)) == 4, "both menus in both languages")
    for (scope, _), names in menus(unclaimed).items():
        if str(OWNER) in scope:
            assert names == list(say.COMMANDS) and {*names, *say.UNLISTED} == set(COMMANDS)
        else:
            assert "all_private_chats" in scope and names == ["start", "help", "privacy"]
    assert {language for _, language in menus(unclaimed)} == {"None", "ru"}


async def test_a_first_screen_without_topics_says_how_to_switch_them_on(
    unclaimed: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    unclaimed.telegram.topics = False
    await unclaimed.start()
    unclaimed.telegram.starts(OWNER, await code_of(unclaimed, capsys))
    await unclaimed.until(lambda: bool(unclaimed.said("Это пульт консультанта")), "the first screen")
    screen = unclaimed.said("Это пульт консультанта")[0]
    assert "Темы в чате: выключены" in words(screen) and "Threaded Mode" in words(screen)
    assert buttons(screen) == ["Проверить темы"]
    unclaimed.telegram.topics = True
    unclaimed.telegram.presses(
        OWNER, OWNER, screen["message_id"], screen["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    )
    await unclaimed.until(lambda: bool(unclaimed.said("Темы в чате: включены")), "the screen is redrawn")
    assert unclaimed.said("Темы в чате: включены")[0]["message_id"] == screen["message_id"]


async def test_a_connection_before_the_claim(unclaimed: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    await unclaimed.start()
    code = await code_of(unclaimed, capsys)
    may_reply = {"can_reply": True}
    unclaimed.telegram.connects_business(OWNER, ROUTE, may_reply)
    unclaimed.telegram.connects_business(BORIS, "Bc-strange", may_reply)
    unclaimed.telegram.business_writes(ROUTE, ANNA, ANNA, "Пишу лично")
    unclaimed.telegram.business_writes("Bc-strange", ANNA, ANNA, "Борису")
    await unclaimed.until(lambda: unclaimed.telegram.pending == 0, "taken and kept")
    assert unclaimed.exported("message.in") == []
    unclaimed.telegram.starts(OWNER, code)
    await unclaimed.until(lambda: bool(unclaimed.said("Пишу лично")), "shown after the claim")
    answer = unclaimed.telegram.writes(OWNER, "Отвечаю", thread_id=unclaimed.topic("Анна Петрова"))
    await unclaimed.until(lambda: unclaimed.mark(answer) == "🕊", "answered through the connection")
    assert [words(m) for m in unclaimed.telegram.business_messages(ROUTE, ANNA)] == ["Пишу лично", "Отвечаю"]
    assert [e["text"] for e in unclaimed.exported("message.in")] == ["Пишу лично"]
