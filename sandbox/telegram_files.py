"""Files and contents: what a message carries, as fields of a Message, and the bytes behind every file_id."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram_parameters import Body, Request, Upload, bad

UPLOAD_LIMIT = 50 * 1024 * 1024
PHOTO_LIMIT = 10 * 1024 * 1024
DOWNLOAD_LIMIT = 20 * 1024 * 1024
MEDIA = frozenset("photo video animation audio voice video_note document sticker".split())
CAPTIONED = frozenset("photo video animation audio voice document paid_media".split())
UNCOPYABLE = frozenset("story paid_media giveaway giveaway_winners invoice checklist".split())

_NAMES = {
    "photo": ("photos", "jpg", "image/jpeg"),
    "video": ("videos", "mp4", "video/mp4"),
    "animation": ("animations", "mp4", "video/mp4"),
    "audio": ("music", "mp3", "audio/mpeg"),
    "voice": ("voice", "oga", "audio/ogg"),
    "video_note": ("video_notes", "mp4", "video/mp4"),
    "document": ("documents", "bin", "application/octet-stream"),
    "sticker": ("stickers", "webp", "image/webp"),
    "live_photo": ("videos", "mp4", "video/mp4"),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """One file_id: its kind decides what it can be sent as."""

    file_id: str
    unique_id: str
    kind: str
    name: str
    mime: str
    path: str
    data: bytes

    def fields(self) -> Body:
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.data)}


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


@dataclass
class Files:
    """All files that the bot can name. Bytes stay in memory."""

    by_id: dict[str, Stored] = field(default_factory=dict)
    by_path: dict[str, Stored] = field(default_factory=dict)

    def put(self, kind: str, data: bytes, name: str | None = None) -> Stored:
        number = len(self.by_id) + 1
        folder, ending, mime = _NAMES[kind]
        name = name or f"{kind}_{number}.{ending}"
        if kind in ("document", "audio", "video", "animation"):
            mime = mimetypes.guess_type(name)[0] or mime
        path = f"{folder}/file_{number}.{name.rpartition('.')[2] if '.' in name else ending}"
        stored = Stored(f"BQACAgIAAx-{kind}-{number:06d}", f"AgAD{number:06d}", kind, name, mime, path, data)
        self.by_id[stored.file_id] = self.by_path[path] = stored
        return stored

    def sent(self, kind: str, value: str, uploads: dict[str, Upload]) -> Stored:
        """The file that a send names by file_id or attach://. Raises Refusal."""
        if value.startswith("attach://"):
            upload = uploads.get(value.removeprefix("attach://"))
            if upload is None:
                raise bad("wrong file identifier/HTTP URL specified")
            if not upload.data:
                raise bad("file must be non-empty")
            if len(upload.data) > (PHOTO_LIMIT if kind == "photo" else UPLOAD_LIMIT):
                raise bad("file is too big" if kind != "photo" else "too big for a photo")
            return self.put(kind, upload.data, upload.name)
        if value.startswith(("http://", "https://")):
            raise bad("failed to get HTTP URL content")
        stored = self.by_id.get(value)
        if stored is None or stored.kind != kind:
            raise bad("wrong file identifier/HTTP URL specified")
        return stored


def _photo(files: Files, file: Stored) -> Body:
    size = _png_size(file.data) or (1280, 853)
    width, height = size
    if width + height > 10_000 or max(size) > 20 * min(size):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    small = files.put("photo", file.data[:64] or b"\0")
    return {
        "photo": [
            {**small.fields(), "width": 90, "height": 60},
            {**file.fields(), "width": width, "height": height},
        ]
    }


def _moving(kind: str) -> Callable[[Files, Stored, Body], Body]:
    def build(files: Files, file: Stored, more: Body) -> Body:
        body = {
            **file.fields(),
            "width": more.get("width", 640),
            "height": more.get("height", 360),
            "duration": more.get("duration", 3),
            "file_name": file.name,
            "mime_type": file.mime,
        }
        if kind == "video":
            return {"video": body}
        document = {**file.fields(), "file_name": file.name, "mime_type": file.mime}
        return {"animation": body, "document": document}

    return build


def _audio(files: Files, file: Stored, more: Body) -> Body:
    tags = {key: more[key] for key in ("performer", "title") if more.get(key)}
    body = {**file.fields(), "duration": more.get("duration", 180), "file_name": file.name, "mime_type": file.mime}
    return {"audio": {**body, **tags}}


def _sticker(files: Files, file: Stored, more: Body) -> Body:
    shape = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
    return {"sticker": {**file.fields(), **shape, "emoji": more.get("emoji", "👍"), "set_name": "demo_by_bot"}}


