"""Clients write, the owner answers, reports come, an export is received; the program lives and dies in between."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.process import Post, Receiver
from tests.kill.child import Child, Forked, Nursery, end, gone, kill, put_away
from tests.kill.verdict import Answer, Counts, Record, Shown, count
from tests.rig import ANNA, BOT, IGOR, MARIA, OWNER, Rig, rig, words

REPEAT = "возможно, повтор"
BETTER = "непременно"
SUBSTANCE = b"a key for the receiver of events"
MARKER = re.compile(r"[a-z][a-z0-9-]*\.\d+\.\d+;")
SETTLES_WITHIN = 60.0  # promised, counted from the start
LINGERS = 1.0  # seconds after all is quiet in which a point may still be reached
LOOK = 0.02
LIVES = 80  # of one play: each has a client of its own
KNOWN = {"igor": IGOR, "maria": MARIA}

SETTLED = """
select (select count(*) from inbox where state in ('new', 'desk'))
     + (select count(*) from deliveries where state in ('waiting', 'sending'))
     + (select count(*) from marks where wanted <> shown)
     + (select count(*) from events where id > coalesce((select last_event_id from sinks where name = 'webhook'), 0))
"""


@dataclass(frozen=True, slots=True)
class Kill:
    """How a life ends. point: where it kills itself ("" never). after: seconds until it is killed from outside."""

    point: str = ""
    after: float | None = None

    def __str__(self) -> str:
        return self.point or f"outside after {self.after:.2f} s"


@dataclass
class Play:
    """One data folder, the fakes around it, and the lives of the program on it."""

    rig: Rig
    receiver: Receiver
    nursery: Nursery
    folder: Path
    defect: str = ""
    lives: int = 0
    kills: int = 0
    hits: int = 0  # those at their points
    missed: list[Kill] = field(default_factory=list)  # points that were not reached before all was done
    slowest: float = 0.0  # seconds from a start to nothing in flight
    pictures: int = 0
    wrote: dict[str, list[str]] = field(default_factory=dict)
    answered: dict[str, dict[str, int]] = field(default_factory=dict)
    child: Forked | None = None

    # the program

    def start(self, point: str = "") -> Forked:
        self.lives += 1
        environment = {**self.rig.environment, "FAIL_POINT": point, "DEFECT": self.defect}
        self.child = self.nursery.fork(self.folder, {k: v for k, v in environment.items() if v})
        return self.child

    async def first(self) -> None:
        """A whole life, after which the topics are there in which she answers."""
        child = self.start()
        self.clients_write()
        await self.quiet(child)
        await end(child)

    async def counted(self) -> dict[str, Any]:
        """A life as those that are killed, but whole: what it passed."""
        child = self.start()
        self.clients_write()
        self.owner_answers()
        await self.quiet(child)
        await end(child)
        return child.points()

    async def killed(self, how: Kill) -> None:
        """A life that is ended in the middle: by itself at the point, or from outside, at the latest when all is done.

        People write while it starts and while it runs; what it does not take they say again.
        """
        child = self.start(how.point)
        self.clients_write()
        self.owner_answers()
        status = await self.dies(child, how.after)
        if status is None and how.after is None:
            status = await self.dies(child, LINGERS)  # tidying comes last
        if status is None:
            await kill(child)
            self.missed += [how] if how.point else []
        else:
            assert status == -signal.SIGKILL, self.output()
            self.hits += 1
        self.kills += 1

    async def settled(self) -> None:
        """The last life: whatever the kills left is settled in time."""
        began = time.monotonic()
        asked = len(self.rig.world.of("telegram", "setWebhook"))
        child = self.start()
        await self.until(child, lambda: len(self.rig.world.of("telegram", "setWebhook")) > asked, "the start")
        await self.quiet(child, SETTLES_WITHIN)
        self.slowest = max(self.slowest, time.monotonic() - began)
        await end(child)

    async def dies(self, child: Child, after: float | None) -> int | None:
        """Its status; None: it still runs after so many seconds, or when all is quiet."""
        if after is not None:
            try:
                return await gone(child, after)
            except TimeoutError:
                return None
        async with asyncio.timeout(SETTLES_WITHIN):
            while not self.is_quiet():
                if (status := child.look()) is not None:
                    return status
                await asyncio.sleep(LOOK)
        return child.look()

    async def quiet(self, child: Child, within: float = SETTLES_WITHIN) -> None:
        await self.until(child, self.is_quiet, "all is settled", within)

    async def until(self, child: Child, condition: Callable[[], bool], what: str, within: float = 30.0) -> None:
        try:
            async with asyncio.timeout(within):
                while not condition():
                    assert child.look() is None, self.output()
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            raise TimeoutError(f"waited {within} s for: {what}; {self.output()}") from None

    def output(self) -> str:
        return (self.folder / "output.log").read_text()[-3000:]

    # people

    def clients_write(self) -> None:
        """Two known ones, one who never wrote before, and one of another network; each body comes twice."""
        life = self.lives
        new = f"new{life}"
        self.rig.graph.add_phone(number_of(life), f"Новая {life}")
        for number in range(2):
            for name, phone in KNOWN.items():
                self.rig.graph.writes(phone, self.says(name, number))
        self.rig.graph.writes(number_of(life), self.says(new, 0))
        self.rig.graph.writes(MARIA, kind="image", caption=self.says("maria", 2))
        self.pictures += 1
        self.rig.telegram.writes(ANNA, self.says("anna", 0))

    def says(self, name: str, number: int) -> str:
        marker = f"{name}.{self.lives}.{number};"
        self.wrote.setdefault(name, []).append(marker)
        return f"{marker} подскажите, пожалуйста"

    def owner_answers(self) -> None:
        for name, topic, messages in (("igor", "Игорь", 2), ("maria", "Мария", 1), ("anna", "Анна Петрова", 1)):
            thread = self.rig.topic(topic)
            for number in range(messages):
                marker = f"to-{name}.{self.lives}.{number};"
                message = self.rig.telegram.writes(OWNER, f"{marker} конечно", thread_id=thread)
                self.answered.setdefault(name, {})[marker] = message
        self.rig.telegram.edits(OWNER, message, f"{marker} {BETTER}")  # to Anna, whose network can edit

    # what stands there

    def is_quiet(self) -> bool:
        if self.rig.graph.pending or self.rig.telegram.pending:
            return False
        try:
            with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
                last = database.execute("select coalesce(max(id), 0) from events").fetchone()[0]
                return bool(database.execute(SETTLED).fetchone()[0] == 0 and last == self.last_line())
        except sqlite3.OperationalError:
            return False  # it is made just now

    @property
    def database(self) -> Path:
        return self.rig.data_dir / "inbox.db"

    def last_line(self) -> int:
        paths = sorted((self.rig.data_dir / "substance").glob("*.jsonl"))
        lines = paths[-1].read_bytes().split(b"\n") if paths else []
        return int(json.loads(lines[-2])["data"]["id"]) if len(lines) > 1 and not lines[-1] else 0

    def record(self) -> Record:
        with closing(sqlite3.connect(self.database)) as database:
            bodies = [row[0] for row in database.execute("select body from inbox order by id")]
            texts = [row[0] for row in database.execute("select text from messages order by id")]
            sending = database.execute("select count(*) from deliveries where state = 'sending'").fetchone()[0]
            integrity = database.execute("pragma integrity_check").fetchone()[0]
        posts = self.receiver.posts
        return Record(
            wrote=self.wrote,
            committed=[m for body in bodies for m in said_in(body)],
            messages=[m for text in texts for m in MARKER.findall(text)],
            desk=list(self.shown()),
            answers={name: [self.answer(*a) for a in given.items()] for name, given in self.answered.items()},
            received=self.received(),
            stale=self.stale(),
            pictures_missing=max(0, self.pictures - sum(1 for m in self.rig.desk() if "photo" in m)),
            orphan_topics=len(self.rig.telegram.topics_of(OWNER)) - len(self.wrote),
            lines=[(line["data"]["id"], _marker(line)) for line in self.rig.export()],
            posts=[(post.id, _marker(post.event)) for post in posts],
            forged=sum(1 for post in posts if not is_signed(post)),
            integrity=integrity,
            sending=sending,
        )

    def shown(self) -> Iterator[Shown]:
        """What clients said, as the bot shows it; quotes of her own words apart."""
        for message in self.rig.desk():
            if message["from"]["id"] != BOT:
                continue
            said = words(message)
            markers = tuple(m for m in MARKER.findall(said) if not m.startswith("to-"))
            if markers:
                yield Shown(markers, REPEAT in said)

    def answer(self, marker: str, message: int) -> Answer:
        replies = [m for m in self.rig.said("") if m.get("reply_to_message", {}).get("message_id") == message]
        return Answer(marker, self.rig.mark(message), any(m["_markup"] for m in replies))

    def stale(self) -> list[str]:
        """Answers that stand at Anna's with their old words."""
        hers = [words(m) for m in self.rig.telegram.messages(ANNA) if m["from"]["id"] == BOT]
        return [marker for text in hers for marker in MARKER.findall(text) if BETTER not in text]

    def received(self) -> dict[str, list[str]]:
        chats = {
            name: [bubble.text for bubble in self.rig.graph.phone(phone).bubbles if bubble.sender == "business"]
            for name, phone in KNOWN.items()
        }
        chats["anna"] = [words(m) for m in self.rig.telegram.messages(ANNA) if m["from"]["id"] == BOT]
        return {name: [m for text in texts for m in MARKER.findall(text)] for name, texts in chats.items()}

    def counts(self) -> Counts:
        return count(self.record())


