"""What the inbox has the desk say by itself. The words are elsewhere; here is when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from inbox.model import Contact, Delivery, Identity, Notice, Provider, Text


class Voice(Protocol):
    def failed(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        """Her message was not sent, for good; `delivery.error` says why."""
        ...

    def held(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        """The road is closed (24 hours, a connection switched off): what shall become of the text."""
        ...

    def parked(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        """It leaves when the client writes."""
        ...

    def uncertain(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice: ...

    def settled(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        """One line without buttons: the question that stood there has its answer (`delivery.state`)."""
        ...

    def cannot(self, what: str, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        """what: edit, delete, react."""
        ...

    def unshown(self, delivery: Delivery) -> Notice:
        """A message of a client that the desk refused in every form."""
        ...

    def quarantined(self, provider: Provider, shape: str, count: int, *, again: str | None = None) -> Notice:
        """So many bodies of this shape were not understood. again: what the button that tries them anew carries."""
        ...

    def tried_again(self, provider: Provider, count: int) -> Notice:
        """In the place of that notice, while it is done."""
        ...

    def trouble(self, provider: Provider, error: str, waiting: int) -> Notice: ...

    def recovered(self, provider: Provider, minutes: int) -> Notice: ...

    def road(self, provider: Provider, *, open: bool, may_reply: bool) -> Notice: ...

    def backlog(self, messages: int, contacts: Sequence[Contact]) -> Notice:
        """So many wait, of these clients; 0: no more."""
        ...

    def topics(self, *, work: bool) -> Notice:
        """Topics fail and messages stand outside them, or they work again."""
        ...

    def export_stopped(self, sink: str) -> Notice: ...

    def export_given_up(self, sink: str, event_id: int) -> Notice: ...

    def blocked(self, contact: Contact, *, blocked: bool) -> Notice:
        """A client shut the road from his side, or opened it again."""
        ...

    def menu(self, command: str, language: str | None) -> Text:
        """What a client gets for /start, /help, /privacy."""
        ...
