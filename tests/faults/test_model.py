"""Random lives of the inbox beside a model of what must be seen: after each step nothing is lost, doubled or dishonest.

The real workers and targets over the real tables, two clients of one network, a desk and a network that fail in every
way they know, and a process that dies at any commit or in the middle of a call.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, TypeVar, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inbox import answers, fate
from inbox.clock import Wake
from inbox.codec import build, dump
from inbox.desk import How, Item, Sent, Sight
from inbox.errors import Refused, Throttled, TopicGone, Uncertain, Unreachable
from inbox.gate import Came, Changed, Inbound, Intake, Outgoing, Progress, Raw, Reacted, Receipt
from inbox.intake import IntakeWorker
from inbox.lanes import client_lane
from inbox.model import Act, Address, Author, Delivery, DeliveryId, DeliveryState, ExternalId, Part, Text
from inbox.outbox import OutboxWorker
from inbox.pace import ChatPace
from inbox.sending import ClientTarget
from inbox.showing import DeskTarget
from inbox.store import DuplicateSource, Unit
from tests.faults.memory import Killed, MemoryStore, fresh
from tests.inbox.factories import (
    NOW,
    WHATSAPP,
    Memory,
    ScriptedGate,
    StoodClock,
    came,
    changed,
    person,
    progress,
    reacted,
    rules,
)
from tests.inbox.test_showing import ScriptedDesk

T = TypeVar("T")
S = DeliveryState
RULES = rules()
ROAD = RULES.roads[WHATSAPP]
CLIENTS = ("u1", "u2")
FACTS = Came | Changed | Reacted | Progress
RANK = {S.WAITING: 0, S.SENDING: 0, S.UNCERTAIN: 2, S.SENT: 3, S.FAILED: 4, S.DELIVERED: 5, S.READ: 6, S.DROPPED: 9}
WENT_OUT = (S.SENT, S.DELIVERED, S.READ)

TROUBLES = ("429", "no connection", "lost", "lost before", "killed", "killed before")
CALLS = ("ok", "ok", "reported first", "refused", *TROUBLES)
DESK_CALLS = ("ok", "ok", "topic gone", *TROUBLES)


class Codec:
    """A network whose bodies are the facts themselves."""

    provider = WHATSAPP

    def parse(self, raw: Raw) -> Sequence[Inbound]:
        return [build(FACTS, json.loads(raw.body))]


class Network(ScriptedGate):
    """Remembers what reached each client. `plan`: what becomes of the next call."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(ROAD)
        self.plan = "ok"
        self.arrived: list[tuple[str, str, str]] = []  # client, words, id
        self._report = report

    async def send(self, out: Outgoing) -> Receipt:
        plan, self.plan = self.plan, "ok"
        if plan == "refused":
            raise Refused("unreachable")
        if plan == "429":
            raise Throttled(2.0)
        if plan == "no connection":
            raise Unreachable("connect")
        if plan == "lost before":
            raise Uncertain("network")
        if plan == "killed before":
            raise Killed
        external_id = f"out-{len(self.arrived)}"
        self.arrived.append((out.to.user, out.text.plain, external_id))
        if plan == "lost":
            raise Uncertain("network")
        if plan == "killed":
            raise Killed
        if plan == "reported first":
            self._report(external_id)
        return Receipt((ExternalId(external_id),), NOW)

    async def edit(self, to: Outgoing, external_id: ExternalId) -> None:
        return

    async def delete(self, to: Outgoing, external_id: ExternalId) -> None:
        return

    async def react(self, to: Outgoing, external_id: ExternalId, emoji: str | None) -> None:
        return


