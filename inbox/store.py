"""What the inbox asks of its storage.

A unit of work is a short synchronous function handed to the one writer. It runs inside a savepoint of a group that is
committed with one fsync; when it raises, it alone is rolled back. Nothing in it may wait for anything but the store.
Unless it says otherwise, a method raises KeyError for an unknown id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from inbox.gate import Came, Changed, Inbound, Progress, Raw, Reacted
from inbox.model import (
    Act,
    Address,
    Attachment,
    AttachmentId,
    Author,
    Contact,
    ContactId,
    Delivery,
    DeliveryId,
    DeliveryState,
    Event,
    ExternalId,
    Extra,
    Identity,
    IdentityId,
    MediaKind,
    Message,
    MessageId,
    Notice,
    Part,
    Provider,
    Topic,
)
from inbox.search import Query

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RawRow:
    """A committed body. state: new, desk (for the dispatcher), done, quarantined."""

    raw: Raw
    state: str
    attempts: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Ref:
    message_id: MessageId
    part: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A desk message and what it shows. Joined texts: several per desk message; albums: several desk messages."""

    chat_id: int
    desk_message_id: int
    message_id: MessageId
    part: int


@dataclass(frozen=True, slots=True)
class Mark:
    """The delivery mark of one message of the owner: what the reaction should be, and what it is."""

    message_id: MessageId
    chat_id: int
    desk_message_id: int
    wanted: str
    shown: str
    wanted_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is due: kind "fetch" (payload: {"attachment": id}), and what later features add."""

    id: int
    kind: str
    payload: dict[str, Any]
    due_at: datetime
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A message in which all that was looked for stands. places: where in the text, in code points."""

    message_id: MessageId
    contact: Contact
    provider: Provider
    author: Author
    at: datetime
    text: str  # with the names of its files below
    places: tuple[tuple[int, int], ...]
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Newest first. next: where to go on (as `before`); None: there is no more, or nothing to go on from.

    is_cut: the time was up before so many were found, or everything was looked through.
    """

    hits: tuple[Hit, ...] = ()
    next: MessageId | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What a list shows of a message: the beginning of its words, and what else there was."""

    message_id: MessageId
    provider: Provider
    author: Author
    at: datetime
    head: str
    is_cut: bool
    extra: Extra | None
    files: tuple[MediaKind, ...]
    is_edited: bool
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that waits for the owner's next text in a place."""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Sink:
    """A receiver of the export: the last event that it took, and its retry state."""

    name: str
    last_event_id: int
    failing_since: datetime | None
    attempts: int
    stopped: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """One target's waiting deliveries. oldest: since when the head of a lane waits that waits longest (`longest`)."""

    target: str
    waiting: int
    oldest: datetime | None
    uncertain: int
    parked: int
    lanes: int = 0
    longest: str | None = None


@dataclass(frozen=True, slots=True)
class JobCount:
    """Jobs of one kind; `oldest`: when the first of them was made."""

    kind: str
    count: int
    oldest: datetime


