"""Lanes to clients over a gate with a script: what leaves, in which order, and what an error becomes."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox import answers
from inbox.abilities import Abilities, Pace
from inbox.clock import Wake
from inbox.errors import InboxError, Locked, Refused, StorageDown, Throttled, Uncertain, Unreachable
from inbox.fate import token_of
from inbox.gate import Outgoing, Receipt
from inbox.model import Act, DeliveryState, ExternalId, MediaKind, Message, MessageId, Part, Place, Text
from inbox.outbox import OutboxWorker
from inbox.sending import ALBUM_LONGEST, ALBUM_PAUSE, EXPIRES, ClientTarget, may_mix
from inbox.store import Reading, Unit
from storage.store import SqlStore, open_store
from tests.inbox.factories import (
    CHAT,
    NOW,
    ROADS,
    TELEGRAM,
    WHATSAPP,
    Bell,
    Desk,
    ScriptedGate,
    StoodClock,
    abilities,
    came,
    later,
    person,
    photo,
    progress,
    reacted,
    rules,
    running,
    until,
)

S = DeliveryState
T = TypeVar("T")


class FullDisk:
    """The store, whose disk is full for so many writes once it is asked to be."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.down = 0

    async def write(self, work: Callable[[Unit], T]) -> T:
        if self.down:
            self.down -= 1
            raise StorageDown("full")
        return await self.store.write(work)

    async def read(self, work: Callable[[Reading], T]) -> T:
        return await self.store.read(work)

    async def put(self, raws: Any) -> None:
        await self.store.put(raws)


class Line:
    """One gate's lanes. `road`: what it can do."""

    def __init__(self, desk: Desk, road: Abilities = ROADS[WHATSAPP]) -> None:
        self.desk = desk
        desk.rules = rules(whatsapp=road)
        self.gate = ScriptedGate(road)
        self.store = FullDisk(desk.store)
        self.bell, self.done = Bell(), Wake()
        self.target = ClientTarget(WHATSAPP, self.gate, self.store, desk.rules, desk.clock, [self.done], desk.log)
        self.target._random = random.Random(7)
        self.worker = OutboxWorker(self.target, self.store, desk.clock, self.bell, desk.log)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with running(self.worker.run()):
            yield

    async def settle(self) -> None:
        """Until nothing is under way and nothing may begin now."""
        while True:
            await until(self._idle, self.bell)
            before = self.desk.store.commits
            await self.bell.settle()
            if self.worker.busy == 0 and self.desk.store.commits == before:
                return

    async def _idle(self) -> bool:
        return self.worker.busy == 0

    async def called(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.gate.calls) >= count

        await until(enough, self.bell)

    async def run(self) -> None:
        """Let it send what may leave now."""
        async with self.working():
            await self.settle()

    async def wait_of(self, message: Message) -> float:
        """Seconds until it is tried again."""
        row = (await self.desk.rows(message))[-1]
        assert row.state is S.WAITING and row.not_before is not None
        return (row.not_before - self.desk.clock.now()).total_seconds()

    async def change(self, message: Message, act: Act, part: Part) -> None:
        identity = await self.desk.see(lambda r: r.identity(message.identity_id))
        lane = f"whatsapp:{identity.contact_id}"
        await self.desk.store.write(lambda u: u.add_delivery(act, WHATSAPP, lane, message_id=message.id, content=part))


@pytest.fixture(autouse=True)
async def asked(desk: Desk) -> None:
    await desk.apply(*(came(f"m{n}", "вопрос", person(f"u{n}", route=f"r{n}")) for n in (1, 2, 3)))


@pytest.fixture
def line(desk: Desk) -> Line:
    return Line(desk)


# what leaves