_BUILDERS: dict[str, Callable[[Files, Stored, Body], Body]] = {
    "photo": lambda files, file, more: _photo(files, file),
    "video": _moving("video"),
    "animation": _moving("animation"),
    "audio": _audio,
    "voice": lambda files, file, more: {
        "voice": {**file.fields(), "duration": more.get("duration", 4), "mime_type": file.mime}
    },
    "video_note": lambda files, file, more: {
        "video_note": {**file.fields(), "length": more.get("length", 384), "duration": more.get("duration", 5)}
    },
    "document": lambda files, file, more: {
        "document": {**file.fields(), "file_name": file.name, "mime_type": file.mime}
    },
    "sticker": _sticker,
}


def media_fields(files: Files, kind: str, file: Stored, more: Body) -> Body:
    """The Message fields of a file of a kind; `more` may set duration, width, height, performer, title, emoji."""
    fields = _BUILDERS[kind](files, file, more)
    for flag, shown in (("has_spoiler", "has_media_spoiler"), ("show_caption_above_media",) * 2):
        if more.get(flag):
            fields[shown] = True
    return fields


def poll_fields(number: int, question: str, options: list[str], more: Body) -> Body:
    return {
        "poll": {
            "id": str(5_000_000_000_000 + number),
            "question": question,
            "options": [{"persistent_id": f"{n}", "text": text, "voter_count": 0} for n, text in enumerate(options)],
            "total_voter_count": 0,
            "is_closed": more.get("is_closed", False),
            "is_anonymous": more.get("is_anonymous", True),
            "type": more.get("type", "regular"),
            "allows_multiple_answers": more.get("allows_multiple_answers", False),
            "allows_revoting": more.get("allows_revoting", True),
            "members_only": False,
            **({"correct_option_ids": more["correct_option_ids"]} if more.get("correct_option_ids") else {}),
        }
    }


_PLACE = {"latitude": 59.9375, "longitude": 30.308611}


def other_fields(files: Files, kind: str, number: int) -> Body:
    """A plausible content of the kinds that are no files, as a person's client would send them."""
    if kind == "live_photo":
        moving, still = files.put("live_photo", b"live"), files.put("photo", b"still")
        size = {"width": 720, "height": 960}
        still_size = {**still.fields(), **size}
        return {
            "live_photo": {**moving.fields(), **size, "duration": 2, "photo": [still_size]},
            "photo": [still_size],
        }
    if kind == "game":
        picture = {**files.put("photo", b"game").fields(), "width": 640, "height": 360}
        return {"game": {"title": "Demo", "description": "A game", "photo": [picture]}}
    if kind == "poll":
        return poll_fields(number, "Which day?", ["Monday", "Tuesday"], {})
    known: dict[str, Any] = {
        "location": _PLACE,
        "venue": {"location": _PLACE, "title": "Library", "address": "1 Example Street"},
        "contact": {"phone_number": "+12025550123", "first_name": "Ann", "last_name": "Example"},
        "dice": {"emoji": "🎲", "value": 4},
        "story": {"chat": {"id": -1001999999999, "type": "channel", "title": "Stories"}, "id": number},
        "paid_media": {
            "star_count": 5,
            "paid_media": [{"type": "preview", "width": 640, "height": 480, "duration": 3}],
        },
        "checklist": {"title": "To bring", "tasks": [{"id": 1, "text": "Passport"}, {"id": 2, "text": "Photo"}]},
        "invoice": {
            "title": "Consultation",
            "description": "One hour",
            "start_parameter": "demo",
            "currency": "EUR",
            "total_amount": 5000,
        },
    }
    fields: Body = {kind: known.get(kind, {})}
    if kind == "venue":
        fields["location"] = _PLACE
    return fields


def asked_fields(files: Files, request: Request, number: int) -> Body:
    """The content of sendLocation, sendVenue, sendContact, sendDice and sendPoll."""
    get = request.get
    if request.method == "sendDice":
        return {"dice": {"emoji": get("emoji", "🎲"), "value": number % 6 + 1}}
    if request.method == "sendContact":
        names = ("phone_number", "first_name", "last_name", "vcard")
        return {"contact": {name: get(name) for name in names if get(name)}}
    if request.method == "sendPoll":
        return _asked_poll(request, number)
    if not -90 <= get("latitude") <= 90 or not -180 <= get("longitude") <= 180:
        raise bad("wrong latitude or longitude specified")
    parts = ("latitude", "longitude", "horizontal_accuracy", "live_period", "heading", "proximity_alert_radius")
    location = {name: get(name) for name in parts if get(name) is not None}
    if request.method == "sendLocation":
        return {"location": location}
    return {"venue": {"location": location, "title": get("title"), "address": get("address")}, "location": location}


def _asked_poll(request: Request, number: int) -> Body:
    options = []
    for option in request.get("options"):
        text = option.get("text") if isinstance(option, dict) else None
        if not isinstance(text, str) or not 1 <= len(text) <= 100:
            raise bad("poll options length must not exceed 100")
        options.append(text)
    if not 1 <= len(options) <= 12:
        raise bad("poll must have 1-12 options")
    if not 1 <= len(request.get("question").strip()) <= 300:
        raise bad("poll question length must not exceed 300")
    return poll_fields(number, request.get("question"), options, request.values)
