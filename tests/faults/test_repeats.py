"""The same traffic again, in other shapes, in another order: what is stored is what one pass stored."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.telegram.abilities import ROADS as TELEGRAM_ROADS
from gates.telegram.parse import TelegramParser
from gates.whatsapp.abilities import ABILITIES as WHATSAPP_ROAD
from gates.whatsapp.parse import parse as parse_whatsapp
from inbox import answers, fate
from inbox.apply import Effects, Rules, apply
from inbox.errors import Unreadable
from inbox.gate import Raw, Receipt
from inbox.model import Address, Author, DeliveryState, ExternalId, Part, Provider, Text
from inbox.quarantine import put_aside
from inbox.store import RawRow, Unit
from storage.inbox import InboxWriting
from storage.messages import MessagesReading
from tests.faults.bodies import recorded
from tests.faults.memory import MemoryStore, fresh
from tests.gates.telegram import cases as telegram
from tests.gates.whatsapp import cases as whatsapp
from tests.inbox.factories import PlainVoice, StoodClock

TELEGRAM, WHATSAPP = Provider("telegram"), Provider("whatsapp")
RULES = Rules({**TELEGRAM_ROADS, WHATSAPP: WHATSAPP_ROAD}, PlainVoice())
START = 1_792_000_000
FATES = (("sent", "delivered", "read"), ("sent", "delivered"), ("sent", "failed"), ("read",))
CLIENTS = ("12025550101", "12025550102", "12025550103")

Json = dict[str, Any]


@dataclass(frozen=True)
class Body:
    gate: Provider
    content: bytes


class Product:
    """What stands behind the port: bodies are kept by key, read in order, applied in one unit each."""

    def __init__(self) -> None:
        self.store = MemoryStore(fresh(), StoodClock(telegram.RECEIVED))
        self._parser = TelegramParser(telegram.BOT, telegram.DESK, telegram.CONNECTIONS)
        self._count = 0

    def take(self, bodies: Iterable[Body]) -> None:
        """Under keys of their own: nothing is left to the key of a body, which a new shape changes."""
        for body in bodies:
            self._count += 1
            raw = Raw(body.gate, str(self._count), body.content, telegram.RECEIVED)
            self.store.do(lambda u, raw=raw: u.add_raw(raw))  # type: ignore[misc]
            (row,) = self.store.see(lambda r: r.raws("new", 10))
            self.store.do(lambda u, row=row: self._apply(u, row))  # type: ignore[misc]

    def _apply(self, unit: Unit, row: RawRow) -> None:
        raw = row.raw
        assert raw.id is not None
        try:
            facts = list(self._parser.parse(raw) if raw.provider == TELEGRAM else parse_whatsapp(raw, whatsapp.MINE))
        except Unreadable as error:
            put_aside(unit, row, error.reason, RULES.voice)
            return
        for fact in facts:
            apply(unit, fact, RULES, Effects())
        unit.set_raw(raw.id, "done")

    def answer(self, user: str, words: str, external_id: str) -> None:
        """The owner's answer, taken by the network under this id."""

        def work(unit: Unit) -> None:
            identity = unit.identity_at(Address(WHATSAPP, whatsapp.PHONE, user))
            assert identity is not None
            message = answers.queue(unit, identity, Author.OWNER, Part(text=Text(words)), WHATSAPP_ROAD, RULES.voice)
            (row,) = unit.deliveries_of(message.id, WHATSAPP)
            unit.set_delivery(row.id, state=DeliveryState.SENDING, attempts=1)
            receipt = Receipt((ExternalId(external_id),), unit.now)
            for fact in fate.taken(unit, unit.delivery(row.id), receipt, RULES.voice):
                apply(unit, fact, RULES, Effects())

        self.store.do(work)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.store.connection.execute(sql)]


# what is compared

MESSAGES = """
select i.user, m.author, m.text, m.spans, m.extra, m.mark, m.album, m.quote, m.at, m.edited_at, m.deleted_at,
  (select group_concat(r.external_id) from refs r where r.message_id = m.id),
  (select group_concat(r.external_id) from refs r where r.message_id = m.reply_to),
  (select group_concat(a.kind || a.ref) from attachments a where a.message_id = m.id),
  (select count(*) from message_versions v where v.message_id = m.id)
from messages m join identities i on i.id = m.identity_id
"""
DELIVERIES = """
select d.act, d.target, d.state, d.part, d.error, d.external_id, m.text, json_extract(d.content, '$.emoji'),
  json_extract(d.content, '$.text.plain')
from deliveries d left join messages m on m.id = d.message_id where d.lane <> 'desk:0'
"""
EVENTS = "select provider, timestamp, json_remove(data, '$.stored_at') from events"
REST = "select key from seen union all select key from identity_keys union all select name from contacts"
WAITS = "select provider, account, external_id, fact from early"


