"""One item of `statuses[]` to what it means. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gates.meta import errors, shape
from gates.whatsapp.abilities import WHATSAPP
from gates.whatsapp.people import People, is_bsuid
from inbox.errors import Unreadable
from inbox.gate import Fact, Inbound, Person, Progress
from inbox.model import DeliveryState, ExternalId

_STATES = {
    "sent": DeliveryState.SENT,
    "delivered": DeliveryState.DELIVERED,
    "read": DeliveryState.READ,
    "played": DeliveryState.READ,
    "failed": DeliveryState.FAILED,
}


def read(status: object, account: str, people: People, received_at: datetime) -> Inbound:
    """Raise Unreadable for an item that names no message. A word that we do not know is a fact of the gate."""
    item = shape.obj(status)
    external_id, word = shape.text(item.get("id")), shape.text(item.get("status"))
    if not external_id or not word:
        raise Unreadable("status_without_id")
    at = shape.moment(item.get("timestamp"), received_at)
    if word not in _STATES:
        seen = {"account": account, "event": "unknown_status", "status": word, "external_id": external_id}
        return Fact(WHATSAPP, "gate.changed", at, seen)
    state = _STATES[word]
    return Progress(
        _person(item, people),
        WHATSAPP,
        account,
        ExternalId(external_id),
        at,
        state,
        error=_error(item) if state is DeliveryState.FAILED else None,
        token=shape.text(item.get("biz_opaque_callback_data")) or None,
    )


def _person(item: dict[str, Any], people: People) -> Person | None:
    """In a group the participant; `recipient_id` is the group's there. It may be a business-scoped id as well."""
    if item.get("recipient_type") == "group":
        return people.find(item.get("recipient_participant_id"), item.get("recipient_participant_user_id"))
    recipient = shape.text(item.get("recipient_id"))
    user_id = shape.text(item.get("recipient_user_id")) or (recipient if is_bsuid(recipient) else "")
    return people.find(recipient, user_id, item.get("recipient_parent_user_id"))


def _error(item: dict[str, Any]) -> str:
    codes = (shape.whole(shape.obj(error).get("code")) for error in shape.items(item.get("errors")))
    return errors.stored(next((code for code in codes if code is not None), None))
