"""One item of `messages[]` or `message_echoes[]` to what it means. Pure.

A message that lacks what its type promises is still a message: it becomes a Stub with the type's name, so that the
owner learns that something came.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gates.meta import shape
from gates.whatsapp import markup
from gates.whatsapp.abilities import WHATSAPP
from gates.whatsapp.people import People, digits, keys
from inbox.errors import Unreadable
from inbox.gate import Came, Changed, Fact, Inbound, Person, Reacted, Rekeyed
from inbox.model import (
    EMPTY,
    Attachment,
    Author,
    Card,
    ExternalId,
    Extra,
    MediaKind,
    Place,
    Stub,
    Text,
)

_MEDIA = {
    "image": MediaKind.PHOTO,
    "video": MediaKind.VIDEO,
    "audio": MediaKind.AUDIO,
    "document": MediaKind.DOCUMENT,
    "sticker": MediaKind.STICKER,
}
_NUMBER_CHANGED = frozenset({"user_changed_number", "customer_changed_number"})
_USER_ID_CHANGED = frozenset({"user_changed_user_id"})


@dataclass(frozen=True, slots=True)
class Around:
    """What a message needs to know of its value. `problem`: the code of `value.errors`, if any."""

    account: str
    people: People
    received_at: datetime
    author: Author = Author.CLIENT
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Content:
    """What is inside a message, whoever wrote it."""

    text: Text = EMPTY
    attachments: tuple[Attachment, ...] = ()
    extra: Extra | None = None
    choice: str | None = None
    opens: bool = False


def read(message: object, around: Around) -> Inbound:
    """Raise Unreadable for an item without an id, or of nobody."""
    item = shape.obj(message)
    at = shape.moment(item.get("timestamp"), around.received_at)
    kind = shape.text(item.get("type"))
    if kind == "system":
        special = _system(item, at, around)
        if special is not None:
            return special
    person = _person(item, around)
    if person is None:
        raise Unreadable("message_of_nobody")
    external_id = shape.text(item.get("id"))
    if not external_id:
        raise Unreadable("message_without_id")
    group = shape.label(item.get("group_id"))
    if group:
        return _came(item, at, person, around, _Content(extra=Stub("group", group)))
    return _act(kind, item, at, person, around.author) or _came(item, at, person, around, _content(kind, item, around))


def _person(item: dict[str, Any], around: Around) -> Person | None:
    if around.author is Author.CLIENT:
        return around.people.find(item.get("from"), item.get("from_user_id"), item.get("from_parent_user_id"))
    return around.people.find(item.get("to"), item.get("to_user_id"), item.get("to_parent_user_id"))


def _came(item: dict[str, Any], at: datetime, person: Person, around: Around, content: _Content) -> Came:
    context = shape.obj(item.get("context"))
    return Came(
        person,
        ExternalId(shape.text(item.get("id"))),
        at,
        text=content.text,
        attachments=content.attachments,
        extra=content.extra,
        reply_to=_reply_to(context),
        author=around.author,
        source=_source(item, context),
        opens=content.opens,
        mark=_mark(context),
        choice=content.choice,
    )


def _reply_to(context: dict[str, Any]) -> ExternalId | None:
    quoted = shape.text(context.get("id"))
    return ExternalId(quoted) if quoted else None


def _source(item: dict[str, Any], context: dict[str, Any]) -> str | None:
    """What brought the client: an advertisement or a post, or the product that the message asks about."""
    referral = shape.obj(item.get("referral"))
    if source_id := shape.label(referral.get("source_id")):
        return f"{shape.text(referral.get('source_type')) or 'ad'}:{source_id}"
    product = shape.label(shape.obj(context.get("referred_product")).get("product_retailer_id"))
    return f"product:{product}" if product else None


def _mark(context: dict[str, Any]) -> str | None:
    if context.get("frequently_forwarded") is True:
        return "forwarded_often"
    return "forwarded" if context.get("forwarded") is True else None


def _act(kind: str, item: dict[str, Any], at: datetime, person: Person, author: Author) -> Changed | Reacted | None:
    """A reaction, edit or deletion; None: it is a message, or does not say which message it means."""
    body = shape.obj(item.get(kind))
    if kind == "reaction" and (target := shape.text(body.get("message_id"))):
        return Reacted(person, ExternalId(target), at, shape.text(body.get("emoji")) or None, author)
    original = shape.text(body.get("original_message_id"))
    if kind == "revoke" and original:
        return Changed(person, ExternalId(original), at, None, author)
    if kind == "edit" and original and isinstance(body.get("message"), dict):
        return Changed(person, ExternalId(original), at, _words(body["message"]), author)
    return None


def _words(message: dict[str, Any]) -> Text:
    """An edited message's text or caption."""
    body = shape.obj(message.get(shape.text(message.get("type"))))
    return markup.to_text(shape.text(body.get("body")) or shape.text(body.get("caption")))


