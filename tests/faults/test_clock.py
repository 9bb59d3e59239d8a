"""The wall clock is set while answers wait: by an hour, a day, a second, forth and back. Only stamps may change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

import bot.watch
import inbox.outbox
from bot.commands.export import export
from inbox.clock import STEP
from sandbox.world import Call, Fault
from storage.unit import SqlUnit
from tests.faults.clock import FastClock
from tests.faults.database import query, soon
from tests.rig import ANNA, IGOR, OWNER, Rig, rig, words

SPEED = 40.0
HOUR, DAY = 3600.0, 86400.0
# An hour is also what a badly set zone makes of the change to summer time and back; a second, a leap second.
STEPS = (HOUR, -HOUR, DAY, -DAY, 40.0, -39.0, -1.0)
MORE_STEPS = (-DAY, DAY, -HOUR, HOUR, 1.0, -1.0, 600.0, -600.0, 365 * DAY, -365 * DAY)
TRIES, AGAIN = 2, 5
RETRY = (24.0, 36.0)  # seconds after an answer was surely not taken a second time
SLACK = 60.0  # seconds of the fast clock: 1.5 s of a busy machine
LEAP = 1483228800  # 2017-01-01T00:00:00Z; the second before it was told twice


@dataclass
class Outcome:
    steps: int = 0
    stuck: int = 0
    early: int = 0
    lost: int = 0
    reordered: int = 0
    sent_twice: int = 0
    double_marks: int = 0
    notices: int = 0
    export_lines: int = 0
    export_wrong: int = 0

    @property
    def harm(self) -> int:
        return int(sum(asdict(self).values())) - self.steps - self.export_lines


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look again after real seconds, and a second here is many of theirs."""
    monkeypatch.setattr(inbox.outbox, "IDLE", 0.05)
    monkeypatch.setattr(bot.watch, "EVERY", 0.5)


def waits(desk: Rig) -> bool:
    return bool(
        query(
            desk, "select 1 from deliveries where target = 'whatsapp' and not_before is not null and state = 'waiting'"
        )
    )


class Study:
    """One consultant whose clock is set while her answers wait for the next try."""

    def __init__(self, desk: Rig, clock: FastClock) -> None:
        self.desk = desk
        self.clock = clock
        self.outcome = Outcome()
        self.said: list[str] = []
        self.answered: list[str] = []
        self.answers: list[int] = []

    async def step(self, by: float) -> None:
        """Set the clock well within a wait: on a busy machine half of it may be over, and too little would be shown."""
        for _ in range(AGAIN):
            refused = await self._refused()
            if self.desk.world.now() - refused.at < RETRY[0] / 2:
                break
            await self.desk.until(lambda: self._left(self.answered[-1]), "a wait that was too short")
        self.clock.shift += by
        self.said.append(f"вопрос {self.outcome.steps};")
        self.desk.graph.writes(IGOR, self.said[-1])
        self.outcome.steps += 1
        await self._see(refused)

    async def _refused(self) -> Call:
        """An answer that was surely not taken and waits for its next try: the last refusal."""
        desk = self.desk
        fault = desk.world.plan(Fault("error", "graph", "POST /messages", error="131016", times=TRIES))
        self.answered.append(f"ответ {len(self.answered)};")
        self.answers.append(desk.telegram.writes(OWNER, self.answered[-1], thread_id=self.topic))
        await soon(desk, lambda: fault not in desk.world.faults and waits(desk), "the answer waits")
        return next(c for c in reversed(desk.world.of("graph", "POST /messages")) if c.status != 200)

    async def _see(self, refused: Call) -> None:
        """The next try comes by the monotonic clock, neither before its time nor long after it."""
        desk = self.desk
        try:
            await desk.until(lambda: self._left(self.answered[-1]), "the next try", (RETRY[1] + SLACK) / SPEED)
        except TimeoutError:
            self.outcome.stuck += 1
            return
        sent = next(c for c in desk.sends() if c.status == 200 and c.request["text"]["body"] == self.answered[-1])
        self.outcome.early += sent.at - refused.at < RETRY[0] - STEP

    def _left(self, text: str) -> bool:
        return any(c.status == 200 and c.request["text"]["body"] == text for c in self.desk.sends())

    async def run(self, steps: tuple[float, ...]) -> Outcome:
        self.topic = await self.desk.known()
        for by in steps:
            await self.step(by)
            if self.outcome.stuck:
                break
        if not self.outcome.stuck:
            await self.desk.until(lambda: all(self.desk.mark(a) == "👌" for a in self.answers), "marks")
            await self.desk.until(lambda: bool(self.desk.said(self.said[-1])), "shown")
        await soon(self.desk, self._exported, "the export has caught up")
        await self.desk.stop()
        self.count()
        return self.outcome

    def _exported(self) -> bool:
        (last,) = query(self.desk, "select max(id) from events")[0]
        return last in {line["data"]["id"] for line in self.desk.export()}

    def count(self) -> None:
        desk, outcome = self.desk, self.outcome
        shown = "\n".join(words(m) for m in desk.desk())
        places = [shown.find(text) for text in self.said]
        outcome.lost = places.count(-1)
        outcome.reordered = sum(a > b for a, b in pairwise(places))
        sent = [c.request["text"]["body"] for c in desk.sends() if c.status == 200]
        outcome.sent_twice = len(sent) - len(set(sent))
        outcome.reordered += sum(a != b for a, b in zip(sent, self.answered, strict=False))
        drawn = [
            (c.request["message_id"], str(c.request["reaction"]))
            for c in desk.world.of("telegram", "setMessageReaction")
            if c.status == 200
        ]
        outcome.double_marks = sum(n - 1 for n in Counter(drawn).values())
        told = query(desk, "select content from deliveries where act = 'notice'")
        outcome.notices = len([row for row in told if "Это пульт" not in str(row[0])])
        ids = [line["data"]["id"] for line in desk.export()]
        stored = [row[0] for row in query(desk, "select id from events order by id")]
        outcome.export_lines = len(ids)
        outcome.export_wrong = len(ids) - len(set(ids)) + len(set(stored) ^ set(ids))


