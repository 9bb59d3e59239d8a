"""One call in five goes wrong, in every way that is known: nothing is lost, nothing leaves twice, doubt is marked."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import inbox.outbox
import inbox.sending
import inbox.showing
import inbox.upkeep
import storage.deliveries
from inbox.errors import Locked, Refused, Throttled, Unreachable
from inbox.model import DeliveryState
from inbox.sending import ClientTarget, Letter
from inbox.showing import DeskTarget
from inbox.stage import Step
from inbox.store import Unit
from sandbox.world import Call, Fault
from tests.faults.clock import FastClock
from tests.faults.database import query, soon
from tests.faults.network import Net
from tests.rig import ANNA, BORIS, BOT, IGOR, MARIA, OWNER, Rig, rig, words

SPEED, LONG_SPEED = 100.0, 300.0
PATIENCE, HANG = 1.5, 3.0  # real seconds: for an answer, and until a hanging one comes
CONNECTING, ANSWERING = 0.05, 0.17  # chances that a call fails before it has left, and after
REPEAT = "возможно, повтор"
QUESTION = "Неизвестно, дошло ли"
NOT_TOLD = frozenset({"refuse", "lost", "half", "hang", "500", "garbage"})  # no answer says what became of it
TAKEN = frozenset({"lost", "half", "hang", "garbage"})
SHOWS = frozenset({"sendMessage"})
PHONES = {"Игорь": IGOR, "Мария": MARIA}
PEOPLE = {"Анна": ANNA, "Борис": BORIS}
CLIENTS = (*PHONES, *PEOPLE)


def kinds(provider: str) -> list[Fault]:
    """Every kind that this provider's server has."""
    if provider == "telegram":
        errors, wrong = ("502 Bad Gateway", "500 Internal Server Error"), '{"ok":true,"result":true}'
    else:
        errors, wrong = ("131016", "2"), '{"messages":[]}'
    plain = [Fault(kind, provider) for kind in ("refuse", "lost", "half", "500", "garbage")]
    told = [Fault("error", provider, error=error) for error in errors]
    odd = [Fault("garbage", provider, error=body) for body in (wrong, "[]", "\xff\xfe{")]
    return [*plain, *told, *odd, Fault("hang", provider, seconds=HANG)]


def plan(desk: Rig, chance: float, only: Sequence[str] = ()) -> list[Fault]:
    """All kinds side by side, or some, so that one call in so many meets one of them."""
    every = [fault for provider in ("telegram", "graph") for fault in kinds(provider)]
    faults = [fault for fault in every if not only or fault.kind in only]
    each = 1 - (1 - chance) ** (1 / (len(faults) / 2))
    for fault in faults:
        fault.times, fault.chance = None, each
        desk.world.plan(fault)
    return faults


@dataclass
class Outcome:
    calls: int = 0
    faults: int = 0
    lost: int = 0
    reordered: int = 0
    sent_twice: int = 0
    uncertain: int = 0
    marked: int = 0
    asked: int = 0
    desk_lost_answers: int = 0
    desk_repeats: int = 0
    desk_unmarked: int = 0

    def add(self, other: Outcome) -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def harm(self) -> int:
        return self.lost + self.reordered + self.sent_twice + self.desk_unmarked


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look again, and give a call up, after real seconds: a second here is many of the clock's."""
    monkeypatch.setattr(inbox.outbox, "IDLE", 0.05)
    for module in (inbox.sending, inbox.showing, inbox.upkeep):
        monkeypatch.setattr(module, "DEADLINE", PATIENCE)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    made = Net(random.Random(0))
    made.install(monkeypatch)
    return made


@asynccontextmanager
async def stage(folder: Path, net: Net, seed: int, speed: float = SPEED) -> AsyncIterator[Rig]:
    async with rig(folder) as desk:
        clock = FastClock(speed)
        desk.clock, desk.world.time = clock, clock.real
        desk.world.random.seed(seed)
        net.random.seed(seed)
        net.lead(desk)
        desk.graph.auto_statuses = False  # a report would settle the doubt
        await desk.start()
        await desk.until(lambda: bool(desk.said("Это пульт")), "the answer to /start")
        yield desk


