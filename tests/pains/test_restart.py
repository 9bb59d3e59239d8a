"""The app ends in the middle and starts again: it goes on where it was, and what was in doubt is said to be."""

from __future__ import annotations

import time

from sandbox.world import Fault
from tests.rig import ANNA, BOT, IGOR, OWNER, Rig, words

REPEAT = "возможно, повтор"
ENDS_WITHIN = 5.0  # seconds, promised


def whole(rig: Rig) -> str:
    return "\n".join(words(m) for m in rig.desk())


def on_desk_once_in_order(rig: Rig, texts: list[str]) -> bool:
    shown = whole(rig)
    places = [shown.find(t) for t in texts]
    return [shown.count(t) for t in texts] == [1] * len(texts) and places == sorted(places)


async def test_what_waited_goes_on_and_nothing_comes_twice(desk: Rig) -> None:
    await desk.known()
    desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=60))
    desk.graph.writes(IGOR, "держит;")
    await desk.until(lambda: desk.world.of("telegram", "sendMessage")[-1].status == 429, "the desk is held")
    for n in range(20):
        desk.graph.writes(IGOR, f"сообщение {n};")
    await desk.until(lambda: len(desk.exported("message.in")) == 22, "all are taken")
    assert "сообщение" not in whole(desk)
    began = time.monotonic()
    await desk.stop()
    assert time.monotonic() - began < ENDS_WITHIN
    desk.graph.writes(IGOR, "пока никого нет;")
    desk.telegram.starts(ANNA)
    desk.telegram.writes(ANNA, "и здесь никого;")
    await desk.start()
    await desk.until(lambda: "пока никого нет;" in whole(desk) and "и здесь никого;" in whole(desk), "all of it", 30.0)
    texts = ["держит;", *(f"сообщение {n};" for n in range(20)), "пока никого нет;"]
    assert on_desk_once_in_order(desk, texts)
    assert on_desk_once_in_order(desk, ["и здесь никого;"])
    assert REPEAT not in whole(desk)
    assert len([t for t in desk.telegram.topics_of(OWNER) if t["name"].endswith("Игорь")]) == 1
    ids = [line["data"]["id"] for line in desk.export()]
    assert ids == sorted(set(ids))


async def test_what_was_under_way_at_the_end_is_in_doubt(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.auto_statuses = False
    desk.world.plan(Fault("hang", "graph", "POST /messages", seconds=60))
    desk.world.plan(Fault("hang", "telegram", "sendMessage", seconds=60))
    answer = desk.telegram.writes(OWNER, "дошло?", thread_id=topic)
    desk.telegram.writes(OWNER, "следом", thread_id=topic)
    await desk.until(lambda: len(desk.sends()) == 1, "the answer is at the provider")
    desk.graph.writes(IGOR, "вопрос;")
    await desk.until(lambda: "вопрос;" in whole(desk), "the message is at Telegram")
    began = time.monotonic()
    await desk.stop()
    assert time.monotonic() - began < ENDS_WITHIN
    await desk.start()
    await desk.until(lambda: desk.mark(answer) == "🤔", "the mark of doubt")
    await desk.until(lambda: bool(desk.said("Неизвестно, дошло ли")), "the question")
    assert desk.said("Неизвестно, дошло ли")[0]["reply_to_message"]["message_id"] == answer
    await desk.until(lambda: len(desk.sends()) == 2, "the next answer is not held up")
    assert [c.request["text"]["body"] for c in desk.sends()] == ["дошло?", "следом"]
    await desk.until(lambda: whole(desk).count("вопрос;") == 2, "shown again")
    again = desk.said("вопрос;")
    assert REPEAT not in words(again[0])
    assert words(again[1]).startswith(REPEAT)
    desk.graph.phone_reads(IGOR)
    await desk.until(lambda: desk.mark(answer) == "👀", "a report settles the doubt")


async def test_reports_that_come_while_nobody_is_there_are_drawn_after_the_start(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.auto_statuses = False
    answer = desk.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "🕊", "sent")
    await desk.stop()
    desk.graph.phone_reads(IGOR)
    desk.telegram.edits(OWNER, answer, "Добрый вечер")
    second = desk.telegram.writes(OWNER, "написано без бота", thread_id=topic)
    await desk.start()
    await desk.until(lambda: desk.mark(answer) == "👀", "the report")
    await desk.until(lambda: desk.mark(second) == "🕊", "the text left")
    assert [c.request["text"]["body"] for c in desk.sends()] == ["Добрый день", "написано без бота"]


async def test_a_start_shows_nothing_anew(desk: Rig) -> None:
    await desk.known()
    await desk.until(lambda: bool(desk.world.of("telegram", "pinChatMessage")), "all is quiet")
    before = [m["message_id"] for m in desk.desk()]
    await desk.stop()
    await desk.start()
    desk.graph.writes(IGOR, "ещё вопрос")
    await desk.until(lambda: bool(desk.said("ещё вопрос")), "shown")
    new = [m for m in desk.desk() if m["message_id"] not in before and m["from"]["id"] == BOT]
    assert [words(m) for m in new] == ["ещё вопрос"]


async def test_a_backlog_that_was_announced_before_the_end_is_closed_after_the_start(desk: Rig) -> None:
    await desk.known()
    desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=4))
    desk.world.plan(Fault("hang", "telegram", "sendMessage", seconds=0.01))  # the digest passes
    desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=60))
    for n in range(70):
        desk.graph.writes(IGOR, f"сообщение {n};")
    await desk.until(lambda: bool(desk.said("разбираю")), "announced")
    await desk.until(lambda: desk.world.faults == [], "the rest is held")
    await desk.stop()
    await desk.start()
    await desk.until(lambda: bool(desk.said("Все сообщения показаны")), "closed")
    assert desk.said("разбираю") == []
    assert on_desk_once_in_order(desk, [f"сообщение {n};" for n in range(70)])
