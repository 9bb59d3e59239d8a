"""What a gate can do, as data. The owner is told *before* sending, not after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from inbox.model import DeliveryState, MediaKind, Provider, Text


@dataclass(frozen=True, slots=True)
class MediaRule:
    max_bytes: int
    mimes: frozenset[str] = frozenset()  # empty: any
    caption: int = 0  # 0: no caption, the text goes apart


@dataclass(frozen=True, slots=True)
class Window:
    """How long after the client's last message a free reply is allowed, by the provider's time."""

    free: timedelta | None = None  # None: always open


@dataclass(frozen=True, slots=True)
class Pace:
    """A token bucket: `rate` calls a second, `burst` at once."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Abilities:
    """text_unit: "chars" (code points), "bytes" (UTF-8) or "utf16" (UTF-16 units)."""

    text_limit: int
    text_unit: str = "chars"
    measure: Callable[[Text], int] | None = None  # size in text_unit once the gate's own marks are in
    markup: frozenset[str] = frozenset()  # span kinds that survive
    media: Mapping[MediaKind, MediaRule] = field(default_factory=dict)
    album: frozenset[MediaKind] = frozenset()  # kinds that may travel together
    album_size: int = 1
    place: bool = False
    card: bool = False
    reply: bool = False
    edit: timedelta | None = None  # None: cannot; else how long after sending
    delete: timedelta | None = None
    reactions: frozenset[str] | None = None  # None: cannot; empty: any emoji
    reports: frozenset[DeliveryState] = frozenset()  # states that the network reports
    shares_files_with: frozenset[Provider] = frozenset()  # whose `ref` it can send as it is
    menu: frozenset[str] = frozenset()  # commands of clients that the product answers itself
    window: Window = field(default_factory=Window)
    account_pace: Pace = field(default_factory=lambda: Pace(20, 20))
    person_pace: Pace = field(default_factory=lambda: Pace(1, 5))