async def study(folder: Path, steps: tuple[float, ...]) -> Outcome:
    clock = FastClock(SPEED)
    async with rig(folder) as desk:
        desk.clock = clock
        desk.world.time = clock.real
        await desk.start()
        return await Study(desk, clock).run(steps)


async def test_a_clock_that_is_set_delays_and_repeats_nothing(
    tmp_path: Path, counts: Callable[..., None], soak: bool
) -> None:
    steps = STEPS + MORE_STEPS * 5 * soak
    outcome = await study(tmp_path / "data", steps)
    counts("R7", **asdict(outcome))
    assert outcome.steps == len(steps)
    assert outcome.harm == 0, outcome


@pytest.mark.parametrize("by", [-HOUR, DAY])
async def test_waits_by_the_wall_clock_would_be_found(
    tmp_path: Path, by: float, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqlUnit, "shift_waits", lambda self, by: None)
    outcome = await study(tmp_path / "data", (by,))
    counts("R7", mutant=f"waits by the wall clock, set by {by:+.0f} s", stuck=outcome.stuck, early=outcome.early)
    assert (outcome.stuck, outcome.early) == ((1, 0) if by < 0 else (0, 1))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        await made.start()
        yield made


async def test_a_clock_set_back_while_the_process_is_down_holds_nothing_up(tmp_path: Path) -> None:
    async with rig(tmp_path / "data") as desk:
        clock = FastClock(SPEED)
        desk.clock, desk.world.time = clock, clock.real
        await desk.start()
        topic = await desk.known()
        outage = desk.world.plan(Fault("error", "graph", "POST /messages", times=None, error="131016"))
        answer = desk.telegram.writes(OWNER, "уйдёт", thread_id=topic)
        await desk.until(lambda: waits(desk), "the answer waits")
        await desk.until(lambda: bool(query(desk, "select 1 from settings where key = 'alive'")), "the time is noted")
        await desk.stop()
        desk.world.lift(outage)
        desk.clock.shift -= DAY
        await desk.start()
        await desk.until(lambda: desk.mark(answer) == "👌", "it left")
        assert [c.status for c in desk.sends()] == [200]


async def test_an_album_and_a_file_do_not_wait_for_a_moment_that_the_clock_went_back_from(desk: Rig) -> None:
    """Both wait a moment after they came: for the album's last picture, for the file's bytes."""
    await desk.known()
    desk.telegram.writes(ANNA, "пришлите фото")
    await desk.until(lambda: bool(desk.said("пришлите фото")), "Anna")
    desk.world.plan(Fault("500", "graph", "GET /media", times=None))
    for _ in range(2):
        desk.telegram.writes(OWNER, kind="photo", media_group_id="7001", thread_id=desk.topic("Анна Петрова"))
    desk.graph.writes(IGOR, kind="image", caption="вот фото кухни")
    pictures = "select 1 from deliveries where target = 'telegram' or (target = 'desk' and state = 'waiting')"
    await desk.until(lambda: len(query(desk, pictures)) >= 3, "all are here and wait")
    desk.clock.shift -= DAY
    await desk.until(lambda: bool(desk.said("Фото загружается")), "the line for the file")
    await desk.until(lambda: len([m for m in desk.telegram.messages(ANNA) if "photo" in m]) == 2, "the album")