def _system(item: dict[str, Any], at: datetime, around: Around) -> Rekeyed | Fact | None:
    """A change of ids or of a device; None: neither, so it is shown as what it is.

    The old form (`customer_changed_number`, `new_wa_id`, `customer`) is read too.
    """
    system = shape.obj(item.get("system"))
    kind = shape.text(system.get("type"))
    if kind in _NUMBER_CHANGED or kind in _USER_ID_CHANGED:
        return _rekeyed(item, system, at, around, moved=kind in _NUMBER_CHANGED)
    person = _person(item, around)
    if kind == "customer_identity_changed" and person is not None:
        return Fact(
            WHATSAPP,
            "client.changed",
            at,
            {"account": around.account, "user": person.address.user, "keys": list(person.keys), "change": "identity"},
        )
    return None


def _rekeyed(
    item: dict[str, Any], system: dict[str, Any], at: datetime, around: Around, *, moved: bool
) -> Rekeyed | None:
    """`moved`: the number changed; else only the business-scoped id did, and `from` is still the number."""
    was = digits(item.get("from")) or digits(system.get("customer"))
    number = digits(system.get("wa_id")) or digits(system.get("new_wa_id")) if moved else was
    person = People(around.account, None).find(number, system.get("user_id"), system.get("parent_user_id"))
    old = keys(
        around.account,
        [was],
        [
            shape.text(system.get("previous_user_id")) or shape.text(item.get("from_user_id")),
            shape.text(system.get("previous_parent_user_id")),
        ],
    )
    return Rekeyed(old, person, at) if person is not None and old else None


def _content(kind: str, item: dict[str, Any], around: Around) -> _Content:
    body = shape.obj(item.get(kind))
    trouble = _code(item.get("errors")) or around.problem
    if kind == "request_welcome":
        return _Content(opens=True)
    if kind == "unsupported":
        return _Content(extra=Stub(shape.text(body.get("type")) or kind, trouble))
    found = _by_kind(kind, item, body)
    return found or _Content(extra=Stub(kind or "unknown", trouble or shape.text(body.get("type"))))


def _by_kind(kind: str, item: dict[str, Any], body: dict[str, Any]) -> _Content | None:
    if kind == "text":
        words = shape.text(body.get("body"))
        return _Content(markup.to_text(words)) if words else None
    if kind in _MEDIA:
        return _media(_MEDIA[kind], body)
    if kind == "location":
        return _place(body)
    if kind == "contacts":
        return _cards(shape.items(item.get("contacts")))
    if kind == "interactive":
        return _interactive(body)
    if kind == "button":
        words = shape.text(body.get("text"))
        return _Content(Text(words), choice=shape.text(body.get("payload")) or None) if words else None
    if kind == "order":
        return _order(body)
    return None


