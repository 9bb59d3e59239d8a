"""The contract between the inbox and a network. A gate implements Gate and any of the optional protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from inbox.abilities import Abilities
from inbox.model import (
    EMPTY,
    Address,
    Attachment,
    Author,
    DeliveryState,
    ExternalId,
    Extra,
    Provider,
    Text,
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A webhook call or a fetched update exactly as it came. `id` is set once it is committed."""

    provider: Provider
    key: str
    body: bytes
    received_at: datetime
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Who a fact is about, as far as the body says.

    keys: every id that names this person to this gate, fully qualified ("whatsapp:2003:number:1202…"); a key shared
    by two identities makes them one client. name, handle, language, route: None leaves what is known.
    """

    address: Address
    keys: tuple[str, ...] = ()
    name: str | None = None
    handle: str | None = None
    language: str | None = None
    route: str | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """A message: the client's, or (Author.OWNER_ELSEWHERE) what the owner typed in the network's own app."""

    person: Person
    external_id: ExternalId
    at: datetime
    text: Text = EMPTY
    attachments: tuple[Attachment, ...] = ()
    extra: Extra | None = None
    reply_to: ExternalId | None = None
    quote: str | None = None
    album: str | None = None  # the network's own grouping
    author: Author = Author.CLIENT
    source: str | None = None  # deep-link payload or ad referral
    opens: bool = False  # a bare /start: makes the client, shows nothing
    echo_token: str | None = None  # our own token, where the network gives it back
    mark: str | None = None  # "forwarded", "forwarded_often": how the network labels it
    choice: str | None = None  # id of the button or list row that was tapped


@dataclass(frozen=True, slots=True)
class Changed:
    person: Person
    external_id: ExternalId
    at: datetime
    text: Text | None  # None: deleted
    author: Author = Author.CLIENT


@dataclass(frozen=True, slots=True)
class Reacted:
    person: Person
    external_id: ExternalId
    at: datetime
    emoji: str | None  # None: taken back
    author: Author = Author.CLIENT


@dataclass(frozen=True, slots=True)
class Progress:
    """A delivery report. `token` is our own (Outgoing.token) where the network gives it back."""

    person: Person | None
    provider: Provider
    account: str
    external_id: ExternalId
    at: datetime
    state: DeliveryState
    error: str | None = None  # as InboxError.stored()
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """The network says that a person's ids changed; the client stays the same. `person` has the new ids."""

    old_keys: tuple[str, ...]
    person: Person
    at: datetime


@dataclass(frozen=True, slots=True)
class Road:
    """An account's road opened, changed or closed (a Business connection). Opaque `route` as in Identity.route."""

    provider: Provider
    account: str
    route: str
    open: bool
    may_reply: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """Not a conversation: template approved, account restricted. Exported as `type`; `level` 1 tells the owner."""

    provider: Provider
    type: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForDesk:
    """The owner's own update (message, tap, reaction on the desk): handed on to the dispatcher as it is."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody opened the desk with the right one-time code."""

    user_id: int
    chat_id: int
    language: str | None


Inbound = Came | Changed | Reacted | Progress | Rekeyed | Road | Fact | ForDesk | Claim


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call's worth. With an album, `attachments` has several; Receipt.external_ids then has as many.

    `open` of each attachment's bytes goes through the blobs (by `sha256`), or its `ref` is sent as it is when
    Abilities.shares_files_with has its origin.
    """

    to: Address
    route: str | None
    keys: tuple[str, ...]
    text: Text
    attachments: tuple[Attachment, ...]
    token: str  # our delivery id, for networks that give it back
    extra: Extra | None = None
    reply_to: ExternalId | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    external_ids: tuple[ExternalId, ...]
    at: datetime
    state: DeliveryState = DeliveryState.SENT
    note: str | None = None  # what was lost on the way, as a text key ("quote_lost")


class Intake(Protocol):
    """Something that calls us."""

    @property
    def provider(self) -> Provider: ...

    def verify(self, method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str | None:
        """Return a challenge answer, None for an ordinary call, or raise Unverified. Pure, constant time.

        `headers` finds a name in whatever case it came."""
        ...

    def key(self, body: bytes) -> str:
        """Cheap and total: the update id where one is readable, else the sha256 of the body, with the time that the
        body tells before it where that is cheap to find: keys that come in order keep the index of them hot. Never
        raises."""
        ...

    def parse(self, raw: Raw) -> Iterable[Inbound]:
        """Pure: bytes in, facts out. Raise Unreadable; never reach out."""
        ...


class Gate(Intake, Protocol):
    """A network where clients write. `roads`: every provider name that it serves, with its abilities."""

    @property
    def roads(self) -> Mapping[Provider, Abilities]: ...

    async def send(self, out: Outgoing) -> Receipt:
        """One call. Raises Refused, Throttled, Unreachable, Uncertain or Locked, nothing else."""
        ...

    def download(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Raises Refused (for good), Unreachable, Throttled or Locked. Only from the provider's own hosts."""
        ...


@runtime_checkable
class Edits(Protocol):
    async def edit(self, to: Outgoing, external_id: ExternalId) -> None: ...


@runtime_checkable
class Deletes(Protocol):
    async def delete(self, to: Outgoing, external_id: ExternalId) -> None: ...


@runtime_checkable
class Reacts(Protocol):
    async def react(self, to: Outgoing, external_id: ExternalId, emoji: str | None) -> None: ...


@runtime_checkable
class Polls(Protocol):
    """A gate that fetches by itself: getUpdates, IMAP. The cursor moves with the commit of what was fetched."""

    def fetch(self, cursor: str | None) -> AsyncIterator[tuple[str, list[Raw]]]: ...


@runtime_checkable
class Probes(Protocol):
    """A gate that can ask whether its network and its token live, at next to no cost."""

    async def probe(self) -> None:
        """Raises Locked, Unreachable, Uncertain or Throttled."""
        ...


@runtime_checkable
class Registers(Protocol):
    """A gate whose webhook the product registers itself."""

    async def register(self, public_url: str) -> None: ...
