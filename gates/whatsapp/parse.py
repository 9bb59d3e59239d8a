"""A webhook body to facts. Pure.

All four levels are looped: entries, changes, messages and statuses, and what they hold. What is not ours or not
understood never takes the rest of a body with it: it becomes a fact that tells the owner, and only a body without
anything else is Unreadable ("other_account", or the reason of its first part), kept and tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gates.meta import shape
from gates.whatsapp import hooks, messages, statuses
from gates.whatsapp.messages import Around
from gates.whatsapp.people import People
from inbox.errors import Unreadable
from inbox.gate import Inbound, Raw
from inbox.model import Author

_CONVERSATION = frozenset({"messages", "smb_message_echoes", "history", "smb_app_state_sync", "user_preferences"})


@dataclass(frozen=True, slots=True)
class Mine:
    """The account that facts are taken for. business_account: None accepts any."""

    account: str
    business_account: str | None = None


@dataclass(frozen=True, slots=True)
class _Bad:
    """A part that gives no fact of its own."""

    reason: str
    other: str = ""


def parse(raw: Raw, mine: Mine) -> list[Inbound]:
    """Raises Unreadable."""
    body = shape.obj(shape.parse(raw.body))
    if body.get("object") != "whatsapp_business_account":
        raise Unreadable("object")
    parts = list(_parts(body, mine, raw.received_at))
    good = [part for part in parts if not isinstance(part, _Bad)]
    if not good:
        raise Unreadable(next((part.reason for part in parts if isinstance(part, _Bad)), "empty"))
    return [_told(part, mine, raw.received_at) if isinstance(part, _Bad) else part for part in parts]


def _told(bad: _Bad, mine: Mine, received_at: datetime) -> Inbound:
    if bad.reason == "other_account":
        return hooks.not_ours(mine.account, bad.other, received_at)
    return hooks.unreadable(mine.account, bad.reason, received_at)


def _parts(body: dict[str, Any], mine: Mine, received_at: datetime) -> Iterator[Inbound | _Bad]:
    for entry in shape.items(body.get("entry")):
        account = shape.label(shape.obj(entry).get("id"))
        at = shape.moment(shape.obj(entry).get("time"), received_at)
        for change in shape.items(shape.obj(entry).get("changes")):
            yield from _change(shape.obj(change), account, mine, at, received_at)


def _change(
    change: dict[str, Any], business_account: str, mine: Mine, at: datetime, received_at: datetime
) -> Iterator[Inbound | _Bad]:
    field, value = shape.text(change.get("field")), change.get("value")
    if not field or not isinstance(value, dict):
        yield _Bad("change")
        return
    number = shape.label(shape.obj(value.get("metadata")).get("phone_number_id"))
    if field in _CONVERSATION and not number:
        yield _Bad("no_metadata")
    elif number and number != mine.account:
        yield _Bad("other_account", number)
    elif not number and mine.business_account and business_account != mine.business_account:
        yield _Bad("other_account", business_account)
    elif field in _CONVERSATION:
        yield from _conversation(field, value, mine.account, received_at)
    else:
        yield hooks.managed(field, value, mine.account, at)


def _conversation(field: str, value: dict[str, Any], account: str, received_at: datetime) -> Iterator[Inbound | _Bad]:
    people = People(account, value.get("contacts"))
    around = Around(account, people, received_at, problem=messages.problem(value))
    echo = replace(around, author=Author.OWNER_ELSEWHERE)
    readers: list[tuple[str, Callable[[object], Inbound]]] = [
        ("messages", lambda item: messages.read(item, around)),
        ("message_echoes", lambda item: messages.read(item, echo)),
        ("statuses", lambda item: statuses.read(item, account, people, received_at)),
        ("user_preferences", lambda item: hooks.preference(item, account, people, received_at)),
        ("history", lambda item: hooks.history(item, account, received_at)),
    ]
    empty = True
    for name, reader in readers:
        for item in shape.items(value.get(name)):
            empty = False
            yield _one(reader, item)
    if isinstance(value.get("state_sync"), list):
        yield hooks.address_book(value["state_sync"], account, received_at)
    elif empty and around.problem:
        yield hooks.value_error(around.problem, account, received_at)
    elif empty:
        yield _Bad(f"empty_{field}")


def _one(reader: Callable[[object], Inbound], item: object) -> Inbound | _Bad:
    try:
        return reader(item)
    except Unreadable as error:
        return _Bad(error.reason)
