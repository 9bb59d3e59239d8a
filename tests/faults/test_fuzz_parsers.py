"""Whatever a body holds: facts or Unreadable, in bounded time; and what is read is applied, stored and read back."""

from __future__ import annotations

import gc
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiogram.types import Update
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.handlers import strangers
from bot.owner import owner_message
from gates.meta import shape
from gates.telegram.abilities import ROADS as TELEGRAM_ROADS
from gates.telegram.parse import TelegramParser, update_key
from gates.whatsapp.abilities import ABILITIES as WHATSAPP_ROAD
from gates.whatsapp.parse import parse as parse_whatsapp
from inbox.apply import Effects, Rules, apply
from inbox.codec import build, dump
from inbox.errors import Unreadable
from inbox.gate import ForDesk, Inbound, Raw
from inbox.lanes import GENERAL
from inbox.model import Provider
from inbox.quarantine import SHAPES
from inbox.stage import sight_of
from inbox.store import Reading, Unit
from tests.faults.bodies import mutated, oddities, recorded
from tests.faults.memory import MemoryStore, fresh
from tests.gates.telegram import cases as telegram
from tests.gates.whatsapp import cases as whatsapp
from tests.inbox.factories import PlainVoice, StoodClock

TELEGRAM, WHATSAPP = Provider("telegram"), Provider("whatsapp")
RULES = Rules({**TELEGRAM_ROADS, WHATSAPP: WHATSAPP_ROAD}, PlainVoice())
GATES = pytest.mark.parametrize("gate", [TELEGRAM, WHATSAPP])

_parser = TelegramParser(telegram.BOT, telegram.DESK, telegram.CONNECTIONS)


def parse(gate: Provider, body: bytes, number: int = 1) -> Sequence[Inbound]:
    raw = Raw(gate, update_key(body), body, telegram.RECEIVED, number)
    return list(_parser.parse(raw) if gate == TELEGRAM else parse_whatsapp(raw, whatsapp.MINE))


def store_all(facts: Sequence[Inbound], store: MemoryStore) -> None:
    """As the intake worker applies a body."""

    def work(unit: Unit) -> None:
        for fact in facts:
            apply(unit, fact, RULES, Effects())

    store.do(work)


def read_back(reading: Reading) -> int:
    """Every row that a lane, a card or the export's receiver would be made of."""
    rows = reading.lane_heads("desk")
    for head in rows:
        for row in reading.lane_rows(head.lane, 10_000):
            if row.message_id is not None:
                message = reading.message(row.message_id)
                message.text.plain.encode()
                sight_of(reading, reading.identity(message.identity_id).contact_id, RULES)
            if row.content is not None:
                row.content.text.plain.encode()
    events = reading.events_after(0, 1_000_000)
    for event in events:
        json.dumps(event.substance(), allow_nan=False).encode()
    return len(rows) + len(events)


@dataclass
class Outcome:
    bodies: int = 0
    facts: int = 0
    broken: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def fuzz(gate: Provider, runs: int, store: MemoryStore, seed: int = 12) -> Outcome:
    rng, bodies = random.Random(seed), recorded(gate)
    out = Outcome()
    for body in itertools.chain(oddities(), (mutated(bodies, rng) for _ in range(runs))):
        assert update_key(body)
        out.bodies += 1
        try:
            facts = parse(gate, body, out.bodies)
            store_all(facts, store)
            out.facts += len(facts)
        except Unreadable as error:
            out.refused[error.reason] += 1
        except Exception:
            out.broken += 1
    return out


