"""The desk's lanes over a real store, with a desk that follows a script."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import pytest

from inbox.desk import How, Item, Sent, Sight
from inbox.errors import Refused, StorageDown, Throttled, TopicGone, Uncertain, Unreachable
from inbox.lanes import DESK
from inbox.model import Delivery, MediaKind, Notice, Text, Topic
from inbox.outbox import Later, claim
from inbox.pace import ChatPace
from inbox.showing import LONGEST_REST, DeskTarget
from inbox.stage import Step
from inbox.store import Store, Unit
from tests.inbox.factories import CHAT, TELEGRAM, Desk, came, changed, person, photo

T = TypeVar("T")


@dataclass
class ScriptedDesk:
    """Shows everything, but for what the script says of the next calls; notes (how, texts)."""

    backend: str = "private"
    chat_id: int | None = CHAT
    script: deque[Exception | Sent] = field(default_factory=deque)
    shown: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    opened: int = 0
    topics_off: bool = False
    last_id: int = 100

    async def open_topic(self, sight: Sight) -> int:
        if self.topics_off:
            raise Refused("invalid")
        self.opened += 1
        return 7000 + self.opened

    async def rename_topic(self, topic: Topic, name: str) -> None: ...

    def topic_name(self, sight: Sight) -> str:
        return sight.contact.name

    def card(self, sight: Sight) -> Notice:
        return Notice("card", Text(sight.contact.name))

    def cost(self, items: Sequence[Item]) -> int:
        return 1

    def _outcome(self, count: int) -> Sent:
        outcome = self.script.popleft() if self.script else None
        if isinstance(outcome, Exception):
            raise outcome
        self.last_id += 1
        return outcome or Sent(tuple((self.last_id, n) for n in range(count)))

    async def show(self, topic: Topic | None, sight: Sight, items: Sequence[Item], how: How = How.THREAD) -> Sent:
        texts = tuple(("repeat " if i.repeat else "") + i.message.text.plain for i in items)
        self.shown.append((str(how), texts))
        await asyncio.sleep(0)
        return self._outcome(len(items))

    async def tell(self, topic: Topic | None, notice: Notice, standing: int | None, how: How = How.THREAD) -> Sent:
        return self._outcome(1)

    async def pin(self, desk_message_id: int) -> None: ...

    async def mark(self, chat_id: int, message_id: int, emoji: str) -> None: ...


@dataclass
class FullDisk:
    """The store, which does not take the next `refusals` writes."""

    store: Store
    refusals: int = 0

    async def write(self, work: Callable[[Unit], T]) -> T:
        if self.refusals:
            self.refusals -= 1
            raise StorageDown("full")
        return await self.store.write(work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class Lanes:
    """A target, worked by hand: one call after the other, or several at once."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.chat = ScriptedDesk()
        self.disk = FullDisk(desk.store)
        self.touched: list[int] = []
        self.target = DeskTarget(
            self.chat,
            cast(Store, self.disk),
            desk.rules,
            desk.clock,
            ChatPace(rate=float("inf")),
            frozenset({TELEGRAM}),
            self.touched.append,
            self.touched.append,
            desk.log,
        )

    async def heads(self) -> Sequence[Delivery]:
        return self.target.order(await self.desk.see(lambda r: r.lane_heads(DESK)))

    async def prepare(self, head: Delivery) -> Step | Later:
        return await self.desk.see(lambda r: self.target.prepare(r, head))

    async def next(self) -> Step | None:
        """Do what comes first; None: nothing waits."""
        heads = await self.heads()
        if not heads:
            return None
        step = await self.begin(heads[0])
        await self.target.perform(step)
        return step

    async def begin(self, head: Delivery) -> Step:
        step = await self.prepare(head)
        assert isinstance(step, Step)
        assert self.target.reserve(step) == 0
        if step.rows:
            assert await self.desk.store.write(lambda u: claim(u, step.rows))
        self.desk.clock.move(seconds=0.01)
        return step

    async def drain(self) -> None:
        while self.target.wait() == 0 and await self.next() is not None:
            continue

    async def states(self, external_id: str) -> list[str]:
        return await self.desk.states(await self.desk.message(external_id))


@pytest.fixture
def lanes(desk: Desk) -> Lanes:
    return Lanes(desk)


