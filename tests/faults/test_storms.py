"""Storms of 429: who is asked to wait waits, everybody else goes on, and nothing is lost, doubled or out of order."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import inbox.outbox
from gates.meta.errors import WAITS
from inbox.errors import Throttled
from sandbox.meta_limits import PAIR_RATE
from sandbox.world import Call
from tests.faults.clock import FastClock
from tests.faults.database import query
from tests.rig import ANNA, BORIS, IGOR, MARIA, OWNER, Rig, rig, words

SPEED = 200.0
IN_FLIGHT = 0.3 * SPEED  # seconds; a call that had left when the refusal came is there by then
GROUP, GROUP_SPEED = -1001000000077, 40.0
SENDS = ("sendMessage", "createForumTopic")
LONGEST = 300
PATIENCE = 20.0  # seconds in which what nothing holds up is there; shorter blocks say nothing of others


@dataclass
class Storm:
    blocks: int = 0
    calls: int = 0
    refused: int = 0
    calls_while_blocked: int = 0
    held_up: int = 0  # messages to others that did not leave before the block ended
    counted: int = 0  # refusals that counted as a try
    lost: int = 0
    sent_twice: int = 0
    reordered: int = 0

    def add(self, other: Storm) -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def harm(self) -> int:
        fine = ("blocks", "calls", "refused")
        return sum(int(value) for name, value in asdict(self).items() if name not in fine)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look again after real seconds, and a second here is many of theirs."""
    monkeypatch.setattr(inbox.outbox, "IDLE", 0.02)


@asynccontextmanager
async def stage(folder: Path, rate: float | None = math.inf) -> AsyncIterator[Rig]:
    """Two clients in WhatsApp, two in Telegram, and Telegram counts."""
    async with rig(folder) as desk:
        clock = FastClock(SPEED)
        desk.clock, desk.world.time = clock, clock.real
        desk.graph.auto_statuses = False
        await desk.start(rate=rate)
        await desk.known()
        await desk.known(MARIA, "Мария", "Добрый вечер")
        for person, name in ((ANNA, "Анна"), (BORIS, "Борис")):
            desk.telegram.writes(person, f"{name} здесь")
            await desk.until(lambda name=name: bool(desk.said(f"{name} здесь")), name)  # type: ignore[misc]
        desk.telegram.buckets = True
        yield desk


TRIED_AGAIN = "select count(*) from deliveries where target <> 'desk' and attempts > 1"


class Answers:
    """What the owner writes to each client, and what each of them got."""

    def __init__(self, desk: Rig) -> None:
        self.desk = desk
        self.to: dict[str, list[str]] = {}
        self._topics = {n: desk.topic(n) for n in ("Игорь", "Мария", "Анна Петрова", "Борис")}

    def write(self, name: str, count: int) -> list[str]:
        said = self.to.setdefault(name, [])
        texts = [f"{name} {n};" for n in range(len(said), len(said) + count)]
        for text in texts:
            self.desk.telegram.writes(OWNER, text, thread_id=self._topics[name])
        said += texts
        return texts

    def got(self, name: str) -> list[str]:
        if name in ("Игорь", "Мария"):
            texts = [str(b["text"]) for b in self.desk.graph.messages(IGOR if name == "Игорь" else MARIA)]
        else:
            texts = [words(m) for m in self.desk.telegram.messages(ANNA if name == "Анна Петрова" else BORIS)]
        return [text for text in texts if text in self.to[name]]

    def there(self, name: str, texts: Sequence[str]) -> bool:
        return set(texts) <= set(self.got(name))

    def judge(self, storm: Storm) -> None:
        for name, said in self.to.items():
            got = self.got(name)
            places = [said.index(text) for text in got]
            storm.lost += len(set(said) - set(got))
            storm.sent_twice += len(got) - len(set(got))
            storm.reordered += sum(a > b for a, b in pairwise(places))
        storm.counted += query(self.desk, TRIED_AGAIN)[0][0]


async def besides(desk: Rig, answers: Answers, others: Sequence[str], until: float) -> int:
    """The others are written to while one is blocked: how many of their messages did not come before the block's end.

    Time passes as it does meanwhile, so that a slow machine is no reason.
    """
    wanted = {name: answers.write(name, 2) for name in others}
    clock = desk.clock
    assert isinstance(clock, FastClock)
    judged = until - desk.world.now() > PATIENCE
    if judged:
        clock.run(1.0)
    try:
        await desk.until(lambda: all(answers.there(n, texts) for n, texts in wanted.items()), "the others", PATIENCE)
    except TimeoutError:
        return sum(not answers.there(name, [text]) for name, texts in wanted.items() for text in texts)
    finally:
        clock.run(SPEED)
    return 0