async def test_what_comes_is_shown_in_the_order_in_which_it_came_whatever_its_time(desk: Rig) -> None:
    """A leap second has the Unix time of its neighbour, or servers go back by one; a phone's clock is anybody's."""
    await desk.known()
    stamps = [LEAP - 1, LEAP, LEAP - 1, LEAP, LEAP + DAY, LEAP - DAY, LEAP]
    for number, stamp in enumerate(stamps):
        desk.graph.writes(IGOR, f"секунда {number};", timestamp=stamp)
        desk.clock.shift += 1.0 if number % 2 else -1.0
    await desk.until(lambda: bool(desk.said(f"секунда {len(stamps) - 1};")), "shown")
    shown = "\n".join(words(m) for m in desk.desk())
    places = [shown.find(f"секунда {number};") for number in range(len(stamps))]
    assert -1 not in places
    assert places == sorted(places)
    came = [e for e in desk.export() if e["data"]["type"] == "message.in"][1:]
    assert [e["data"]["text"] for e in came] == [f"секунда {number};" for number in range(len(stamps))]
    assert [datetime.fromisoformat(e["timestamp"]).timestamp() for e in came] == stamps


async def test_the_window_counts_by_the_networks_time_also_for_a_clock_that_jumps(desk: Rig) -> None:
    """The card says what the clock says; sending asks the network, and after the jump back the card is right again."""
    topic = await desk.known()
    desk.graph.window_error_sync = True

    def card() -> str:
        return words(desk.said("Окно ответа")[0])

    await desk.until(lambda: bool(desk.said("Окно ответа: до")), "the card")
    before = card()
    desk.clock.shift = 25 * HOUR
    first = desk.telegram.writes(OWNER, "первый", thread_id=topic)
    await desk.until(lambda: desk.mark(first) == "👌", "an open window stays open")
    desk.clock.shift = 0.0
    desk.world.shift = 25 * HOUR
    second = desk.telegram.writes(OWNER, "второй", thread_id=topic)
    await desk.until(lambda: desk.mark(second) == "✍", "a closed one stays closed, though the clock says otherwise")
    await desk.until(lambda: bool(desk.said("Не отправлено")), "and she is told")
    await desk.until(lambda: card() == before, "the card")
    assert [c.request["text"]["body"] for c in desk.sends() if c.status == 200] == ["первый"]


async def test_the_export_goes_on_where_it_was_after_a_clock_that_was_ahead(
    desk: Rig, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of the wrong day stand in that day's file; each id stands once, and none is missing."""
    await desk.known()
    for number, shift in enumerate((DAY, 0.0, -DAY)):
        desk.clock.shift = shift
        desk.graph.writes(IGOR, f"строка {number};")
        await desk.until(lambda number=number: bool(desk.said(f"строка {number};")), "shown")  # type: ignore[misc]
        await desk.stop()
        await desk.start()
    desk.clock.shift = 0.0
    desk.graph.writes(IGOR, "последняя;")
    await desk.until(lambda: "последняя;" in [e["text"] for e in desk.exported("message.in")], "exported")
    await desk.stop()
    lines = desk.export()
    ids = [line["data"]["id"] for line in lines]
    assert len(ids) == len(set(ids))
    assert sorted(ids) == [row[0] for row in query(desk, "select id from events order by id")]
    assert len(list((desk.data_dir / "substance").glob("*.jsonl"))) == 3
    for path in (desk.data_dir / "substance").glob("*.jsonl"):
        assert {json.loads(line)["data"]["stored_at"][:10] for line in path.read_text().splitlines()} == {path.stem}
    since = next(line["data"]["stored_at"] for line in lines if line["data"].get("text") == "строка 1;")
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    capfdbinary.readouterr()
    assert export(["--since", since]) == 0
    printed = [json.loads(line)["data"] for line in capfdbinary.readouterr().out.splitlines()]
    said = [line["text"] for line in printed if line["type"] == "message.in"]
    assert said[-3:] == ["строка 1;", "строка 2;", "последняя;"]