async def test_a_call_has_all_that_the_gate_needs(desk: Desk, line: Line) -> None:
    message = await desk.answer("ответ", reply_to=MessageId(1))
    await line.run()
    (row,) = await desk.rows(message)
    identity = await desk.identity()
    assert line.gate.sent == [
        Outgoing(
            to=identity.address,
            route="r1",
            keys=("whatsapp:acc:u1",),
            text=Text("ответ"),
            attachments=(),
            token=token_of(row),
            reply_to=ExternalId("m1"),
        )
    ]
    assert (row.state, row.external_id) == (S.SENT, "sent-1-0")
    assert [e.data["state"] for e in await desk.events("delivery.changed")] == ["sent"]


async def test_order_is_kept_in_a_lane_and_lanes_go_side_by_side(desk: Desk, line: Line) -> None:
    hanging = asyncio.Event()
    line.gate.next("раз", hanging)
    for words in ("раз", "два", "три"):
        await desk.answer(words, "u1")
    for words in ("а", "б"):
        await desk.answer(words, "u2")
    async with line.working():
        await line.called(3)
        await line.bell.settle()
        assert line.gate.words[:3] == ["раз", "а", "б"]
        assert len(line.gate.sent) == 3
        hanging.set()
        await line.settle()
    assert line.gate.words == ["раз", "а", "б", "два", "три"]


async def test_the_parts_of_a_long_text_leave_in_order_and_each_has_its_id(desk: Desk) -> None:
    line = Line(desk, abilities(text_limit=5))
    message = await desk.answer("раз два три")
    await line.run()
    assert line.gate.words == ["раз", "два", "три"]
    assert await desk.see(lambda r: r.refs_of(message.id)) == [("sent-1-0", 0), ("sent-2-0", 1), ("sent-3-0", 2)]


async def test_a_quote_of_another_network_or_one_that_cannot_be_is_left_out(desk: Desk) -> None:
    await desk.apply(came("t1", "в другом", person("u1", TELEGRAM)))
    other = await desk.message("t1", TELEGRAM)
    line = Line(desk)
    await desk.answer("ответ", reply_to=other.id)
    await line.run()
    assert [out.reply_to for out in line.gate.sent] == [None]


async def test_a_place_goes_as_a_place(desk: Desk) -> None:
    line = Line(desk, abilities(place=True))
    identity = await desk.identity()
    place = Place(1.5, 2.5)
    await desk.store.write(
        lambda u: answers.queue_auto(u, identity, Part(extra=place), line.target._abilities, desk.rules.voice)
    )
    await line.run()
    assert [out.extra for out in line.gate.sent] == [place]


async def test_a_file_waits_for_its_bytes_where_the_network_needs_them(desk: Desk, line: Line) -> None:
    message = await desk.answer("подпись", "u1", attachments=(photo("own", TELEGRAM),))
    await desk.answer("другому", "u2")
    async with line.working():
        await line.settle()
        assert line.gate.words == ["другому"]
        file = message.attachments[0].id
        assert file is not None
        await desk.store.write(lambda u: u.set_attachment(file, sha256="ab" * 32))
        await line.settle()
    assert line.gate.words == ["другому", "подпись"]
    assert [a.sha256 for a in line.gate.sent[1].attachments] == ["ab" * 32]


async def test_reports_that_came_before_our_own_answer_count_once_it_is_there(desk: Desk, line: Line) -> None:
    hanging = asyncio.Event()
    line.gate.next("ответ", hanging)
    message = await desk.answer("ответ")
    async with line.working():
        await line.called(1)
        await desk.apply(progress("sent-1-0", S.DELIVERED), progress("sent-1-0", S.READ))
        await desk.apply(reacted("sent-1-0", "👍"))
        hanging.set()
        await line.settle()
    assert await desk.states(message) == ["read", "waiting"]  # and the client's reaction is to be shown
    assert ("react", "👍") in await desk.shown(1)


async def test_the_pace_of_one_person_does_not_slow_the_others(desk: Desk) -> None:
    line = Line(desk, abilities(person_pace=Pace(1, 2)))
    for n in range(4):
        await desk.answer(f"a{n}", "u1")
    await desk.answer("b", "u2")
    async with line.working():
        await line.settle()
        assert sorted(line.gate.words) == ["a0", "a1", "b"]
        desk.clock.move(seconds=1)
        await line.settle()
        assert line.gate.words[3:] == ["a2"]


