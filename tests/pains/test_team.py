"""/team: who besides the owner may use a desk that is a supergroup, and who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.pains.test_forum import FORUM, mark, there, topic_of
from tests.rig import ANNA, BORIS, IGOR, OWNER, Rig, rig, words

VERA = 2003
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
GROUP = {"id": FORUM, "type": "supergroup", "title": "Консультации"}


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data", DESK_CHAT_ID=str(FORUM)) as made:
        made.telegram.add_user(VERA, "Вера")
        made.telegram.add_forum(FORUM, "Консультации", members=[OWNER, BORIS, VERA], added_by=OWNER)
        await made.start()
        yield made


def button(message: dict[str, Any], number: int = 0) -> str:
    return str(message["reply_markup"]["inline_keyboard"][0][number]["callback_data"])


async def asked(group: Rig, part: str, text: str, *, by: int = OWNER, reply_to: int | None = None) -> dict[str, Any]:
    """What /team answers."""
    known = len(there(group, part))
    group.telegram.writes(by, text, chat_id=FORUM, reply_to=reply_to)
    await group.until(lambda: len(there(group, part)) > known, part)
    return there(group, part)[-1]


async def let_in(group: Rig, user: int, name: str) -> None:
    question = await asked(group, f"Пустить за пульт: {name}", f"/team {user}")
    group.telegram.presses(OWNER, FORUM, question["message_id"], button(question))
    await group.until(lambda: bool(there(group, f"Теперь за пультом: {name}")), "let in")
    (told,) = there(group, f"Теперь за пультом: {name}")
    assert told["message_id"] == question["message_id"] and "reply_markup" not in told


async def shown(group: Rig, text: str = "Здравствуйте") -> dict[str, Any]:
    group.graph.writes(IGOR, text)
    await group.until(lambda: bool(there(group, text)), "shown in the group")
    return there(group, text)[0]


async def test_a_listed_member_answers_edits_reacts_and_taps(group: Rig) -> None:
    first = await shown(group)
    topic = topic_of(group, "Игорь")
    before = group.telegram.writes(BORIS, "ещё нельзя", chat_id=FORUM, thread_id=topic)
    await group.until(lambda: bool(there(group, "никому не ушло")), "told")
    question = await asked(group, "Пустить за пульт: Борис", "/team", reply_to=before)
    group.telegram.presses(BORIS, FORUM, question["message_id"], button(question, 0))
    group.telegram.presses(OWNER, FORUM, question["message_id"], button(question, 1))
    await group.until(lambda: bool(there(group, "Список не изменён")), "a tap of his changed nothing")
    await let_in(group, BORIS, "Борис")
    question = await asked(group, "Пустить за пульт: Вера", f"/team {VERA}")
    group.telegram.presses(BORIS, FORUM, question["message_id"], button(question))
    await group.until(lambda: _toast(group) == "Это решает владелец пульта", "not his to decide now either")
    assert not there(group, "Теперь за пультом: Вера")

    answer = group.telegram.writes(BORIS, "Слушаю вас", chat_id=FORUM, thread_id=topic, reply_to=first["message_id"])
    await group.until(lambda: mark(group, answer) == "👌", "the mark stands on his message")
    assert [c.request["text"]["body"] for c in group.sends()] == ["Слушаю вас"] and "context" in group.sends()[
        0
    ].request
    assert [e["author"] for e in group.exported("message.out")] == ["owner"]
    group.telegram.reacts(BORIS, FORUM, first["message_id"], "👍")
    await group.until(lambda: any("reaction" in c.request for c in group.sends()), "his reaction goes over")
    group.telegram.writes(BORIS, "/status", chat_id=FORUM)
    await group.until(lambda: bool(there(group, "Пульт: группа с темами")), "he may look")
    group.telegram.writes(BORIS, "а это кому", chat_id=FORUM)
    await group.until(lambda: bool(there(group, "Кому это?")), "asked")
    choice = there(group, "Кому это?")[0]
    group.telegram.presses(BORIS, FORUM, choice["message_id"], button(choice))
    await group.until(lambda: [c for c in group.sends() if "а это кому" in str(c.request)] != [], "sent")

    refused = await asked(group, "Список меняет только владелец", f"/team {VERA}", by=BORIS)
    assert "reply_markup" not in refused
    group.telegram.writes(BORIS, "из личного чата")
    await group.until(lambda: bool(there(group, "из личного чата")), "in private he is a client like any other")


def _toast(group: Rig) -> str:
    return str(group.telegram.toasts[-1].get("text")) if group.telegram.toasts else ""


async def test_the_list_outlives_the_process_and_the_same_again_removes(group: Rig) -> None:
    await shown(group)
    topic = topic_of(group, "Игорь")
    await let_in(group, BORIS, "Борис")
    await let_in(group, VERA, "Вера")
    await group.stop()
    await group.start()
    answer = group.telegram.writes(BORIS, "После запуска", chat_id=FORUM, thread_id=topic)
    await group.until(lambda: mark(group, answer) == "👌", "still listed")

    question = await asked(group, "Убрать из-за пульта: Борис", f"/team {BORIS}")
    group.telegram.presses(OWNER, FORUM, question["message_id"], button(question, 1))
    await group.until(lambda: bool(there(group, "Список не изменён")), "left as it was")
    question = await asked(group, "Убрать из-за пульта: Борис", "/team", reply_to=answer)
    group.telegram.presses(OWNER, FORUM, question["message_id"], button(question))
    await group.until(lambda: bool(there(group, "Больше не за пультом: Борис")), "removed")
    late = group.telegram.writes(BORIS, "А теперь?", chat_id=FORUM, thread_id=topic)
    await group.until(lambda: bool(there(group, "никому не ушло")), "told")
    assert there(group, "никому не ушло")[0]["reply_to_message"]["message_id"] == late
    listed = await asked(group, "За пультом, кроме владельца", "/team")
    assert words(listed) == f"За пультом, кроме владельца: Вера ({VERA})"
    assert len(group.sends()) == 1


async def test_who_left_the_group_is_off_the_list(group: Rig) -> None:
    await shown(group)
    await let_in(group, BORIS, "Борис")
    await let_in(group, VERA, "Вера")
    people = group.telegram.chats.chats[FORUM].people
    people[BORIS] = "left"
    leaver = {"left_chat_member": dict(group.telegram.chats.users[BORIS])}
    group.telegram.writes(BORIS, chat_id=FORUM, extra=leaver)
    await group.until(lambda: bool(there(group, "Борис: больше не в группе")), "told")
    people[BORIS] = "member"
    group.telegram.writes(BORIS, "Я снова тут", chat_id=FORUM, thread_id=topic_of(group, "Игорь"))
    await group.until(lambda: bool(there(group, "никому не ушло")), "whoever comes back is listed anew or not at all")
    people[VERA] = "left"
    listed = await asked(group, "За пультом только владелец", "/team")
    assert "Больше не в группе, из списка убраны: Вера" in words(listed)
    people[VERA] = "member"
    await asked(group, "Пустить за пульт: Вера", f"/team {VERA}")
    assert group.sends() == []


async def test_who_cannot_be_let_in(group: Rig) -> None:
    hidden = group.telegram.writes(
        OWNER, "от имени группы", chat_id=FORUM, extra={"from": ANONYMOUS, "sender_chat": GROUP}
    )
    for text, reply_to, part in (
        (f"/team {ANNA}", None, "Такого участника в группе нет"),
        ("/team 424242", None, "Такого участника в группе нет"),
        ("/team", hidden, "Пустить можно только человека"),
        (f"/team {OWNER}", None, "Владелец и так за пультом"),
        ("/team кто-нибудь", None, "Менять список может только владелец"),
    ):
        assert "reply_markup" not in await asked(group, part, text, reply_to=reply_to)
    await asked(group, "За пультом только владелец", "/team")


async def test_nobody_speaks_in_the_groups_name(group: Rig) -> None:
    """An anonymous admin, a channel, and a forwarded command: to nobody, whoever is behind them."""
    await shown(group)
    topic = topic_of(group, "Игорь")
    channel = {"id": -1001000000088, "type": "channel", "title": "Канал"}
    for extra in (
        {"from": ANONYMOUS, "sender_chat": GROUP},
        {"sender_chat": GROUP},
        {"sender_chat": channel, "is_automatic_forward": True},
    ):
        group.telegram.writes(OWNER, "кто это сказал", chat_id=FORUM, thread_id=topic, extra=extra)
    origin = {"type": "user", "date": 1_790_000_000, "sender_user": dict(group.telegram.chats.users[ANNA])}
    group.telegram.writes(OWNER, f"/team {BORIS}", chat_id=FORUM, extra={"forward_origin": origin})
    await group.until(lambda: bool(there(group, "Пересланная команда не выполнена")), "said so")
    answer = group.telegram.writes(OWNER, "это я", chat_id=FORUM, thread_id=topic)
    await group.until(lambda: mark(group, answer) == "👌", "her own goes out")
    assert [c.request["text"]["body"] for c in group.sends()] == ["это я"]
    assert not there(group, "Пустить за пульт")


async def test_beside_a_group_there_is_no_team(tmp_path: Path) -> None:
    async with rig(tmp_path / "data") as desk:
        await desk.start()
        desk.telegram.writes(OWNER, f"/team {BORIS}")
        await desk.until(lambda: bool(desk.said("не группа с темами")), "said so")
        assert "DESK_CHAT_ID" in words(desk.said("не группа с темами")[0])


async def test_the_owner_may_ask_from_her_private_chat(group: Rig) -> None:
    group.telegram.writes(OWNER, f"/team {BORIS}")
    await group.until(lambda: bool(there(group, "Пустить за пульт: Борис")), "asked on the desk")
    question = there(group, "Пустить за пульт: Борис")[0]
    group.telegram.presses(OWNER, FORUM, question["message_id"], button(question))
    await group.until(lambda: bool(there(group, "Теперь за пультом: Борис")), "and settled there")
    assert there(group, "Теперь за пультом: Борис")[0]["message_id"] == question["message_id"]
