"""The desk where the bot has no topics: every message says whose it is, and an answer is a reply."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rig import ANNA, IGOR, MARIA, OWNER, Rig, words


@pytest.fixture
async def flat(idle: Rig) -> Rig:
    """The app on a bot without topics."""
    idle.telegram.topics = False
    await idle.start()
    return idle


def button(message: dict[str, Any], label: str) -> str:
    rows = message["reply_markup"]["inline_keyboard"]
    return str(next(b["callback_data"] for row in rows for b in row if b["text"] == label))


def bodies(desk: Rig) -> list[tuple[str, str]]:
    return [(c.request["to"], c.request["text"]["body"]) for c in desk.sends()]


async def test_a_message_is_headed_by_its_client_and_a_reply_answers_it(flat: Rig) -> None:
    flat.graph.writes(IGOR, "Здравствуйте")
    flat.graph.writes(MARIA, "Есть время завтра?")
    await flat.until(lambda: bool(flat.said("Здравствуйте") and flat.said("Есть время завтра?")), "both shown")
    igor, maria = flat.said("Здравствуйте")[0], flat.said("Есть время завтра?")[0]
    assert words(igor).startswith("👤 Игорь · WhatsApp") and words(maria).startswith("👤 Мария · WhatsApp")
    assert "message_thread_id" not in igor and flat.telegram.topics_of(OWNER) == []
    answer = flat.telegram.writes(OWNER, "Завтра в три", reply_to=maria["message_id"])
    await flat.until(lambda: flat.mark(answer) == "👌", "delivered")
    assert [text for _, text in bodies(flat)] == ["Завтра в три"] and bodies(flat)[0][0].endswith(MARIA)
    follow_up = flat.telegram.writes(OWNER, "или в четыре", reply_to=answer)
    await flat.until(lambda: flat.mark(follow_up) == "👌", "a reply to her own message goes the same way")
    assert len({to for to, _ in bodies(flat)}) == 1


async def test_the_button_makes_the_next_words_an_answer_and_only_those(flat: Rig) -> None:
    flat.graph.writes(IGOR, "Здравствуйте")
    flat.graph.writes(MARIA, "Добрый вечер")
    await flat.until(lambda: bool(flat.said("Здравствуйте") and flat.said("Добрый вечер")), "both shown")
    shown = flat.said("Здравствуйте")[0]
    flat.telegram.presses(OWNER, OWNER, shown["message_id"], button(shown, "Ответить"))
    await flat.until(lambda: bool(flat.said("Напишите ответ: Игорь")), "asked for the answer")
    answer = flat.telegram.writes(OWNER, "Чем помочь?")
    await flat.until(lambda: flat.mark(answer) == "👌", "sent")
    flat.telegram.writes(OWNER, "а это никому")
    await flat.until(lambda: bool(flat.said("Кому это?")), "the button is used up")
    assert [text for _, text in bodies(flat)] == ["Чем помочь?"]

    other = flat.said("Добрый вечер")[0]
    flat.telegram.presses(OWNER, OWNER, other["message_id"], button(other, "Ответить"))
    await flat.until(lambda: bool(flat.said("Напишите ответ: Мария")), "asked again, for another")
    asked = flat.said("Напишите ответ: Мария")[0]
    cancel = button(asked, "Отменить")
    flat.telegram.presses(OWNER, OWNER, asked["message_id"], cancel)
    flat.telegram.presses(OWNER, OWNER, asked["message_id"], cancel)
    await flat.until(lambda: [t["text"] for t in flat.telegram.toasts].count("Кнопка устарела") == 1, "said to be old")
    flat.telegram.writes(OWNER, "и это никому")
    await flat.until(lambda: len(flat.said("Кому это?")) == 2, "cancelled")
    assert flat.said("Напишите ответ: Мария") == []
    assert len(bodies(flat)) == 1


async def test_an_album_has_its_head_in_front_and_each_photo_can_be_answered(flat: Rig) -> None:
    flat.telegram.starts(ANNA)
    for _ in range(2):
        flat.telegram.writes(ANNA, kind="photo", media_group_id="7001")
    await flat.until(lambda: len([m for m in flat.desk() if "photo" in m]) == 2, "the album is shown")
    photos = [m for m in flat.desk() if "photo" in m]
    assert len({m["media_group_id"] for m in photos}) == 1
    head = next(m for m in flat.said("Анна Петрова") if m["message_id"] == photos[0]["message_id"] - 1)
    assert button(head, "Ответить")
    answer = flat.telegram.writes(OWNER, "Вижу", reply_to=photos[1]["message_id"])
    await flat.until(lambda: flat.mark(answer) == "🕊", "sent")
    assert [words(m) for m in flat.telegram.messages(ANNA)][-1] == "Вижу"


async def test_topics_switched_on_later_are_found_by_the_button_of_the_first_screen(flat: Rig) -> None:
    await flat.until(lambda: bool(flat.said("Темы в чате: выключены")), "the first screen")
    screen = flat.said("Темы в чате: выключены")[0]
    check = button(screen, "Проверить темы")
    flat.telegram.presses(OWNER, OWNER, screen["message_id"], check)
    await flat.until(lambda: len(flat.telegram.toasts) == 1, "looked; nothing has changed")
    flat.telegram.topics = True
    flat.telegram.presses(OWNER, OWNER, screen["message_id"], check)
    await flat.until(lambda: bool(flat.said("Темы в чате: включены")), "the same screen says so")
    assert flat.said("Темы в чате: включены")[0]["message_id"] == screen["message_id"]
    topic = await flat.known()
    answer = flat.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    await flat.until(lambda: flat.mark(answer) == "👌", "answered in the topic")