async def test_the_account_has_a_pace_of_its_own(desk: Desk) -> None:
    line = Line(desk, abilities(account_pace=Pace(2, 2)))
    for n in range(1, 4):
        await desk.answer(str(n), f"u{n}")
    async with line.working():
        await line.settle()
        assert line.gate.words == ["1", "2"]
        desk.clock.move(seconds=0.5)
        await line.settle()
        assert line.gate.words == ["1", "2", "3"]


# what was surely not taken


async def test_one_who_is_throttled_waits_alone_and_it_counts_as_no_attempt(desk: Desk, line: Line) -> None:
    line.gate.next("a", Throttled(10.0), Throttled(10.0))
    message = await desk.answer("a", "u1")
    await desk.answer("behind", "u1")
    await desk.answer("b", "u2")
    async with line.working():
        await line.settle()
        assert line.gate.words == ["a", "b"]
        wait = await line.wait_of(message)
        assert 10.0 <= wait <= 12.0
        assert (await desk.rows(message))[0].attempts == 0
        desk.clock.move(seconds=wait - 0.001)
        await line.settle()
        assert line.gate.words == ["a", "b"]
        desk.clock.move(seconds=0.001)
        await line.settle()
        assert line.gate.words == ["a", "b", "a"]
        desk.clock.move(seconds=13)
        await line.settle()
    assert line.gate.words == ["a", "b", "a", "a", "behind"]
    assert await desk.notices(1) == []


async def test_when_the_account_is_throttled_all_wait(desk: Desk, line: Line) -> None:
    line.gate.next("a", Throttled(10.0, everyone=True))
    await desk.answer("a", "u1")
    async with line.working():
        await line.settle()
        await desk.answer("b", "u2")
        desk.clock.move(seconds=9.9)
        await line.settle()
        assert line.gate.words == ["a"]
        assert 0 < line.target.blocked() <= 2.1
        desk.clock.move(seconds=3)
        await line.settle()
    assert sorted(line.gate.words) == ["a", "a", "b"]
    assert (line.target.calls, line.target.blocked()) == ({"throttled": 1, "accepted": 2}, 0)


async def test_no_connection_is_tried_again_ever_more_slowly_in_order(desk: Desk, line: Line) -> None:
    line.gate.next("a", *[Unreachable("connect")] * 5)
    message = await desk.answer("a")
    await desk.answer("behind")
    waits = []
    async with line.working():
        for times in range(1, 6):
            await line.settle()
            assert line.gate.words == ["a"] * times
            assert (await desk.rows(message))[0].attempts == times
            waits.append(await line.wait_of(message))
            desk.clock.move(seconds=waits[-1])
        await line.settle()
    assert line.gate.words == ["a"] * 6 + ["behind"]
    for wait, base in zip(waits, (5, 30, 120, 600, 600), strict=True):
        assert 0.8 * base <= wait <= 1.2 * base
    assert await desk.states(message) == ["sent"]


async def test_after_a_day_the_owner_is_asked_before_it_leaves(desk: Desk, line: Line) -> None:
    line.gate.next("a", *[Unreachable("connect")] * 2)
    message = await desk.answer("a")
    async with line.working():
        await line.settle()
        desk.clock.move(seconds=EXPIRES.total_seconds() + 1)
        await line.settle()
        (row,) = await desk.rows(message)
        assert (row.state, row.error) == (S.PARKED, "refused:expired:")
        assert await desk.notices(1) == ["failed refused:expired:"]
        desk.clock.move(days=1)
        await desk.answer("b")
        await line.settle()
    assert line.gate.words == ["a", "a", "b"]  # it stands aside