def number_of(life: int) -> str:
    """Invented numbers, beside those that the fakes know."""
    assert life < LIVES
    return f"12025550{100 + life if life < 40 else 120 + life}"


def said_in(body: bytes) -> list[str]:
    """The markers of what was written in a body; an edit writes nothing new."""
    update = json.loads(body)
    return [] if "edited_message" in update else MARKER.findall(json.dumps(_own(update)))


def _own(update: Any) -> Any:
    """Without what a message quotes."""
    if isinstance(update, dict):
        return {key: _own(value) for key, value in update.items() if key != "reply_to_message"}
    return [_own(item) for item in update] if isinstance(update, list) else update


def _marker(event: dict[str, Any]) -> str:
    if event["data"]["type"] not in ("message.in", "message.out"):
        return ""
    return next(iter(MARKER.findall(event["data"]["text"])), "")


def is_signed(post: Post) -> bool:
    headers = {name.lower(): value for name, value in post.headers.items()}
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + post.body
    wanted = base64.b64encode(hmac.new(SUBSTANCE, content, hashlib.sha256).digest())
    named = headers["webhook-id"] == f"evt_{post.id}"
    return named and hmac.compare_digest(headers["webhook-signature"].encode(), b"v1," + wanted)


@asynccontextmanager
async def play(nursery: Nursery, folder: Path, defect: str = "") -> AsyncIterator[Play]:
    receiver = Receiver()
    await receiver.start()
    settings = {
        "SUBSTANCE_WEBHOOK_URL": receiver.address,
        "SUBSTANCE_WEBHOOK_SECRET": f"whsec_{base64.b64encode(SUBSTANCE).decode()}",
    }
    try:
        async with rig(folder / "data", **settings) as fakes:
            fakes.telegram.retry_delays = (0.05, 0.1, 0.2)
            fakes.telegram.duplicate_updates = True
            fakes.telegram.starts(ANNA)
            fakes.graph.duplicate = 1
            fakes.graph.retry_most = 0.2
            made = Play(fakes, receiver, nursery, folder, defect)
            try:
                yield made
            finally:
                put_away(made.child)
    finally:
        await receiver.stop()
