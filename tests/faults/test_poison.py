"""What breaks the product whenever it is touched: three tries, put aside, told; everything else goes on.

It is tried again at the next start, and when she asks for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import app
from bot.dispatcher import DeskWorker
from inbox import fate, intake, outbox
from inbox.apply import Effects, Rules, apply
from inbox.gate import Came, Inbound
from inbox.model import Delivery, Part
from inbox.outbox import Call, Later
from inbox.sending import ClientTarget
from inbox.store import RawRow, Reading, Unit
from inbox.voice import Voice
from sandbox.world import Fault
from tests.rig import BOT, IGOR, MARIA, OWNER, Rig, rig, words

POISON = "яд"
UNKNOWN = "непонятного вида"


class Poison:
    """While it acts, whatever touches the word raises; counts how often it was touched."""

    def __init__(self) -> None:
        self.acts = True
        self.touched = 0

    def meets(self, text: str) -> None:
        if self.acts and POISON in text:
            self.touched += 1
            raise KeyError(POISON)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Iterator[Poison]:
    """In all three places where a worker takes something up: a client's body, her update, a row that is to leave."""
    found = Poison()
    feed, prepare = DeskWorker._feed, ClientTarget.prepare

    def applied(unit: Unit, fact: Inbound, rules: Rules, effects: Effects) -> None:
        if isinstance(fact, Came):
            found.meets(fact.text.plain)
        apply(unit, fact, rules, effects)

    async def fed(worker: DeskWorker, row: RawRow) -> None:
        found.meets(row.raw.body.decode("unicode-escape", "replace"))
        await feed(worker, row)

    def prepared(target: ClientTarget, reading: Reading, head: Delivery) -> Call | Later:
        if head.content is not None and "в строке" in head.content.text.plain:
            found.meets(POISON)
        return prepare(target, reading, head)

    monkeypatch.setattr(intake, "apply", applied)
    monkeypatch.setattr(DeskWorker, "_feed", fed)
    monkeypatch.setattr(ClientTarget, "prepare", prepared)
    monkeypatch.setattr(outbox, "BROKEN_REST", timedelta(0))
    yield found


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        await made.start()
        yield made


def quarantined(rig: Rig) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{rig.data_dir / 'inbox.db'}?mode=ro", uri=True)) as connection:
        return connection.execute("select error, attempts from inbox where state = 'quarantined'").fetchall()


def press(rig: Rig, label: str) -> None:
    """The button under the one notice that has it."""
    for message in rig.desk():
        for row in message.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if button["text"] == label and message["from"]["id"] == BOT:
                    rig.telegram.presses(OWNER, OWNER, message["message_id"], button["callback_data"])
                    return
    raise AssertionError(f"no button {label}")


async def test_a_clients_body_that_breaks_the_product(desk: Rig, poison: Poison, counts: Callable[..., None]) -> None:
    for text in ("до", POISON, "после"):
        desk.graph.writes(IGOR, text)
    desk.graph.writes(MARIA, "у других")
    await desk.until(lambda: bool(desk.said("после") and desk.said("у других")), "the lane goes on")
    await desk.until(lambda: bool(desk.said(UNKNOWN)), "she is told")
    assert poison.touched == 3 and quarantined(desk) == [("broken:KeyError", 1)]
    assert not desk.said(POISON)

    press(desk, "Попробовать снова")
    await desk.until(lambda: poison.touched == 6 and len(quarantined(desk)) == 1, "three more tries")
    await desk.until(lambda: len(desk.said(UNKNOWN)) == 1 and bool(desk.said("пришло 1")), "told in its place")
    assert quarantined(desk) == [("broken:KeyError", 2)]

    await desk.stop()
    await desk.start()
    await desk.until(lambda: poison.touched == 9 and len(quarantined(desk)) == 1, "tried at the start")

    poison.acts = False
    press(desk, "Попробовать снова")
    await desk.until(lambda: bool(desk.said(POISON)), "shown at last")
    assert quarantined(desk) == [] and len(desk.said(POISON)) == 1
    press_stale(desk)
    counts("R13", where="a client's body", tries=3, told=1, by_button=2, at_start=1, next_shown=1)