class Talk:
    """Everybody writes, the owner answers everybody."""

    def __init__(self, desk: Rig) -> None:
        self.desk = desk
        self.said: dict[str, list[str]] = {name: [] for name in CLIENTS}
        self.answered: dict[str, dict[str, int]] = {name: {} for name in CLIENTS}

    def write(self, name: str) -> str:
        text = f"{name} {len(self.said[name])};"
        self.said[name].append(text)
        if name in PHONES:
            self.desk.graph.writes(PHONES[name], text)
        else:
            self.desk.telegram.writes(PEOPLE[name], text)
        return text

    def answer(self, name: str) -> None:
        """In the topic where her client was seen last."""
        shown = [m for m in self.desk.desk() if m["from"]["id"] == BOT and f"{name} " in words(m)]
        text = f"ответ {name} {len(self.answered[name])};"
        thread = shown[-1].get("message_thread_id") if shown else None
        self.answered[name][text] = self.desk.telegram.writes(OWNER, text, thread_id=thread)

    async def round(self, answers: int = 2) -> None:
        """Two messages of each client; what it takes until they are shown; so many answers to each, each tried once."""
        fresh = [self.write(name) for name in CLIENTS for _ in range(2)]
        await self.desk.until(lambda: all(self.desk.said(text) for text in fresh) or self.quiet(), "a round", 60.0)
        for name in CLIENTS:
            for _ in range(answers):
                self.answer(name)
        wanted = sum(len(answered) for answered in self.answered.values())
        await soon(self.desk, lambda: query(self.desk, TRIED)[0][0] == wanted, "the answers are tried")

    def quiet(self) -> bool:
        """Nothing is on its way any more, in either direction."""
        if self.desk.telegram.pending or self.desk.graph.pending:
            return False
        return not any(query(self.desk, sql)[0][0] for sql in OPEN)

    # what became of it

    def showings(self, name: str) -> Iterator[list[tuple[int, int, bool]]]:
        """For each message of a client where it stands on the desk: message id, place in it, whether it is marked."""
        for text in self.said[name]:
            yield [(m["message_id"], words(m).index(text), REPEAT in words(m)) for m in self.desk.said(text)]

    def received(self, name: str) -> list[str]:
        """Her answers at a client's, in order."""
        if name in PHONES:
            texts = [str(b["text"]) for b in self.desk.graph.messages(PHONES[name])]
        else:
            texts = [words(m) for m in self.desk.telegram.messages(PEOPLE[name])]
        return [text for text in texts if text in self.answered[name]]

    def judge(self, net: Net, during: slice = slice(None)) -> Outcome:
        """during: the calls that were made while trouble was planned."""
        calls = list(self.desk.world.calls)
        before = net.struck.total()
        outcome = Outcome(len(calls[during]) + before, sum(bool(c.fault) for c in calls) + before)
        for name in CLIENTS:
            self._judge_desk(name, outcome)
            self._judge_client(name, outcome)
        outcome.desk_lost_answers = sum(texts_of(c) for c in calls if c.fault in TAKEN and shows(c))
        outcome.uncertain = sum(c.fault in NOT_TOLD for c in calls if to_client(c))
        return outcome

    def _judge_desk(self, name: str, outcome: Outcome) -> None:
        shown = list(self.showings(name))
        outcome.lost += sum(not places for places in shown)
        shown = [places for places in shown if places]
        for ends in ([places[0] for places in shown], [places[-1] for places in shown]):
            outcome.reordered += sum(a[:2] > b[:2] for a, b in pairwise(ends))
        outcome.desk_repeats += sum(len(places) - 1 for places in shown)
        outcome.desk_unmarked += sum(not marked for places in shown for _, _, marked in places[1:])

    def _judge_client(self, name: str, outcome: Outcome) -> None:
        got, order = self.received(name), list(self.answered[name])
        outcome.sent_twice += len(got) - len(set(got))
        outcome.reordered += sum(order.index(a) > order.index(b) for a, b in pairwise(got))
        asked = {m.get("reply_to_message", {}).get("message_id") for m in self.desk.said(QUESTION)}
        for text, message_id in self.answered[name].items():
            in_doubt = self.desk.mark(message_id) == "🤔"
            outcome.marked += in_doubt
            outcome.asked += in_doubt and message_id in asked
            outcome.lost += text not in got and not in_doubt


