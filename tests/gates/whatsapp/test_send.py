"""Bodies of calls beyond the documented examples: routes, what a file goes as, what cannot go."""

from __future__ import annotations

from typing import Any

import pytest

from gates.whatsapp.abilities import ABILITIES
from gates.whatsapp.send import message, reaction, upload
from inbox.errors import Refused
from inbox.gate import Outgoing
from inbox.model import Address, Card, ExternalId, MediaKind, Place, Span, Stub, Text
from tests.gates.whatsapp.cases import ANNA, ANNA_ID, LENA_ID, PHONE, WAMID, WHATSAPP, file, to_anna

MB = 1_000_000
TGS = "application/x-tgsticker"


@pytest.mark.parametrize(
    ("user", "route", "expected"),
    [
        (ANNA_ID, ANNA, {"to": ANNA}),
        (LENA_ID, f"bsuid:{LENA_ID}", {"recipient": LENA_ID}),
        (LENA_ID, LENA_ID, {"recipient": LENA_ID}),
        (LENA_ID, None, {"recipient": LENA_ID}),
        (ANNA, None, {"to": ANNA}),
    ],
)
def test_whom_it_goes_to(user: str, route: str | None, expected: dict[str, str]) -> None:
    out = to_anna(to=Address(WHATSAPP, PHONE, user), route=route, text=Text("Да"))
    for body in (message(out), reaction(out, ExternalId(WAMID), "👍")):
        assert {key: body[key] for key in ("to", "recipient") if key in body} == expected
        assert body["biz_opaque_callback_data"] == "out:777"


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (MediaKind.PHOTO, {}, (MediaKind.PHOTO, "image/jpeg", "file.jpg")),
        (MediaKind.PHOTO, {"mime": "image/gif"}, (MediaKind.DOCUMENT, "image/gif", "file.gif")),
        (MediaKind.PHOTO, {"size": 5 * MB}, (MediaKind.PHOTO, "image/jpeg", "file.jpg")),
        (MediaKind.PHOTO, {"size": 5 * MB + 1}, (MediaKind.DOCUMENT, "image/jpeg", "file.jpg")),
        (MediaKind.VIDEO_NOTE, {}, (MediaKind.VIDEO_NOTE, "video/mp4", "file.mp4")),
        (MediaKind.VIDEO, {"mime": "video/webm"}, (MediaKind.DOCUMENT, "video/webm", "file.webm")),
        (MediaKind.VOICE, {"mime": "audio/ogg; codecs=opus"}, (MediaKind.VOICE, "audio/ogg", "file.ogg")),
        (MediaKind.VOICE, {"mime": "audio/mp4"}, (MediaKind.DOCUMENT, "audio/mp4", "file.m4a")),
        (MediaKind.AUDIO, {"mime": "AUDIO/MPEG", "name": "a.mp3"}, (MediaKind.AUDIO, "audio/mpeg", "a.mp3")),
        (MediaKind.AUDIO, {"mime": "audio/flac", "name": "a"}, (MediaKind.DOCUMENT, "audio/flac", "a")),
        (MediaKind.STICKER, {"size": 100_000}, (MediaKind.STICKER, "image/webp", "file.webp")),
        (
            MediaKind.STICKER,
            {"mime": "application/x-tgsticker"},
            (MediaKind.DOCUMENT, "application/x-tgsticker", "file.tgs"),
        ),
        (MediaKind.STICKER, {"mime": "video/webm"}, (MediaKind.DOCUMENT, "video/webm", "file.webm")),
        (
            MediaKind.DOCUMENT,
            {"size": 100 * MB, "name": "b.zip"},
            (MediaKind.DOCUMENT, "application/octet-stream", "b.zip"),
        ),
    ],
)
def test_what_a_file_goes_as(kind: MediaKind, fields: dict[str, Any], expected: tuple[MediaKind, str, str]) -> None:
    found = upload(file(kind, **fields))
    assert (found.kind, found.mime, found.name) == expected


def test_a_long_name_keeps_its_end() -> None:
    assert upload(file(MediaKind.DOCUMENT, name="а" * 300 + ".pdf")).name == "а" * 236 + ".pdf"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("смета 1.PDF", "file.pdf"),
        ("a\r\nb", "file.pdf"),
        ("x.смета", "file.pdf"),
        ("pdf", "file.pdf"),
        ("a.b.zip", "file.zip"),
    ],
)
def test_the_name_inside_the_form_is_plain(name: str, part: str) -> None:
    found = upload(file(MediaKind.DOCUMENT, mime="application/pdf", name=name))
    assert (found.name, found.part_name) == (name, part)


def test_over_a_hundred_megabytes_nothing_goes() -> None:
    with pytest.raises(Refused, match="too_big"):
        upload(file(MediaKind.VIDEO, size=100 * MB + 1))


def test_a_file_that_became_a_document_keeps_caption_and_name() -> None:
    attachment = file(MediaKind.STICKER, mime="video/webm", name="x.webm")
    out = to_anna(text=Text("Смотрите"), attachments=(attachment,))
    body = message(out, (upload(attachment), "7"))
    assert body["document"] == {"id": "7", "filename": "x.webm", "caption": "Смотрите"}


VOICE, PHOTO = file(MediaKind.VOICE), file(MediaKind.PHOTO)


@pytest.mark.parametrize(
    "out",
    [
        to_anna(),
        to_anna(text=Text(" \n")),
        to_anna(extra=Stub("poll")),
        to_anna(extra=Card("")),
        to_anna(extra=Place(1, 2), text=Text("и слова")),
        to_anna(text=Text("подпись"), attachments=(VOICE,)),
        to_anna(attachments=(PHOTO, PHOTO)),
    ],
)
def test_what_cannot_go_is_refused_and_never_cut(out: Outgoing) -> None:
    uploaded = (upload(out.attachments[0]), "7") if out.attachments else None
    with pytest.raises(Refused, match="kind"):
        message(out, uploaded)


def test_marks_give_way_where_only_they_make_it_too_long() -> None:
    words = "а" * 4095
    out = to_anna(text=Text(words, (Span("bold", 0, 4095),)))
    assert message(out)["text"]["body"] == words
    caption = to_anna(text=Text("а" * 1023, (Span("bold", 0, 1023),)), attachments=(PHOTO,))
    assert message(caption, (upload(PHOTO), "7"))["image"]["caption"] == "а" * 1023
    short = to_anna(text=Text("а" * 4094, (Span("bold", 0, 4094),)))
    assert message(short)["text"]["body"] == f"*{'а' * 4094}*"


def test_a_card_says_all_it_has() -> None:
    card = Card("", ("+1 202 555 0177", "доб. 5"), ("a@mail.example",), "Пример ООО")
    assert message(to_anna(extra=card))["contacts"] == [
        {
            "name": {"formatted_name": "Пример ООО", "first_name": "Пример"},
            "phones": [
                {"phone": "+1 202 555 0177", "type": "WORK", "wa_id": "12025550177"},
                {"phone": "доб. 5", "type": "WORK"},
            ],
            "emails": [{"email": "a@mail.example", "type": "WORK"}],
            "org": {"company": "Пример ООО"},
        }
    ]


def test_lengths_are_measured_with_the_marks_in() -> None:
    assert ABILITIES.measure is not None
    assert ABILITIES.measure(Text("да", (Span("bold", 0, 2),))) == 4


def test_every_kind_has_a_rule() -> None:
    assert set(ABILITIES.media) == set(MediaKind)
