"""Turns one parsed fact into rows: message or version or progress, what the desk will show, what is exported.

Everything here runs inside one unit of work together with the raw body's change of state, so a repeat finds its work
done and a kill leaves either all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from inbox import people, quarantine
from inbox.abilities import Abilities
from inbox.answers import queue_auto, release
from inbox.codec import plain
from inbox.fate import is_token_of, report, tell_general, token_of
from inbox.gate import Came, Changed, Claim, Fact, ForDesk, Inbound, Progress, Reacted, Rekeyed, Road
from inbox.lanes import DESK, client_lane, desk_lane
from inbox.model import (
    EMPTY,
    INBOX,
    Act,
    Address,
    Author,
    ContactId,
    DeliveryState,
    Identity,
    Message,
    Part,
    Provider,
)
from inbox.store import Unit
from inbox.voice import Voice

ECHO_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Rules:
    roads: Mapping[Provider, Abilities]
    voice: Voice


@dataclass(slots=True)
class Effects:
    """What the worker does besides, once the unit is committed."""

    for_desk: bool = False
    roads_changed: bool = False
    claimed: bool = False


def apply(unit: Unit, fact: Inbound, rules: Rules, effects: Effects) -> None:
    match fact:
        case Came():
            _came(unit, fact, rules)
        case Changed():
            _changed(unit, fact)
        case Reacted():
            _reacted(unit, fact)
        case Progress():
            report(unit, fact, rules.voice)
        case Rekeyed():
            people.rekey(unit, fact)
        case Road():
            _road(unit, fact, rules)
            effects.roads_changed = True
        case Fact():
            _fact(unit, fact, rules)
        case ForDesk():
            effects.for_desk = True
        case Claim():
            effects.claimed = _claim(unit, fact)
        case _:
            assert_never(fact)


def _came(unit: Unit, fact: Came, rules: Rules) -> None:
    address = fact.person.address
    if unit.ref(address.provider, address.account, fact.external_id) is not None:
        return
    if fact.author is Author.OWNER_ELSEWHERE and _is_own_echo(unit, fact, rules):
        return
    command = _menu_command(fact, rules)
    if fact.opens or command:
        _open(unit, fact, command, rules)
        return
    known = people.meet(unit, fact.person, fact.source)
    message = store_message(unit, known.identity, fact)
    if fact.author is Author.CLIENT:
        _opened_window(unit, known.identity, fact)
    unit.add_delivery(Act.SEND, DESK, desk_lane(known.contact.id), message_id=message.id)
    _export_message(unit, known.contact.id, message, fact)
    for early in unit.take_early(address.provider, address.account, fact.external_id):
        apply(unit, early, rules, Effects())


def store_message(unit: Unit, identity: Identity, fact: Came) -> Message:
    address = identity.address
    quoted = unit.ref(address.provider, address.account, fact.reply_to) if fact.reply_to else None
    message = unit.add_message(
        identity.id,
        fact.author,
        at=fact.at,
        content=Part(
            text=fact.text,
            extra=fact.extra,
            reply_to=quoted.message_id if quoted else None,
            quote=fact.quote,
            mark=fact.mark,
        ),
        attachments=fact.attachments,
        album=fact.album,
    )
    unit.add_ref(address.provider, address.account, fact.external_id, message.id, 0)
    for attachment in message.attachments:
        unit.add_job("fetch", {"attachment": attachment.id}, unit.now)
    return message


def _export_message(unit: Unit, client: ContactId, message: Message, fact: Came) -> None:
    data: dict[str, object] = {"text": fact.text.plain, "author": str(fact.author)}
    if fact.attachments:
        data["attachments"] = [{"kind": str(a.kind), "mime": a.mime, "name": a.name} for a in fact.attachments]
    if fact.extra is not None:
        data["extra"] = plain(fact.extra)
    for name in ("source", "mark", "choice", "album"):
        if value := getattr(fact, name):
            data[name] = value
    if message.reply_to is not None:
        data["reply_to"] = message.reply_to
    kind = "message.in" if fact.author is Author.CLIENT else "message.out"
    unit.emit(
        fact.person.address.provider,
        kind,
        fact.at,
        client=client,
        message=message.id,
        external_id=fact.external_id,
        **data,
    )


def _opened_window(unit: Unit, identity: Identity, fact: Came) -> None:
    """The client wrote: the window counts from now, and what waited for this leaves before anything newer."""
    if identity.last_inbound_at is None or identity.last_inbound_at < fact.at:
        unit.set_identity(identity.id, last_inbound_at=fact.at)
    lane = client_lane(identity.address.provider, identity.contact_id)
    for delivery in unit.parked_in(lane):
        if delivery.error == "parked":
            release(unit, delivery)


def _is_own_echo(unit: Unit, fact: Came, rules: Rules) -> bool:
    """Whether an echo with an unknown id is, or may yet prove to be, a send of our own.

    While a send to that person is under way the echo waits as a job; a send whose answer was lost and whose words are
    these has hereby its outcome.
    """
    identity = people.find(unit, fact.person)
    if identity is None:
        return False
    if fact.echo_token is not None and is_token_of(unit, identity, fact.echo_token):
        report(unit, _as_progress(fact, fact.echo_token), rules.voice)
        return True
    lane = client_lane(identity.address.provider, identity.contact_id)
    open_sends = unit.unsettled_in(lane)
    if any(d.state is DeliveryState.SENDING for d in open_sends):
        unit.add_job("echo", {"fact": plain(fact)}, unit.now + ECHO_WAIT)
        return True
    for delivery in open_sends:
        if isinstance(delivery.content, Part) and _same_words(delivery.content, fact):
            report(unit, _as_progress(fact, token_of(delivery)), rules.voice)
            return True
    return False


def _same_words(part: Part, fact: Came) -> bool:
    """A file comes back under another name, so only its being there is compared; without words that says too little."""
    return part.text.plain == fact.text.plain != "" and bool(part.attachments) == bool(fact.attachments)


def _as_progress(fact: Came, token: str) -> Progress:
    address = fact.person.address
    return Progress(
        fact.person, address.provider, address.account, fact.external_id, fact.at, DeliveryState.SENT, token=token
    )


def _menu_command(fact: Came, rules: Rules) -> str | None:
    abilities = rules.roads.get(fact.person.address.provider)
    if abilities is None or fact.author is not Author.CLIENT:
        return None
    if fact.opens:
        return "start" if "start" in abilities.menu else None
    word = fact.text.plain.strip()
    return word[1:] if word.startswith("/") and word[1:] in abilities.menu else None


def _open(unit: Unit, fact: Came, command: str | None, rules: Rules) -> None:
    """The small menu of clients: makes the client, answers by itself, shows nothing on the desk."""
    address = fact.person.address
    if not unit.once(f"menu:{address.provider}:{address.account}:{fact.external_id}"):
        return
    known = people.meet(unit, fact.person, fact.source)
    _opened_window(unit, known.identity, fact)
    if command:
        text = rules.voice.menu(command, known.contact.language)
        queue_auto(unit, known.identity, Part(text=text), rules.roads[address.provider], rules.voice)


def _changed(unit: Unit, fact: Changed) -> None:
    address = fact.person.address
    ref = unit.ref(address.provider, address.account, fact.external_id)
    if ref is None:
        unit.keep_early(address.provider, address.account, fact.external_id, fact)
        return
    message = unit.message(ref.message_id)
    words = fact.text.plain if fact.text else None
    if not unit.once(_fact_key("change", fact.person.address, fact.external_id, fact.at.isoformat(), words)):
        return
    if message.deleted_at is not None or (fact.text is not None and fact.text.plain == message.text.plain):
        return
    outdated = message.edited_at is not None and fact.at < message.edited_at and fact.text is not None
    if outdated:
        return
    contact = unit.identity(message.identity_id).contact_id
    content = None if fact.text is None else Part(text=fact.text, extra=message.extra)
    if content is not None:
        _keep_words_for_desk(unit, message)
    unit.add_version(message.id, content, fact.at)
    kind = "message.deleted" if fact.text is None else "message.edited"
    data = {} if words is None else {"text": words}
    unit.emit(
        address.provider,
        kind,
        fact.at,
        client=contact,
        message=message.id,
        external_id=fact.external_id,
        author=str(fact.author),
        **data,
    )
    act = Act.DELETE if fact.text is None else Act.EDIT
    unit.add_delivery(act, DESK, desk_lane(contact), message_id=message.id, content=Part(text=fact.text or EMPTY))


def _keep_words_for_desk(unit: Unit, message: Message) -> None:
    """What the desk has not shown yet it shows with the words that came; the new ones follow as an answer to it."""
    for row in unit.deliveries_of(message.id, DESK):
        if row.act is Act.SEND and row.content is None and row.state in (DeliveryState.WAITING, DeliveryState.SENDING):
            unit.set_delivery(row.id, content=Part(text=message.text))


def _reacted(unit: Unit, fact: Reacted) -> None:
    address = fact.person.address
    ref = unit.ref(address.provider, address.account, fact.external_id)
    if ref is None:
        unit.keep_early(address.provider, address.account, fact.external_id, fact)
        return
    if not unit.once(_fact_key("react", address, fact.external_id, fact.at.isoformat(), fact.emoji)):
        return
    contact = unit.identity(unit.message(ref.message_id).identity_id).contact_id
    unit.emit(
        address.provider,
        "message.reaction",
        fact.at,
        client=contact,
        message=ref.message_id,
        external_id=fact.external_id,
        emoji=fact.emoji,
        author=str(fact.author),
    )
    unit.add_delivery(Act.REACT, DESK, desk_lane(contact), message_id=ref.message_id, content=Part(emoji=fact.emoji))


def _fact_key(kind: str, address: Address, external_id: str, *rest: str | None) -> str:
    digest = hashlib.sha256(json.dumps([address.user, *rest]).encode()).hexdigest()[:20]
    return f"{kind}:{address.provider}:{address.account}:{external_id}:{digest}"


def _road(unit: Unit, fact: Road, rules: Rules) -> None:
    roads = json.loads(unit.setting("roads") or "{}")
    state = {"account": fact.account, "open": fact.open, "may_reply": fact.may_reply}
    known = dict(roads.get(fact.route, {}))
    since = float(known.pop("at", 0.0))
    if known == state or fact.at.timestamp() < since:
        return  # nothing new, or news that were overtaken
    roads[fact.route] = state | {"at": fact.at.timestamp()}
    unit.set_setting("roads", json.dumps(roads))
    unit.emit(fact.provider, "gate.changed", fact.at, open=fact.open, may_reply=fact.may_reply)
    tell_general(unit, rules.voice.road(fact.provider, open=fact.open, may_reply=fact.may_reply), rank=1)


def _fact(unit: Unit, fact: Fact, rules: Rules) -> None:
    data = dict(fact.data)
    keys = data.pop("keys", ())
    told = data.pop("level", 0)
    named = [i for _, i in unit.identities_by_key(*map(str, keys))]
    digest = hashlib.sha256(json.dumps(plain(fact.data), sort_keys=True).encode()).hexdigest()[:20]
    if not unit.once(f"fact:{fact.provider}:{fact.type}:{fact.at.isoformat()}:{digest}"):
        return
    client = named[0].contact_id if named else None
    unit.emit(fact.provider, fact.type, fact.at, client=client, **data)
    if told:
        quarantine.tell(unit, fact.provider, str(data.get("event", fact.type)), rules.voice)
    if client is not None and "blocked" in data:
        tell_general(unit, rules.voice.blocked(unit.contact(client), blocked=bool(data["blocked"])))


def _claim(unit: Unit, fact: Claim) -> bool:
    """The first right code wins, once and for ever."""
    if unit.setting("owner_id") is not None:
        return False
    unit.set_setting("owner_id", str(fact.user_id))
    unit.set_setting("claim_code", None)
    unit.emit(INBOX, "gate.changed", unit.now, change="claimed")
    return True
