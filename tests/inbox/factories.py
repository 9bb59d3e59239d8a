"""Facts, abilities and small doubles that record: what stands around the inbox in its tests."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from inbox import answers
from inbox.abilities import Abilities, MediaRule, Pace, Window
from inbox.apply import Effects, Rules, apply
from inbox.clock import Wake
from inbox.gate import Came, Changed, Inbound, Outgoing, Person, Progress, Raw, Reacted, Receipt
from inbox.model import (
    Act,
    Address,
    Attachment,
    Author,
    Contact,
    Delivery,
    DeliveryState,
    Event,
    ExternalId,
    Identity,
    MediaKind,
    Message,
    MessageId,
    Notice,
    Part,
    Provider,
    Text,
)
from inbox.store import Reading, Unit
from storage.store import SqlStore

WHATSAPP, TELEGRAM, BUSINESS = Provider("whatsapp"), Provider("telegram"), Provider("telegram_business")
NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CHAT = 501  # the owner's
MENU = frozenset({"start", "help", "privacy"})

T = TypeVar("T")
ANY_FILE = MediaRule(16 * 1024 * 1024, caption=1000)
KINDS: Mapping[MediaKind, MediaRule] = dict.fromkeys(MediaKind, ANY_FILE)


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


def abilities(**fields: Any) -> Abilities:
    """A road with everything, at a pace that is never in the way."""
    base: dict[str, Any] = {
        "text_limit": 4000,
        "media": KINDS,
        "album": frozenset({MediaKind.PHOTO, MediaKind.VIDEO}),
        "album_size": 10,
        "reply": True,
        "edit": timedelta(hours=48),
        "delete": timedelta(hours=48),
        "reactions": frozenset(),
        "menu": MENU,
        "account_pace": Pace(10_000, 10_000),
        "person_pace": Pace(10_000, 10_000),
    }
    return Abilities(**(base | fields))


ROADS: dict[Provider, Abilities] = {
    WHATSAPP: abilities(window=Window(timedelta(hours=24)), menu=frozenset()),
    TELEGRAM: abilities(shares_files_with=frozenset({TELEGRAM})),
    BUSINESS: abilities(menu=frozenset()),
}


class StoodClock:
    """Time stands until it is moved; a sleep moves it by its length and is noted."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.move(seconds=seconds)
        await asyncio.sleep(0)

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class Bell(Wake):
    """Counts how often its worker came to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0

    async def wait(self, timeout: float) -> None:
        self.rests += 1
        await super().wait(timeout)

    async def settle(self) -> None:
        """Until the worker has looked at everything once after now, and found nothing left that it may do."""
        seen = self.rests
        async with asyncio.timeout(30):
            while self.rests < seen + 2:
                self.ring()
                await asyncio.sleep(0.001)


class Memory:
    """A log that remembers the names of its events."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    info = warning = error = debug

    def count(self, event: str) -> int:
        return sum(name == event for name, _ in self.lines)


