"""Who a fact is about: finds or makes the identity and its contact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inbox.gate import Person, Rekeyed
from inbox.model import Contact, Identity
from inbox.store import Unit


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
    found = _known(unit, person)
    here = [i for i in found if _same_account(i, person)]
    for other in here[1:]:
        unit.join_identities(here[0].id, other.id)
    if here:
        identity, new = here[0], False
    else:
        contact = (
            unit.contact(found[0].contact_id)
            if found
            else unit.add_contact(person.name or person.handle or "", language=person.language, source=source)
        )
        identity, new = unit.add_identity(contact.id, person.address, person.name or person.handle or ""), not found
    identity = _learn(unit, identity, person)
    contact = _learn_contact(unit, unit.contact(identity.contact_id), person, source)
    if new:
        unit.emit(
            person.address.provider, "client.created", unit.now, client=contact.id, name=contact.name, source=source
        )
    return Known(contact, identity, new)


def rekey(unit: Unit, fact: Rekeyed) -> None:
    """The network changed a person's ids: the client stays the same."""
    olds = [i for key in fact.old_keys for i in unit.identities_by_key(key) if _same_account(i, fact.person)]
    if olds:
        for key in fact.person.keys:
            unit.add_key(olds[0].id, key)
        unit.set_identity(olds[0].id, address=fact.person.address)
    known = meet(unit, fact.person)
    unit.emit(fact.person.address.provider, "client.changed", fact.at, client=known.contact.id, change="ids")


def _known(unit: Unit, person: Person) -> list[Identity]:
    at = unit.identity_at(person.address)
    found = {at.id: at} if at else {}
    for key in person.keys:
        for identity in unit.identities_by_key(key):
            found.setdefault(identity.id, identity)
    return sorted(found.values(), key=lambda i: i.id)


def _same_account(identity: Identity, person: Person) -> bool:
    address = identity.address
    return (address.provider, address.account) == (person.address.provider, person.address.account)


def _learn(unit: Unit, identity: Identity, person: Person) -> Identity:
    known = set(unit.keys_of(identity.id))
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
