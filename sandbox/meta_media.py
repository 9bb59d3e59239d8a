"""Media of the fake Graph: what is kept, for how long, under which addresses, and what fits which message kind."""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from dataclasses import dataclass, field

from sandbox.world import World

URL_SECONDS = 5 * 60
UPLOAD_SECONDS = 30 * 86400  # business uploads
INBOUND_SECONDS = 7 * 86400  # media of users; an older text says 30 days for both
MB = 1024 * 1024
LARGEST = 100 * MB

# Documents have no list: other types than the documented ones usually pass.
_MIMES = {
    "image": {"image/jpeg", "image/png"},
    "audio": {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"},
    "video": {"video/mp4", "video/3gpp"},
    "sticker": {"image/webp"},
}
_LARGEST = {"image": 5 * MB, "audio": 16 * MB, "video": 16 * MB, "document": LARGEST}
STICKER, ANIMATED_STICKER = 100 * 1024, 500 * 1024


@dataclass(frozen=True, slots=True)
class Media:
    id: str
    content: bytes
    mime: str
    uploaded: bool  # by the business; False: sent by a client
    expires: float
    name: str | None = None

    @property
    def sha256_hex(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def sha256_base64(self) -> str:
        return b64encode(hashlib.sha256(self.content).digest()).decode()

    @property
    def animated(self) -> bool:
        """WebP with the animation flag in its VP8X header."""
        head = self.content[:21]
        return len(head) == 21 and head[12:16] == b"VP8X" and bool(head[20] & 2)


@dataclass
class Shelf:
    """All media by id, and the short-lived addresses that were given out."""

    world: World
    _kept: dict[str, Media] = field(default_factory=dict)
    _addresses: dict[str, tuple[str, float]] = field(default_factory=dict)

    def put(
        self,
        content: bytes,
        mime: str,
        *,
        uploaded: bool,
        media_id: str | None = None,
        name: str | None = None,
    ) -> Media:
        # Ids stay unique across runs: a product that keeps its data must never meet an old one again.
        media_id = media_id or str(700_000_000_000_000 + uuid.uuid4().int % 100_000_000_000_000)
        life = UPLOAD_SECONDS if uploaded else INBOUND_SECONDS
        media = Media(media_id, content, mime, uploaded, self.world.now() + life, name)
        self._kept[media_id] = media
        return media

    def get(self, media_id: str) -> Media | None:
        media = self._kept.get(media_id)
        return media if media is not None and media.expires > self.world.now() else None

    def drop(self, media_id: str) -> bool:
        return self._kept.pop(media_id, None) is not None

    def address(self, media: Media) -> str:
        """Path and query that serve the bytes for five minutes."""
        key = uuid.uuid4().hex
        expires = self.world.now() + URL_SECONDS
        self._addresses[key] = (media.id, expires)
        return f"/whatsapp_business/attachments/?mid={media.id}&ext={int(expires)}&hash={key}"

    def at(self, media_id: str, key: str) -> Media | None:
        kept_id, expires = self._addresses.get(key, ("", 0.0))
        if kept_id != media_id or expires <= self.world.now():
            return None
        return self.get(media_id)


def bare(mime: str) -> str:
    return mime.split(";", 1)[0].strip().lower()


def misfit(kind: str, media: Media, *, voice: bool = False) -> str | None:
    """Why this file cannot go as this kind, or None. Told later as a failed status with 131053, as documented."""
    mime = bare(media.mime)
    allowed = {"audio/ogg"} if voice else _MIMES.get(kind)
    if allowed is not None and mime not in allowed:
        return f"Unsupported {kind.capitalize()} mime type {mime}."
    most = _LARGEST.get(kind, ANIMATED_STICKER if media.animated else STICKER)
    if len(media.content) > most:
        return f"Media file size too big. Max file size we currently support: {most} bytes."
    return None