class PlainVoice:
    """Says in the text what it was asked to say."""

    def failed(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        return _about(delivery, f"failed {delivery.error}", reply_to)

    def held(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        return _about(delivery, f"held {delivery.error}", reply_to)

    def parked(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        return _about(delivery, "parked", reply_to)

    def uncertain(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        return _about(delivery, "uncertain", reply_to)

    def settled(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        return _about(delivery, f"settled {delivery.state}", reply_to)

    def cannot(self, what: str, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        return _about(delivery, f"cannot {what} {delivery.error}", reply_to)

    def unshown(self, delivery: Delivery) -> Notice:
        return _about(delivery, "unshown", None)

    def quarantined(self, provider: Provider, shape: str, count: int, *, again: str | None = None) -> Notice:
        return Notice(f"quarantine:{provider}:{shape}", Text(f"quarantined {provider} {shape} {count}"))

    def tried_again(self, provider: Provider, count: int) -> Notice:
        return Notice(f"quarantine:{provider}", Text(f"tried again {provider} {count}"))

    def trouble(self, provider: Provider, error: str, waiting: int) -> Notice:
        return Notice(f"gate:{provider}", Text(f"trouble {error} {waiting}"))

    def recovered(self, provider: Provider, minutes: int) -> Notice:
        return Notice(f"gate:{provider}", Text(f"recovered {minutes}"))

    def road(self, provider: Provider, *, open: bool, may_reply: bool) -> Notice:
        return Notice(f"road:{provider}", Text(f"road {open} {may_reply}"))

    def backlog(self, messages: int, contacts: Sequence[Contact]) -> Notice:
        return Notice("backlog", Text(f"backlog {messages}"))

    def topics(self, *, work: bool) -> Notice:
        return Notice("topics", Text(f"topics {work}"))

    def export_stopped(self, sink: str) -> Notice:
        return Notice(f"export:{sink}", Text("export stopped"))

    def export_given_up(self, sink: str, event_id: int) -> Notice:
        return Notice(f"export:{sink}:{event_id}", Text(f"export given up {event_id}"))

    def blocked(self, contact: Contact, *, blocked: bool) -> Notice:
        return Notice(f"blocked:{contact.id}", Text(f"blocked {blocked}"))

    def menu(self, command: str, language: str | None) -> Text:
        return Text(f"menu {command} {language}")


def _about(delivery: Delivery, words: str, reply_to: int | None) -> Notice:
    return Notice(f"delivery:{delivery.id}", Text(words), reply_to=reply_to)


def rules(**roads: Abilities) -> Rules:
    return Rules(ROADS | {Provider(k): v for k, v in roads.items()}, PlainVoice())


# facts


def person(user: str = "u1", provider: Provider = WHATSAPP, account: str = "acc", **fields: Any) -> Person:
    fields.setdefault("keys", (f"{provider}:{account}:{user}",))
    fields.setdefault("name", "Анна")
    return Person(Address(provider, account, user), **fields)


def came(external_id: str, words: str = "", who: Person | None = None, **fields: Any) -> Came:
    fields.setdefault("at", NOW)
    return Came(who or person(), ExternalId(external_id), text=Text(words), **fields)


def echo(external_id: str, words: str = "", who: Person | None = None, **fields: Any) -> Came:
    return came(external_id, words, who, author=Author.OWNER_ELSEWHERE, **fields)


def changed(external_id: str, words: str | None, at: datetime = NOW, who: Person | None = None) -> Changed:
    return Changed(who or person(), ExternalId(external_id), at, None if words is None else Text(words))


def reacted(external_id: str, emoji: str | None, at: datetime = NOW, who: Person | None = None) -> Reacted:
    return Reacted(who or person(), ExternalId(external_id), at, emoji)


def progress(external_id: str, state: DeliveryState, at: datetime = NOW, **fields: Any) -> Progress:
    return Progress(None, WHATSAPP, "acc", ExternalId(external_id), at, state, **fields)


def photo(ref: str = "p1", origin: Provider = WHATSAPP, **fields: Any) -> Attachment:
    fields.setdefault("mime", "image/jpeg")
    return Attachment(MediaKind.PHOTO, origin, ref, **fields)


def raw(key: str, body: str, provider: Provider = WHATSAPP) -> Raw:
    return Raw(provider, key, body.encode(), NOW)


# the store and what was put into it


@dataclass(slots=True)
class Desk:
    """The inbox over a real store, as the workers and the handlers of the desk use it."""

    store: SqlStore
    clock: StoodClock
    rules: Rules
    log: Memory = field(default_factory=Memory)

    async def apply(self, *facts: Inbound) -> Effects:
        """All facts of one body."""
        effects = Effects()

        def work(unit: Unit) -> None:
            for fact in facts:
                apply(unit, fact, self.rules, effects)

        await self.store.write(work)
        return effects

    async def answer(self, words: str, user: str = "u1", **fields: Any) -> Message:
        """The owner answers in the topic of a client who wrote before."""
        return await self.store.write(lambda u: self.queue(u, words, user, **fields))

    def queue(self, unit: Unit, words: str, user: str = "u1", **fields: Any) -> Message:
        provider, account = fields.pop("provider", WHATSAPP), fields.pop("account", "acc")
        identity = unit.identity_at(Address(provider, account, user))
        assert identity is not None
        road = fields.pop("road", self.rules.roads.get(provider))
        content = Part(text=Text(words), reply_to=fields.pop("reply_to", None))
        return answers.queue(unit, identity, Author.OWNER, content, road, self.rules.voice, **fields)

    async def claimed(self, message: Message) -> list[Delivery]:
        """As after the commit that precedes a call."""

        def work(unit: Unit) -> list[Delivery]:
            rows = [d for d in unit.deliveries_of(message.id) if d.state is DeliveryState.WAITING]
            return [unit.set_delivery(d.id, state=DeliveryState.SENDING, attempts=d.attempts + 1) for d in rows]

        return await self.store.write(work)

    async def see(self, query: Callable[[Reading], T]) -> T:
        return await self.store.read(query)

    async def rows(self, message: Message | MessageId, target: str | None = None) -> list[Delivery]:
        number = message.id if isinstance(message, Message) else message
        return await self.see(lambda r: r.deliveries_of(number, target))

    async def states(self, message: Message) -> list[str]:
        return [str(d.state) for d in await self.rows(message)]

    async def message(self, external_id: str, provider: Provider = WHATSAPP, account: str = "acc") -> Message:
        def find(reading: Reading) -> Message:
            ref = reading.ref(provider, account, ExternalId(external_id))
            assert ref is not None, f"{external_id} is not known"
            return reading.message(ref.message_id)

        return await self.see(find)

    async def identity(self, user: str = "u1", provider: Provider = WHATSAPP, account: str = "acc") -> Identity:
        found = await self.see(lambda r: r.identity_at(Address(provider, account, user)))
        assert found is not None, f"{user} is not known"
        return found

    async def events(self, *types: str) -> list[Event]:
        every = await self.see(lambda r: r.events_after(0, 10_000))
        return [e for e in every if not types or e.data["type"] in types]

    async def lane(self, lane: str) -> list[Delivery]:
        return await self.see(lambda r: r.lane_rows(lane, 1000))

    async def shown(self, contact: int = 1) -> list[tuple[str, str]]:
        """(act, words) of what waits for a client's topic; 0: for General."""

        def words(reading: Reading, row: Delivery) -> str:
            if row.content is not None:
                return row.content.text.plain or getattr(row.content, "emoji", None) or ""
            assert row.message_id is not None
            return reading.message(row.message_id).text.plain

        return await self.see(lambda r: [(str(d.act), words(r, d)) for d in r.lane_rows(f"desk:{contact}", 1000)])

    async def notices(self, contact: int = 1) -> list[str]:
        return [words for act, words in await self.shown(contact) if act == Act.NOTICE]

    async def mark(self, message: Message) -> str:
        marks = await self.see(lambda r: r.marks_to_draw(1000))
        return next((m.wanted for m in marks if m.message_id == message.id), "")

    def table(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows as they lie on the disk."""
        connection = sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


async def until(condition: Callable[[], Awaitable[bool]], *bells: Bell) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            for bell in bells:
                bell.ring()
            await asyncio.sleep(0.001)


@asynccontextmanager
async def running(*workers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Workers beside the body; one that ends by an error ends the body with it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker) for worker in workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


# gates

Outcome = Receipt | Exception | asyncio.Event


class ScriptedGate:
    """Says yes to everything that its script has no other outcome for; an event is waited for before the yes.

    The script is by the words of what is sent; "" is for all.
    """

    provider = WHATSAPP

    def __init__(self, road: Abilities, name: Provider = WHATSAPP) -> None:
        self.roads = {name: road}
        self.provider = name
        self.sent: list[Outgoing] = []
        self.calls: list[tuple[str, str]] = []  # (what, words or emoji)
        self.script: defaultdict[str, deque[Outcome]] = defaultdict(deque)
        self.files: dict[str, deque[bytes | Exception]] = {}
        self.downloads: list[str] = []
        self.at: datetime = NOW

    def verify(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str | None:
        return None

    def key(self, body: bytes) -> str:
        return body.decode()

    def parse(self, raw: Raw) -> Sequence[Inbound]:
        return ()

    def next(self, words: str, *outcomes: Outcome) -> None:
        self.script[words].extend(outcomes)

    async def _outcome(self, words: str) -> Receipt | None:
        queue = self.script[words] or self.script[""]
        outcome = queue.popleft() if queue else None
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()
            return None
        return outcome

    async def send(self, out: Outgoing) -> Receipt:
        self.sent.append(out)
        self.calls.append(("send", out.text.plain))
        count = max(1, len(out.attachments))
        ids = tuple(ExternalId(f"sent-{len(self.sent)}-{n}") for n in range(count))
        return await self._outcome(out.text.plain) or Receipt(ids, self.at)

    async def edit(self, to: Outgoing, external_id: ExternalId) -> None:
        self.calls.append(("edit", f"{external_id} {to.text.plain}"))
        await self._outcome("edit")

    async def delete(self, to: Outgoing, external_id: ExternalId) -> None:
        self.calls.append(("delete", external_id))
        await self._outcome("delete")

    async def react(self, to: Outgoing, external_id: ExternalId, emoji: str | None) -> None:
        self.calls.append(("react", f"{external_id} {emoji}"))
        await self._outcome("react")

    async def download(self, attachment: Attachment) -> AsyncIterator[bytes]:
        self.downloads.append(attachment.ref)
        script = self.files.get(attachment.ref)
        outcome = script.popleft() if script else b"bytes"
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome

    @property
    def words(self) -> list[str]:
        """What was sent, in the order of the calls."""
        return [out.text.plain for out in self.sent]
