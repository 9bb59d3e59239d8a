"""Who a webhook speaks of.

A person has a business-scoped id (BSUID), a number, or both; the first lasts longer and is the address where it is
known. `route` is a number's digits, or "bsuid:…" for a person who shows no number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from gates.meta import shape
from gates.whatsapp.abilities import WHATSAPP
from inbox.gate import Person
from inbox.model import Address

BSUID_ROUTE = "bsuid:"
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9.]+")


def number_key(account: str, number: str) -> str:
    return f"{WHATSAPP}:{account}:number:{number}"


def bsuid_key(account: str, user_id: str) -> str:
    return f"{WHATSAPP}:{account}:bsuid:{user_id}"


def is_bsuid(value: str) -> bool:
    return _BSUID.fullmatch(value) is not None


def digits(value: object) -> str:
    """A number as WhatsApp's own digits. What has letters in it is no number."""
    number = re.sub(r"[\s()+-]", "", shape.label(value))
    return number if number.isascii() and number.isdigit() else ""


class People:
    """`contacts[]` of a value, matched by id and never by place: a batch has several, a status may have none."""

    def __init__(self, account: str, contacts: object) -> None:
        self._account = account
        self._by_id: dict[str, dict[str, Any]] = {}
        for contact in shape.items(contacts):
            for known in (digits(shape.obj(contact).get("wa_id")), shape.text(shape.obj(contact).get("user_id"))):
                if known:
                    self._by_id[known] = contact

    def find(self, number: object = None, user_id: object = None, parent_id: object = None) -> Person | None:
        """Return the person with these ids; None: there is no id."""
        phone, bsuid = digits(number), shape.text(user_id)
        contact = self._by_id.get(bsuid) or self._by_id.get(phone) or {}
        phone = phone or digits(contact.get("wa_id"))
        bsuid = bsuid or shape.text(contact.get("user_id"))
        parent = shape.text(parent_id) or shape.text(contact.get("parent_user_id"))
        if not phone and not bsuid:
            return None
        profile = shape.obj(contact.get("profile"))
        return Person(
            Address(WHATSAPP, self._account, bsuid or phone),
            keys=keys(self._account, [phone], [bsuid, parent]),
            name=shape.text(profile.get("name")) or None,
            handle=shape.text(profile.get("username")) or None,
            route=phone or f"{BSUID_ROUTE}{bsuid}",
        )


def keys(account: str, numbers: Iterable[str], user_ids: Iterable[str]) -> tuple[str, ...]:
    """Every id under its full name, each once; empty ones are left out."""
    found = [bsuid_key(account, value) for value in user_ids if value]
    found += [number_key(account, value) for value in numbers if value]
    return tuple(dict.fromkeys(found))