async def test_topic_card_and_message_in_this_order(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"), came("m2", "два"))
    kinds = [step.kind for step in [await lanes.next() for _ in range(3)] if step]
    assert kinds == ["topic", "card", "show"]
    assert lanes.chat.shown == [("thread", ("раз", "два"))]
    assert await lanes.next() is None
    assert await lanes.states("m2") == ["sent"]


async def test_a_new_client_is_shown_whole_before_the_busy_one_goes_on(lanes: Lanes) -> None:
    await lanes.desk.apply(came("a1", "а1"))
    await lanes.drain()
    await lanes.desk.apply(came("a2", "а2"), *(came(f"b{n}", f"б{n}", person(f"u{n}")) for n in (2, 3)))
    await lanes.drain()
    assert [texts for _, texts in lanes.chat.shown] == [("а1",), ("б2",), ("б3",), ("а2",)]


async def test_files_that_wait_are_shown_together_until_something_else_comes(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "первое"))
    await lanes.drain()
    here = {"origin": TELEGRAM}  # such a file needs no bytes
    await lanes.desk.apply(
        *(came(f"p{n}", f"фото {n}", attachments=(photo(f"f{n}", **here),)) for n in range(3)),
        came("m2", "текст"),
        came("p3", "фото 3", attachments=(photo("f3", **here),)),
        came("p4", "план", attachments=(replace(photo("f4", **here), kind=MediaKind.DOCUMENT),)),
        came("p5", "ответ", attachments=(photo("f5", **here),), reply_to="m1"),
        came("p6", "позже", attachments=(photo("f6"),)),
    )
    before = len(lanes.chat.shown)
    for _ in range(5):
        await lanes.next()
    shown = [texts for _, texts in lanes.chat.shown[before:]]
    assert shown == [("фото 0", "фото 1", "фото 2"), ("текст",), ("фото 3",), ("план",), ("ответ",)]
    (waiting,) = await lanes.heads()
    assert isinstance(await lanes.prepare(waiting), Later)  # its bytes are on their way


async def test_calls_that_fail_together_are_one_failure(lanes: Lanes) -> None:
    for n in range(5):
        await lanes.desk.apply(came(f"m{n}", f"м{n}", person(f"u{n}")))
    await lanes.drain()
    for n in range(5):
        await lanes.desk.apply(came(f"n{n}", f"н{n}", person(f"u{n}")))
    steps = [await lanes.begin(head) for head in await lanes.heads()]
    lanes.chat.script.extend(Unreachable("connect") for _ in steps)
    await asyncio.gather(*(lanes.target.perform(step) for step in steps))
    assert 0 < lanes.target.wait() <= 6
    assert lanes.target.trouble == "unreachable:connect:"
    assert lanes.target.blocked() == lanes.target.wait()
    assert lanes.target.calls["unreachable"] == 5
    lanes.desk.clock.move(seconds=6)
    assert lanes.target.blocked() == 0
    await lanes.drain()
    assert lanes.target.trouble is None
    assert [await lanes.states(f"n{n}") for n in range(5)] == [["sent"]] * 5


async def test_an_outage_that_lasts_is_looked_at_ever_slower(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    rests = []
    for _ in range(5):
        lanes.chat.script.append(Uncertain("network"))
        while not lanes.target.wait():
            await lanes.next()
        rests.append(lanes.target.wait())
        lanes.desk.clock.move(seconds=rests[-1] + 0.001)
    assert rests[0] < rests[1] <= LONGEST_REST
    assert max(rests) <= LONGEST_REST


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Unreachable("connect"), "раз"),
        (Throttled(3), "раз"),
        (TopicGone(), "раз"),
        (Uncertain("network"), "repeat раз"),
        (TimeoutError(), "repeat раз"),
    ],
)
async def test_only_what_may_have_been_taken_is_marked_as_a_repeat(lanes: Lanes, error: Exception, again: str) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.next(), await lanes.next()
    lanes.chat.script.append(error)
    await lanes.next()
    assert await lanes.states("m1") == ["waiting"]
    lanes.desk.clock.move(seconds=30)
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("thread", (again,))
    assert await lanes.states("m1") == ["sent"]


async def test_a_call_that_was_cut_short_keeps_what_it_showed_and_repeats_with_the_mark(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "длинное"))
    await lanes.next(), await lanes.next()
    lanes.chat.script.append(Sent(((55, 0),), cut=Throttled(1)))
    await lanes.next()
    lanes.desk.clock.move(seconds=2)
    await lanes.drain()
    assert [texts for _, texts in lanes.chat.shown] == [("длинное",), ("repeat длинное",)]
    message = await lanes.desk.message("m1")
    shown = await lanes.desk.see(lambda r: [s.desk_message_id for s in r.shown_as(message.id)])
    assert shown == [55, lanes.chat.last_id]