def _media(kind: MediaKind, body: dict[str, Any]) -> _Content | None:
    """The `ref` is the media id. An address in the webhook is not kept: it dies in five minutes, the id in days."""
    media_id = shape.label(body.get("id"))
    if not media_id:
        return None
    attachment = Attachment(
        MediaKind.VOICE if kind is MediaKind.AUDIO and body.get("voice") is True else kind,
        WHATSAPP,
        media_id,
        mime=shape.text(body.get("mime_type")) or None,
        size=shape.whole(body.get("file_size")),
        name=shape.text(body.get("filename")) or None,
    )
    return _Content(markup.to_text(shape.text(body.get("caption"))), (attachment,))


def _place(body: dict[str, Any]) -> _Content | None:
    latitude, longitude = shape.number(body.get("latitude")), shape.number(body.get("longitude"))
    if latitude is None or longitude is None:
        return None
    return _Content(
        extra=Place(latitude, longitude, shape.text(body.get("name")), shape.text(body.get("address"))),
    )


def _cards(contacts: list[Any]) -> _Content | None:
    """The first as a card; a message has one, so the others are lines of its text."""
    cards = [_card(shape.obj(contact)) for contact in contacts]
    if not cards:
        return None
    lines = [": ".join(filter(None, [card.name, ", ".join((*card.phones, *card.emails))])) for card in cards[1:]]
    return _Content(Text("\n".join(lines)), extra=cards[0])


def _card(contact: dict[str, Any]) -> Card:
    """`name` may be missing: then the company's, else the first number stands for it."""
    name = shape.obj(contact.get("name"))
    phones = [shape.text(shape.obj(phone).get("phone")) for phone in shape.items(contact.get("phones"))]
    emails = [shape.text(shape.obj(email).get("email")) for email in shape.items(contact.get("emails"))]
    company = shape.text(shape.obj(contact.get("org")).get("company"))
    parts = [shape.text(name.get("first_name")), shape.text(name.get("last_name"))]
    shown = shape.text(name.get("formatted_name")) or " ".join(filter(None, parts))
    return Card(
        shown or company or next(filter(None, phones), ""),
        tuple(filter(None, phones)),
        tuple(filter(None, emails)),
        company,
    )


def _interactive(body: dict[str, Any]) -> _Content | None:
    kind = shape.text(body.get("type"))
    reply = shape.obj(body.get(kind))
    if kind in ("button_reply", "list_reply") and (title := shape.text(reply.get("title"))):
        return _Content(Text(title), choice=shape.text(reply.get("id")) or None)
    if kind == "nfm_reply":
        words = Text(shape.text(reply.get("body")))
        return _Content(words, extra=Stub("flow", _form(shape.text(reply.get("response_json")))))
    return None


def _form(answers: str) -> str:
    """A filled form as lines "field: value"; the token that ties it to its flow says nothing to people."""
    try:
        fields = shape.obj(json.loads(answers))
    except (ValueError, RecursionError):
        return ""
    pairs = {name: value for name, value in fields.items() if name != "flow_token"}
    return "\n".join(f"{shape.text(name)}: {_plain(value)}" for name, value in pairs.items())


def _plain(value: object) -> str:
    return shape.text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _order(body: dict[str, Any]) -> _Content:
    lines = [_order_line(shape.obj(item)) for item in shape.items(body.get("product_items"))]
    return _Content(Text(shape.text(body.get("text"))), extra=Stub("order", "; ".join(filter(None, lines))))


def _order_line(item: dict[str, Any]) -> str:
    name = shape.label(item.get("product_retailer_id"))
    quantity, price = shape.number(item.get("quantity")), shape.number(item.get("item_price"))
    count = f" × {quantity:g}" if quantity is not None else ""
    cost = f", {price:g} {shape.text(item.get('currency'))}".rstrip() if price is not None else ""
    return f"{name}{count}{cost}"


def _code(errors: object) -> str:
    """The first code of an `errors` list."""
    return next((code for error in shape.items(errors) if (code := shape.label(shape.obj(error).get("code")))), "")


def problem(value: dict[str, Any]) -> str:
    """The code of an error that stands at the value, not at the message that it means."""
    return _code(value.get("errors"))
