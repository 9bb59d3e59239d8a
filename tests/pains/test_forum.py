"""The desk as a forum supergroup: topics there, a team around it, and what happens when it cannot be one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import ANNA, BORIS, BOT, IGOR, OWNER, Rig, rig, words

FORUM = -1001000000077
SERVICE = frozenset({"forum_topic_created", "forum_topic_edited", "pinned_message"})


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Rig]:
    """The fakes with the group's id in the settings; the group itself is each test's matter."""
    async with rig(tmp_path / "data", DESK_CHAT_ID=str(FORUM)) as made:
        yield made


def there(desk: Rig, part: str, chat: int = FORUM) -> list[dict[str, Any]]:
    """Messages of the bot in the group that contain the words."""
    return [
        m
        for m in desk.telegram.messages(chat)
        if not m.keys() & SERVICE and m["from"]["id"] == BOT and part in words(m)
    ]


def mark(desk: Rig, message_id: int) -> str:
    message = next(m for m in desk.telegram.messages(FORUM) if m["message_id"] == message_id)
    return "".join(r["emoji"] for r in message["_reactions"] if r["who"] == BOT)


def topic_of(desk: Rig, name: str) -> int:
    found = [t for t in desk.telegram.topics_of(FORUM) if t["name"].endswith(name)]
    return int(found[-1]["message_thread_id"])


def calls(desk: Rig, method: str) -> list[dict[str, Any]]:
    return [dict(c.request) for c in desk.world.of("telegram", method)]


async def test_topics_stand_in_the_group_and_the_owner_answers_there(group: Rig) -> None:
    group.telegram.add_forum(FORUM, "Консультации", members=[OWNER, BORIS], added_by=OWNER)
    await group.start()
    group.graph.writes(IGOR, "Здравствуйте")
    await group.until(lambda: bool(there(group, "Здравствуйте")), "shown in the group")
    shown, topic = there(group, "Здравствуйте")[0], topic_of(group, "Игорь")
    assert shown["message_thread_id"] == topic and shown["is_topic_message"]

    plain = group.telegram.writes(OWNER, "Добрый день", chat_id=FORUM, thread_id=topic)
    quoting = group.telegram.writes(OWNER, "и вам", chat_id=FORUM, thread_id=topic, reply_to=shown["message_id"])
    await group.until(lambda: mark(group, plain) == mark(group, quoting) == "👌", "both delivered")
    first, second = [c.request for c in group.sends()]
    assert first["text"]["body"] == "Добрый день" and "context" not in first  # a topic's head is no quote
    assert second["text"]["body"] == "и вам" and "context" in second
    assert not any(IGOR in words(m) or "Здравствуйте" in words(m) for m in group.telegram.messages(OWNER))


async def test_an_unlisted_member_writes_to_nobody_and_is_told_of_once(group: Rig) -> None:
    group.telegram.add_forum(FORUM, "Консультации", members=[OWNER, BORIS], added_by=OWNER)
    await group.start()
    group.graph.writes(IGOR, "Здравствуйте")
    await group.until(lambda: bool(there(group, "Здравствуйте")), "shown in the group")
    topic = topic_of(group, "Игорь")
    shown = there(group, "Здравствуйте")[0]["message_id"]
    written = group.telegram.writes(BORIS, "Я тоже отвечу", chat_id=FORUM, thread_id=topic)
    group.telegram.writes(BORIS, "/del", chat_id=FORUM, thread_id=topic, reply_to=shown)
    group.telegram.edits(BORIS, written, "Исправлено", chat_id=FORUM)
    group.telegram.reacts(BORIS, FORUM, shown, "👍")
    await group.until(lambda: bool(there(group, "никому не ушло")), "told")
    told = there(group, "никому не ушло")[0]
    assert told["message_thread_id"] == topic and told["reply_to_message"]["message_id"] == written
    mine = group.telegram.writes(OWNER, "отвечаю", chat_id=FORUM, thread_id=topic)
    await group.until(lambda: mark(group, mine) == "👌", "the owner's goes out")
    assert [c.request["text"]["body"] for c in group.sends()] == ["отвечаю"]
    assert len(there(group, "никому не ушло")) == 1
    assert {e["author"] for e in group.exported("message.out")} == {"owner"}


async def test_taps_of_an_unlisted_member_do_nothing(group: Rig) -> None:
    group.telegram.add_forum(FORUM, "Консультации", members=[OWNER, BORIS], added_by=OWNER)
    await group.start()
    group.graph.writes(IGOR, "Здравствуйте")
    await group.until(lambda: bool(there(group, "Здравствуйте")), "shown in the group")
    asked = group.telegram.writes(OWNER, "Перезвоню", chat_id=FORUM)
    await group.until(lambda: bool(there(group, "Кому это?")), "asked")
    question = there(group, "Кому это?")[0]
    assert question["reply_to_message"]["message_id"] == asked
    button = question["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    group.telegram.presses(BORIS, FORUM, question["message_id"], button)
    nobody = question["reply_markup"]["inline_keyboard"][-1][-1]["callback_data"]
    group.telegram.presses(OWNER, FORUM, question["message_id"], nobody)
    await group.until(lambda: bool(there(group, "Никому не отправлено")), "the owner decided")
    assert group.sends() == []


async def test_the_owners_private_chat_still_takes_commands_and_clients_are_clients(group: Rig) -> None:
    group.telegram.add_forum(FORUM, "Консультации", members=[OWNER], added_by=OWNER)
    await group.start()
    group.telegram.writes(ANNA, "Можно вопрос?")
    await group.until(lambda: bool(there(group, "Можно вопрос?")), "a client in the group")
    group.telegram.writes(OWNER, "/status")
    await group.until(lambda: bool(there(group, "Пульт: группа с темами")), "answered on the desk")
    assert "reply_to_message" not in there(group, "Пульт: группа с темами")[0]
    written = group.telegram.writes(OWNER, "это кому?")
    await group.until(lambda: bool(there(group, "Кому это?")), "asked on the desk")
    question = there(group, "Кому это?")[0]
    assert "reply_to_message" not in question
    button = question["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    group.telegram.presses(OWNER, FORUM, question["message_id"], button)
    await group.until(lambda: any(words(m) == "это кому?" for m in group.telegram.messages(ANNA)), "sent")
    await group.until(lambda: group.mark(written) == "🕊", "the mark stands where she wrote")
    assert all(mark(group, m["message_id"]) == "" for m in group.telegram.messages(FORUM))


@pytest.mark.parametrize(
    ("rights", "forum", "finding"),
    [
        ({"can_manage_topics": False}, True, "нужны права администратора"),
        ({"can_manage_topics": True}, False, "не группа с темами"),
        (None, True, "не найден"),
    ],
)
async def test_a_group_that_cannot_be_the_desk_is_said_so(
    group: Rig, rights: dict[str, bool] | None, forum: bool, finding: str
) -> None:
    if rights is not None:
        group.telegram.add_forum(FORUM, "Консультации", members=[OWNER], rights=rights, forum=forum)
    await group.start()
    await group.until(lambda: bool(group.said(finding)), "the first screen says why")
    screen = group.said(finding)[0]
    button = screen["reply_markup"]["inline_keyboard"][0][0]
    assert button["text"] == "Проверить темы"
    topic = await group.known()
    answer = group.telegram.writes(OWNER, "Слушаю", thread_id=topic)
    await group.until(lambda: group.mark(answer) == "👌", "the private topics do the work meanwhile")

    group.telegram.add_forum(FORUM, "Консультации", members=[OWNER], added_by=OWNER)
    group.telegram.presses(OWNER, OWNER, screen["message_id"], button["callback_data"])
    await group.until(lambda: bool(there(group, "Темы в чате: включены")), "looked at anew, and the desk has moved")
    group.graph.writes(IGOR, "А теперь?")
    await group.until(lambda: bool(there(group, "А теперь?")), "shown in the group")