def too_soon(calls: Sequence[Call], wait: float, slack: float = 0.0) -> int:
    """Calls that came within so many seconds of a refusal; slack: those that may have left before it was known."""
    refusals = [c for c in calls if c.status != 200]
    return sum(any(r.at + slack < c.at < r.at + wait for r in refusals) for c in calls)


def asked_too_soon(calls: Sequence[Call], slack: float = 0.0) -> int:
    """The same where each refusal says how long it lasts."""
    ends = [(c.at, c.at + c.answer["parameters"]["retry_after"]) for c in calls if c.status == 429]
    return sum(any(at + slack < c.at < end for at, end in ends) for c in calls)


def to_anna(desk: Rig, since: float) -> list[Call]:
    return [c for c in desk.world.of("telegram", "sendMessage") if c.at >= since and c.request.get("chat_id") == ANNA]


async def chat_storm(desk: Rig, answers: Answers, seconds: float) -> Storm:
    """One Telegram client's chat is closed for a while."""
    since, until = desk.world.now(), desk.telegram.block(ANNA, seconds)
    wanted = answers.write("Анна Петрова", 3)
    held_up = await besides(desk, answers, ("Борис", "Игорь"), until)
    await desk.until(lambda: answers.there("Анна Петрова", wanted), "Anna, after the block", 30.0)
    calls = to_anna(desk, since)
    refused = [c for c in calls if c.status != 200]
    soon = sum(
        too_soon([r, *[c for c in calls if c.at > r.at]], r.answer["parameters"]["retry_after"]) for r in refused
    )
    return Storm(1, len(calls), len(refused), soon, held_up)


async def graph_storm(desk: Rig, answers: Answers, code: int, seconds: float, wait: float) -> Storm:
    """WhatsApp takes nothing for Igor, or nothing at all. wait: seconds that the answer asks for."""
    since = desk.world.now()
    pair = code == PAIR_RATE
    until = desk.graph.limits.block(code, seconds, desk.graph.phone(IGOR).user_id if pair else None)
    wanted = answers.write("Игорь", 2)
    others = ("Мария", "Борис") if pair else ("Борис",)
    held_up = await besides(desk, answers, others, until)
    await desk.until(lambda: answers.there("Игорь", wanted), f"Igor, after {code}", 30.0)
    calls = [c for c in desk.world.of("graph", "POST /messages") if c.at >= since and "type" in c.request]
    if pair:
        calls = [c for c in calls if c.request["to"] == IGOR]
    return Storm(1, len(calls), sum(c.status != 200 for c in calls), too_soon(calls, wait), held_up)


# code, seconds of the block, seconds for which nothing may leave: as long as the answer says, else a usual time.
GRAPH_STORMS = (
    (PAIR_RATE, 90.0, WAITS[PAIR_RATE]),
    (130429, 60.0, WAITS[130429]),
    (613, 240.0, WAITS[613]),
    (80007, 120.0, 120.0),
)
MORE_GRAPH_STORMS = ((4, 240.0, WAITS[4]), (32, 240.0, WAITS[32]), (80006, 240.0, 240.0))


async def weather(
    folder: Path, seed: int, chats: int, codes: Sequence[tuple[int, float, float]], longest: int = LONGEST
) -> Storm:
    whole = Storm()
    async with stage(folder) as desk:
        answers = Answers(desk)
        chance = random.Random(seed)
        for number in range(chats):
            # From a second to five minutes; the longest surely, for that is what others would be held up by.
            seconds = longest if number == 0 else round(math.exp(chance.uniform(0.0, math.log(longest / 2))))
            storm = await chat_storm(desk, answers, seconds)
            whole.add(storm)
        for code, block, wait in codes:
            storm = await graph_storm(desk, answers, code, block, wait)
            whole.add(storm)
        answers.judge(whole)
    return whole


async def test_who_is_asked_to_wait_waits_and_nobody_else(
    tmp_path: Path, counts: Callable[..., None], soak: bool
) -> None:
    whole = Storm()
    storms = GRAPH_STORMS + MORE_GRAPH_STORMS * soak
    for seed in range(10 if soak else 1):
        whole.add(await weather(tmp_path / str(seed), seed, 20 if soak else 2, storms))
    counts("R4", **asdict(whole))
    assert whole.refused >= whole.blocks
    assert whole.harm == 0, whole