def dump(product: Product) -> dict[str, Counter[Any]]:
    """Everything but ids and times of our own, attempts, and how often the owner was told of what is not understood."""
    tables = {"messages": MESSAGES, "deliveries": DELIVERIES, "events": EVENTS, "rest": REST, "waits": WAITS}
    found: dict[str, Counter[Any]] = {name: Counter(product.rows(sql)) for name, sql in tables.items()}
    found["jobs"] = Counter(kind for (kind,) in product.rows("select kind from jobs"))
    return found


def differences(one: dict[str, Counter[Any]], other: dict[str, Counter[Any]]) -> int:
    return sum(((one[name] - other[name]) + (other[name] - one[name])).total() for name in one)


FINAL = """
select (select min(r.external_id) from refs r where r.message_id = m.id), m.deleted_at is not null,
  case when m.deleted_at is null then m.text end,
  (select group_concat(d.state) from deliveries d where d.message_id = m.id and d.target <> 'desk')
from messages m
"""
OUTSIDE = """
select provider, json_extract(data, '$.type'), json_extract(data, '$.external_id'), json_extract(data, '$.emoji')
from events where json_extract(data, '$.type') in ('message.in', 'message.out', 'message.reaction', 'message.deleted')
"""


def final(product: Product) -> dict[str, Counter[Any]]:
    """What must not depend on the order: each message's last words and fate, who there is, what came and was undone."""
    return {
        "messages": Counter(product.rows(FINAL)),
        "outside": Counter(product.rows(OUTSIDE)),
        "people": Counter(product.rows("select key from identity_keys")),
        "clients": Counter({"clients": len(product.rows("select 1 from contacts where merged_into is null"))}),
        "waits": Counter(product.rows("select external_id from early")),
    }


# traffic


def value(user: str, **lists: list[Json]) -> Json:
    contact = {"profile": {"name": f"Клиент {user[-1]}"}, "wa_id": user}
    metadata = {"display_phone_number": "12025550100", "phone_number_id": whatsapp.PHONE}
    return {"messaging_product": "whatsapp", "metadata": metadata, "contacts": [contact], **lists}


def story() -> list[Json]:
    """Values of one item each: messages, edits, deletions, reactions, and reports about the owner's answers."""
    values: list[Json] = []
    at = START

    def says(user: str, kind: str, wamid: str, content: Json) -> None:
        nonlocal at
        at += 1
        item = {"from": user, "id": wamid, "timestamp": str(at), "type": kind, kind: content}
        values.append(value(user, messages=[item]))

    def report(user: str, wamid: str, word: str) -> None:
        nonlocal at
        at += 1
        errors = {"errors": [{"code": 131026}]} if word == "failed" else {}
        item = {"id": wamid, "status": word, "timestamp": str(at), "recipient_id": user, **errors}
        values.append(value(user, statuses=[item]))

    for user in CLIENTS:
        for n in range(6):
            own = f"wamid.{user}.{n}"
            says(user, "text", own, {"body": f"вопрос {n} от {user[-1]}"})
            for change in range(n % 3):
                new = {"type": "text", "text": {"body": f"вопрос {n}, исправлен {change}"}}
                says(user, "edit", f"{own}.e{change}", {"original_message_id": own, "message": new})
            if n % 2:
                says(user, "reaction", f"{own}.r", {"message_id": f"out.{user}.{n}", "emoji": "👍"})
            if n == 4:
                says(user, "revoke", f"{own}.d", {"original_message_id": own})
        for n, words in enumerate(
            (("sent", "delivered", "read"), ("sent", "delivered"), ("sent", "failed"), ("read",))
        ):
            for word in words:
                report(user, f"out.{user}.{n}", word)
    return values


def packed(groups: Iterable[Sequence[Json]], rng: random.Random | None = None) -> list[Body]:
    """Each group of values in one body: as entries, as changes of one entry, or as items of one value."""
    return [Body(WHATSAPP, json.dumps(_body(list(group), rng)).encode()) for group in groups]


