"""Telegram Business: the owner's own chats, answered through her account."""

from __future__ import annotations

from typing import Any

from tests.rig import ANNA, BORIS, OWNER, Rig, words

ROUTE = "Bc-4a5b6c7d8e9f"
MAY_REPLY = {"can_reply": True, "can_delete_sent_messages": True}
DAY = 24 * 3600


async def connected(desk: Rig, **rights: bool) -> None:
    desk.telegram.connects_business(OWNER, ROUTE, rights or MAY_REPLY)
    await desk.until(lambda: bool(desk.said("Telegram Business подключён")), "the connection is told")


def client_sees(desk: Rig, user: int = ANNA) -> list[dict[str, Any]]:
    return [m for m in desk.telegram.business_messages(ROUTE, user) if not m["_deleted"]]


def buttons(message: dict[str, Any]) -> dict[str, str]:
    rows = message["reply_markup"]["inline_keyboard"]
    return {b["text"]: b["callback_data"] for row in rows for b in row}


async def test_one_client_by_two_roads_is_answered_by_the_road_that_was_used(desk: Rig) -> None:
    await connected(desk)
    desk.telegram.starts(ANNA)
    desk.telegram.writes(ANNA, "Пишу боту")
    await desk.until(lambda: bool(desk.said("Пишу боту")), "shown")
    topic = desk.topic("Анна Петрова")
    asked = desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Пишу лично")
    await desk.until(lambda: bool(desk.said("Пишу лично")), "shown")
    assert desk.said("Пишу лично")[0]["message_thread_id"] == topic
    assert len(desk.telegram.topics_of(OWNER)) == 1
    assert len({e["client"] for e in desk.exported("message.in")}) == 1

    personal = desk.telegram.writes(OWNER, "Отвечаю лично", thread_id=topic)
    await desk.until(lambda: desk.mark(personal) == "🕊", "sent")
    to_bot = desk.said("Пишу боту")[0]["message_id"]
    by_bot = desk.telegram.writes(OWNER, "Отвечаю ботом", thread_id=topic, reply_to=to_bot)
    await desk.until(lambda: desk.mark(by_bot) == "🕊", "sent")
    quoting = desk.telegram.writes(
        OWNER, "и на это", thread_id=topic, reply_to=desk.said("Пишу лично")[0]["message_id"]
    )
    await desk.until(lambda: desk.mark(quoting) == "🕊", "sent")

    assert [words(m) for m in client_sees(desk)] == ["Пишу лично", "Отвечаю лично", "и на это"]
    assert client_sees(desk)[1]["from"]["id"] == OWNER
    assert client_sees(desk)[2]["reply_to_message"]["message_id"] == asked
    assert words(desk.telegram.messages(ANNA)[-1]) == "Отвечаю ботом"
    # Our own sends come back as updates: they are neither shown nor exported a second time.
    assert desk.said("Отвечаю лично") == []
    await desk.until(lambda: desk.telegram.pending == 0, "all is taken")
    assert [e["text"] for e in desk.exported("message.out") if e["author"] != "auto"] == [
        "Отвечаю лично",
        "Отвечаю ботом",
        "и на это",
    ]


async def test_what_she_types_in_her_own_app_is_shown_and_exported_and_never_sent(desk: Rig) -> None:
    await connected(desk)
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Здравствуйте")
    await desk.until(lambda: bool(desk.said("Здравствуйте")), "shown")
    typed = desk.telegram.business_writes(ROUTE, OWNER, ANNA, "Отвечу вечером")
    await desk.until(lambda: bool(desk.said("Отвечу вечером")), "mirrored")
    assert words(desk.said("Отвечу вечером")[0]).startswith("✎")
    desk.telegram.business_edits(ROUTE, OWNER, ANNA, typed, "Отвечу утром")
    await desk.until(lambda: bool(desk.said("Отвечу утром")), "her own correction is shown")
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Спасибо")
    await desk.until(lambda: bool(desk.said("Спасибо")), "and the talk goes on")
    assert [(e["author"], e["text"]) for e in desk.exported("message.out")] == [("owner_elsewhere", "Отвечу вечером")]
    assert [words(m) for m in client_sees(desk)] == ["Здравствуйте", "Отвечу утром", "Спасибо"]
    assert not [c for c in desk.world.of("telegram") if c.request.get("business_connection_id")]


async def test_edits_and_deletions_on_both_sides(desk: Rig) -> None:
    await connected(desk)
    message = desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Встретимся в два")
    await desk.until(lambda: bool(desk.said("Встретимся в два")), "shown")
    topic, shown = desk.topic("Анна Петрова"), desk.said("Встретимся в два")[0]["message_id"]
    desk.telegram.business_edits(ROUTE, ANNA, ANNA, message, "Встретимся в три")
    await desk.until(lambda: bool(desk.said("Изменено: Встретимся в три")), "the edit is a reply")
    assert desk.said("Изменено: Встретимся в три")[0]["reply_to_message"]["message_id"] == shown
    desk.telegram.business_deletes(ROUTE, ANNA, [message])
    await desk.until(lambda: bool(desk.said("Сообщение удалено на стороне клиента")), "so is the deletion")
    assert desk.said("Сообщение удалено на стороне клиента")[0]["reply_to_message"]["message_id"] == shown
    assert words(desk.said("Встретимся в два")[0]) == "Встретимся в два"

    answer = desk.telegram.writes(OWNER, "Хорошо, в два", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "🕊", "sent")
    desk.telegram.edits(OWNER, answer, "Хорошо, в три")
    await desk.until(lambda: [words(m) for m in client_sees(desk)] == ["Хорошо, в три"], "edited for the client")
    desk.telegram.reacts(OWNER, OWNER, shown, "👍")
    await desk.until(lambda: bool(desk.said("реакцию") or desk.said("Реакци")), "a reaction cannot go there")
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=answer)
    await desk.until(lambda: client_sees(desk) == [], "deleted for the client")