async def test_a_desk_that_does_not_heed_the_wait_would_be_found(
    tmp_path: Path, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttled, "retry_after", property(lambda _: 0.0, lambda _, __: None), raising=False)
    storm = await weather(tmp_path / "data", 0, 1, GRAPH_STORMS[1:2], 120)
    counts("R4", mutant="retry_after is ignored", calls_while_blocked=storm.calls_while_blocked)
    assert storm.calls_while_blocked > 0


async def test_the_owners_own_chat_is_closed_and_answers_still_leave(
    tmp_path: Path, counts: Callable[..., None]
) -> None:
    """Her chat, her pace: what clients write waits in order; what she writes to them does not wait for it."""
    async with stage(tmp_path / "data", rate=None) as desk:
        answers = Answers(desk)
        since, until = desk.world.now(), desk.telegram.block(OWNER, 200)
        names = {IGOR: "Игорь", MARIA: "Мария"}
        for number in range(8):
            for phone, name in names.items():
                desk.graph.writes(phone, f"{name} пишет {number};")
        refused = desk.world.of("telegram", "sendMessage")
        await desk.until(lambda: any(c.status == 429 for c in desk.world.of("telegram", "sendMessage")), "refused")
        held_up = await besides(desk, answers, ("Игорь", "Мария", "Анна Петрова", "Борис"), until)

        def shown() -> str:
            return "\n".join(words(m) for m in desk.desk())

        await desk.until(lambda: all(f"{n} пишет 7;" in shown() for n in names.values()), "shown at last", 30.0)
        calls = [c for c in desk.world.of("telegram", "sendMessage") if c.at >= since]
        calls = [c for c in calls if c.request.get("chat_id") == OWNER]
        refused = [c for c in calls if c.status == 429]
        soon = asked_too_soon(calls, IN_FLIGHT)
        lost = reordered = twice = 0
        for name in names.values():
            texts = [f"{name} пишет {n};" for n in range(8)]
            places = [shown().find(text) for text in texts]
            lost += places.count(-1)
            twice += sum(shown().count(text) - 1 for text in texts)
            reordered += sum(a > b for a, b in pairwise(places))
        storm = Storm(1, len(calls), len(refused), soon, held_up, 0, lost, twice, reordered)
        answers.judge(storm)
    counts("R4", **{f"desk_{name}": value for name, value in asdict(storm).items()})
    assert storm.harm == 0, storm


async def test_a_groups_twenty_a_minute_lose_nothing(tmp_path: Path, counts: Callable[..., None]) -> None:
    """The desk as a group: topics, cards and messages of ten clients at once, many more than it takes in a minute."""
    names = [f"Клиент{n}" for n in range(10)]
    async with rig(tmp_path / "data", DESK_CHAT_ID=str(GROUP)) as desk:
        clock = FastClock(GROUP_SPEED)
        desk.clock, desk.world.time = clock, clock.real
        desk.telegram.add_forum(GROUP, "Консультации", members=[OWNER], added_by=OWNER)
        desk.telegram.buckets = True
        await desk.start(rate=None)
        for number, name in enumerate(names):
            desk.graph.add_phone(f"1202555018{number}", name)
        texts = {name: [f"{name} пишет {n};" for n in range(4)] for name in names}
        for n in range(4):
            for number, name in enumerate(names):
                desk.graph.writes(f"1202555018{number}", texts[name][n])

        def shown() -> str:
            return "\n".join(words(m) for m in desk.telegram.messages(GROUP))

        await desk.until(lambda: all(said[-1] in shown() for said in texts.values()), "all of it", 30.0)
        calls = [c for c in desk.world.of("telegram") if c.request.get("chat_id") == GROUP and c.method in SENDS]
        whole, lost, reordered, twice = shown(), 0, 0, 0
        for said in texts.values():
            places = [whole.find(text) for text in said]
            lost += places.count(-1)
            twice += sum(whole.count(text) - 1 for text in said)
            reordered += sum(a > b for a, b in pairwise(places))
        refused = sum(c.status == 429 for c in calls)
        storm = Storm(1, len(calls), refused, asked_too_soon(calls, 0.3 * GROUP_SPEED), 0, 0, lost, twice, reordered)
    counts("R4", **{f"group_{name}": value for name, value in asdict(storm).items()})
    assert storm.calls > 20
    assert storm.harm == 0, storm
