"""What Newgate can do (doc.md names the sources)."""

from __future__ import annotations

from types import MappingProxyType

from inbox.abilities import Abilities, MediaRule, Pace
from inbox.model import DeliveryState, MediaKind, Provider

NEWGATE = Provider("newgate")

_PHOTO = MediaRule(5_000_000, frozenset({"image/jpeg", "image/png"}), caption=1024)

ABILITIES = Abilities(
    text_limit=4096,
    media=MappingProxyType(
        {MediaKind.PHOTO: MediaRule(5_000_000, frozenset({"image/jpeg", "image/png"}), caption=1024)}
    ),
    reply=True,
    reports=frozenset({DeliveryState.DELIVERED, DeliveryState.READ}),
    account_pace=Pace(20, 20),
    person_pace=Pace(1, 5),
)