def press_stale(rig: Rig) -> None:
    """There is no such button any more."""
    with pytest.raises(AssertionError):
        press(rig, "Попробовать снова")


async def test_her_own_update_that_breaks_the_product(desk: Rig, poison: Poison, counts: Callable[..., None]) -> None:
    topic = await desk.known()
    desk.telegram.writes(OWNER, POISON, thread_id=topic)
    desk.telegram.writes(OWNER, "следующее", thread_id=topic)
    await desk.until(lambda: len(desk.sends()) == 1, "the next one leaves")
    await desk.until(lambda: bool(desk.said(UNKNOWN)), "she is told")
    assert poison.touched == 3 and quarantined(desk) == [("broken:KeyError", 1)]
    poison.acts = False
    await desk.stop()
    await desk.start()
    await desk.until(lambda: len(desk.sends()) == 2, "tried at the start")
    assert [c.request["text"]["body"] for c in desk.sends()] == ["следующее", POISON]
    counts("R13", where="her update", tries=3, told=1, at_start=1, next_sent=1)


async def test_an_answer_that_cannot_be_made_into_a_call(
    desk: Rig, poison: Poison, counts: Callable[..., None]
) -> None:
    topic = await desk.known()
    broken = desk.telegram.writes(OWNER, "беда в строке", thread_id=topic)
    desk.telegram.writes(OWNER, "следующее", thread_id=topic)
    await desk.until(lambda: len(desk.sends()) == 1, "the next one leaves")
    await desk.until(lambda: desk.mark(broken) == "💔" and bool(desk.said("Не отправлено")), "she is told")
    assert poison.touched == 2 * 3, "each try is made once beside the others and once alone"
    poison.acts = False
    press(desk, "Повторить")
    await desk.until(lambda: len(desk.sends()) == 2, "again by her button")
    counts("R13", where="a row of a lane", tries=3, told=1, by_button=1, next_sent=1)


async def test_what_was_under_way_at_the_end_and_breaks_does_not_stop_the_start(
    desk: Rig, poison: Poison, monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]
) -> None:
    poison.acts = False
    desk.graph.auto_statuses = False  # no report says what became of them
    topics = [await desk.known(), await desk.known(MARIA, "Мария", "Добрый вечер")]
    monkeypatch.setattr(app, "SETTLE", 0.1)  # neither call settles
    desk.world.plan(Fault("hang", "graph", "POST /messages", times=2, seconds=60))
    broken, sound = (
        desk.telegram.writes(OWNER, t, thread_id=topic) for t, topic in zip((POISON, "цел"), topics, strict=True)
    )
    await desk.until(lambda: len(desk.sends()) == 2, "both are under way")
    await desk.stop()
    poison.acts = True
    doubt = fate.doubt

    def doubted(unit: Unit, row: Delivery, error: str, voice: Voice) -> None:
        poison.meets(row.content.text.plain if isinstance(row.content, Part) else "")
        doubt(unit, row, error, voice)

    monkeypatch.setattr(fate, "doubt", doubted)
    await desk.start()
    await desk.until(lambda: desk.mark(sound) == "🤔", "the other one is in doubt, and told")
    desk.telegram.writes(OWNER, "следующее", thread_id=topics[0])
    await desk.until(lambda: len(desk.sends()) == 3, "its own lane goes on")
    assert poison.touched >= 2 and desk.mark(broken) != "🕊"
    assert [c.request["text"]["body"] for c in desk.sends()].count(POISON) == 1
    counts("R13", where="under way at the end", sent_twice=0, started=1, next_sent=1)


async def test_tries_without_end_are_found(
    desk: Rig, poison: Poison, monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]
) -> None:
    monkeypatch.setattr(intake, "ATTEMPTS", 1_000_000)
    desk.graph.writes(IGOR, POISON)
    await desk.until(lambda: poison.touched > 50, "tried and tried")
    desk.graph.writes(IGOR, "после")
    with pytest.raises(TimeoutError):
        await desk.until(lambda: bool(desk.said("после")), timeout=2.0)
    shown = sum("после" in words(m) for m in desk.desk())
    assert shown == 0
    counts("R13", mutant="tries without end", tries=">50", next_shown=shown)