class Chat(ScriptedDesk):
    """Remembers what was shown in each client's topic: (words, marked as a possible repeat)."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = "ok"
        self.seen: dict[str, list[tuple[str, bool]]] = defaultdict(list)

    def _fate(self) -> str:
        plan, self.plan = self.plan, "ok"
        if plan == "429":
            raise Throttled(2.0)
        if plan == "no connection":
            raise Unreachable("connect")
        if plan == "lost before":
            raise Uncertain("network")
        if plan == "topic gone":
            raise TopicGone("thread")
        if plan == "killed before":
            raise Killed
        return plan

    async def show(self, topic: Any, sight: Sight, items: Sequence[Item], how: How = How.THREAD) -> Sent:
        plan = self._fate()
        for item in items:
            if item.act is Act.SEND:
                self.seen[item.identity.address.user].append((item.message.text.plain, item.repeat))
        if plan == "lost":
            raise Uncertain("network")
        if plan == "killed":
            raise Killed
        self.last_id += 1
        return Sent(tuple((self.last_id, n) for n in range(len(items))))


class Calls:
    """In the place of a task group: what was begun is carried on when the test says so."""

    def __init__(self) -> None:
        self.begun: list[Coroutine[Any, Any, None]] = []

    def create_task(self, call: Coroutine[Any, Any, None]) -> None:
        self.begun.append(call)

    def drop(self) -> None:
        for call in self.begun:
            call.close()
        self.begun.clear()


class Life(RuleBasedStateMachine):
    runs: ClassVar[int] = 0
    steps: ClassVar[int] = 0
    kills: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        Life.runs += 1
        self.loop = asyncio.new_event_loop()
        self.clock = StoodClock()
        self.connection = fresh()
        self.network, self.chat = Network(self.early_report), Chat()
        self.calls = Calls()
        self.keys = 0
        self.said: dict[str, list[str]] = {client: [] for client in CLIENTS}  # acknowledged, in this order
        self.bodies: list[str] = []
        self.answered: dict[str, list[str]] = {client: [] for client in CLIENTS}
        self.asked_again: Counter[str] = Counter()
        self.ranks: dict[int, int] = {}
        self.boot()

    # the process

    def boot(self) -> None:
        """What a start makes of what is on the disk."""
        self.calls.drop()
        log, wake = Memory(), Wake()
        self.store = store = MemoryStore(self.connection, self.clock)
        store.do(lambda u: fate.orphaned(u, u.orphans(), RULES.voice))
        intake = cast(Intake, Codec())
        self.intake = IntakeWorker(store, {WHATSAPP: intake}, RULES, self.clock, wake, [], self.nothing, log)
        pace = ChatPace(rate=float("inf"))
        desk = DeskTarget(self.chat, store, RULES, self.clock, pace, frozenset(), lambda _: None, lambda _: None, log)
        client = ClientTarget(WHATSAPP, self.network, store, RULES, self.clock, [], log)
        self.lanes = {t.name: OutboxWorker(t, store, self.clock, wake, log) for t in (desk, client)}

    async def nothing(self, _: object) -> None:
        return

    def lives(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Carry on; None: the process died of it and was started again."""
        try:
            return self.loop.run_until_complete(work)
        except Killed:
            Life.kills += 1
            self.boot()
            return None

    def do(self, work: Callable[[Unit], T]) -> T | None:
        async def unit() -> T:
            return self.store.do(work)

        return self.lives(unit())

    # the clients

    def post(self, body: str) -> bool:
        """A webhook; False: no 200, so the network comes again."""
        self.keys += 1
        raw = Raw(WHATSAPP, str(self.keys), body.encode(), self.clock.now())

        async def put() -> bool:
            await self.store.put([raw])
            return True

        return self.lives(put()) is True

    def early_report(self, external_id: str) -> None:
        self.keys += 1
        body = dump(progress(external_id, S.DELIVERED)).encode()
        self.store.do(lambda u: u.add_raw(Raw(WHATSAPP, str(self.keys), body, self.clock.now())))

    def on_disk(self, key: int) -> bool:
        return bool(self.connection.execute("select 1 from inbox where key = ?", (str(key),)).fetchone())

    @initialize()
    def both_write(self) -> None:
        for client in CLIENTS:
            self.writes(client)
        for _ in CLIENTS:
            self.works("desk", 3)  # the topic, the card, the message

    @rule(client=st.sampled_from(CLIENTS))
    def writes(self, client: str) -> None:
        words = f"{client} {len(self.said[client])}"
        body = dump(came(words, words, person(client)))
        known = False
        while True:
            acknowledged = self.post(body)
            if not known and self.on_disk(self.keys):
                known = True
                self.said[client].append(words)
                self.bodies.append(body)
            if acknowledged or not known:
                return
            # It is there, but its 200 was lost: it comes again.

    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        self.post(data.draw(st.sampled_from(self.bodies)))

    @rule(data=st.data(), what=st.sampled_from(["edit", "delete", "react"]))
    def changes_it(self, data: st.DataObject, what: str) -> None:
        client = data.draw(st.sampled_from(CLIENTS))
        if not self.said[client]:
            return
        words, at = data.draw(st.sampled_from(self.said[client])), self.clock.now()
        who = person(client)
        if what == "react":
            body = dump(reacted(words, "👍", at, who))
        else:
            body = dump(changed(words, f"{words}, исправлено" if what == "edit" else None, at, who))
        if self.post(body):
            self.bodies.append(body)

    @rule(data=st.data(), state=st.sampled_from([S.SENT, S.DELIVERED, S.READ]))
    @precondition(lambda self: self.network.arrived)
    def is_reported(self, data: st.DataObject, state: DeliveryState) -> None:
        _, _, external_id = data.draw(st.sampled_from(self.network.arrived))
        body = dump(progress(external_id, state, self.clock.now()))
        if self.post(body):
            self.bodies.append(body)

    # the owner

    @rule(client=st.sampled_from(CLIENTS))
    def answers_it(self, client: str) -> None:
        """Her update is applied until it is done: it is kept as any other body."""
        words = f"ответ {client} {len(self.answered[client])}"

        def queue(unit: Unit) -> bool:
            identity = unit.identity_at(Address(WHATSAPP, "acc", client))
            if identity is None:
                return False
            content, source = Part(text=Text(words)), f"desk:501:{client[1:]}{len(self.answered[client])}"
            try:
                answers.queue(unit, identity, Author.OWNER, content, ROAD, RULES.voice, source=source)
            except DuplicateSource:
                pass
            return True

        while (queued := self.do(queue)) is None:
            continue
        if queued:
            self.answered[client].append(words)

    def rows(self, *states: DeliveryState) -> list[Delivery]:
        marks = ", ".join("?" * len(states))
        sql = f"select id from deliveries where target = 'whatsapp' and act = 'send' and state in ({marks})"  # noqa: S608
        ids = [DeliveryId(row[0]) for row in self.connection.execute(sql, states)]
        return self.store.see(lambda r: [r.delivery(n) for n in ids])

    @rule(data=st.data())
    @precondition(lambda self: self.rows(S.UNCERTAIN, S.FAILED))
    def sends_it_again(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.rows(S.UNCERTAIN, S.FAILED)))
        assert isinstance(row.content, Part)
        self.asked_again[row.content.text.plain] += 1

        def again(unit: Unit) -> None:
            if unit.delivery(row.id).state in (S.UNCERTAIN, S.FAILED):
                answers.again(unit, unit.delivery(row.id))

        while self.do(again) is None and self.store.see(lambda r: r.delivery(row.id)).state is not S.DROPPED:
            continue

    @rule(data=st.data(), words=st.sampled_from(["", "иначе"]))
    def takes_it_back_or_changes_it(self, data: st.DataObject, words: str) -> None:
        rows = self.rows(*(s for s in S if s is not S.DROPPED))
        if not rows:
            return
        row = data.draw(st.sampled_from(rows))

        def change(unit: Unit) -> None:
            assert row.message_id is not None
            message = unit.message(row.message_id)
            identity = unit.identity(message.identity_id)
            if words == "" and not answers.take_back(unit, identity, message):
                self.follow(unit, message.id, identity.contact_id, Act.DELETE, Part())

        self.do(change)

    @staticmethod
    def follow(unit: Unit, message: Any, contact: Any, act: Act, part: Part) -> None:
        unit.add_delivery(act, WHATSAPP, client_lane(WHATSAPP, contact), message_id=message, content=part)

    # what the workers do, and what happens to them

    @rule()
    def reads(self) -> None:
        self.lives(self.intake._round())

    @rule(lane=st.sampled_from(["desk", "whatsapp"]))
    def begins(self, lane: str) -> None:
        self.lives(self.lanes[lane]._round(cast(asyncio.TaskGroup, self.calls)))

    @rule()
    @precondition(lambda self: self.calls.begun)
    def ends(self) -> None:
        self.lives(self.calls.begun.pop(0))

    @rule(lane=st.sampled_from(["desk", "whatsapp"]), calls=st.integers(1, 4))
    def works(self, lane: str, calls: int) -> None:
        self.reads()
        for _ in range(calls):
            self.begins(lane)
            if self.calls.begun:
                self.ends()

    @rule(plan=st.sampled_from(CALLS))
    def answers_into(self, plan: str) -> None:
        """An answer whose call ends so."""
        self.answers_it("u1")
        self.network.plan = plan
        self.works("whatsapp", 2)

    @rule(plan=st.sampled_from(DESK_CALLS))
    def writes_into(self, plan: str) -> None:
        """A message whose showing ends so."""
        self.writes("u1")
        self.chat.plan = plan
        self.works("desk", 2)

    @rule(seconds=st.sampled_from([0.1, 3.0, 40.0, 600.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)

    @rule(commits=st.integers(0, 3), after=st.booleans())
    def will_die(self, commits: int, after: bool) -> None:
        self.store.die(commits, after=after)

    @rule()
    def dies(self) -> None:
        Life.kills += 1
        self.boot()

    # what must hold

    @invariant()
    def each_message_is_shown_in_order_and_repeats_say_so(self) -> None:
        Life.steps += 1
        for client in CLIENTS:
            firsts: list[str] = []
            for words, repeat in self.chat.seen[client]:
                if words in firsts:
                    assert repeat, f"{words} twice, unmarked"
                else:
                    firsts.append(words)
            assert firsts == self.said[client][: len(firsts)], f"{client}: {firsts}"

    @invariant()
    def nothing_is_lost(self) -> None:
        shown = sum(len({words for words, _ in self.chat.seen[client]}) for client in CLIENTS)
        sql = """
        select (select count(*) from inbox where state = 'new')
             + (select count(*) from deliveries
                where target = 'desk' and act = 'send' and state in ('waiting', 'sending'))
        """
        assert sum(map(len, self.said.values())) - shown <= self.connection.execute(sql).fetchone()[0]
        assert not self.connection.execute("select 1 from inbox where state = 'quarantined'").fetchone()

    @invariant()
    def an_answer_leaves_once_and_in_order(self) -> None:
        arrived = Counter(words for _, words, _ in self.network.arrived)
        assert all(count <= 1 + self.asked_again[words] for words, count in arrived.items()), arrived
        for client in CLIENTS:
            plain = [w for to, w, _ in self.network.arrived if to == client and not self.asked_again[w]]
            assert plain == sorted(plain, key=self.answered[client].index)

    @invariant()
    def the_mark_is_honest_and_goes_forwards(self) -> None:
        arrived = {words for _, words, _ in self.network.arrived}
        sql = """
        select id, state, json_extract(content, '$.text.plain') from deliveries
        where target = 'whatsapp' and act = 'send'
        """
        for row_id, state, words in self.connection.execute(sql):
            rank = RANK[S(state)]
            assert rank >= self.ranks.get(row_id, 0), f"{words}: back to {state}"
            self.ranks[row_id] = rank if rank >= 2 else 0
            if S(state) in WENT_OUT:
                assert words in arrived, f"{words} is said to have gone out"
            if S(state) in (S.WAITING, S.FAILED) and not self.asked_again[words]:
                assert words not in arrived, f"{words} went out and is {state}"

    def teardown(self) -> None:
        """All troubles end: everything that was acknowledged is seen, and nothing is left to be done."""
        try:
            self.boot()
            self.network.plan = self.chat.plan = "ok"
            for _ in range(400):
                self.reads()
                for lane in self.lanes:
                    self.begins(lane)
                while self.calls.begun:
                    self.ends()
                self.clock.move(seconds=20)
                if not self.open():
                    break
            self.each_message_is_shown_in_order_and_repeats_say_so()
            self.an_answer_leaves_once_and_in_order()
            self.the_mark_is_honest_and_goes_forwards()
            assert self.open() == 0
            for client in CLIENTS:
                assert list(dict.fromkeys(words for words, _ in self.chat.seen[client])) == self.said[client]
        finally:
            self.calls.drop()
            self.loop.close()
            self.connection.close()

    def open(self) -> int:
        sql = """
        select (select count(*) from inbox where state = 'new')
             + (select count(*) from deliveries where state in ('waiting', 'sending'))
        """
        return int(self.connection.execute(sql).fetchone()[0])


def live(runs: int, steps: int, **options: Any) -> None:
    Life.runs = Life.steps = Life.kills = 0
    health = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    chosen = settings(
        max_examples=runs, stateful_step_count=steps, deadline=None, suppress_health_check=health, **options
    )
    run_state_machine_as_test(Life, settings=chosen)


def test_lives(counts: Callable[..., None], soak: bool) -> None:
    live(2_000 if soak else 80, 50, phases=[Phase.reuse, Phase.generate, Phase.shrink], report_multiple_bugs=False)
    counts("R14", runs=Life.runs, steps=Life.steps, kills=Life.kills, violations=0)


def resent(unit: Unit, rows: Sequence[Delivery], _: object) -> None:
    """What was under way at a kill simply leaves again."""
    for row in rows:
        unit.set_delivery(row.id, state=S.WAITING, repeat=True, call=None)


def unmarked(unit: Unit, rows: Sequence[Delivery], voice: Any) -> None:
    ORPHANED(unit, rows, voice)
    for row in rows:
        unit.set_delivery(row.id, repeat=False)


ORPHANED = fate.orphaned


@pytest.mark.parametrize(
    ("name", "defect"), [("what was under way leaves again", resent), ("a repeat is not marked", unmarked)]
)
def test_a_start_that_does_it_wrong_is_found(
    name: str, defect: Callable[..., None], monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]
) -> None:
    monkeypatch.setattr(fate, "orphaned", defect)
    with pytest.raises(AssertionError):
        live(300, 50, phases=[Phase.generate], derandomize=True, database=None, report_multiple_bugs=False)
    counts("R14", mutant=name, violations=1, found_after_runs=Life.runs)