@GATES
def test_every_mutation_is_read_or_refused_and_what_is_read_is_stored(
    gate: Provider, counts: Callable[..., None], soak: bool
) -> None:
    store = MemoryStore(fresh(), StoodClock())
    runs = 60_000 if soak else 4_000
    out = fuzz(gate, runs, store)
    assert out.broken == 0
    assert 0 < len(out.refused) < 100 and all(0 < len(reason) < 64 for reason in out.refused)
    told = json.loads(store.see(lambda r: r.setting(f"quarantine:{gate}")) or "{}")
    assert len(told) <= SHAPES + 1
    assert out.facts > runs // 10 and store.see(read_back) > 50
    figures = {"facts": out.facts, "refused": out.refused.total(), "shapes": len(out.refused), "broken": out.broken}
    counts("R12", gate=gate, bodies=out.bodies, **figures)


def test_a_parser_that_trusts_its_types_is_found(monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]) -> None:
    monkeypatch.setattr(shape, "obj", lambda value: value)
    out = fuzz(WHATSAPP, 300, MemoryStore(fresh(), StoodClock()))
    assert out.broken > 0
    counts("R12", mutant="types are taken on trust", bodies=out.bodies, broken=out.broken)


@GATES
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_what_is_read_comes_back_out_of_the_codec_as_it_was(gate: Provider, seed: int) -> None:
    body = mutated(recorded(gate), random.Random(seed))
    try:
        facts = parse(gate, body)
    except Unreadable:
        return
    for fact in facts:
        again = build(type(fact), json.loads(dump(fact)))
        assert dump(again) == dump(fact)


@GATES
def test_what_the_whole_history_makes_can_be_read_back(gate: Provider) -> None:
    store = MemoryStore(fresh(), StoodClock())
    for body in recorded(gate):
        with suppress(Unreadable):
            store_all(parse(gate, body), store)
    assert store.see(read_back) > 40


def test_words_of_a_body_make_neither_notices_nor_a_record_without_end() -> None:
    """An account's update is told by its own word, and that word may be anything."""
    store = MemoryStore(fresh(), StoodClock())
    for number in range(3 * SHAPES):
        value = {"event": f"EVENT_{number}" if number % 2 else "слово " * 1_000 + str(number)}
        store_all(parse(WHATSAPP, hook("account_update", value)), store)
    told = json.loads(store.see(lambda r: r.setting("quarantine:whatsapp")) or "{}")
    assert len(told) <= SHAPES + 1 and max(map(len, told)) <= 64
    assert sum(entry["count"] for entry in told.values()) == 3 * SHAPES
    assert len(store.see(lambda r: r.lane_rows(GENERAL, 10_000))) <= SHAPES + 1


def hook(field: str, value: dict[str, Any]) -> bytes:
    change = {"field": field, "value": value}
    body = {"object": "whatsapp_business_account", "entry": [{"id": whatsapp.WABA, "changes": [change]}]}
    return json.dumps(body).encode()


def test_owners_updates_are_read_by_the_desk_or_refused() -> None:
    """What is handed on to the dispatcher: aiogram's models refuse it, or it is read; nothing else happens."""
    rng, bodies = random.Random(13), [b for b in recorded(TELEGRAM) if b'"message"' in b or b"callback" in b]
    read = refused = 0
    for number in range(1_500):
        body = mutated(bodies, rng).replace(str(telegram.ANNA).encode(), str(telegram.OWNER).encode())
        try:
            facts = parse(TELEGRAM, body, number)
        except Unreadable:
            continue
        if not any(isinstance(fact, ForDesk) for fact in facts):
            continue
        update = json.loads(body)
        assert strangers.may_act(update, telegram.DESK.serves)
        assert owner_message(Raw(TELEGRAM, "1", body, telegram.RECEIVED, 1)) is not None or "message" not in update
        try:
            Update.model_validate(update)
            read += 1
        except ValidationError:
            refused += 1
    assert read > 100 and refused > 50


# time

WAMID = "wamid.X"


def said(kind: str, content: Any, **more: Any) -> bytes:
    message = {"from": whatsapp.ANNA, "id": WAMID, "timestamp": "1790000000", "type": kind, kind: content, **more}
    return batch([message])