async def test_what_was_shown_is_settled_when_the_disk_is_back(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.next(), await lanes.next()
    step = await lanes.begin((await lanes.heads())[0])
    lanes.disk.refusals = 3
    await lanes.target.perform(step)
    assert await lanes.states("m1") == ["sent"]
    assert len(lanes.chat.shown) == 1
    assert lanes.desk.log.count("desk.unsettled") == 3


async def test_the_ladder_down_and_up_again(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.drain()
    lanes.chat.script.extend([TopicGone(), TopicGone(), TopicGone()])
    await lanes.desk.apply(came("m2", "два"))
    await lanes.drain()
    assert lanes.chat.opened == 2
    assert lanes.chat.shown[-1] == ("plain", ("два",))
    await lanes.desk.apply(came("m3", "три"))
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("plain", ("три",))
    lanes.desk.clock.move(minutes=11)
    await lanes.desk.apply(came("m4", "четыре"))
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("thread", ("четыре",))


async def general(lanes: Lanes) -> list[str]:
    """What was said outside topics, and what stands there now in its place."""
    rows = lanes.desk.table("select json_extract(content, '$.text.plain') from deliveries where lane = 'desk:0'")
    return [words for (words,) in rows]


async def fail(lanes: Lanes, external_id: str, user: str) -> None:
    """A topic that does not work, nor when it is made anew, nor by a reply."""
    lanes.chat.script.extend([TopicGone(), TopicGone(), TopicGone()])
    await lanes.desk.apply(came(external_id, external_id, person(user)))
    await lanes.next(), await lanes.next(), await lanes.next(), await lanes.next()
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("plain", (external_id,))


async def test_topics_that_fail_are_told_once_and_once_when_they_work_again(lanes: Lanes) -> None:
    for user in ("u1", "u2"):
        await lanes.desk.apply(came(f"hello {user}", "hello", person(user)))
        await lanes.drain()
    await fail(lanes, "m1", "u1")
    await fail(lanes, "m2", "u2")
    assert await general(lanes) == ["topics False"]
    lanes.desk.clock.move(minutes=11)
    await lanes.desk.apply(came("m3", "три", person("u1")))
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("thread", ("три",))
    assert await general(lanes) == ["topics False", "topics True"], "nobody has failed for ten minutes"
    await lanes.desk.apply(came("m4", "четыре", person("u2")))
    await lanes.drain()
    assert len(await general(lanes)) == 2


async def test_one_topic_that_fails_while_others_work_is_not_an_end_of_the_trouble(lanes: Lanes) -> None:
    for user in ("u1", "u2"):
        await lanes.desk.apply(came(f"hello {user}", "hello", person(user)))
        await lanes.drain()
    await fail(lanes, "m1", "u1")
    lanes.desk.clock.move(minutes=5)
    await lanes.desk.apply(came("m2", "два", person("u2")))
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("thread", ("два",))
    assert await general(lanes) == ["topics False"]


async def test_topics_that_work_after_a_restart_are_told(lanes: Lanes) -> None:
    await lanes.desk.apply(came("hello", "hello"))
    await lanes.drain()
    await fail(lanes, "m1", "u1")
    again = Lanes(lanes.desk)
    await again.desk.apply(came("m2", "два"))
    await again.drain()
    assert again.chat.shown == [("thread", ("два",))]
    assert await general(again) == ["topics False", "topics True"]


async def test_what_lands_elsewhere_does_not_become_the_way_back(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.drain()
    way = lanes.chat.last_id
    lanes.chat.script.append(Sent(((500, 0),), stray=True))
    await lanes.desk.apply(came("m2", "два"))
    await lanes.drain()
    contact = (await lanes.desk.identity()).contact_id
    topic = await lanes.desk.see(lambda r: r.topic_of(contact, "private", CHAT))
    assert topic is not None
    assert topic.anchor == way
    await lanes.desk.apply(came("m3", "три"))
    await lanes.drain()
    assert lanes.chat.shown[-1] == ("anchor", ("три",))


async def test_a_refused_topic_or_card_holds_nothing_up(lanes: Lanes) -> None:
    lanes.chat.topics_off = True
    lanes.chat.script.append(Refused("invalid"))
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.drain()
    assert lanes.desk.log.count("desk.refused") == 2
    assert lanes.chat.shown == [("plain", ("раз",))]
    assert await lanes.states("m1") == ["sent"]


async def test_a_message_that_no_form_suits_stops_nothing(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.next(), await lanes.next()
    lanes.chat.script += [Refused("invalid", code="X"), Refused("invalid", code="X")]
    await lanes.next(), await lanes.next()
    assert await lanes.states("m1") == ["failed"]
    await lanes.desk.apply(came("m2", "два"))
    await lanes.drain()
    assert await lanes.states("m2") == ["sent"]


async def test_words_that_are_changed_before_they_are_shown_are_shown_as_they_came(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "в 15"), changed("m1", "в 16"))
    await lanes.drain()
    assert [texts for _, texts in lanes.chat.shown] == [("в 15",), ("в 16",)]


async def test_a_failure_of_any_other_kind_is_a_refusal(lanes: Lanes) -> None:
    await lanes.desk.apply(came("m1", "раз"))
    await lanes.next(), await lanes.next()
    lanes.chat.script += [RuntimeError("broken"), RuntimeError("broken")]
    await lanes.next(), await lanes.next()
    assert await lanes.states("m1") == ["failed"]
    assert lanes.desk.log.count("desk.broken") == 2


async def test_a_client_who_proves_to_be_another_one_during_the_call_is_shown_once(lanes: Lanes) -> None:
    """Both had a topic; the one that the call was about is gone when it ends."""
    await lanes.desk.apply(came("m1", "раз", person("u1")), came("m2", "два", person("u2")))
    await lanes.drain()
    await lanes.desk.apply(came("m3", "три", person("u2")))
    step = await lanes.begin((await lanes.heads())[0])
    both = person("u1", keys=("whatsapp:acc:u1", "whatsapp:acc:u2"))
    await lanes.desk.apply(came("m4", "четыре", both))
    await lanes.target.perform(step)
    await lanes.drain()
    assert sorted(text for _, texts in lanes.chat.shown for text in texts) == ["два", "раз", "три", "четыре"]
    assert await lanes.states("m3") == ["sent"]
