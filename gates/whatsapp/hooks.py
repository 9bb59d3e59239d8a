"""What is no conversation: templates, the account, preferences, and what a shared number brings along. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gates.meta import shape
from gates.whatsapp.abilities import WHATSAPP
from gates.whatsapp.people import People
from inbox.gate import Fact

_TELL = {"level": 1}
_FIELDS: dict[str, tuple[str, dict[str, int]]] = {
    "message_template_status_update": ("template.changed", _TELL),
    "message_template_quality_update": ("template.changed", _TELL),
    "template_category_update": ("template.changed", _TELL),
    "message_template_components_update": ("template.changed", {}),
    "phone_number_quality_update": ("gate.changed", _TELL),
    "phone_number_name_update": ("gate.changed", _TELL),
    "account_update": ("gate.changed", _TELL),
    "account_alerts": ("gate.changed", _TELL),
    "account_review_update": ("gate.changed", _TELL),
    "business_capability_update": ("gate.changed", _TELL),
    "security": ("gate.changed", _TELL),
}


def managed(field: str, value: dict[str, Any], account: str, at: datetime) -> Fact:
    """A field without a conversation. One that we do not know is told by its name alone: it may hold anything."""
    kind, level = _FIELDS.get(field, ("gate.changed", {}))
    data: dict[str, Any] = {"account": account, "field": field, "event": shape.text(value.get("event"))}
    if field in _FIELDS:
        data["value"] = {name: _plain(item) for name, item in value.items() if name != "event"}
    return Fact(WHATSAPP, kind, at, {**data, **level})


def _plain(value: object) -> object:
    """Scalars as text, one level of objects and lists kept; deeper ones are not part of any known field."""
    if isinstance(value, dict):
        return {shape.text(name): shape.label(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) if isinstance(item, dict) else shape.label(item) for item in value]
    return shape.label(value)


def preference(item: object, account: str, people: People, received_at: datetime) -> Fact:
    """A client asked for no more marketing messages, or for them again."""
    choice = shape.obj(item)
    person = people.find(choice.get("wa_id"), choice.get("user_id"), choice.get("parent_user_id"))
    data = {
        "account": account,
        "user": person.address.user if person else None,
        "keys": list(person.keys) if person else [],
        "change": shape.text(choice.get("category")),
        "value": shape.text(choice.get("value")),
    }
    return Fact(WHATSAPP, "client.changed", shape.moment(choice.get("timestamp"), received_at), data)


def history(item: object, account: str, received_at: datetime) -> Fact:
    """A chunk of what was said before the number was shared: counted, not shown."""
    chunk = shape.obj(item)
    about = shape.obj(chunk.get("metadata"))
    threads = shape.items(chunk.get("threads"))
    data = {
        "account": account,
        "phase": shape.whole(about.get("phase")),
        "chunk": shape.whole(about.get("chunk_order")),
        "progress": shape.whole(about.get("progress")),
        "threads": len(threads),
        "messages": sum(len(shape.items(shape.obj(thread).get("messages"))) for thread in threads),
        "errors": [shape.label(shape.obj(error).get("code")) for error in shape.items(chunk.get("errors"))],
    }
    return Fact(WHATSAPP, "history.chunk", received_at, data)


def address_book(entries: list[Any], account: str, received_at: datetime) -> Fact:
    """The phone's contacts of a shared number: counted, not taken over."""
    return Fact(WHATSAPP, "history.contacts", received_at, {"account": account, "contacts": len(entries)})


def value_error(code: str, account: str, received_at: datetime) -> Fact:
    """An error that belongs to no message."""
    data = {"account": account, "event": "error", "code": code, **_TELL}
    return Fact(WHATSAPP, "gate.changed", received_at, data)


def not_ours(account: str, other: str, received_at: datetime) -> Fact:
    """A part of a body that is for another number or account of the same app, next to parts that are ours."""
    data = {"account": account, "event": "other_account", "other": other, **_TELL}
    return Fact(WHATSAPP, "gate.changed", received_at, data)


def unreadable(account: str, reason: str, received_at: datetime) -> Fact:
    """A part that was not understood, next to parts that were. The body as it came is kept with its row."""
    data = {"account": account, "event": "unreadable_part", "reason": reason, **_TELL}
    return Fact(WHATSAPP, "gate.changed", received_at, data)