TRIED = "select count(*) from deliveries where target <> 'desk' and attempts > 0"
OPEN = (
    "select count(*) from deliveries where state in ('waiting', 'sending')",
    "select count(*) from marks where wanted <> shown",
    "select count(*) from inbox where state = 'new'",
)


def shows(call: Call) -> bool:
    return call.method in SHOWS and str(call.request.get("chat_id")) == str(OWNER)


def texts_of(call: Call) -> int:
    """Messages of clients in one call to the desk: texts that waited together are joined."""
    text = str(call.request.get("text"))
    return sum(text.count(f"{name} ") for name in CLIENTS) if "ответ" not in text else 0


def to_client(call: Call) -> bool:
    if call.provider == "graph":
        return call.method == "POST /messages"
    return call.method == "sendMessage" and str(call.request.get("chat_id")) in (str(ANNA), str(BORIS))


async def storm(
    folder: Path,
    net: Net,
    seed: int,
    rounds: int,
    only: Sequence[str] = (),
    chances: tuple[float, float] = (CONNECTING, ANSWERING),
    answers: int = 2,
) -> Outcome:
    """Trouble for so many rounds, then none. only: kinds; chances: before a call has left, and after."""
    async with stage(folder, net, seed) as desk:
        talk = Talk(desk)
        began = len(desk.world.calls)
        net.struck.clear()
        net.dns = net.refused = chances[0] / 2
        faults = plan(desk, chances[1], only)
        for _ in range(rounds):
            await talk.round(answers)
        during = slice(began, len(desk.world.calls))
        net.calm()
        for fault in faults:
            desk.world.lift(fault)
        await desk.until(talk.quiet, "everything is settled", 90.0)
        return talk.judge(net, during)


async def test_one_call_in_five_fails_and_nothing_is_lost_or_sent_twice(
    tmp_path: Path, net: Net, counts: Callable[..., None], soak: bool
) -> None:
    whole = Outcome()
    for seed in range(40 if soak else 1):
        whole.add(await storm(tmp_path / str(seed), net, seed, 20 if soak else 8))
    counts("R3", **asdict(whole))
    assert whole.faults > whole.calls / 10
    assert whole.harm == 0, whole
    assert whole.uncertain == whole.marked == whole.asked > 0
    assert whole.desk_repeats <= whole.desk_lost_answers


# What the storm would find.