async def test_a_dead_token_rests_the_gate_is_told_once_and_ends_with_a_word(desk: Desk, line: Line) -> None:
    locked = Locked("token", code="190")
    line.gate.next("", locked, locked, locked)
    first, second = await desk.answer("a", "u1"), await desk.answer("b", "u2")
    hanging = asyncio.Event()
    line.gate.next("a", hanging)
    async with line.working():
        await line.called(2)
        await until(lambda: _trouble(line), line.bell)
        assert await desk.notices(0) == ["trouble locked:token:190 1"]
        hanging.set()
        await until(line._idle, line.bell)
        assert await desk.states(first) == ["sent"]
        assert line.target.trouble is None  # a call that was under way proves that it lives
        desk.clock.move(minutes=30)
        await line.settle()
        assert line.target.trouble == "locked:token:190"
        desk.clock.move(minutes=30)
        await line.settle()
        assert line.target.trouble == "locked:token:190"
        desk.clock.move(minutes=30)
        await line.settle()
    assert await desk.states(second) == ["sent"]
    assert line.target.trouble is None
    assert await desk.notices(0) == ["recovered 0", "recovered 60"]
    assert [e.data["state"] for e in await desk.events("gate.changed")] == ["locked", "ok", "locked", "ok"]
    assert line.gate.words == ["a", "b", "b", "b", "b"]


async def _trouble(line: Line) -> bool:
    return line.target.trouble is not None and line.worker.busy == 1


async def test_while_the_gate_is_locked_nobody_is_sent_anything(desk: Desk, line: Line) -> None:
    line.gate.next("a", Locked("token"))
    await desk.answer("a", "u1")
    async with line.working():
        await line.settle()
        await desk.answer("b", "u2")
        desk.clock.move(seconds=10)
        await line.settle()
        assert line.gate.words == ["a"]
        desk.clock.move(minutes=10)
        await line.settle()
    assert sorted(line.gate.words) == ["a", "a", "b"]
    (event,) = [e for e in await desk.events("gate.changed") if e.data["state"] == "locked"]
    assert event.data["reason"] == "token"


# what was refused


async def test_a_refusal_fails_the_answer_and_the_next_goes_on(desk: Desk, line: Line) -> None:
    line.gate.next("a", Refused("blocked", code="131026"))
    message = await desk.answer("a")
    await desk.answer("b")
    await line.run()
    assert line.gate.words == ["a", "b"]
    assert await desk.states(message) == ["failed"]
    assert await desk.notices(1) == ["failed refused:blocked:131026"]


async def test_a_closed_window_holds_the_text_and_parked_ones_leave_with_the_clients_next_message(
    desk: Desk, line: Line
) -> None:
    line.gate.next("", *[Refused("window", code="131047")] * 2)
    first, second = await desk.answer("a"), await desk.answer("b")
    async with line.working():
        await line.settle()
        assert await desk.states(first) == await desk.states(second) == ["parked"]
        for message in (first, second):
            (row,) = await desk.rows(message)
            await desk.store.write(lambda u, row=row: u.set_delivery(row.id, error="parked"))  # type: ignore[misc]
        await desk.apply(came("m9", "я тут", person("u1")))
        await desk.answer("c")
        await line.settle()
    assert line.gate.words == ["a", "b", "a", "b", "c"]


# what is in doubt


@pytest.mark.parametrize("error", [Uncertain("answer"), TimeoutError(), ValueError("a bug of the gate's")])
async def test_what_may_have_gone_out_is_never_sent_again_by_itself(desk: Desk, line: Line, error: Exception) -> None:
    line.gate.next("a", error)
    message = await desk.answer("a", source=f"desk:{CHAT}:7")
    await desk.answer("b")
    async with line.working():
        await line.settle()
        desk.clock.move(days=2)
        await line.settle()
    assert line.gate.words == ["a", "b"]  # and it holds up nothing
    (row,) = await desk.rows(message)
    assert row.state is S.UNCERTAIN
    assert row.error == (error.stored() if isinstance(error, InboxError) else "uncertain:timeout:")
    assert await desk.notices(1) == ["uncertain"]
    assert await desk.mark(message) == "🤔"