def batch(messages: list[dict[str, Any]]) -> bytes:
    value = {"metadata": {"phone_number_id": whatsapp.PHONE}, "messages": messages}
    entry = {"id": whatsapp.WABA, "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def update(**content: Any) -> bytes:
    who = {"id": telegram.ANNA, "first_name": "Анна", "is_bot": False}
    chat = {"id": telegram.ANNA, "type": "private"}
    return json.dumps(
        {"update_id": 1, "message": {"message_id": 5, "date": 1790000000, "from": who, "chat": chat, **content}}
    ).encode()


def _entities(size: int) -> list[dict[str, Any]]:
    return [{"type": "bold", "offset": n, "length": size} for n in range(size)]


SHAPES_THAT_GROW: dict[str, Callable[[int], bytes]] = {
    "whatsapp stars": lambda n: said("text", {"body": "*" * n}),
    "whatsapp pairs": lambda n: said("text", {"body": "*a " * n}),
    "whatsapp all marks": lambda n: said("text", {"body": "_*~a" * n}),
    "whatsapp ticks": lambda n: said("text", {"body": "`" * n}),
    "whatsapp blocks": lambda n: said("text", {"body": "```a" * n}),
    "whatsapp quotes": lambda n: said("text", {"body": "> a\n" * n}),
    "whatsapp addresses": lambda n: said("text", {"body": "http://" * n}),
    "whatsapp words": lambda n: said("text", {"body": "слово " * n}),
    "whatsapp one word": lambda n: said("text", {"body": "ж" * n}),
    "whatsapp zeros": lambda n: said("text", {"body": "*a*\0 " * n}),
    "whatsapp name": lambda n: said("text", {"body": "a"}, referral={"source_id": "x" * n}),
    "whatsapp contacts": lambda n: said("contacts", [{"name": {"first_name": "А"}, "phones": [{"phone": "1"}]}] * n),
    "whatsapp order": lambda n: said("order", {"product_items": [{"product_retailer_id": "x", "quantity": 1}] * n}),
    "whatsapp many": lambda n: batch(
        [{"from": f"1202555{i}", "id": f"w{i}", "type": "text", "text": {"body": "a"}} for i in range(n // 20)]
    ),
    "telegram entities": lambda n: update(text="а" * n, entities=_entities(n // 4)),
    "telegram zeros": lambda n: update(text="а\0" * n, entities=_entities(n // 4)),
    "telegram vcard": lambda n: update(contact={"first_name": "А", "vcard": "TEL:+1 202\r\n" * n}),
    "telegram folded vcard": lambda n: update(contact={"first_name": "А", "vcard": "ORG:" + "\\;" * n}),
    "telegram rich": lambda n: update(rich_message={"blocks": [{"type": "paragraph", "text": ["a"] * n}]}),
    "telegram checklist": lambda n: update(checklist={"title": "А", "tasks": [{"text": "т"}] * n}),
    "telegram name": lambda n: update(text="а", **{"from": {"id": telegram.ANNA, "first_name": "и" * n}}),
    "deep": lambda n: b'{"update_id":' + b"[" * n,
}


@pytest.mark.parametrize("name", SHAPES_THAT_GROW)
def test_four_times_the_body_costs_far_from_sixteen_times_the_work(name: str) -> None:
    small, large = (cost(SHAPES_THAT_GROW[name](size)) for size in (1_500, 6_000))
    assert large < 0.05 or large < 9 * small, (small, large)


def cost(body: bytes) -> float:
    """CPU seconds of reading and storing, the best of three."""
    return min(_once(body) for _ in range(3))


def _once(body: bytes) -> float:
    gate = WHATSAPP if b"whatsapp" in body[:60] else TELEGRAM
    store = MemoryStore(fresh(), StoodClock())
    gc.disable()  # a collection walks all that lives: its cost says nothing of this body's
    try:
        started = time.process_time()
        with suppress(Unreadable):
            store_all(parse(gate, body), store)
        return time.process_time() - started
    finally:
        gc.enable()
