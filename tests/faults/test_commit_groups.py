"""One group of commits fails and the next one does not: nothing is applied, shown or settled out of its order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from inbox import intake
from inbox.apply import Rules
from inbox.clock import Wake
from inbox.gate import Inbound, Raw
from inbox.intake import IntakeWorker
from inbox.outbox import OutboxWorker
from inbox.sending import ClientTarget
from inbox.store import Unit
from storage import writer
from storage.store import open_store
from storage.unit import SqlUnit
from storage.writer import Limits
from tests.inbox.factories import (
    WHATSAPP,
    Bell,
    Desk,
    PlainVoice,
    ScriptedGate,
    StoodClock,
    abilities,
    came,
    person,
    raw,
    rules,
    running,
    until,
)

BODIES = 40
SMALL = Limits(group=7)  # a batch falls into several groups


class Mouth(ScriptedGate):
    """A body is the number of a message; the words of one may be long."""

    def __init__(self, long: int | None = None) -> None:
        super().__init__(abilities())
        self.long = long

    def parse(self, raw: Raw) -> Sequence[Inbound]:
        number = int(raw.body)
        words = "x" * 60_000 if number == self.long else f"m{number}"
        return [came(f"{number}", words, person(f"u{number % 2}"))]


class Failing:
    """Commits as the product does, but the groups of these numbers are lost as a whole, after their units have run."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.groups = 0
        self.lost = 0

    def commit(
        self,
        connection: sqlite3.Connection,
        *,
        now: datetime,
        step: timedelta,
        rows: Sequence[writer.RawValues],
        works: Sequence[Callable[[SqlUnit], Any]],
        **options: Any,
    ) -> list[Any]:
        self.groups += 1
        if self.groups not in self.numbers:
            return list(COMMIT(connection, now=now, step=step, rows=rows, works=works, **options))
        self.lost += 1

        def full(unit: SqlUnit) -> None:
            if connection.in_transaction:
                connection.execute("rollback")
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        COMMIT(connection, now=now, step=step, rows=rows, works=[*works, full], **options)
        raise AssertionError("it did not fail")


COMMIT = writer.commit


async def applied(folder: Path, failing: Failing | None, mouth: Mouth, room: int | None = None) -> list[int]:
    """The numbers of the messages in the order in which they were applied. room: pages that the disk has at first."""
    clock = StoodClock()
    async with open_store(folder, clock, limits=SMALL) as store:
        desk = Desk(store, clock, rules())
        bell = Bell()
        await store.put([raw(f"{n}", f"{n}") for n in range(BODIES)])

        async def changed(_: object) -> None:
            raise AssertionError("nothing that a parser must know was said")

        worker = IntakeWorker(
            store, {WHATSAPP: mouth}, Rules(desk.rules.roads, PlainVoice()), clock, bell, [Wake()], changed, desk.log
        )
        with pytest.MonkeyPatch.context() as patch:
            if failing is not None:
                patch.setattr(writer, "commit", failing.commit)
            if room is not None:
                await store.write(lambda u: limit_pages(u, room))
            async with running(worker.run()):

                async def refused() -> bool:
                    return 1.0 in clock.slept

                async def done() -> bool:
                    return desk.table("select count(*) from inbox where state <> 'done'") == [(0,)]

                if room is not None:
                    await until(refused, bell)
                    await store.write(lambda u: limit_pages(u, 100_000))
                await until(done, bell)
        return [int(e.data["external_id"]) for e in await desk.events("message.in")]


def limit_pages(unit: Unit, more: int) -> None:
    assert isinstance(unit, SqlUnit)
    unit._all(f"pragma max_page_count = {unit._all('pragma page_count')[0][0] + more}")


def reordered(numbers: Sequence[int]) -> int:
    return sum(later < earlier for earlier, later in pairwise(numbers))


def lost(numbers: Sequence[int]) -> int:
    return len(set(range(BODIES)) - set(numbers))


def anyhow(unit: Unit, row: object) -> None:
    """The defect: a body does not look whether one before it waits."""


async def test_bodies_keep_their_order_whichever_group_is_lost(
    tmp_path: Path, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = range(2, 2 + BODIES // SMALL.group)
    found = [await applied(tmp_path / f"{n}", Failing(n), Mouth()) for n in groups]
    assert [sorted(numbers) for numbers in found] == [list(range(BODIES))] * len(found), "each once"
    assert sum(map(reordered, found)) == 0
    figures = {"lost": sum(map(lost, found)), "reordered": sum(map(reordered, found))}
    counts("R5", groups_lost=len(found), bodies=sum(map(len, found)), **figures)
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_in_turn", anyhow)
        broken = [await applied(tmp_path / f"broken-{n}", Failing(n), Mouth()) for n in groups]
    assert sum(map(reordered, broken)) > 0
    counts("R5", mutant="a body does not wait for those before it", reordered=sum(map(reordered, broken)))


async def test_a_body_that_alone_does_not_fit_holds_back_those_after_it(
    tmp_path: Path, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has room for the small ones but not for the long one among them."""
    numbers = await applied(tmp_path / "sound", None, Mouth(long=10), room=12)
    assert numbers == list(range(BODIES))
    counts("R5", long_bodies=1, bodies=BODIES, lost=lost(numbers), reordered=reordered(numbers))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_in_turn", anyhow)
        broken = await applied(tmp_path / "broken", None, Mouth(long=10), room=12)
    assert reordered(broken) > 0
    counts("R5", mutant="a body does not wait for one that did not fit", reordered=reordered(broken))


async def test_one_batch_still_shares_its_commits(tmp_path: Path) -> None:
    failing = Failing()
    await applied(tmp_path, failing, Mouth())
    assert failing.groups <= 3 + BODIES // SMALL.group


async def test_answers_keep_their_order_whichever_group_is_lost(tmp_path: Path, counts: Callable[..., None]) -> None:
    """Claims and outcomes of a lane: each is sent once, in order, and its outcome is known at last."""
    answers, sent_twice, out_of_order, lost_groups = 6, 0, 0, 0
    for number in range(1, 9):
        clock, bell, gate = StoodClock(), Bell(), ScriptedGate(abilities())
        async with open_store(tmp_path / f"{number}", clock, limits=SMALL) as store:
            desk = Desk(store, clock, rules())
            await desk.apply(came("hello", "hello"))
            messages = [await desk.answer(f"a{n}") for n in range(answers)]
            target = ClientTarget(WHATSAPP, gate, store, desk.rules, clock, [], desk.log)
            worker = OutboxWorker(target, store, clock, bell, desk.log)
            failing = Failing(number)

            async def settled(desk: Desk = desk, messages: Sequence[Any] = messages) -> bool:
                return [await desk.states(m) for m in messages] == [["sent"]] * answers

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(writer, "commit", failing.commit)
                async with running(worker.run()):
                    await until(settled, bell)
        sent_twice += len(gate.words) - len(set(gate.words))
        out_of_order += gate.words != [f"a{n}" for n in range(answers)]
        lost_groups += failing.lost
    assert lost_groups == 8
    assert (sent_twice, out_of_order) == (0, 0)
    counts("R5", answer_groups_lost=lost_groups, answers=answers * 8, sent_twice=sent_twice, out_of_order=out_of_order)
