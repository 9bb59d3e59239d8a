"""Bursts: everything is shown once and in order, no storm of refusals, nobody waits behind a busy client."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.world import Call, Fault
from tests.rig import ANNA, IGOR, MARIA, OWNER, Rig, words

SENDS = ("sendMessage", "sendPhoto", "sendMediaGroup", "createForumTopic")
AT_MOST, SECONDS = 18, 10.0  # promised
IN_FLIGHT = 2  # calls of the other two clients that had left already when the refusal came


def calls(rig: Rig) -> list[Call]:
    """What puts messages on the desk."""
    return [c for c in rig.world.of("telegram") if c.method in SENDS and c.request.get("chat_id") == OWNER]


def busiest(taken: Sequence[Call]) -> int:
    """The most messages in any ten seconds."""
    return max(sum(1 for c in taken if 0 <= c.at - first.at < SECONDS) for first in taken)


def whole(rig: Rig) -> str:
    return "\n".join(words(m) for m in rig.desk())


def in_order(rig: Rig, texts: Sequence[str]) -> bool:
    """Each stands there once, in this order."""
    shown = whole(rig)
    places = [shown.find(t) for t in texts]
    return [shown.count(t) for t in texts] == [1] * len(texts) and places == sorted(places)


async def test_a_burst_keeps_telegrams_pace_and_everybody_is_seen_first(idle: Rig) -> None:
    idle.telegram.buckets = True
    await idle.start(rate=None)
    await idle.known()
    idle.telegram.starts(ANNA)
    idle.world.plan(Fault("hang", "telegram", "sendMessage", seconds=1.0))
    long = [f"Игорь {n}; " + "слово " * 350 for n in range(3)]
    for text in long:
        idle.graph.writes(IGOR, text)
    for n in range(5):
        idle.graph.writes(MARIA, f"Мария {n};")
        idle.telegram.writes(ANNA, f"Анна {n};")
    await idle.until(lambda: "Игорь 2;" in whole(idle) and "Анна 4;" in whole(idle), "all of it", 40.0)
    taken = calls(idle)
    assert [c.status for c in idle.world.of("telegram") if c.status == 429] == []
    assert busiest(taken) <= AT_MOST
    for name, count in (("Игорь", 3), ("Мария", 5), ("Анна", 5)):
        assert in_order(idle, [f"{name} {n};" for n in range(count)])
    second = next(c.at for c in taken if "Игорь 1;" in str(c.request.get("text")))
    for name in ("Мария", "Анна"):
        first = next(c.at for c in taken if f"{name} 0;" in str(c.request.get("text")))
        assert first < second
        joined = [m for m in idle.desk() if f"{name} 0;" in words(m)]
        assert f"{name} 4;" in words(joined[0])


async def test_a_429_in_a_burst_stops_the_chat_until_it_may_go_on(desk: Rig) -> None:
    await desk.known()
    await desk.known(MARIA, "Мария", "Добрый вечер")
    desk.telegram.starts(ANNA)
    desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=2))
    for n in range(6):
        desk.graph.writes(IGOR, f"Игорь {n};")
        desk.graph.writes(MARIA, f"Мария {n};")
        desk.telegram.writes(ANNA, f"Анна {n};")
    names = ("Игорь", "Мария", "Анна")
    await desk.until(lambda: all(f"{name} 5;" in whole(desk) for name in names), "all of it")
    (refused,) = [c for c in desk.world.of("telegram") if c.status == 429]
    blocked = [c for c in calls(desk) if 0 < c.at - refused.at < 2.0]
    assert len(blocked) <= IN_FLIGHT
    for name in names:
        assert in_order(desk, [f"{name} {n};" for n in range(6)])
    assert "повтор" not in whole(desk)


async def test_refusals_that_go_on_make_no_storm(desk: Rig) -> None:
    await desk.known()
    trouble = desk.world.plan(Fault("429", "telegram", "sendMessage", times=3, seconds=1))
    for n in range(10):
        desk.graph.writes(IGOR, f"Игорь {n};")
    await desk.until(lambda: "Игорь 9;" in whole(desk), "all of it")
    assert trouble not in desk.world.faults
    assert len([c for c in desk.world.of("telegram") if c.status == 429]) == 3
    assert in_order(desk, [f"Игорь {n};" for n in range(10)])


async def test_a_429_for_topics_or_marks_does_not_mute_the_messages(desk: Rig) -> None:
    topic = await desk.known()
    desk.world.plan(Fault("429", "telegram", "createForumTopic", seconds=2))
    desk.world.plan(Fault("429", "telegram", "setMessageReaction", seconds=2))
    desk.graph.writes(MARIA, "Добрый вечер")
    await desk.until(lambda: bool([c for c in desk.world.of("telegram") if c.status == 429]), "refused")
    refused = next(c for c in desk.world.of("telegram") if c.status == 429)
    answer = desk.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    desk.graph.writes(IGOR, "и вам")
    await desk.until(lambda: bool(desk.said("и вам")), "a message of another client")
    await desk.until(lambda: bool(desk.said("Добрый вечер")), "the new client")
    topics = desk.world.of("telegram", "createForumTopic")
    assert [c.status for c in topics] == [200, 429, 200]
    assert topics[2].at - topics[1].at >= 2.0
    meanwhile = next(c for c in desk.world.of("telegram", "sendMessage") if c.request["text"] == "и вам")
    assert refused.at < meanwhile.at < topics[2].at
    await desk.until(lambda: desk.mark(answer) == "👌", "the mark")
    drawn = desk.world.of("telegram", "setMessageReaction")
    assert [c.status for c in drawn].count(429) == 1


async def test_a_long_message_that_is_cut_short_by_a_429_is_shown_again_with_a_mark(desk: Rig) -> None:
    """Its first half is out when the second is refused: all of it comes again, and says that it may be a repeat."""
    await desk.known()
    text = "начало " + "слово " * 900 + "конец"
    desk.graph.writes(IGOR, "короткое")
    await desk.until(lambda: bool(desk.said("короткое")), "shown")
    refused = desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=1))
    desk.world.faults.insert(0, Fault("hang", "telegram", "sendMessage", seconds=0.1))
    desk.graph.writes(IGOR, text)
    await desk.until(lambda: bool(desk.said("конец")), "all of it")
    assert refused not in desk.world.faults
    halves = desk.said("начало")
    assert len(halves) == 2
    assert "возможно, повтор" not in words(halves[0])
    assert words(halves[1]).startswith("возможно, повтор")
    assert len(desk.said("конец")) == 1


async def test_a_big_backlog_is_announced_once_and_closed(desk: Rig) -> None:
    await desk.known()
    desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=5))
    for n in range(70):
        desk.graph.writes(IGOR, f"Игорь {n};")
    await desk.until(lambda: "Игорь 69;" in whole(desk), "all of it", 30.0)
    await desk.until(lambda: bool(desk.said("Все сообщения показаны")), "the digest is closed")
    sent = [c for c in desk.world.of("telegram", "sendMessage") if "разбираю" in str(c.request["text"])]
    assert len([c for c in sent if c.status == 200]) == 1
    digest = desk.said("Все сообщения показаны")[0]["message_id"]
    await desk.until(
        lambda: digest in [c.request["message_id"] for c in desk.world.of("telegram", "pinChatMessage")], "pinned"
    )
    assert in_order(desk, [f"Игорь {n};" for n in range(70)])
    assert len([m for m in desk.desk() if "Игорь " in words(m) and ";" in words(m)]) < 10
