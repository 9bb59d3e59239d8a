"""Telegram fails while clients write: after it heals everything is shown, in order; in doubt twice, and marked."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sandbox.world import Fault
from tests.rig import IGOR, MARIA, Rig, rig, words

REPEAT = "возможно, повтор"
# How often the message that met the trouble is on the desk at last, and whether its last showing is marked: whatever
# may have been taken is shown again with the mark.
OUTCOMES = {
    "refuse": (1, True),  # the connection is cut without an answer: who knows
    "500": (1, True),  # a bare one, without Telegram's own error
    "hang": (1, False),  # slow, but answered
    "half": (2, True),
    "garbage": (2, True),
    "lost": (2, True),
}


def places(desk: Rig, text: str) -> list[int]:
    return [m["message_id"] for m in desk.said(text)]


async def _meet(folder: Path, kind: str) -> None:
    async with rig(folder) as desk:
        await desk.start()
        await desk.known()
        await desk.known(MARIA, "Мария", "Добрый вечер")
        fault = desk.world.plan(Fault(kind, "telegram", "sendMessage", seconds=1.5))
        desk.graph.writes(IGOR, "первое;")
        await desk.until(lambda: fault not in desk.world.faults, "the trouble")
        desk.graph.writes(IGOR, "второе;")
        desk.graph.writes(MARIA, "третье;")
        desk.graph.writes(IGOR, "четвёртое;")
        await desk.until(lambda: bool(desk.said("четвёртое;") and desk.said("третье;")), f"shown after {kind}", 30.0)
        times, marked = OUTCOMES[kind]
        first = desk.said("первое;")
        assert len(first) == times, kind
        assert (REPEAT in words(first[-1])) is marked, kind
        assert all(REPEAT not in words(m) for m in first[:-1]), kind
        order = [places(desk, t) for t in ("первое;", "второе;", "четвёртое;")]
        assert [len(p) for p in order[1:]] == [1, 1], kind
        assert order[0][-1] < order[1][0] <= order[2][0], kind
        assert len(places(desk, "третье;")) == 1, kind
        assert REPEAT not in words(desk.said("третье;")[0]), kind


async def test_each_kind_of_trouble_loses_nothing_and_marks_what_may_be_a_repeat(tmp_path: Path) -> None:
    await asyncio.gather(*(_meet(tmp_path / kind, kind) for kind in OUTCOMES))


async def test_a_server_that_is_not_there_leaves_no_doubt(desk: Rig) -> None:
    await desk.known()
    port = int(desk.telegram.base.rpartition(":")[2])
    await desk.telegram.stop()
    for n in range(5):
        desk.graph.writes(IGOR, f"сообщение {n};")
    await desk.until(lambda: len(desk.exported("message.in")) == 6, "taken and exported while Telegram is away")
    await desk.telegram.start(port)
    await desk.until(lambda: bool(desk.said("сообщение 4;")), "shown", 30.0)
    text = "\n".join(words(m) for m in desk.desk())
    assert [text.count(f"сообщение {n};") for n in range(5)] == [1] * 5
    assert [text.index(f"сообщение {n};") for n in range(5)] == sorted(text.index(f"сообщение {n};") for n in range(5))
    assert REPEAT not in text


async def test_a_topic_whose_making_is_lost_does_not_lose_the_client(desk: Rig) -> None:
    desk.world.plan(Fault("lost", "telegram", "createForumTopic"))
    desk.graph.writes(IGOR, "Здравствуйте")
    await desk.until(lambda: bool(desk.said("Здравствуйте")), "shown")
    assert len(desk.said("Здравствуйте")) == 1
    assert desk.said("Здравствуйте")[0]["message_thread_id"] == desk.topic("Игорь")
    assert len(desk.exported("client.created")) == 1
