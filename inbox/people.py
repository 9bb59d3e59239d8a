"""Who a fact is about: finds or makes the identity and its contact."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from inbox.gate import Person, Rekeyed
from inbox.lanes import client_lane, desk_lane
from inbox.model import Contact, Identity
from inbox.store import Unit

ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    contact: Contact
    identity: Identity
    new: bool


def meet(unit: Unit, person: Person, source: str | None = None) -> Known:
    """Find the identity by its address or any key, or make it; remember what the body newly says of it.

    Two identities of one account that one body names together become one. An identity of another account that shares
    a key gives the new one its contact: one person, one client.
    """
    found, keys = _known(unit, person)
    here = [i for i in found if _same_account(i, person)]
    for other in here[1:]:
        _join(unit, here[0], other)
    if here:
        identity, new = here[0], False
    else:
        contact = (
            unit.contact(found[0].contact_id)
            if found
            else unit.add_contact(person.name or person.handle or "", language=person.language, source=source)
        )
        identity, new = unit.add_identity(contact.id, person.address, person.name or person.handle or ""), not found
    identity = _learn(unit, identity, person, keys)
    contact = _learn_contact(unit, unit.contact(identity.contact_id), person, source)
    if new:
        unit.emit(
            person.address.provider, "client.created", unit.now, client=contact.id, name=contact.name, source=source
        )
    return Known(contact, identity, new)


def find(unit: Unit, person: Person) -> Identity | None:
    """The identity that the body names, if it is known."""
    return next((i for i in _known(unit, person)[0] if _same_account(i, person)), None)


def rekey(unit: Unit, fact: Rekeyed) -> None:
    """The network changed a person's ids: the client stays the same."""
    address = fact.person.address
    digest = hashlib.sha256(json.dumps([address.user, *fact.person.keys, *fact.old_keys]).encode()).hexdigest()[:20]
    if not unit.once(f"rekey:{address.provider}:{address.account}:{fact.at.isoformat()}:{digest}"):
        return
    olds = [i for _, i in unit.identities_by_key(*fact.old_keys) if _same_account(i, fact.person)]
    if olds:
        early = unit.identity_at(address)
        if early is not None and early.id != olds[0].id:
            _join(unit, olds[0], early)
        for key in fact.person.keys:
            unit.add_key(olds[0].id, key)
        unit.set_identity(olds[0].id, address=address)
    known = meet(unit, fact.person)
    unit.emit(address.provider, "client.changed", fact.at, client=known.contact.id, change="ids")


def _join(unit: Unit, keep: Identity, gone: Identity) -> None:
    """One identity, one client: what still waits for the one that goes moves to the lanes of the one that stays."""
    kept, lost = unit.identity(keep.id).contact_id, unit.identity(gone.id).contact_id
    providers = {i.address.provider for i in unit.identities_of(lost)}
    unit.join_identities(keep.id, gone.id)
    if kept == lost:
        return
    lanes = [(desk_lane(lost), desk_lane(kept)), *((client_lane(p, lost), client_lane(p, kept)) for p in providers)]
    for old, new in lanes:
        for row in (*unit.unsettled_in(old), *unit.parked_in(old), *unit.lane_rows(old, ALL)):
            unit.set_delivery(row.id, lane=new)


def _known(unit: Unit, person: Person) -> tuple[list[Identity], set[str]]:
    """Identities that the address or a key leads to, and the keys that lead to the first one of this account."""
    at = unit.identity_at(person.address)
    keyed = unit.identities_by_key(*person.keys)
    found = sorted({i.id: i for i in (*([at] if at else ()), *(i for _, i in keyed))}.values(), key=lambda i: i.id)
    first = next((i.id for i in found if _same_account(i, person)), None)
    return found, {key for key, i in keyed if i.id == first}


def _same_account(identity: Identity, person: Person) -> bool:
    address = identity.address
    return (address.provider, address.account) == (person.address.provider, person.address.account)


def _learn(unit: Unit, identity: Identity, person: Person, known: set[str]) -> Identity:
    for key in person.keys:
        if key not in known:
            unit.add_key(identity.id, key)
    news = {
        field: value
        for field, value in (("name", person.name), ("handle", person.handle), ("route", person.route))
        if value and value != getattr(identity, field)
    }
    return unit.set_identity(identity.id, **news) if news else identity


def _learn_contact(unit: Unit, contact: Contact, person: Person, source: str | None) -> Contact:
    news: dict[str, Any] = {}
    if not contact.name and person.name:
        news["name"] = person.name
    if person.language and not contact.language:
        news["language"] = person.language
    if source and not contact.source:
        news["source"] = source
    if not news:
        return contact
    unit.emit(person.address.provider, "client.changed", unit.now, client=contact.id, **news)
    return unit.set_contact(contact.id, **news)