class Reading(Protocol):
    """Queries; available in a unit of work and on the read-only connections."""

    # people
    def contact(self, contact_id: ContactId) -> Contact: ...
    def identity(self, identity_id: IdentityId) -> Identity: ...
    def identities_of(self, contact_id: ContactId) -> list[Identity]: ...
    def identity_at(self, address: Address) -> Identity | None: ...
    def identities_by_key(self, *keys: str) -> list[tuple[str, Identity]]:
        """Each with the key that leads to it: as often as there are such keys."""
        ...

    def keys_of(self, identity_id: IdentityId) -> tuple[str, ...]: ...
    def recent_contacts(self, limit: int) -> list[Contact]:
        """Those who wrote or were written to last, newest first."""
        ...

    def waits_for_owner(self, contact_id: ContactId) -> bool:
        """Whether the newest message that a person wrote (notes and automatic ones apart) is the client's."""
        ...

    # messages
    def message(self, message_id: MessageId) -> Message: ...
    def message_by_source(self, source: str) -> Message | None:
        """The message made from this desk update ("desk:chat:message"), if it was made."""
        ...

    def source_of(self, message_id: MessageId) -> tuple[int, int] | None:
        """(chat id, desk message id) of what the owner wrote, or None for other authors."""
        ...

    def album_messages(self, identity_id: IdentityId, album: str) -> list[MessageId]:
        """The messages of one album, oldest first."""
        ...

    def ref(self, provider: Provider, account: str, external_id: ExternalId) -> Ref | None: ...
    def refs_of(self, message_id: MessageId) -> list[tuple[ExternalId, int]]:
        """(external id, part), by part."""
        ...

    def attachment(self, attachment_id: AttachmentId) -> Attachment: ...
    def attachment_message(self, attachment_id: AttachmentId) -> MessageId: ...
    def fetch_pending(self, attachment_id: AttachmentId) -> bool:
        """Whether a fetch job for it is still to come."""
        ...

    # search; each takes 200 ms at most, whatever there is
    def find_messages(
        self, query: Query, contact_id: ContactId | None, limit: int, before: MessageId | None = None
    ) -> Found:
        """Notes and automatic messages too, of everybody or of one client, older than `before`."""
        ...

    def find_contacts(self, words: str, limit: int) -> list[Contact]:
        """By beginnings of names and handles, or digits of a phone from either end; the last ones in touch first."""
        ...

    def last_messages(self, contact_id: ContactId, limit: int, before: MessageId | None = None) -> list[Line]:
        """Of all networks and authors, newest first."""
        ...

    # deliveries
    def delivery(self, delivery_id: DeliveryId) -> Delivery: ...
    def deliveries_of(self, message_id: MessageId, target: str | None = None) -> list[Delivery]:
        """By id; every target, or one."""
        ...

    def lane_heads(self, target: str) -> list[Delivery]:
        """The oldest waiting row of each lane in which nothing is `sending`, oldest first, rank before age."""
        ...

    def lane_rows(self, lane: str, limit: int) -> list[Delivery]:
        """Waiting rows of a lane, oldest first."""
        ...

    def unsettled_in(self, lane: str) -> list[Delivery]:
        """Rows of Act.SEND that are `sending` or `uncertain`, oldest first."""
        ...

    def parked_in(self, lane: str) -> list[Delivery]:
        """Rows that stand aside, oldest first."""
        ...

    def queues(self) -> list[Queue]: ...

    # desk
    def topic_of(self, contact_id: ContactId, backend: str, chat_id: int) -> Topic | None: ...
    def topic_at(self, chat_id: int, thread_id: int) -> Topic | None: ...
    def shown_as(self, message_id: MessageId, part: int | None = None) -> list[Shown]: ...
    def shown_at(self, chat_id: int, desk_message_id: int) -> list[Shown]: ...
    def notice_at(self, key: str) -> tuple[int, int] | None:
        """(chat id, desk message id) where the notice stands, if it was shown."""
        ...

    def marks_to_draw(self, limit: int) -> list[Mark]: ...
    def prompt(self, place: str) -> Prompt | None: ...

    # the rest
    def setting(self, key: str) -> str | None: ...
    def cursor(self, name: str) -> str | None: ...
    def raw(self, raw_id: int) -> RawRow: ...
    def raws(self, state: str, limit: int) -> list[RawRow]:
        """In the order in which they were committed."""
        ...

    def first_raw(self, state: str) -> int | None:
        """The id of the first of `raws`, without its body."""
        ...

    def count_raws(self, state: str) -> int: ...
    def events_after(self, event_id: int, limit: int) -> list[Event]: ...
    def sink(self, name: str) -> Sink | None: ...
    def job(self, job_id: int) -> Job: ...
    def jobs_due(self, kind: str, now: datetime, limit: int) -> list[Job]: ...
    def next_job_at(self, kind: str) -> datetime | None: ...

    # figures; each costs what waits, not what is stored
    def failed_lately(self, newest: int) -> dict[str, int]:
        """By target, how many of the newest deliveries were refused for good."""
        ...

    def oldest_raw(self, state: str) -> datetime | None:
        """When the first body in this state (not `done`) was received."""
        ...

    def quarantined(self) -> dict[Provider, int]:
        """By gate; ten thousand are counted at most."""
        ...

    def newest_raws(self, after: int) -> tuple[int, dict[Provider, datetime]]:
        """The newest body's id, and when each gate's newest one came among those above `after` (ten thousand of them
        are looked at); to go on from.
        """
        ...

    def newest_event_id(self) -> int: ...
    def job_counts(self) -> list[JobCount]: ...


