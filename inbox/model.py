"""Nouns of the product. No I/O, no framework, nothing that can fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

ContactId = NewType("ContactId", int)
IdentityId = NewType("IdentityId", int)
MessageId = NewType("MessageId", int)
AttachmentId = NewType("AttachmentId", int)
DeliveryId = NewType("DeliveryId", int)
ExternalId = NewType("ExternalId", str)
"""A network's own message id, unique together with provider and account (Telegram's contains the chat)."""
Provider = NewType("Provider", str)
"""Each gate names its own; the centre names none but itself."""

INBOX = Provider("inbox")


class MediaKind(StrEnum):
    PHOTO = "photo"
    VIDEO = "video"
    VIDEO_NOTE = "video_note"
    ANIMATION = "animation"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"
    STICKER = "sticker"


class Author(StrEnum):
    CLIENT = "client"
    OWNER = "owner"  # typed in a topic
    OWNER_ELSEWHERE = "owner_elsewhere"  # echo: typed in the network's own app, never sent again
    AUTO = "auto"  # greetings, notices, reminders
    NOTE = "note"  # internal note: goes to nobody


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    PARKED = "parked"  # stands aside of its lane until somebody or something decides
    DROPPED = "dropped"  # taken back before it left


class Act(StrEnum):
    """What a delivery does; each is a row, so that each survives a kill."""

    SEND = "send"
    EDIT = "edit"
    DELETE = "delete"
    REACT = "react"
    FILE = "file"  # desk only: a file that came after its line
    NOTICE = "notice"  # desk only: what the product itself says; edited in place by its key


@dataclass(frozen=True, slots=True)
class Address:
    """Where a person lives on a network. Unique as a whole."""

    provider: Provider
    account: str  # which of the owner's accounts: bot id, her Telegram id (Business), phone-number id
    user: str  # the network's most lasting id of the person


@dataclass(frozen=True, slots=True)
class Contact:
    """One person: one topic on the desk, whatever the number of networks."""

    id: ContactId
    name: str
    language: str | None = None
    via: IdentityId | None = None  # chosen road; None: where the client last wrote
    source: str | None = None  # label of the link that brought the client


@dataclass(frozen=True, slots=True)
class Identity:
    """A person's presence on one network."""

    id: IdentityId
    contact_id: ContactId
    address: Address
    name: str
    handle: str | None = None
    route: str | None = None  # how to reach it, opaque to all but its gate (a number, a connection id)
    last_inbound_at: datetime | None = None  # provider's time; opens the reply window


@dataclass(frozen=True, slots=True)
class Span:
    """A run of formatting. kind: bold, italic, underline, strike, spoiler, code, pre, quote, link, mention;
    folded (a quote of which only the beginning is seen at first) is ours only.
    """

    kind: str
    start: int  # code points, not UTF-16
    end: int
    url: str | None = None  # link: the address; pre: the language


@dataclass(frozen=True, slots=True)
class Text:
    plain: str = ""
    spans: tuple[Span, ...] = ()


EMPTY = Text()


@dataclass(frozen=True, slots=True)
class Attachment:
    kind: MediaKind
    origin: Provider  # whose `ref` it is
    ref: str  # opaque to all but the gate that made it
    mime: str | None = None
    size: int | None = None  # bytes
    name: str | None = None
    sha256: str | None = None  # set once the bytes are in the blob store
    id: AttachmentId | None = None  # set once stored
    duration: int | None = None  # seconds
    spoiler: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A contact that somebody shares."""

    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    organization: str = ""


@dataclass(frozen=True, slots=True)
class Stub:
    """A message of a kind that cannot be shown: what it was, in the network's word."""

    kind: str
    detail: str = ""


Extra = Place | Card | Stub


@dataclass(frozen=True, slots=True)
class Message:
    """Belongs to an identity for ever; whose conversation it is follows from the identity's contact."""

    id: MessageId
    identity_id: IdentityId
    author: Author
    text: Text
    attachments: tuple[Attachment, ...]
    at: datetime  # provider's time, else ours
    stored_at: datetime
    extra: Extra | None = None
    album: str | None = None
    reply_to: MessageId | None = None
    quote: str | None = None  # the words of it that were quoted, where the network says
    mark: str | None = None  # the network's own label: "forwarded", "forwarded_often"
    edited_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What one call sends: a piece of a message after planning. Stored with its delivery, so a retry is the same."""

    text: Text = EMPTY
    attachments: tuple[AttachmentId, ...] = ()  # several: an album
    extra: Extra | None = None
    reply_to: MessageId | None = None
    quote: str | None = None
    mark: str | None = None
    emoji: str | None = None  # Act.REACT; None takes the reaction back


@dataclass(frozen=True, slots=True)
class Button:
    """data: callback data, at most 64 bytes; or url; or copy: text for the clipboard."""

    label: str
    data: str | None = None
    url: str | None = None
    copy: str | None = None
    style: str | None = None  # primary, success, danger
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What the product says on the desk. The same key again edits the message that is there."""

    key: str
    text: Text
    buttons: tuple[tuple[Button, ...], ...] = ()
    reply_to: int | None = None  # desk message id
    pin: bool = False
    silent: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    id: DeliveryId
    act: Act
    target: str  # "desk", or the provider
    lane: str  # "desk:17", "whatsapp:17": order is kept inside it
    state: DeliveryState
    message_id: MessageId | None = None  # None: a notice
    part: int = 0
    content: Part | Notice | None = None
    call: int | None = None  # rows that left in one call are claimed and settled together
    attempts: int = 0
    repeat: bool = False  # desk: may have been shown before
    not_before: datetime | None = None
    created_at: datetime | None = None
    external_id: ExternalId | None = None
    error: str | None = None  # "class:reason[:code]" of inbox.errors, never a traceback


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the export. `data` always has `type` and `id`."""

    id: int
    provider: Provider
    timestamp: datetime
    data: dict[str, Any] = field(default_factory=dict)

    def substance(self) -> dict[str, Any]:
        return {"provider": self.provider, "timestamp": self.timestamp.isoformat(), "data": self.data}


@dataclass(frozen=True, slots=True)
class Topic:
    """One client's thread on the desk. thread_id None: reply threads."""

    id: int
    contact_id: ContactId
    backend: str  # "private", "forum", "reply"
    chat_id: int
    thread_id: int | None = None
    name_shown: str = ""
    card_message_id: int | None = None
    card_shown: str = ""  # digest of what the card shows
    card_pinned: bool = False
    anchor: int | None = None  # last desk message of the thread: a reply to it lands in the topic
