"""What calls a message becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.abilities import Abilities, MediaRule
from inbox.model import Attachment, Card, Extra, MediaKind, MessageId, Place, Provider, Span, Stub, Text
from inbox.plan import PartPlan, Plan, Refusal, fit, shape
from inbox.text import size

K = MediaKind
MB = 1 << 20
ONE_BY_ONE = Abilities(
    text_limit=40,
    markup=frozenset({"bold"}),
    media={
        K.PHOTO: MediaRule(5 * MB, frozenset({"image/jpeg", "image/png"}), caption=20),
        K.VIDEO: MediaRule(16 * MB, frozenset({"video/mp4"}), caption=20),
        K.AUDIO: MediaRule(16 * MB, frozenset({"audio/mpeg", "audio/ogg"})),
        K.DOCUMENT: MediaRule(100 * MB, caption=20),
    },
)
ALBUMS = Abilities(
    text_limit=40,
    text_unit="utf16",
    markup=frozenset({"bold", "link"}),
    media={k: MediaRule(50 * MB, caption=0 if k in (K.VIDEO_NOTE, K.STICKER) else 20) for k in K},
    album=frozenset({K.PHOTO, K.VIDEO, K.DOCUMENT, K.AUDIO}),
    album_size=3,
    place=True,
    card=True,
    reply=True,
)
TEXT_ONLY = Abilities(text_limit=40)
PLACE = Place(55.75, 37.6, "Кафе", "Улица, 1")
CARD = Card("Анна", ("+12025550101",), ("anna@example.com",), "Бюро")


def file(kind: MediaKind, mime: str | None = None, size_: int | None = 1000, ref: str = "r") -> Attachment:
    return Attachment(kind, Provider("net"), ref, mime=mime, size=size_)


def plan(content: PartPlan, abilities: Abilities) -> Plan:
    made = fit(content, abilities)
    assert isinstance(made, Plan)
    return made


def shown(made: Plan) -> list[str]:
    """One word for each call: the kinds of its files, then its text in brackets."""
    return ["+".join(a.kind for a in p.attachments) + (f"[{p.text.plain}]" if p.text.plain else "") for p in made.parts]


LONG = "a text longer than twenty"


@pytest.mark.parametrize(
    ("abilities", "kinds", "text", "expected"),
    [
        (ONE_BY_ONE, [], "hi", ["[hi]"]),
        (ONE_BY_ONE, [], "a" * 35 + " bbbbbbbbb", ["[" + "a" * 35 + "]", "[bbbbbbbbb]"]),
        (ONE_BY_ONE, [K.PHOTO], "", ["photo"]),
        (ONE_BY_ONE, [K.PHOTO], "  ", ["photo"]),
        (ONE_BY_ONE, [K.PHOTO], "hi", ["photo[hi]"]),
        (ONE_BY_ONE, [K.PHOTO], LONG, ["photo", f"[{LONG}]"]),
        (ONE_BY_ONE, [K.AUDIO], "hi", ["audio", "[hi]"]),
        (ONE_BY_ONE, [K.PHOTO, K.PHOTO], "hi", ["photo[hi]", "photo"]),
        (ONE_BY_ONE, [K.PHOTO, K.PHOTO], LONG, ["photo", "photo", f"[{LONG}]"]),
        (ALBUMS, [K.PHOTO, K.VIDEO], "hi", ["photo+video[hi]"]),
        (ALBUMS, [K.PHOTO, K.VIDEO], LONG, ["photo+video", f"[{LONG}]"]),
        (ALBUMS, [K.PHOTO] * 4, "hi", ["photo+photo+photo[hi]", "photo"]),
        (ALBUMS, [K.DOCUMENT] * 2, "hi", ["document+document[hi]"]),
        (ALBUMS, [K.AUDIO] * 2, "hi", ["audio+audio[hi]"]),
        (ALBUMS, [K.PHOTO, K.DOCUMENT, K.PHOTO], "hi", ["photo[hi]", "document", "photo"]),
        (ALBUMS, [K.AUDIO, K.DOCUMENT], "", ["audio", "document"]),
        (ALBUMS, [K.VOICE, K.VOICE], "hi", ["voice[hi]", "voice"]),
        (ALBUMS, [K.STICKER], "hi", ["sticker", "[hi]"]),
        (replace(ALBUMS, album=frozenset({K.PHOTO})), [K.PHOTO, K.PHOTO, K.VIDEO], "", ["photo+photo", "video"]),
    ],
)
def test_calls(abilities: Abilities, kinds: list[MediaKind], text: str, expected: list[str]) -> None:
    content = PartPlan(Text(text), tuple(file(k) for k in kinds))
    made = plan(content, abilities)
    assert shown(made) == expected
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("attachment", "expected"),
    [
        (file(K.PHOTO, "image/jpeg"), K.PHOTO),
        (file(K.PHOTO), K.PHOTO),
        (file(K.PHOTO, "IMAGE/PNG; q=1"), K.PHOTO),
        (file(K.PHOTO, "image/webp"), K.DOCUMENT),
        (file(K.PHOTO, "image/jpeg", 6 * MB), K.DOCUMENT),
        (file(K.PHOTO, "image/jpeg", None), K.PHOTO),
        (file(K.PHOTO, "image/jpeg", 5 * MB), K.PHOTO),
        (file(K.VIDEO_NOTE), K.VIDEO),
        (file(K.VIDEO_NOTE, "video/mp4", 17 * MB), K.DOCUMENT),
        (file(K.ANIMATION, "video/mp4"), K.VIDEO),
        (file(K.ANIMATION, "image/gif"), K.DOCUMENT),
        (file(K.VOICE, "audio/ogg; codecs=opus"), K.AUDIO),
        (file(K.VOICE, "audio/wav"), K.DOCUMENT),
        (file(K.STICKER, "image/png"), K.PHOTO),
        (file(K.STICKER, "image/webp"), K.DOCUMENT),
        (file(K.STICKER, "video/mp4"), K.VIDEO),
        (file(K.STICKER, "application/x-tgsticker"), K.DOCUMENT),
        (file(K.STICKER), K.DOCUMENT),
        (file(K.DOCUMENT, "image/jpeg"), K.DOCUMENT),
    ],
)
def test_the_kind_that_a_file_goes_as(attachment: Attachment, expected: MediaKind) -> None:
    shaped = shape(attachment, ONE_BY_ONE)
    assert shaped == replace(attachment, kind=expected)
    assert shape(replace(attachment, kind=expected), ONE_BY_ONE) == shaped, "settled"
    changed = ("kind_changed",) if expected is not attachment.kind else ()
    assert plan(PartPlan(attachments=(attachment,)), ONE_BY_ONE).warnings == changed


def test_a_sticker_is_no_photo_where_any_type_is_taken() -> None:
    loose = replace(ONE_BY_ONE, media={K.PHOTO: MediaRule(MB), K.DOCUMENT: MediaRule(MB)})
    assert shape(file(K.STICKER, "application/x-tgsticker"), loose) == file(K.DOCUMENT, "application/x-tgsticker")


PHOTOS_ONLY = Abilities(40, media={K.PHOTO: MediaRule(5 * MB, frozenset({"image/jpeg"}))})


@pytest.mark.parametrize(
    ("content", "abilities", "expected"),
    [
        (PartPlan(), ONE_BY_ONE, Refusal("empty")),
        (PartPlan(Text(" \n")), ONE_BY_ONE, Refusal("empty")),
        (PartPlan(extra=Stub("poll", "Tea?")), ALBUMS, Refusal("kind", "poll")),
        (PartPlan(attachments=(file(K.PHOTO),)), TEXT_ONLY, Refusal("kind", "photo")),
        (PartPlan(attachments=(file(K.VIDEO, size_=101 * MB),)), ONE_BY_ONE, Refusal("too_big", "video", 100 * MB)),
        (PartPlan(attachments=(file(K.PHOTO, size_=6 * MB),)), PHOTOS_ONLY, Refusal("too_big", "photo", 5 * MB)),
        (PartPlan(attachments=(file(K.PHOTO, "image/gif"),)), PHOTOS_ONLY, Refusal("bad_media", "image/gif")),
        (PartPlan(attachments=(file(K.STICKER),)), PHOTOS_ONLY, Refusal("bad_media", "sticker")),
        (PartPlan(attachments=(file(K.VOICE),)), PHOTOS_ONLY, Refusal("kind", "voice")),
        (
            PartPlan(attachments=(file(K.PHOTO), replace(file(K.DOCUMENT, size_=101 * MB), name="plan.pdf"))),
            ONE_BY_ONE,
            Refusal("too_big", "plan.pdf", 100 * MB),
        ),
    ],
)
def test_refusals(content: PartPlan, abilities: Abilities, expected: Refusal) -> None:
    assert fit(content, abilities) == expected


@pytest.mark.parametrize(
    ("extra", "abilities", "expected"),
    [
        (PLACE, ALBUMS, [PartPlan(Text("hi")), PartPlan(extra=PLACE)]),
        (CARD, ALBUMS, [PartPlan(Text("hi")), PartPlan(extra=CARD)]),
        (
            PLACE,
            replace(TEXT_ONLY, text_limit=200),
            [PartPlan(Text("hi\nКафе\nУлица, 1\nhttps://maps.google.com/?q=55.750000,37.600000"))],
        ),
        (CARD, replace(TEXT_ONLY, text_limit=200), [PartPlan(Text("hi\nАнна\nБюро\n+12025550101\nanna@example.com"))]),
    ],
)
def test_places_and_cards(extra: Extra, abilities: Abilities, expected: list[PartPlan]) -> None:
    assert plan(PartPlan(Text("hi"), extra=extra), abilities).parts == tuple(expected)


def test_a_bare_place_as_text() -> None:
    made = plan(PartPlan(extra=Place(-0.5, 1)), replace(TEXT_ONLY, text_limit=200))
    assert shown(made) == ["[https://maps.google.com/?q=-0.500000,1.000000]"]


def test_a_reply_goes_with_the_first_call_only() -> None:
    content = PartPlan(Text(LONG), (file(K.PHOTO), file(K.DOCUMENT)), reply_to=MessageId(7), quote="so")
    made = plan(content, ALBUMS)
    assert [(p.reply_to, p.quote) for p in made.parts] == [(7, "so"), (None, None), (None, None)]
    without = plan(content, ONE_BY_ONE)
    assert all(p.reply_to is None and p.quote is None for p in without.parts)
    assert without.warnings == ("quote_lost",)


def test_links_are_written_out_before_the_limit_is_counted() -> None:
    text = Text("our page", (Span("link", 0, 8, "https://example.com/page"), Span("bold", 0, 3)))
    assert plan(PartPlan(text), ALBUMS).parts == (PartPlan(text),)
    made = plan(PartPlan(text), replace(ONE_BY_ONE, text_limit=30))
    assert made.parts == (
        PartPlan(Text("our page", (Span("bold", 0, 3),))),
        PartPlan(Text("(https://example.com/page)")),
    )


def test_a_measure_counts_for_captions_too() -> None:
    text = Text("a" * 19, (Span("bold", 0, 19),))
    content = PartPlan(text, (file(K.PHOTO),))
    assert shown(plan(content, ONE_BY_ONE)) == ["photo[" + "a" * 19 + "]"]
    made = fit(content, ONE_BY_ONE, lambda t: len(t.plain) + 2 * len(t.spans))
    assert isinstance(made, Plan)
    assert shown(made) == ["photo", "[" + "a" * 19 + "]"]


@given(
    st.text("аб 😀\n.", max_size=150),
    st.lists(st.sampled_from(K), max_size=12),
    st.sampled_from([ONE_BY_ONE, ALBUMS]),
)
@settings(max_examples=150, deadline=None)
def test_a_plan_keeps_everything_in_order_and_within_the_limits(
    plain: str, kinds: list[MediaKind], abilities: Abilities
) -> None:
    files = tuple(file(k, ref=str(i)) for i, k in enumerate(kinds))
    made = fit(PartPlan(Text(plain), files), abilities)
    if isinstance(made, Refusal):
        assert made == Refusal("empty")
        assert not plain.strip() and not files
        return
    assert [a.ref for p in made.parts for a in p.attachments] == [a.ref for a in files]
    assert "".join("".join(p.text.plain for p in made.parts).split()) == "".join(plain.split())
    for part in made.parts:
        limit = abilities.media[part.attachments[0].kind].caption if part.attachments else abilities.text_limit
        assert size(part.text.plain, abilities.text_unit) <= limit
        assert len(part.attachments) <= abilities.album_size
        assert part.attachments or part.text.plain
