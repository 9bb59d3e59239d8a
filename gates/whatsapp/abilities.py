"""What WhatsApp can do (Cloud API limits as of 2026; doc.md names the sources).

Sizes are decimal: the documentation says "MB", and a file just under 5 MiB that is refused would fail for good.
What does not fit its own kind goes as a document.
"""

from __future__ import annotations

from datetime import timedelta
from types import MappingProxyType

from gates.whatsapp.markup import rendered_length
from inbox.abilities import Abilities, MediaRule, Pace, Window
from inbox.model import DeliveryState, MediaKind, Provider

WHATSAPP = Provider("whatsapp")

CAPTION = 1024
_MB = 1_000_000
_CLIP = MediaRule(16 * _MB, frozenset({"video/mp4", "video/3gpp"}), CAPTION)
_DOCUMENT = MediaRule(100 * _MB, caption=CAPTION)
_AUDIO = frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})

ABILITIES = Abilities(
    text_limit=4096,
    measure=rendered_length,
    markup=frozenset({"bold", "italic", "strike", "code", "pre", "quote"}),
    media=MappingProxyType(
        {
            MediaKind.PHOTO: MediaRule(5 * _MB, frozenset({"image/jpeg", "image/png"}), CAPTION),
            MediaKind.VIDEO: _CLIP,
            MediaKind.VIDEO_NOTE: _CLIP,
            MediaKind.ANIMATION: _CLIP,
            MediaKind.AUDIO: MediaRule(16 * _MB, _AUDIO),
            MediaKind.VOICE: MediaRule(16 * _MB, frozenset({"audio/ogg"})),
            MediaKind.DOCUMENT: _DOCUMENT,
            # A moving WebP may have 500 kB, but a file does not say which it is; Telegram's WebP stickers stand still.
            MediaKind.STICKER: MediaRule(100_000, frozenset({"image/webp"})),
        }
    ),
    place=True,
    card=True,
    reply=True,
    reactions=frozenset(),
    reports=frozenset({DeliveryState.DELIVERED, DeliveryState.READ}),
    window=Window(timedelta(hours=24)),
    account_pace=Pace(80, 80),
    person_pace=Pace(1 / 6, 45),
)