async def test_after_a_day_of_silence_the_answer_is_held(desk: Rig) -> None:
    await connected(desk)
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Подумаю")
    await desk.until(lambda: bool(desk.said("Подумаю")), "shown")
    desk.world.shift = desk.clock.shift = DAY + 3600
    answer = desk.telegram.writes(OWNER, "Что решили?", thread_id=desk.topic("Анна Петрова"))
    await desk.until(lambda: bool(desk.said("прошло больше 24 часов")), "held, and the limit is named")
    await desk.until(lambda: desk.mark(answer) == "✍", "it waits")
    held = desk.said("прошло больше 24 часов")[0]
    assert list(buttons(held)) == ["Отправить, когда клиент напишет", "Не отправлять"]
    desk.telegram.presses(OWNER, OWNER, held["message_id"], buttons(held)["Отправить, когда клиент напишет"])
    await desk.until(lambda: bool(desk.said("Уйдёт, когда клиент напишет")), "parked")
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Решила")
    await desk.until(lambda: desk.mark(answer) == "🕊", "it left")
    assert [words(m) for m in client_sees(desk)] == ["Подумаю", "Решила", "Что решили?"]


async def test_a_connection_that_may_not_reply_or_is_switched_off_holds_the_answer(desk: Rig) -> None:
    await connected(desk, can_reply=False)
    assert desk.said("без права отвечать")
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Здравствуйте")
    await desk.until(lambda: bool(desk.said("Здравствуйте")), "shown")
    topic = desk.topic("Анна Петрова")
    first = desk.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    await desk.until(lambda: bool(desk.said("Не отправлено: подключение Telegram Business")), "held, and why")
    await desk.until(lambda: desk.mark(first) == "✍", "it waits")
    desk.telegram.connects_business(OWNER, ROUTE, MAY_REPLY, enabled=False)
    await desk.until(lambda: bool(desk.said("Telegram Business отключён")), "told")
    second = desk.telegram.writes(OWNER, "Вы ещё здесь?", thread_id=topic)
    await desk.until(lambda: len(desk.said("Не отправлено: подключение Telegram Business")) == 2, "held as well")
    assert not [c for c in desk.world.of("telegram", "sendMessage") if c.request.get("business_connection_id")]

    desk.telegram.connects_business(OWNER, ROUTE, MAY_REPLY)
    await desk.until(lambda: bool(desk.said("ответы уходят из личного аккаунта")), "open again")
    for held in desk.said("Не отправлено: подключение"):
        desk.telegram.presses(OWNER, OWNER, held["message_id"], buttons(held)["Отправить, когда клиент напишет"])
    await desk.until(lambda: len(desk.said("Уйдёт, когда клиент напишет")) == 2, "parked")
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Здесь")
    await desk.until(lambda: desk.mark(first) == desk.mark(second) == "🕊", "both left")
    assert [words(m) for m in client_sees(desk)] == ["Здравствуйте", "Здесь", "Добрый день", "Вы ещё здесь?"]


async def test_somebody_elses_connection_is_told_of_once_and_not_answered(desk: Rig) -> None:
    desk.telegram.connects_business(BORIS, "Bc-strange", MAY_REPLY)
    desk.telegram.connects_business(BORIS, "Bc-strange", {"can_reply": True})
    await desk.until(lambda: bool(desk.said("чужой Telegram Business")), "told")
    desk.telegram.business_writes("Bc-strange", ANNA, ANNA, "Борис, привет")
    desk.telegram.writes(ANNA, "Здравствуйте")
    await desk.until(lambda: bool(desk.said("Здравствуйте")), "later messages are there")
    await desk.until(lambda: desk.telegram.pending == 0, "all is taken")
    assert len(desk.said("чужой Telegram Business")) == 1
    assert [e["text"] for e in desk.exported("message.in")] == ["Здравствуйте"]
    assert not [c for c in desk.world.of("telegram") if c.request.get("business_connection_id")]


async def test_a_message_that_overtakes_its_connection_waits_for_it(desk: Rig) -> None:
    await desk.until(lambda: bool(desk.telegram.updates.url), "the webhook is set")
    desk.telegram.updates.allowed -= {"business_connection"}
    desk.telegram.connects_business(OWNER, ROUTE, MAY_REPLY)
    desk.telegram.business_writes(ROUTE, ANNA, ANNA, "Я раньше подключения")
    await desk.until(lambda: bool(desk.said("раньше, чем стало известно подключение")), "taken, and told")
    desk.telegram.updates.allowed |= {"business_connection"}
    desk.telegram.connects_business(OWNER, ROUTE, MAY_REPLY)
    await desk.until(lambda: bool(desk.said("Я раньше подключения")), "shown once the connection is known")
