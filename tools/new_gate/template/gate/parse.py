"""A webhook body to facts. Pure: no network, no clock, nothing but the bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gates.newgate.abilities import NEWGATE
from inbox.errors import Unreadable
from inbox.gate import Came, Inbound, Person, Progress, Raw
from inbox.model import Address, Attachment, DeliveryState, ExternalId, MediaKind, Stub, Text

_STATES = {"sent": DeliveryState.SENT, "delivered": DeliveryState.DELIVERED, "read": DeliveryState.READ}


def parse(raw: Raw, account: str) -> list[Inbound]:
    """Raises Unreadable: the body is kept, told once and tried again at each start."""
    body = _body(raw.body)
    if body.get("account") != account:
        raise Unreadable("other_account")
    event = body.get("event")
    if event == "message":
        return [_message(body, account, raw.received_at)]
    if event == "status":
        return [_status(body, account, raw.received_at)]
    raise Unreadable("event")


def _message(body: Mapping[str, Any], account: str, received_at: datetime) -> Came:
    message = _object(body, "message")
    known = {"text", "photo"} & message.keys()
    return Came(
        _person(_object(message, "sender"), account),
        ExternalId(_word(message, "id")),
        _moment(message.get("sent_at"), received_at),
        text=Text(_words(message, "text")),
        attachments=_photos(message),
        # A message of a kind that nobody knew: a line that says so, never nothing.
        extra=None if known else Stub("unknown"),
        reply_to=ExternalId(message["reply_to"]) if isinstance(message.get("reply_to"), str) else None,
    )


def _person(sender: Mapping[str, Any], account: str) -> Person:
    user = _word(sender, "id")
    return Person(
        Address(NEWGATE, account, user),
        keys=(f"{NEWGATE}:{account}:user:{user}",),
        name=_words(sender, "name") or None,
    )


def _photos(message: Mapping[str, Any]) -> tuple[Attachment, ...]:
    if "photo" not in message:
        return ()
    photo = _object(message, "photo")
    return (Attachment(MediaKind.PHOTO, NEWGATE, _word(photo, "url"), mime=_words(photo, "mime") or None),)


def _status(body: Mapping[str, Any], account: str, received_at: datetime) -> Progress:
    status = _object(body, "status")
    state = _STATES.get(_words(status, "state"))
    if state is None:
        raise Unreadable("status")
    return Progress(
        person=None,
        provider=NEWGATE,
        account=account,
        external_id=ExternalId(_word(status, "message_id")),
        at=_moment(status.get("at"), received_at),
        state=state,
        token=_words(status, "token") or None,
    )


def _body(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not_json") from None
    if not isinstance(value, dict):
        raise Unreadable("not_an_object")
    return value


def _object(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise Unreadable(f"no_{key}")
    return value


def _word(parent: Mapping[str, Any], key: str) -> str:
    """A text without which nothing can be made of the body."""
    value = _words(parent, key)
    if not value:
        raise Unreadable(f"no_{key}")
    return value


def _words(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def _moment(seconds: object, fallback: datetime) -> datetime:
    """Unix seconds. Anything else: the time at which the body came."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else fallback
    except (ValueError, OverflowError, OSError):
        return fallback