class Unit(Reading, Protocol):
    """A unit of work."""

    @property
    def now(self) -> datetime:
        """The time of the group; the same for everything written in it."""
        ...

    # people
    def add_contact(self, name: str, *, language: str | None, source: str | None) -> Contact: ...
    def set_contact(self, contact_id: ContactId, **fields: Any) -> Contact:
        """fields: name, language, via, source."""
        ...

    def add_identity(self, contact_id: ContactId, address: Address, name: str) -> Identity: ...
    def set_identity(self, identity_id: IdentityId, **fields: Any) -> Identity:
        """fields: name, handle, route, last_inbound_at, address."""
        ...

    def add_key(self, identity_id: IdentityId, key: str) -> None: ...
    def join_identities(self, keep: IdentityId, gone: IdentityId) -> None:
        """One body named both: keys, messages and topics of `gone` become those of `keep`."""
        ...

    # messages
    def add_message(
        self,
        identity_id: IdentityId,
        author: Author,
        *,
        at: datetime,
        content: Part,
        attachments: Sequence[Attachment] = (),
        album: str | None = None,
        source: str | None = None,
    ) -> Message:
        """Raises DuplicateSource when `source` was used already. Attachments get their ids."""
        ...

    def add_ref(
        self, provider: Provider, account: str, external_id: ExternalId, message_id: MessageId, part: int
    ) -> bool:
        """False when the id is known already (then nothing is changed)."""
        ...

    def add_version(self, message_id: MessageId, content: Part | None, at: datetime) -> None:
        """Keep the old words and put the new ones in their place; None: deleted."""
        ...

    def keep_early(self, provider: Provider, account: str, external_id: ExternalId, fact: Inbound) -> None: ...
    def take_early(
        self, provider: Provider, account: str, external_id: ExternalId
    ) -> list[Came | Changed | Reacted | Progress]:
        """What waited for this id, oldest first; it is gone then."""
        ...

    def drop_early(self, before: datetime) -> int: ...

    def set_attachment(self, attachment_id: AttachmentId, **fields: Any) -> None:
        """fields: sha256, size, mime, name."""
        ...

    # deliveries
    def add_delivery(
        self,
        act: Act,
        target: str,
        lane: str,
        *,
        message_id: MessageId | None = None,
        part: int = 0,
        content: Part | Notice | None = None,
        rank: int = 1,
        state: DeliveryState = DeliveryState.WAITING,
        not_before: datetime | None = None,
    ) -> DeliveryId:
        """rank 0 goes before 1 between lanes: answers to the owner's commands, errors of her own sends."""
        ...

    def set_delivery(self, delivery_id: DeliveryId, **fields: Any) -> Delivery:
        """fields: state, call, attempts, repeat, not_before, created_at, external_id, error, content, lane."""
        ...

    def orphans(self) -> list[Delivery]:
        """Rows left in `sending` by a process that is gone."""
        ...

    # desk
    def add_topic(self, contact_id: ContactId, backend: str, chat_id: int) -> Topic: ...
    def set_topic(self, topic_id: int, **fields: Any) -> Topic:
        """fields: thread_id, name_shown, card_message_id, card_shown, card_pinned, anchor."""
        ...

    def add_shown(self, chat_id: int, desk_message_id: int, message_id: MessageId, part: int) -> None: ...
    def set_notice(self, key: str, chat_id: int, desk_message_id: int) -> None: ...
    def want_mark(self, message_id: MessageId, chat_id: int, desk_message_id: int, emoji: str) -> None: ...
    def set_mark_shown(self, message_id: MessageId, emoji: str) -> None: ...
    def set_prompt(self, place: str, prompt: Prompt | None) -> None: ...

    # the rest
    def set_setting(self, key: str, value: str | None) -> None: ...
    def set_cursor(self, name: str, value: str) -> None: ...
    def add_raw(self, raw: Raw) -> bool:
        """False when the key is known."""
        ...

    def set_raw(self, raw_id: int, state: str, *, error: str | None = None, attempts: int | None = None) -> None: ...
    def reopen_raws(self, provider: Provider | None = None, shapes: Collection[str] | None = None) -> int:
        """Let what is quarantined (of one provider, with one of these errors; None: any) be read again; how many."""
        ...

    def once(self, key: str) -> bool:
        """True the first time a key is seen: makes the effect of an update or a tap happen once."""
        ...

    def emit(
        self,
        provider: Provider,
        type: str,
        at: datetime,
        *,
        client: ContactId | None = None,
        message: MessageId | None = None,
        external_id: str | None = None,
        **data: Any,
    ) -> int:
        """Append an event of the export; its id only grows, a restored backup included."""
        ...

    def set_sink(self, name: str, **fields: Any) -> None:
        """fields: last_event_id, failing_since, attempts, stopped. Makes the sink when it is new."""
        ...

    def add_job(self, kind: str, payload: dict[str, Any], due_at: datetime) -> int: ...
    def set_job(self, job_id: int, *, due_at: datetime, attempts: int) -> None: ...
    def finish_job(self, job_id: int) -> None: ...
    def shift_waits(self, by: timedelta) -> None:
        """The wall clock was set by so much: what waits for a moment, or is counted from one, moves along.

        The store does so itself at the first write after a step.
        """
        ...


class DuplicateSource(Exception):
    """This desk update has made its message already."""


class Store(Protocol):
    async def write(self, work: Callable[[Unit], T]) -> T:
        """Run a unit of work; it is on disk when this returns. Raises what `work` raised, or StorageDown."""
        ...

    async def read(self, work: Callable[[Reading], T]) -> T:
        """Run queries on a read-only connection; sees at least all that was committed before the call."""
        ...

    async def put(self, raws: Sequence[Raw]) -> None:
        """Commit raw bodies, repeats ignored; goes first in its group. Raises StorageDown."""
        ...