def _body(values: list[Json], rng: random.Random | None) -> Json:
    way = rng.randrange(3) if rng else 0
    changes = [{"field": "messages", "value": v} for v in (_merged(values) if way == 2 else values)]
    several = [{"id": whatsapp.WABA, "changes": [change]} for change in changes]
    entries = several if way == 0 else [{"id": whatsapp.WABA, "changes": changes}]
    return {"object": "whatsapp_business_account", "entry": entries}


def _merged(values: list[Json]) -> list[Json]:
    """Neighbours of one kind are items of one value, whoever wrote them; the order stays."""
    out: list[Json] = []
    for one in values:
        kind = "messages" if "messages" in one else "statuses"
        if out and kind in out[-1]:
            out[-1] = {**out[-1], kind: out[-1][kind] + one[kind], "contacts": out[-1]["contacts"] + one["contacts"]}
        else:
            out.append(one)
    return out


def grouped(values: Sequence[Json], rng: random.Random) -> list[Sequence[Json]]:
    groups: list[Sequence[Json]] = []
    at = 0
    while at < len(values):
        size = rng.choice([1, 1, 2, 3, 7, 30])
        groups.append(values[at : at + size])
        at += size
    return groups


def everything() -> list[Body]:
    """All that both networks have sent."""
    return [Body(gate, body) for gate in (TELEGRAM, WHATSAPP) for body in recorded(gate)]


def begun() -> Product:
    """Each client has written once and has four answers, taken under their ids."""
    product = Product()
    hello = [value(u, messages=[_text(u, f"wamid.{u}.hello", "здравствуйте")]) for u in CLIENTS]
    product.take(packed([[v] for v in hello]))
    for user in CLIENTS:
        for n in range(4):
            product.answer(user, f"ответ {n}", f"out.{user}.{n}")
    return product


def _text(user: str, wamid: str, words: str) -> Json:
    return {"from": user, "id": wamid, "timestamp": str(START), "type": "text", "text": {"body": words}}


# replays


def replay(seed: int) -> tuple[int, int]:
    """The whole history once; then twice more: as it was, and in new shapes and another order. (bodies, differences)"""
    rng, values = random.Random(seed), story()
    product = begun()
    product.take(everything())
    product.take(packed([[v] for v in values]))
    once = dump(product)
    again = [*everything(), *packed(grouped(values, rng), rng)]
    product.take(again)
    rng.shuffle(again)
    shuffled = rng.sample(values, len(values))
    product.take([*again, *packed(grouped(shuffled, rng), rng)])
    return product._count, differences(once, dump(product))


def reorder(seed: int) -> tuple[int, int]:
    """The history in another order and other shapes, some of it twice, beside one pass of it. (bodies, differences)"""
    rng, values = random.Random(seed), story()
    one, other = begun(), begun()
    one.take(packed([[v] for v in values]))
    shuffled = [*values, *rng.sample(values, len(values) // 3)]
    rng.shuffle(shuffled)
    other.take(packed(grouped(shuffled, rng), rng))
    return other._count, differences(final(one), final(other))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32))
def test_a_history_that_comes_again_in_new_shapes_changes_nothing(seed: int) -> None:
    assert replay(seed)[1] == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_arrival_does_not_decide_what_is_true(seed: int) -> None:
    assert reorder(seed)[1] == 0


def test_replays_and_orders_are_counted(counts: Callable[..., None], soak: bool) -> None:
    runs = 400 if soak else 6
    replays, orders = [replay(seed) for seed in range(runs // 3)], [reorder(seed) for seed in range(runs)]
    wrong = sum(different for _, different in (*replays, *orders))
    bodies = sum(taken for taken, _ in (*replays, *orders))
    assert wrong == 0 and bodies > 100 * runs
    counts("R8", bodies=bodies, replays=2 * len(replays), orders=len(orders), differences=wrong)


def test_a_store_that_forgets_what_happened_once_is_found(
    monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(InboxWriting, "once", lambda *_: True)
        forgets = replay(1)[1]
    with monkeypatch.context() as broken:
        broken.setattr(MessagesReading, "ref", lambda *_: None)
        doubles = replay(1)[1]
    assert forgets > 0 and doubles > 0
    counts("R8", mutant="nothing happens once only", differences=forgets)
    counts("R8", mutant="a message's id is not looked up", differences=doubles)


def test_a_status_that_goes_backwards_is_found(monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]) -> None:
    monkeypatch.setattr(fate, "advance", lambda _, reported: reported)
    wrong = sum(reorder(seed)[1] for seed in range(3))
    assert wrong > 0
    counts("R8", mutant="the last report counts", differences=wrong)
