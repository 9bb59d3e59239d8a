"""The owner's side: what the outbox asks of the chat in which the bot talks with her.

A desk raises Throttled, Unreachable, Uncertain, Refused, Locked or TopicGone, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from inbox.model import Act, Attachment, Author, Contact, Identity, Message, Notice, Topic


@dataclass(frozen=True, slots=True)
class Item:
    """One row to show: the message, what of it is new, and the desk messages that it hangs on."""

    act: Act
    message: Message
    identity: Identity
    part: int = 0
    repeat: bool = False  # may have been shown before
    missing: bool = False  # its file is not here yet: a line goes in its place
    reply_to: int | None = None  # desk message id
    emoji: str | None = None  # Act.REACT
    late: bool = False  # came long after the provider's time
    attachment: Attachment | None = None  # Act.FILE


@dataclass(frozen=True, slots=True)
class Sight:
    """What the card and the topic's name are made of."""

    contact: Contact
    identities: tuple[Identity, ...]
    waits_for: str  # "owner", "client"
    window_until: datetime | None  # None: the road has no window


@dataclass(frozen=True, slots=True)
class Sent:
    """desk_message_ids: as many as calls made messages; an album has one per item, joined texts one for all."""

    desk_message_ids: tuple[int, ...]
    thread_id: int | None
    stray: bool = False  # it did not land in the topic that was asked for


class Desk(Protocol):
    @property
    def backend(self) -> str:
        """private, forum or reply."""
        ...

    @property
    def chat_id(self) -> int | None:
        """None: not claimed yet."""
        ...

    async def open_topic(self, sight: Sight) -> int:
        """Make a thread; returns its id."""
        ...

    async def rename_topic(self, topic: Topic, sight: Sight) -> str:
        """Returns the name now shown."""
        ...

    def topic_name(self, sight: Sight) -> str: ...

    def card(self, sight: Sight) -> Notice:
        """The client's card, as a notice."""
        ...

    async def show(self, topic: Topic | None, items: Sequence[Item]) -> Sent:
        """One call: a message, an album, or the joined texts of one client. topic None: reply threads."""
        ...

    async def tell(self, topic: Topic | None, notice: Notice, standing: int | None) -> Sent:
        """Say something; `standing`: the desk message to edit in place."""
        ...

    async def pin(self, desk_message_id: int) -> None: ...

    async def mark(self, desk_message_id: int, emoji: str) -> None:
        """Put the bot's one reaction on a message."""
        ...


def header(author: Author) -> str:
    """Mark of who typed it, where it was not the client."""
    return "✎ " if author is Author.OWNER_ELSEWHERE else ""
