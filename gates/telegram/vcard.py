"""vCard as messengers write it: enough to read a shared contact and to send one with several numbers."""

from __future__ import annotations

import re

from inbox.model import Card

_LINE = re.compile(r"^(?:[A-Za-z0-9-]+\.)?(TEL|EMAIL|ORG|FN)(?:[;:])(.*)$", re.IGNORECASE)
_UNFOLD = re.compile(r"\r?\n[ \t]")
_ESCAPED = re.compile(r"\\([\\,;:nN])")


def read_card(text: str) -> Card:
    """Names, numbers, addresses and the organization that the text tells; an empty card where it tells none."""
    name, organization = "", ""
    phones: list[str] = []
    emails: list[str] = []
    for line in _UNFOLD.sub("", text).splitlines():
        if (match := _LINE.match(line.strip())) is None:
            continue
        field, value = match[1].upper(), _value(line)
        if field == "TEL":
            phones.append(value.removeprefix("tel:"))
        elif field == "EMAIL":
            emails.append(value)
        elif field == "ORG":
            organization = organization or _units(line)
        else:
            name = name or value
    return Card(name, tuple(filter(None, phones)), tuple(filter(None, emails)), organization)


def write_card(card: Card) -> str:
    """vCard 3.0."""
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{_escape(card.name)}", f"N:{_escape(card.name)};;;;"]
    lines += [f"TEL;TYPE=CELL:{_escape(phone)}" for phone in card.phones]
    lines += [f"EMAIL:{_escape(email)}" for email in card.emails]
    if card.organization:
        lines.append(f"ORG:{_escape(card.organization)}")
    return "\n".join([*lines, "END:VCARD"])


def _value(line: str) -> str:
    return _unescaped(line.partition(":")[2])


def _units(line: str) -> str:
    """A company and its departments stand apart by bare semicolons."""
    units = re.split(r"(?<!\\);", line.partition(":")[2])
    return ", ".join(filter(None, map(_unescaped, units)))


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda m: " " if m[1] in "nN" else m[1], value).strip()


def _escape(value: str) -> str:
    one_line = " ".join(value.split())
    return re.sub(r"([\\,;])", r"\\\1", one_line)