async def test_a_retry_after_a_lost_answer_would_be_found(
    tmp_path: Path, net: Net, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = ClientTarget._not_taken

    async def retried(self: ClientTarget, letter: Letter, error: Exception) -> None:
        told = isinstance(error, Refused | Throttled | Unreachable | Locked)
        await settle(self, letter, error if told else Unreachable("retried"))

    monkeypatch.setattr(ClientTarget, "_not_taken", retried)
    outcome = await storm(tmp_path / "data", net, 1, 3, ("lost",), (0.0, 0.25))
    counts("R3", mutant="retry after a lost answer", sent_twice=outcome.sent_twice)
    assert outcome.sent_twice > 0


async def test_a_desk_that_takes_doubt_for_success_would_be_found(
    tmp_path: Path, net: Net, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(self: DeskTarget, unit: Unit, step: Step, *, counted: bool = True, repeat: bool = False) -> None:
        for row in step.rows:
            unit.set_delivery(row.id, state=DeliveryState.SENT)

    monkeypatch.setattr(DeskTarget, "_put_back", sent)
    outcome = await storm(tmp_path / "data", net, 1, 3, ("refuse",), (0.0, 0.3), answers=0)
    counts("R3", mutant="a call to the desk in doubt counts as done", lost=outcome.lost)
    assert outcome.lost > 0


async def test_a_lane_that_goes_on_while_its_head_waits_would_be_found(
    tmp_path: Path, net: Net, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = "select min(d.id) from deliveries d where d.target = ?1 and d.lane = lanes.lane and d.state = 'waiting'"
    assert first in storage.deliveries.HEADS
    ready = first.replace("min(d.id)", "d.id") + " order by d.not_before is not null, d.id limit 1"
    monkeypatch.setattr(storage.deliveries, "HEADS", storage.deliveries.HEADS.replace(first, ready))
    outcome = await storm(tmp_path / "data", net, 1, 2, ("error",), (0.0, 0.4), answers=6)
    counts("R3", mutant="a lane goes on while its head waits", reordered=outcome.reordered)
    assert outcome.reordered > 0


# Trouble that lasts.


@dataclass(frozen=True)
class Outage:
    """Every call fails for so many seconds. kind: of the network's way ("dns", "refused"), or of the servers'."""

    kind: str
    seconds: float

    def begin(self, desk: Rig, net: Net) -> None:
        if self.kind in ("dns", "refused"):
            setattr(net, self.kind, 1.0)
            return
        for provider, error in (("telegram", "502 Bad Gateway"), ("graph", "131016")):
            desk.world.plan(Fault(self.kind, provider, times=None, seconds=20.0, error=error))

    def met(self, desk: Rig, net: Net) -> int:
        """Calls that met it, in both networks' ways."""
        return net.struck[self.kind] + sum(c.fault == self.kind for c in desk.world.calls)

    def end(self, desk: Rig, net: Net) -> None:
        net.calm()
        desk.world.faults.clear()


MET = 2 * len(CLIENTS)  # so many calls at least meet an outage: one for each lane
OUTAGES = (Outage("dns", 30), Outage("refused", 30), Outage("429", 60), Outage("error", 600))


async def live_through(desk: Rig, net: Net, talk: Talk, outage: Outage) -> None:
    outage.begin(desk, net)
    until = desk.clock.monotonic() + outage.seconds
    for _ in range(2):
        for name in CLIENTS:
            talk.write(name)
            talk.answer(name)
    await desk.until(lambda: desk.clock.monotonic() > until and outage.met(desk, net) > MET, outage.kind, 30.0)
    outage.end(desk, net)
    await desk.until(talk.quiet, f"settled after {outage.kind}", 60.0)


async def test_what_was_surely_not_taken_leaves_by_itself_in_order_when_the_trouble_ends(
    tmp_path: Path, net: Net, counts: Callable[..., None]
) -> None:
    """Ten minutes of errors in the networks' own words among it. No doubt, so no question and no mark of a repeat."""
    async with stage(tmp_path / "data", net, 0, LONG_SPEED) as desk:
        talk = Talk(desk)
        await talk.round()
        for outage in OUTAGES:
            await live_through(desk, net, talk, outage)
        outcome = talk.judge(net)
        text = "\n".join(words(m) for m in desk.desk())
        received = [len(talk.received(name)) for name in CLIENTS]
    counts("R3", outages=len(OUTAGES), **asdict(outcome))
    assert outcome.harm == outcome.uncertain == outcome.marked == outcome.desk_repeats == 0, outcome
    assert received == [2 + 2 * len(OUTAGES)] * len(CLIENTS)
    assert REPEAT not in text
    assert QUESTION not in text


async def test_ten_minutes_of_errors_that_say_nothing_leave_every_answer_in_doubt_and_every_message_shown(
    tmp_path: Path, net: Net, counts: Callable[..., None]
) -> None:
    async with stage(tmp_path / "data", net, 0, LONG_SPEED) as desk:
        talk = Talk(desk)
        await talk.round()
        before = sum(len(answered) for answered in talk.answered.values())
        await desk.until(talk.quiet, "the first round")
        await live_through(desk, net, talk, Outage("500", 600))
        outcome = talk.judge(net)
        asked = sum(len(answered) for answered in talk.answered.values()) - before
    counts("R3", minutes=10, **asdict(outcome))
    assert outcome.harm == outcome.desk_repeats == 0, outcome
    assert outcome.uncertain == outcome.marked == outcome.asked == asked


async def test_an_answer_of_telegram_that_is_none_is_a_doubt(tmp_path: Path, net: Net) -> None:
    """The message was taken: it comes again, says so, and is not taken for one that the desk refuses."""
    bodies = ("\xff\xfe{", "[]", '{"ok":true}', '{"ok":true,"result":true}', '{"ok":false}', "[" * 5000)
    async with stage(tmp_path / "data", net, 0) as desk:
        await desk.known()
        for number, body in enumerate(bodies):
            text = f"сообщение {number};"
            desk.world.plan(Fault("garbage", "telegram", "sendMessage", error=body))
            desk.graph.writes(IGOR, text)
            await desk.until(lambda text=text: len(desk.said(text)) == 2, "shown again")  # type: ignore[misc]
            assert [REPEAT in words(m) for m in desk.said(text)] == [False, True], body
