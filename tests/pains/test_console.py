"""Commands, menus and buttons: each answers where it was given, twice as well as once, and after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.world import Fault
from tests.rig import ANNA, IGOR, MARIA, OWNER, Rig, words

MARY, HANS = 2003, 2004
CALLBACK_LIMIT = 64  # bytes


def keyboards(desk: Rig) -> list[dict[str, Any]]:
    return [m for m in desk.desk() if m.get("reply_markup")]


def data_of(message: dict[str, Any]) -> list[str]:
    return [b["callback_data"] for row in message["reply_markup"]["inline_keyboard"] for b in row]


async def test_commands_answer_in_the_topic_and_in_general_and_reach_nobody(desk: Rig) -> None:
    topic = await desk.known()
    for thread in (topic, None):
        helped = desk.telegram.writes(OWNER, "/help", thread_id=thread)
        about = desk.telegram.writes(OWNER, "/help del", thread_id=thread)
        slashed = desk.telegram.writes(OWNER, "/help /React", thread_id=thread)
        status = desk.telegram.writes(OWNER, "/status", thread_id=thread)
        start = desk.telegram.writes(OWNER, "/start", thread_id=thread)
        unknown = desk.telegram.writes(OWNER, "/staus", thread_id=thread)
        strange = desk.telegram.writes(OWNER, "/zzzzz чай", thread_id=thread)
        wanted = {
            helped: "Все команды",
            about: "удаляет его у клиента",
            slashed: "ставит реакцию у клиента",
            status: "WhatsApp ✓",
            start: "Это пульт консультанта",
            unknown: "Может быть, /status? Клиенту ничего не отправлено",
            strange: "Нет команды /zzzzz. Клиенту ничего не отправлено",
        }

        def answers(wanted: dict[int, str] = wanted) -> dict[int, dict[str, Any]]:
            replies = [m for m in desk.desk() if m.get("reply_to_message", {}).get("message_id") in wanted]
            return {m["reply_to_message"]["message_id"]: m for m in replies}

        await desk.until(lambda answers=answers: len(answers()) == 7, "each is answered")  # type: ignore[misc]
        for question, part in wanted.items():
            assert part in words(answers()[question])
            assert answers()[question].get("message_thread_id") == thread
    status_lines = words(answers()[status])
    for part in (
        "Работает",
        "Telegram ✓",
        "Не подключено: Messenger, Instagram",
        "Пульт: темы в личном чате",
        "Выгрузка ✓",
        "свободно",
    ):
        assert part in status_lines
    assert desk.sends() == [] and desk.exported("message.out") == []


async def test_a_missing_setting_is_named_by_status(idle: Rig) -> None:
    idle.extra["WHATSAPP_PHONE_NUMBER_ID"] = idle.extra["WHATSAPP_ACCESS_TOKEN"] = ""
    await idle.start()
    idle.telegram.writes(OWNER, "/status")
    await idle.until(lambda: bool(idle.said("Не подключено: WhatsApp, ")), "said to be off")


async def test_clients_have_three_commands_in_their_own_language_and_the_desk_sees_none(desk: Rig) -> None:
    desk.telegram.add_user(MARY, "Mary", language_code="en")
    desk.telegram.add_user(HANS, "Hans", language_code="de")
    for user, payload in ((ANNA, "profile-link"), (MARY, ""), (HANS, "")):
        desk.telegram.starts(user, payload)
        desk.telegram.writes(user, "/help")
        desk.telegram.writes(user, "/privacy")

    def answered(user: int) -> list[str]:
        return [words(m) for m in desk.telegram.messages(user) if m["from"]["id"] != user]

    await desk.until(lambda: all(len(answered(user)) == 3 for user in (ANNA, MARY, HANS)), "all are answered")
    assert "консультант ответит" in answered(ANNA)[0] and "консультант" in answered(ANNA)[2]
    assert answered(MARY) == answered(HANS) and all(text.isascii() or "—" in text for text in answered(MARY))
    assert not any("консультант" in text for text in answered(MARY))
    assert desk.telegram.topics_of(OWNER) == []
    assert {e["source"] for e in desk.exported("client.created")} == {"profile-link", None}
    assert desk.exported("message.in") == []

    desk.telegram.writes(ANNA, "/status")
    desk.telegram.writes(ANNA, "Здравствуйте")
    await desk.until(lambda: bool(desk.said("Здравствуйте")), "now there is something to show")
    assert [t["name"].split(" · ")[-1] for t in desk.telegram.topics_of(OWNER)] == ["Анна Петрова"]
    assert desk.said("profile-link"), "the card says by which link"
    assert desk.said("/status"), "any other command is a message like any other"
    assert len(answered(ANNA)) == 3
    assert desk.said("консультант ответит в") == []


async def test_every_button_works_twice_and_after_a_restart(desk: Rig) -> None:
    desk.graph.auto_statuses = False
    igor, maria = await desk.known(), await desk.known(MARIA, "Мария", "Добрый день")
    for thread in (igor, maria):
        desk.world.plan(Fault("lost", "graph", "POST /messages"))
        doubtful = desk.telegram.writes(OWNER, f"дошло? {thread}", thread_id=thread)
        await desk.until(lambda doubtful=doubtful: desk.mark(doubtful) == "🤔", "in doubt")  # type: ignore[misc]
        desk.telegram.writes(OWNER, kind="poll", thread_id=thread)
        sent = desk.telegram.writes(OWNER, f"в пять {thread}", thread_id=thread)
        await desk.until(lambda sent=sent: desk.mark(sent) == "🕊", "sent")  # type: ignore[misc]
        desk.telegram.edits(OWNER, sent, f"в шесть {thread}")
        desk.telegram.writes(OWNER, f"это кому? {thread}")
    await desk.until(lambda: len(keyboards(desk)) == 8, "two questions of each kind")
    desk.graph.window_error_sync = True
    desk.world.shift = desk.clock.shift = 25 * 3600
    for thread in (igor, maria):
        desk.telegram.writes(OWNER, f"ещё актуально? {thread}", thread_id=thread)
    await desk.until(lambda: len(keyboards(desk)) == 10, "and of the held text")
    before = len(desk.sends())

    await desk.stop()
    await desk.start()
    verbs = set[str]()
    presses = 0
    pressed: dict[int, str] = {}
    for number, message in enumerate(keyboards(desk)):
        buttons = data_of(message)
        verbs |= {data.split(":")[1] for data in buttons}
        assert all(len(data.encode()) <= CALLBACK_LIMIT for data in buttons)
        chosen = buttons[0] if number % 2 else buttons[-1]
        for _ in range(2):
            desk.telegram.presses(OWNER, OWNER, message["message_id"], chosen)
            presses += 1
        pressed[message["message_id"]] = chosen
    assert verbs == {"again", "ok", "drop", "park", "fix", "keep", "to"}
    await desk.until(lambda: len(desk.telegram.toasts) == presses, "every tap is answered")
    assert [t["text"] for t in desk.telegram.toasts].count("Кнопка устарела") >= presses // 4

    def stale() -> list[str]:
        return [words(m) for m in keyboards(desk) if pressed.get(m["message_id"]) in data_of(m)]

    await desk.until(lambda: stale() == [], "each question is redrawn")
    assert desk.said("непонятного вида") == []
    await desk.until(lambda: bool(desk.sends()[before:]), "some send again")
    texts = [c.request["text"]["body"] for c in desk.sends()[before:] if c.request["type"] == "text"]
    assert len(texts) == len(set(texts)), "no tap sends twice"


@pytest.mark.parametrize(
    "data", ["d:again:999999", "d:nothing:1", "q:old:1", "d:to:5:x", "g:topics:x", "d:cancel:99", "x"]
)
async def test_an_old_or_strange_button_says_so(desk: Rig, data: str) -> None:
    await desk.until(lambda: bool(desk.said("Это пульт")), "the first screen")
    screen = desk.said("Это пульт")[0]["message_id"]
    kept = desk.telegram.chats.chats[OWNER].messages[screen]
    kept.body["reply_markup"] = {"inline_keyboard": [[{"text": "?", "callback_data": data}]]}
    desk.telegram.presses(OWNER, OWNER, screen, data)
    await desk.until(lambda: [t["text"] for t in desk.telegram.toasts] == ["Кнопка устарела"], "said to be old")


async def test_the_question_for_whom_has_further_pages(desk: Rig) -> None:
    for number in range(8):
        desk.telegram.add_user(3000 + number, f"Клиент {number}")
        desk.telegram.writes(3000 + number, f"Вопрос {number}")
    desk.graph.writes(IGOR, "Здравствуйте")
    await desk.until(lambda: len(desk.telegram.topics_of(OWNER)) == 9 and bool(desk.said("Вопрос 7")), "nine clients")
    written = desk.telegram.writes(OWNER, "Перезвоню")
    await desk.until(lambda: bool(desk.said("Кому это?")), "asked")
    question = desk.said("Кому это?")[0]
    first = data_of(question)
    (more,) = [d for d in first if d.startswith("d:more")]
    desk.telegram.presses(OWNER, OWNER, question["message_id"], more)
    await desk.until(lambda: data_of(desk.said("Кому это?")[0]) != first, "the next page, in the same message")
    second = data_of(desk.said("Кому это?")[0])
    clients = [d for d in (*first, *second) if d.startswith("d:to") and not d.endswith(":0")]
    assert len(clients) == len(set(clients)) == 9
    desk.telegram.presses(OWNER, OWNER, question["message_id"], second[0])
    await desk.until(lambda: desk.mark(written) in ("🕊", "👌"), "sent to the one chosen")
    assert bool(desk.said("Отправлено: "))
