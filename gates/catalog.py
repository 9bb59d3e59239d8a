"""The one list of networks. A new gate is its folder and one line in `BUILDERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from gates.telegram.gate import TelegramGate
from gates.whatsapp.gate import WhatsAppGate
from inbox.blobs import Blobs
from inbox.clock import Clock
from inbox.gate import Gate


@dataclass(frozen=True, slots=True)
class Tools:
    """What every gate is given."""

    http: aiohttp.ClientSession
    blobs: Blobs
    clock: Clock


Builder = Callable[[Any, Tools], Gate]

BUILDERS: Mapping[str, Builder] = {
    "telegram": lambda settings, tools: TelegramGate(settings, tools.http, tools.blobs, tools.clock),
    "whatsapp": lambda settings, tools: WhatsAppGate(settings, tools.http, tools.blobs, tools.clock),
}

WEBHOOKS = frozenset({"telegram", "whatsapp", "messenger", "instagram", "zoom", "calcom"})
"""Every route name of the product, built or not: the names that may stand in a counter."""


def build(settings: Mapping[str, object], tools: Tools) -> dict[str, Gate]:
    """The gates whose settings are there, by route name."""
    return {name: BUILDERS[name](own, tools) for name, own in settings.items()}
