"""What clients do, however the networks tell it: once, in order, and each thing where it belongs."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

import pytest

from sandbox.meta_clients import new_wamid
from sandbox.meta_hooks import merge
from sandbox.world import Fault
from tests.rig import ANNA, IGOR, MARIA, OWNER, PHONE_ID, Rig, words

Body = dict[str, Any]


def body(*messages: Body, phone: str = IGOR, name: str = "Игорь", user_id: str = f"US.77{IGOR}") -> Body:
    """A webhook of WhatsApp with these messages of one client."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "12025550100", "phone_number_id": PHONE_ID},
        "contacts": [{"profile": {"name": name}, "wa_id": phone, "user_id": user_id}],
        "messages": list(messages),
    }
    entry = {"id": "100200300400500", "changes": [{"value": value, "field": "messages"}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def said_by(phone: str, kind: str, content: Body, *, at: float, wamid: str | None = None) -> Body:
    ids = {"from": phone, "from_user_id": f"US.77{phone}", "id": wamid or new_wamid(phone, inbound=True)}
    return {**ids, "timestamp": str(int(at)), "type": kind, kind: content}


def text_of(phone: str, text: str, *, at: float, wamid: str | None = None) -> Body:
    return said_by(phone, "text", {"body": text}, at=at, wamid=wamid)


def edit_of(wamid: str, text: str, *, at: float) -> Body:
    new = {"context": {"id": "M0"}, "type": "text", "text": {"body": text}}
    return said_by(IGOR, "edit", {"original_message_id": wamid, "message": new}, at=at)


def shown_text(rig: Rig) -> str:
    """All that stands on the desk, in order."""
    return "\n".join(words(m) for m in rig.desk())


def places(rig: Rig, texts: Sequence[str]) -> list[int]:
    """Where each of them first stands in all that the desk shows; every one of them exactly once."""
    whole = shown_text(rig)
    assert [whole.count(t) for t in texts] == [1] * len(texts)
    return [whole.index(t) for t in texts]


async def taken(rig: Rig) -> None:
    """All webhooks are answered, and the client's word after them is on the desk: what was to come has come."""
    await rig.until(lambda: rig.graph.pending == 0, "webhooks taken")
    rig.graph.writes(MARIA, "последнее слово")
    await rig.until(lambda: "последнее слово" in shown_text(rig), "the barrier")


async def test_whatsapp_repeats_in_every_shape_are_shown_once(desk: Rig) -> None:
    now = desk.world.now()
    messages = [text_of(IGOR, f"сообщение {n};", at=now + n) for n in range(6)]
    for message in messages:
        desk.graph.post(body(message))
    await desk.until(lambda: all(f"сообщение {n};" in shown_text(desk) for n in range(6)), "shown")
    for message in reversed(messages):
        desk.graph.post(body(message))
        desk.graph.post(body(message))
    desk.graph.post(body(*messages))
    desk.graph.post(body(*reversed(messages)))
    desk.graph.post(merge([body(m) for m in messages]))
    desk.graph.post(merge([body(m) for m in reversed(messages)]))
    await taken(desk)
    order = places(desk, [f"сообщение {n};" for n in range(6)])
    assert order == sorted(order)
    assert len(desk.exported("message.in")) == 7


async def test_a_batch_keeps_its_order_and_may_come_twice_at_once(desk: Rig) -> None:
    now = desk.world.now()
    desk.graph.duplicate = 3
    desk.graph.post(body(*(text_of(IGOR, f"строка {n};", at=now) for n in range(8))))
    desk.graph.duplicate = 0
    await desk.until(lambda: "строка 7;" in shown_text(desk), "shown")
    await taken(desk)
    order = places(desk, [f"строка {n};" for n in range(8)])
    assert order == sorted(order)


async def test_telegram_updates_that_come_again_are_shown_once(desk: Rig) -> None:
    desk.telegram.duplicate_updates = True
    desk.telegram.starts(ANNA)
    for n in range(4):
        desk.telegram.writes(ANNA, f"вопрос {n};")
    await desk.until(lambda: "вопрос 3;" in shown_text(desk), "shown")
    desk.telegram.duplicate_updates = False
    updates = list(desk.telegram.updates.history)
    random.Random(7).shuffle(updates)
    for update_id in updates:
        assert await desk.telegram.redeliver(update_id) == 200
    await taken(desk)
    order = places(desk, [f"вопрос {n};" for n in range(4)])
    assert order == sorted(order)
    assert [e["text"] for e in desk.exported("message.in")][:4] == [f"вопрос {n};" for n in range(4)]


async def test_one_client_is_found_by_number_and_by_user_id(desk: Rig) -> None:
    desk.graph.writes(IGOR, "с номером")
    await desk.until(lambda: bool(desk.said("с номером")), "shown")
    desk.graph.phone(IGOR).hides_number = True
    desk.graph.writes(IGOR, "без номера")
    await desk.until(lambda: bool(desk.said("без номера")), "shown")
    threads = {m["message_thread_id"] for part in ("с номером", "без номера") for m in desk.said(part)}
    assert len(threads) == 1
    assert len(desk.exported("client.created")) == 1


async def test_reports_before_our_own_answer_and_backwards_never_move_a_mark_back(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.auto_statuses = False
    hang = desk.world.plan(Fault("hang", "graph", "POST /messages", seconds=1.5))
    answer = desk.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    await desk.until(lambda: len(desk.sends()) == 1, "the send is at the provider")
    sent = desk.graph.phone(IGOR).bubbles[-1].id
    desk.graph.bubbles[sent].tag = None
    for state in ("read", "delivered", "sent"):
        desk.graph.status(sent, state)
    await desk.until(lambda: desk.graph.pending == 0, "the reports are taken")
    assert desk.exported("delivery.changed") == []
    await desk.until(lambda: desk.mark(answer) == "👀", "the report that overtook the answer")
    for state in ("delivered", "sent", "read", "delivered"):
        desk.graph.status(sent, state)
    await taken(desk)
    assert desk.mark(answer) == "👀"
    states = [e["state"] for e in desk.exported("delivery.changed")]
    assert states[-1] == "read"
    assert states == sorted(states, key=["sent", "delivered", "read"].index)
    drawn = [c.request["reaction"] for c in desk.world.of("telegram", "setMessageReaction")]
    marks = [r[0]["emoji"] for r in drawn if r]
    assert marks == sorted(marks, key=["✍", "🕊", "👌", "👀"].index)
    assert hang not in desk.world.faults


async def test_reversed_reports_end_at_the_furthest(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.reverse_statuses = True
    desk.graph.duplicate = 1
    desk.graph.phone(IGOR).reads = True
    answer = desk.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "👀", "read")
    await taken(desk)
    assert desk.mark(answer) == "👀"
    assert [e["state"] for e in desk.exported("delivery.changed")][-1] == "read"


async def test_an_edit_a_reaction_and_a_deletion_answer_the_shown_message(desk: Rig) -> None:
    await desk.known()
    wamid = desk.graph.writes(IGOR, "приду в 15")
    await desk.until(lambda: bool(desk.said("приду в 15")), "shown")
    shown = desk.said("приду в 15")[0]["message_id"]
    desk.graph.writes(IGOR, "приду в 16", kind="edit", reply_to=wamid)
    await desk.until(lambda: bool(desk.said("Изменено: приду в 16")), "the edit")
    desk.graph.writes(IGOR, "❤️", kind="reaction", reply_to=wamid)
    await desk.until(lambda: bool(desk.said("Игорь: ❤️")), "the reaction")
    desk.graph.writes(IGOR, "", kind="reaction", reply_to=wamid)
    await desk.until(lambda: bool(desk.said("реакция снята")), "the reaction is taken back")
    desk.graph.writes(IGOR, kind="revoke", reply_to=wamid)
    await desk.until(lambda: bool(desk.said("Сообщение удалено")), "the deletion")
    assert words(desk.said("приду в 15")[0]) == "приду в 15"
    for part in ("Изменено", "Игорь: ❤️", "реакция снята", "Сообщение удалено"):
        (line,) = desk.said(part)
        assert line["reply_to_message"]["message_id"] == shown
    await desk.until(lambda: len(desk.exported("message.deleted")) == 1, "exported")
    assert len(desk.exported("message.edited")) == 1
    assert [e["emoji"] for e in desk.exported("message.reaction")] == ["❤️", None]


async def test_a_client_of_telegram_edits_and_reacts(desk: Rig) -> None:
    desk.telegram.starts(ANNA)
    first = desk.telegram.writes(ANNA, "приду в 15")
    await desk.until(lambda: bool(desk.said("приду в 15")), "shown")
    shown = desk.said("приду в 15")[0]["message_id"]
    desk.telegram.edits(ANNA, first, "приду в 16")
    await desk.until(lambda: bool(desk.said("Изменено: приду в 16")), "the edit")
    desk.telegram.reacts(ANNA, ANNA, first, "🔥")
    await desk.until(lambda: bool(desk.said("🔥")), "the reaction")
    for part in ("Изменено", "🔥"):
        (line,) = desk.said(part)
        assert line["reply_to_message"]["message_id"] == shown
    assert words(desk.said("🔥")[0]).startswith("Анна")


async def test_edits_that_come_in_the_wrong_order_end_at_the_newest(desk: Rig) -> None:
    await desk.known()
    now = desk.world.now()
    wamid = desk.graph.writes(IGOR, "черновик", timestamp=now)
    await desk.until(lambda: bool(desk.said("черновик")), "shown")
    desk.graph.post(body(edit_of(wamid, "третья редакция", at=now + 30)))
    await desk.until(lambda: bool(desk.said("Изменено: третья редакция")), "the newest edit")
    desk.graph.post(body(edit_of(wamid, "вторая редакция", at=now + 20)))
    desk.graph.post(body(edit_of(wamid, "третья редакция", at=now + 30)))
    await taken(desk)
    assert desk.said("вторая редакция") == []
    assert len(desk.said("Изменено")) == 1
    assert [e["text"] for e in desk.exported("message.edited")] == ["третья редакция"]


@pytest.mark.parametrize("together", [False, True])
async def test_what_comes_before_its_message_waits_for_it(desk: Rig, together: bool) -> None:
    now = desk.world.now()
    wamid = new_wamid(IGOR, inbound=True)
    early = [
        edit_of(wamid, "приду в 16", at=now + 10),
        said_by(IGOR, "reaction", {"message_id": wamid, "emoji": "👍"}, at=now + 11),
        said_by(IGOR, "revoke", {"original_message_id": wamid}, at=now + 12),
    ]
    message = text_of(IGOR, "приду в 15", at=now, wamid=wamid)
    if together:
        desk.graph.post(body(*early, message))
    else:
        for fact in early:
            desk.graph.post(body(copy.deepcopy(fact)))
        await desk.until(lambda: desk.graph.pending == 0, "taken")
        assert desk.said("Изменено") == []
        desk.graph.post(body(message))
    await desk.until(lambda: bool(desk.said("Сообщение удалено")), "all of it")
    await taken(desk)
    order = places(desk, ["приду в 15", "Изменено: приду в 16", "Игорь: 👍", "Сообщение удалено"])
    assert order == sorted(order)
    shown = desk.said("приду в 15")[0]["message_id"]
    for part in ("Изменено", "👍", "Сообщение удалено"):
        assert desk.said(part)[0]["reply_to_message"]["message_id"] == shown


async def test_a_quote_stands_as_a_reply(desk: Rig) -> None:
    topic = await desk.known()
    answer = desk.telegram.writes(OWNER, "В субботу или в воскресенье?", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "👌", "delivered")
    ours = desk.graph.phone(IGOR).bubbles[-1].id
    theirs = desk.graph.writes(IGOR, "в субботу", reply_to=ours)
    await desk.until(lambda: bool(desk.said("в субботу")), "shown")
    assert desk.said("в субботу")[0]["reply_to_message"]["message_id"] == answer
    desk.graph.writes(IGOR, "точнее, утром", reply_to=theirs)
    await desk.until(lambda: bool(desk.said("точнее, утром")), "shown")
    first = desk.said("в субботу")[0]["message_id"]
    assert desk.said("точнее, утром")[0]["reply_to_message"]["message_id"] == first


async def test_what_she_writes_in_the_app_of_whatsapp_is_marked(desk: Rig) -> None:
    await desk.known()
    desk.graph.echo(IGOR, "ответ с телефона")
    await desk.until(lambda: bool(desk.said("ответ с телефона")), "shown")
    assert words(desk.said("ответ с телефона")[0]).startswith("✎ ")
    await desk.until(lambda: [e["author"] for e in desk.exported("message.out")] == ["owner_elsewhere"], "exported")


async def test_what_comes_late_says_so(desk: Rig) -> None:
    desk.graph.writes(IGOR, "вчерашнее", timestamp=desk.world.now() - 3 * 3600)
    await desk.until(lambda: bool(desk.said("вчерашнее")), "shown")
    assert "с опозданием 3" in words(desk.said("вчерашнее")[0])


async def test_a_body_that_is_not_understood_stops_nothing_and_is_told_once(desk: Rig) -> None:
    desk.graph.post({"object": "whatsapp_business_account", "entry": "нет"})
    desk.graph.post({"object": "whatsapp_business_account", "entry": "нет"})
    desk.graph.writes(IGOR, "а это понятно")
    await desk.until(lambda: bool(desk.said("а это понятно")), "shown")
    await desk.until(lambda: bool(desk.said("непонятного вида")), "told")
    await taken(desk)
    assert len(desk.said("непонятного вида")) == 1
