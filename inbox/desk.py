"""The owner's side: what the outbox asks of the chat in which the bot talks with her.

A desk raises Throttled, Unreachable, Uncertain, Refused, Locked or TopicGone, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from inbox.errors import InboxError
from inbox.model import Act, Attachment, Contact, Identity, Message, Notice, Topic


@dataclass(frozen=True, slots=True)
class Item:
    """One row to show: the message, what of it is new, and the desk messages that it hangs on."""

    act: Act
    message: Message
    identity: Identity
    part: int = 0
    repeat: bool = False  # may have been shown before
    missing: bool = False  # its file is not here yet: a line goes in its place
    lost: bool = False  # its file will not come, or the desk refused it: a line instead of the file, no formatting
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
    """What a call left on the desk.

    shown: (desk message id, index of the item) pairs; joined texts share one id, an album has one per item, a text
    too long for one message several. For `tell` the index is 0. stray: it did not land in the topic asked for.
    cut: what ended a `show` of several calls after the first ones had left.
    """

    shown: tuple[tuple[int, int], ...]
    stray: bool = False
    cut: InboxError | None = None


class How(StrEnum):
    """The ladder of degrading: each is tried when the one before it found no topic."""

    THREAD = "thread"
    ANCHOR = "anchor"  # a reply to the topic's last message, without a thread id
    PLAIN = "plain"  # outside topics, headed by the client's name, with a button to answer


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

    async def rename_topic(self, topic: Topic, name: str) -> None: ...

    def topic_name(self, sight: Sight) -> str: ...

    def card(self, sight: Sight) -> Notice:
        """The client's card."""
        ...

    def cost(self, items: Sequence[Item]) -> int:
        """How many messages `show` will make of them."""
        ...

    async def show(self, topic: Topic | None, sight: Sight, items: Sequence[Item], how: How = How.THREAD) -> Sent:
        """One call where possible: a message, an album, or the joined texts of one client."""
        ...

    async def tell(self, topic: Topic | None, notice: Notice, standing: int | None, how: How = How.THREAD) -> Sent:
        """Say something; topic None: in General. `standing`: the desk message to edit in place."""
        ...

    async def pin(self, desk_message_id: int) -> None: ...

    async def mark(self, chat_id: int, message_id: int, emoji: str) -> None:
        """Put the bot's one reaction on a message; empty takes it away.

        It may stand beside the desk, where she wrote.
        """
        ...