async def test_an_answer_that_does_not_come_is_not_waited_for(
    desk: Desk, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.sending.DEADLINE", 0.01)
    line.gate.next("a", asyncio.Event())
    message = await desk.answer("a")
    await line.run()
    assert await desk.states(message) == ["uncertain"]


async def test_a_report_that_proves_a_send_is_believed_over_the_calls_own_error(desk: Desk, line: Line) -> None:
    """No second copy goes out, whatever the gate thinks of its call."""
    message = await desk.answer("a")
    (row,) = await desk.rows(message)

    class Reporting(ScriptedGate):
        async def send(self, out: Outgoing) -> Receipt:
            self.sent.append(out)
            await desk.apply(progress("s1", S.DELIVERED, token=out.token))
            raise Unreachable("connect")

    gate = Reporting(ROADS[WHATSAPP])
    line.gate = gate
    line.target._gate = gate
    async with line.working():
        await line.settle()
        desk.clock.move(minutes=10)
        await line.settle()
    assert await desk.states(message) == ["delivered"]
    assert len(gate.sent) == 1
    assert row.state is S.WAITING


async def test_what_became_of_a_call_is_not_lost_to_a_full_disk(desk: Desk, line: Line) -> None:
    hanging = asyncio.Event()
    line.gate.next("a", hanging)
    message = await desk.answer("a")
    await desk.answer("b")
    async with line.working():
        await line.called(1)
        line.store.down = 3
        hanging.set()
        await until(lambda: _sent(desk, message), line.bell)
        await line.settle()
    assert line.gate.words == ["a", "b"]
    assert desk.clock.slept.count(1.0) >= 1
    assert desk.log.count("send.unsettled") >= 1


async def _sent(desk: Desk, message: Message) -> bool:
    return await desk.states(message) == ["sent"]


async def test_a_fact_that_breaks_when_its_id_is_known_leaves_the_send_in_doubt(desk: Desk, line: Line) -> None:
    def poison(unit: Unit) -> None:
        unit.keep_early(WHATSAPP, "acc", ExternalId("sent-1-0"), progress("sent-1-0", S.FAILED, error="no-colons"))

    message = await desk.answer("a")
    await desk.answer("b")
    await desk.store.write(poison)
    await line.run()
    assert await desk.states(message) == ["uncertain"]
    assert line.gate.words == ["a", "b"]


# changes of what was sent


async def sent(desk: Desk, line: Line, words: str = "было") -> Message:
    message = await desk.answer(words, source=f"desk:{CHAT}:7")
    await line.run()
    return message


async def test_an_edit_that_the_client_sees_is_a_version_and_a_line(desk: Desk, line: Line) -> None:
    message = await sent(desk, line)
    await line.change(message, Act.EDIT, Part(text=Text("стало")))
    desk.clock.move(minutes=1)
    await line.run()
    assert line.gate.calls[1:] == [("edit", "sent-1-0 стало")]
    stored = await desk.see(lambda r: r.message(message.id))
    assert (stored.text.plain, stored.edited_at) == ("стало", later(minutes=1))
    assert desk.table("select text from message_versions") == [("было",)]
    (event,) = await desk.events("message.edited")
    assert event.data == {
        "id": event.id,
        "type": "message.edited",
        "stored_at": later(minutes=1).isoformat(),
        "client": 1,
        "message": message.id,
        "external_id": "sent-1-0",
        "author": "owner",
        "text": "стало",
    }
    assert [act for act, _ in await desk.shown(1)] == ["send"]  # it is hers: nothing to show


async def test_a_deletion_that_the_client_sees_is_noted_once(desk: Desk, line: Line) -> None:
    message = await sent(desk, line)
    await line.change(message, Act.DELETE, Part())
    await line.change(message, Act.DELETE, Part())
    await line.run()
    assert line.gate.calls[1:] == [("delete", "sent-1-0")] * 2
    assert (await desk.see(lambda r: r.message(message.id))).deleted_at == NOW
    (event,) = await desk.events("message.deleted")
    assert (event.data["author"], event.data["external_id"]) == ("owner", "sent-1-0")


async def test_her_reaction_on_a_clients_message_is_exported(desk: Desk, line: Line) -> None:
    question = await desk.message("m1")
    await line.change(question, Act.REACT, Part(emoji="👍"))
    await line.change(question, Act.REACT, Part())
    await line.run()
    assert line.gate.calls == [("react", "m1 👍"), ("react", "m1 None")]
    events = await desk.events("message.reaction")
    assert [(e.data["emoji"], e.data["author"], e.data["external_id"]) for e in events] == [
        ("👍", "owner", "m1"),
        (None, "owner", "m1"),
    ]
    assert [act for act, _ in await desk.shown(1)] == ["send"]


@pytest.mark.parametrize("act", [Act.EDIT, Act.DELETE, Act.REACT])
@pytest.mark.parametrize(
    "error", [Uncertain("answer"), TimeoutError(), Unreachable("connect"), ValueError("bug"), Throttled(5.0)]
)
async def test_a_change_may_be_asked_for_twice(desk: Desk, line: Line, act: Act, error: Exception) -> None:
    message = await sent(desk, line)
    line.gate.next(str(act), error)
    await line.change(message, act, Part(text=Text("стало"), emoji="👍"))
    async with line.working():
        await line.settle()
        assert (await desk.states(message))[-1] == "waiting"
        desk.clock.move(seconds=10)
        await line.settle()
    assert len(line.gate.calls) == 3
    assert (await desk.states(message)) == ["sent", "sent"]
    assert await desk.notices(1) == []


@pytest.mark.parametrize(("act", "reason"), [(Act.EDIT, "unchanged"), (Act.DELETE, "not_found")])
async def test_a_change_that_was_made_by_the_call_whose_answer_was_lost_counts(
    desk: Desk, line: Line, act: Act, reason: str
) -> None:
    message = await sent(desk, line)
    line.gate.next(str(act), Uncertain("answer"), Refused(reason))
    await line.change(message, act, Part(text=Text("стало")))
    async with line.working():
        await line.settle()
        desk.clock.move(seconds=10)
        await line.settle()
    assert await desk.states(message) == ["sent", "sent"]
    assert await desk.notices(1) == []
    assert len(await desk.events("message.edited", "message.deleted")) == 1


async def test_a_deletion_of_what_is_not_there_is_told(desk: Desk, line: Line) -> None:
    message = await sent(desk, line)
    line.gate.next("delete", Refused("not_found"))
    await line.change(message, Act.DELETE, Part())
    await line.run()
    assert await desk.notices(1) == ["cannot delete refused:not_found:"]
    assert await desk.events("message.deleted") == []


async def test_a_change_waits_for_the_outcome_of_the_send_before_it(desk: Desk, line: Line) -> None:
    hanging = asyncio.Event()
    line.gate.next("было", hanging)
    message = await desk.answer("было")
    async with line.working():
        await line.called(1)
        await line.change(message, Act.EDIT, Part(text=Text("стало")))
        await line.bell.settle()
        assert line.gate.calls == [("send", "было")]
        hanging.set()
        await line.settle()
    assert line.gate.calls == [("send", "было"), ("edit", "sent-1-0 стало")]


async def test_a_change_of_what_never_got_an_id_is_told(desk: Desk, line: Line) -> None:
    line.gate.next("было", Uncertain("answer"))
    message = await sent(desk, line)
    await line.change(message, Act.EDIT, Part(text=Text("стало")))
    await line.run()
    assert line.gate.calls == [("send", "было")]
    assert (await desk.notices(1))[-1] == "cannot edit refused:not_found:"


async def test_a_change_is_made_to_the_try_that_counts(desk: Desk, line: Line) -> None:
    message = await sent(desk, line)
    await desk.apply(progress("sent-1-0", S.FAILED, error="refused:unreachable:1"))
    (row,) = await desk.rows(message)
    line.gate.next("было", Receipt((ExternalId("zzz"),), NOW))
    await desk.store.write(lambda u: answers.again(u, u.delivery(row.id)))
    await line.change(message, Act.EDIT, Part(text=Text("стало")))
    await line.run()
    assert line.gate.calls[-1] == ("edit", "zzz стало")


async def test_a_gate_that_cannot_change_says_so(desk: Desk) -> None:
    class Plain:
        provider = WHATSAPP
        roads = {WHATSAPP: ROADS[WHATSAPP]}  # noqa: RUF012

        def __init__(self, gate: ScriptedGate) -> None:
            self.send, self.download = gate.send, gate.download
            self.verify, self.key, self.parse = gate.verify, gate.key, gate.parse

    line = Line(desk)
    message = await sent(desk, line)
    line.target._gate = Plain(line.gate)
    for act in (Act.EDIT, Act.DELETE, Act.REACT):
        await line.change(message, act, Part())
    await line.run()
    assert await desk.notices(1) == [
        "cannot edit refused:not_allowed:",
        "cannot delete refused:not_allowed:",
        "cannot react refused:not_allowed:",
    ]


# albums


async def album(desk: Desk, *kinds: MediaKind, first: str = "") -> list[Message]:
    """Each file is an update of its own, as the desk gets them."""
    messages = []
    for number, kind in enumerate(kinds):
        file = photo(f"f{number}", WHATSAPP, sha256="ab" * 32)
        file = type(file)(kind, WHATSAPP, file.ref, sha256=file.sha256)
        messages.append(await desk.answer(first if number == 0 else "", album="g", attachments=(file,)))
    return messages


Kinds = tuple[MediaKind, ...]
P, V, D = MediaKind.PHOTO, MediaKind.VIDEO, MediaKind.DOCUMENT


async def test_an_album_is_gathered_for_a_moment_and_leaves_in_one_call(desk: Desk, line: Line) -> None:
    first = await album(desk, P, first="подпись")
    await desk.answer("другому", "u2")
    async with line.working():
        await line.settle()
        assert line.gate.words == ["другому"]  # the last item is not announced
        desk.clock.move(seconds=0.8)
        second = await album(desk, V)
        desk.clock.move(seconds=0.8)
        await line.settle()
        assert line.gate.words == ["другому"]
        desk.clock.move(seconds=0.2)
        await line.settle()
    assert line.gate.words == ["другому", "подпись"]
    assert [a.kind for a in line.gate.sent[1].attachments] == [P, V]
    rows = [(await desk.rows(m))[0] for m in (*first, *second)]
    assert [(d.state, d.external_id) for d in rows] == [(S.SENT, "sent-2-0"), (S.SENT, "sent-2-1")]
    assert {d.call for d in rows} == {rows[0].id}


async def test_an_album_that_goes_on_for_ever_leaves_after_three_seconds(desk: Desk, line: Line) -> None:
    async with line.working():
        for _ in range(4):
            await album(desk, P)
            await line.settle()
            assert line.gate.sent == []
            desk.clock.move(seconds=0.75)
        await line.settle()
        assert [len(out.attachments) for out in line.gate.sent] == [4]
    assert timedelta(seconds=4 * 0.75) == ALBUM_LONGEST
    assert ALBUM_PAUSE == timedelta(seconds=1)


async def test_a_full_album_waits_for_nothing(desk: Desk) -> None:
    line = Line(desk, abilities(album=frozenset({P, V}), album_size=2))
    await album(desk, P, P, P)
    async with line.working():
        await line.settle()
        assert [len(out.attachments) for out in line.gate.sent] == [2]
        desk.clock.move(seconds=1)
        await line.settle()
    assert [len(out.attachments) for out in line.gate.sent] == [2, 1]


@pytest.mark.parametrize(
    ("kinds", "calls"),
    [((P, V, P), [3]), ((P, D), [1, 1]), ((D, D), [2]), ((P, P, D, D, V), [2, 2, 1])],
)
async def test_only_kinds_that_may_travel_together_do(
    desk: Desk, kinds: tuple[MediaKind, ...], calls: list[int]
) -> None:
    line = Line(desk, abilities(album=frozenset({P, V, D})))
    await album(desk, *kinds)
    async with line.working():
        desk.clock.move(seconds=1)
        await line.settle()
    assert [len(out.attachments) for out in line.gate.sent] == calls


async def test_where_there_are_no_albums_each_file_goes_alone_and_at_once(desk: Desk) -> None:
    line = Line(desk, abilities(album=frozenset(), album_size=1))
    await album(desk, P, P)
    await line.run()
    assert [len(out.attachments) for out in line.gate.sent] == [1, 1]


async def test_an_album_that_fails_fails_whole_and_one_in_doubt_is_in_doubt_whole(desk: Desk, line: Line) -> None:
    line.gate.next("", Unreachable("connect"), Uncertain("answer"))
    messages = await album(desk, P, P)
    async with line.working():
        desk.clock.move(seconds=1)
        await line.settle()
        assert [(await desk.states(m))[0] for m in messages] == ["waiting", "waiting"]
        desk.clock.move(seconds=10)
        await line.settle()
    assert [len(out.attachments) for out in line.gate.sent] == [2, 2]
    assert [(await desk.states(m))[0] for m in messages] == ["uncertain", "uncertain"]


async def test_a_file_with_words_of_its_own_begins_a_call(desk: Desk, line: Line) -> None:
    for first in ("раз", "два"):
        await album(desk, P, P, first=first)
    async with line.working():
        desk.clock.move(seconds=1)
        await line.settle()
    assert [(out.text.plain, len(out.attachments)) for out in line.gate.sent] == [("раз", 2), ("два", 2)]


async def test_a_text_behind_an_album_waits_for_it(desk: Desk, line: Line) -> None:
    await album(desk, P, P, first="подпись")
    await desk.answer("потом")
    async with line.working():
        await line.settle()
        assert line.gate.sent == []
        desk.clock.move(seconds=1)
        await line.settle()
    assert line.gate.words == ["подпись", "потом"]


@pytest.mark.parametrize(
    ("kinds", "may"), [((), True), ((P,), True), ((P, V), True), ((D,), True), ((P, D), False), ((V, D), False)]
)
def test_which_kinds_mix(kinds: Kinds, may: bool) -> None:
    assert may_mix(set(kinds)) is may


# whatever the network says

NOT_TAKEN: list[Exception] = [Throttled(3.0), Throttled(3.0, everyone=True), Unreachable("connect"), Locked("token")]
FINAL: list[Exception | None] = [None, Refused("blocked"), Uncertain("answer"), TimeoutError()]
FATES = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3"]), st.lists(st.sampled_from(NOT_TAKEN), max_size=3), st.sampled_from(FINAL)
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fates=FATES)
def test_whatever_the_network_says_each_answer_goes_once_and_in_order(
    fates: list[tuple[str, list[Exception], Exception | None]],
) -> None:
    async def play(folder: Path) -> None:
        clock = StoodClock()
        async with open_store(folder, clock) as store:
            desk = Desk(store, clock, rules())
            await desk.apply(*(came(f"m{n}", "вопрос", person(f"u{n}")) for n in (1, 2, 3)))
            line = Line(desk)
            messages = []
            for number, (user, refusals, final) in enumerate(fates):
                line.gate.next(str(number), *refusals, *([final] if final else []))
                messages.append(await desk.answer(str(number), user))
            async with line.working():
                while (await desk.see(lambda r: r.lane_heads(WHATSAPP))) or line.worker.busy:
                    await line.settle()
                    clock.move(minutes=15)
            _check(line, fates, [(await desk.states(m))[0] for m in messages])

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder)))


def _check(line: Line, fates: list[tuple[str, list[Exception], Exception | None]], states: list[str]) -> None:
    words = line.gate.words
    for number, (_, refusals, final) in enumerate(fates):
        assert words.count(str(number)) == len(refusals) + 1
        assert states[number] == ("sent" if final is None else "failed" if isinstance(final, Refused) else "uncertain")
    for user in ("u1", "u2", "u3"):
        own = [n for n, (whom, _, _) in enumerate(fates) if whom == user]
        calls = [int(w) for w in words if int(w) in own]
        assert calls == sorted(calls)
