"""Items, cards and topic names: snapshots of what they look like, and the limits for whatever comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.render import (
    CAPTION_LIMIT,
    TEXT_LIMIT,
    UNIT,
    UPLOAD_LIMIT,
    Piece,
    card_notice,
    client_head,
    network_head,
    plan,
    topic_name,
)
from bot.texts import LANGUAGES
from inbox.desk import Item, Sight
from inbox.model import (
    EMPTY,
    Act,
    Address,
    Attachment,
    AttachmentId,
    Author,
    Card,
    Contact,
    ContactId,
    Extra,
    Identity,
    IdentityId,
    MediaKind,
    Message,
    MessageId,
    Place,
    Provider,
    Span,
    Stub,
    Text,
)
from inbox.text import size
from tests.bot.drawing import NOW, compare, draw_notice, draw_text, words

TELEGRAM, WHATSAPP, MAIL = Provider("telegram"), Provider("whatsapp"), Provider("email")
ANNA = Contact(ContactId(17), "Анна Петрова")
STUBS = (
    "poll dice checklist story paid_media invoice game rich_message gift unique_gift giveaway giveaway_winners "
    "successful_payment refunded_payment passport_data users_shared chat_shared web_app_data order product flow "
    "interactive button template call group system contact location venue live_photo photo voice sticker document "
    "ephemeral unsupported unknown fallback hologram"
).split()


def identity(provider: Provider = WHATSAPP, **fields: Any) -> Identity:
    return replace(Identity(IdentityId(3), ANNA.id, Address(provider, "acc", "u"), "Анна"), **fields)


def message(text: str | Text = "", *, minutes: int = 0, **fields: Any) -> Message:
    at = NOW + timedelta(minutes=minutes)
    body = Text(text) if isinstance(text, str) else text
    base = Message(MessageId(5), IdentityId(3), Author.CLIENT, body, (), at, at)
    return replace(base, **fields)


def item(said: Message, act: Act = Act.SEND, provider: Provider = WHATSAPP, **fields: Any) -> Item:
    return Item(act, said, identity(provider), **fields)


def file(kind: MediaKind = MediaKind.PHOTO, *, here: bool = True, **fields: Any) -> Attachment:
    sha256 = "0" * 64 if here else None
    return replace(Attachment(kind, WHATSAPP, "ref", id=AttachmentId(9), sha256=sha256), **fields)


def draw_piece(piece: Piece) -> str:
    lines = [f"reply to {piece.reply_to}"] if piece.reply_to else []
    lines += [draw_text(piece.text)] if piece.text.plain else []
    lines += [f"[place {piece.place.latitude} {piece.place.longitude}]"] if piece.place else []
    lines += [f"[{f.attachment.kind}] {draw_text(f.caption)}".rstrip() for f in piece.files]
    return "\n".join(lines)


def cases() -> Iterator[tuple[str, list[Item]]]:
    late = message("Добрый день", stored_at=NOW + timedelta(hours=2))
    bold = Text("Сколько стоит?", (Span("bold", 0, 7),))
    yield "text", [item(message(bold))]
    yield "text, reply", [item(message("Да"), reply_to=77)]
    yield "quote of what is not shown", [item(message("Да", quote="40 минут?"))]
    yield "repeat", [item(message("Здравствуйте"), repeat=True)]
    yield "late", [item(late, late=True)]
    yield "repeat and late", [item(late, late=True, repeat=True)]
    yield "owner elsewhere", [item(message("Добрый день", author=Author.OWNER_ELSEWHERE))]
    yield (
        "joined",
        [
            item(message("Здравствуйте")),
            item(message("Сколько стоит?", minutes=1)),
            item(message("И когда?", minutes=3)),
        ],
    )
    yield "nothing in it", [item(message())]
    yield "edit", [item(message("Новый текст"), Act.EDIT, reply_to=77)]
    yield "edit to nothing", [item(message(), Act.EDIT, reply_to=77)]
    yield "edit elsewhere", [item(message("Новый", author=Author.OWNER_ELSEWHERE), Act.EDIT, reply_to=77)]
    yield "delete", [item(message("Текст"), Act.DELETE, reply_to=77)]
    yield "delete elsewhere", [item(message("Текст", author=Author.OWNER_ELSEWHERE), Act.DELETE, reply_to=77)]
    yield "reaction", [item(message("Текст"), Act.REACT, reply_to=77, emoji="❤️")]
    yield "reaction taken back", [item(message("Текст"), Act.REACT, reply_to=77)]
    yield "photo", [item(message("Кухня", attachments=(file(),)))]
    yield "photo, owner elsewhere", [item(message(attachments=(file(),), author=Author.OWNER_ELSEWHERE))]
    yield "sticker with a mark", [item(message(attachments=(file(MediaKind.STICKER),)), repeat=True)]
    photo, video = file(), file(MediaKind.VIDEO)
    album = [message("Кухня", attachments=(photo,), album="a"), message(attachments=(video,), album="a")]
    yield "album", [item(m) for m in album]
    mixed = (file(), file(MediaKind.DOCUMENT), file(MediaKind.DOCUMENT), file(MediaKind.VOICE))
    yield "files that do not mix", [item(message("Всё сразу", attachments=mixed))]
    yield "place", [item(message(extra=Place(59.9386, 30.3141)))]
    yield (
        "place, late",
        [item(replace(late, text=EMPTY, extra=Place(59.9386, 30.3141, "Студия", "Невский, 1")), late=True)],
    )
    yield (
        "card",
        [item(message(extra=Card("Игорь", ("+7 916 1234567", "8-800"), ("igor@example.com",), "Ремонт")))],
    )
    for kind in MediaKind:
        yield f"missing {kind}", [item(message("Вот", attachments=(file(kind, here=False),)), missing=True)]
    named = file(MediaKind.DOCUMENT, name="план *2*.pdf")
    yield "lost", [item(message("Вот", attachments=(replace(named, sha256=None),)), lost=True)]
    yield "refused by the desk", [item(message("Вот", attachments=(named,)), lost=True)]
    yield "too big", [item(message("Вот", attachments=(replace(named, size=UPLOAD_LIMIT + 1),)))]
    yield "one of two missing", [item(message("Две", attachments=(file(), file(here=False))), missing=True)]
    yield "file that came", [item(message("Вот"), Act.FILE, attachment=file(), reply_to=78)]
    yield "file that did not", [item(message("Вот"), Act.FILE, attachment=file(here=False), lost=True, reply_to=78)]
    for stub in STUBS:
        yield f"stub {stub}", [item(message(extra=Stub(stub)), provider=TELEGRAM)]
    yield "stub with detail", [item(message("Смотрите", extra=Stub("poll", "Когда удобно?")), provider=MAIL)]


def sights() -> Iterator[tuple[str, Sight]]:
    soon, past = NOW + timedelta(hours=23, minutes=58), NOW - timedelta(hours=1)
    phone = identity(route="12025550143")
    telegram = identity(TELEGRAM, handle="anna_home", route="5")
    yield "waits for the owner", Sight(ANNA, (phone,), "owner", soon)
    yield "waits for the client", Sight(replace(ANNA, source="шапка профиля"), (telegram,), "client", None)
    yield "window closed", Sight(ANNA, (phone, telegram), "owner", past)
    yield "blocked", Sight(ANNA, (telegram,), "blocked", None)
    yield "mail", Sight(ANNA, (identity(MAIL, handle="anna@example.com"),), "owner", None)
    yield "no name", Sight(Contact(ContactId(4), " \n"), (telegram, telegram), "owner", None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_screens_of_messages(language: str) -> None:
    line = words(language)
    screens = [(name, "\n---\n".join(map(draw_piece, plan(items, line)))) for name, items in cases()]
    head = network_head(identity(), item(message("Да")), line)
    screens.append(("network head", "\n".join(map(draw_piece, plan([item(message("Да"))], line, head)))))
    sight = Sight(ANNA, (identity(),), "owner", None)
    screens.append(("client head", draw_text(client_head(sight, identity(), line))))
    compare(f"messages.{language}", screens)


@pytest.mark.parametrize("language", LANGUAGES)
def test_screens_of_clients(language: str) -> None:
    line = words(language)
    compare(
        f"clients.{language}",
        [(name, f"{topic_name(sight, line)}\n{draw_notice(card_notice(sight, line))}") for name, sight in sights()],
    )


def test_a_topic_s_name_fits() -> None:
    for name in ("А" * 300, "👨‍👩‍👧" * 60, "a\n" * 100):
        sight = Sight(Contact(ContactId(1), name), (identity(),), "owner", None)
        shown = topic_name(sight, words("ru"))
        assert shown.startswith("🟣WA · ") and size(shown, UNIT) <= 128 and "\n" not in shown


def test_a_caption_that_is_too_long_goes_in_front() -> None:
    pieces = plan([item(message("я" * (CAPTION_LIMIT + 1), attachments=(file(),)), reply_to=7)], words("ru"))
    assert [(len(p.text.plain), len(p.files), p.reply_to) for p in pieces] == [(CAPTION_LIMIT + 1, 0, 7), (0, 1, 7)]
    assert pieces[1].files[0].caption == EMPTY


def test_many_texts_fill_few_messages_and_each_says_what_it_shows() -> None:
    items = [item(message(f"{n} " + "х" * 300, minutes=n)) for n in range(30)]
    pieces = plan(items, words("ru"))
    assert [n for piece in pieces for n in piece.items] == list(range(30))
    assert len(pieces) == 3


def test_a_head_stands_once_above_everything() -> None:
    head = Text("WhatsApp, 14:02")
    items = [item(message("х" * 3000)), item(message("у" * 3000))]
    shown = [piece.text.plain for piece in plan(items, words("ru"), head)]
    assert shown[0].startswith("WhatsApp, 14:02\n") and sum("WhatsApp, 14:02" in text for text in shown) == 1


def test_an_album_has_at_most_ten_files() -> None:
    items = [item(message(attachments=(file(),), album="a")) for _ in range(12)]
    assert [p.messages for p in plan(items, words("ru"))] == [10, 2]


def test_files_that_waited_are_one_album_with_all_their_words_under_it() -> None:
    items = [
        item(message("Кухня", attachments=(file(),))),
        item(message(attachments=(file(MediaKind.VIDEO),), minutes=1)),
        item(message("Ванная", attachments=(file(),), minutes=2)),
    ]
    (album,) = plan(items, words("ru"))
    assert [f.item for f in album.files] == [0, 1, 2]
    said, *silent = (f.caption.plain for f in album.files)
    assert said.index("Кухня") < said.index("\n") < said.index("Ванная")
    assert silent == ["", ""]


def test_what_is_said_of_many_files_goes_in_front_where_it_is_too_long_for_a_caption() -> None:
    items = [item(message("ф" * 600, attachments=(file(),), minutes=n)) for n in range(2)]
    text, album = plan(items, words("ru"))
    assert (text.items, text.text.plain.count("ф")) == ((0, 1), 1200)
    assert (album.items, [f.caption for f in album.files]) == ((0, 1), [EMPTY, EMPTY])


@pytest.mark.parametrize(
    "second",
    [
        item(message(attachments=(file(MediaKind.DOCUMENT),))),
        item(message(attachments=(file(),)), reply_to=7),
        item(message(attachments=(file(),), album="a")),
        item(message(attachments=(file(),)), Act.EDIT),
    ],
    ids=["another kind", "an answer", "an album of its own", "an edit"],
)
def test_files_that_do_not_belong_together_go_apart(second: Item) -> None:
    assert len(plan([item(message(attachments=(file(),))), second], words("ru"))) == 2


TEXT = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf"]), max_size=60),
    st.sampled_from(["слово " * 900, "я" * 5000, "😀" * 2100, "👨‍👩‍👧" * 700, "а" * 1100]),
)
EXTRA: st.SearchStrategy[Extra | None] = st.sampled_from(
    [None, None, Place(1.0, 2.0), Stub("poll", "?" * 300), Stub("hologram"), Card("Игорь", ("+12025550143",))]
)
FILE = st.builds(
    file,
    st.sampled_from(list(MediaKind)),
    here=st.booleans(),
    size=st.sampled_from([None, 5, UPLOAD_LIMIT + 1]),
    origin=st.sampled_from([WHATSAPP, TELEGRAM]),
    name=st.sampled_from([None, "план.pdf"]),
)
ITEM = st.builds(
    item,
    st.builds(
        message,
        TEXT,
        attachments=st.lists(FILE, max_size=3).map(tuple),
        extra=EXTRA,
        album=st.sampled_from([None, "a"]),
        author=st.sampled_from([Author.CLIENT, Author.OWNER_ELSEWHERE]),
        minutes=st.integers(0, 3000),
    ),
    st.sampled_from([Act.SEND, Act.SEND, Act.SEND, Act.EDIT, Act.DELETE, Act.REACT, Act.FILE]),
    repeat=st.booleans(),
    missing=st.booleans(),
    lost=st.booleans(),
    late=st.booleans(),
    reply_to=st.sampled_from([None, None, 7]),
    emoji=st.sampled_from([None, "❤"]),
    attachment=st.none() | FILE,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=6), st.sampled_from(LANGUAGES), st.booleans())
def test_whatever_comes_is_within_the_limits_and_all_there(items: list[Item], language: str, headed: bool) -> None:
    line = words(language)
    pieces = plan(items, line, Text("👤 Анна · WhatsApp") if headed else EMPTY)
    for piece in pieces:
        assert piece.text.plain.strip() or piece.files or piece.place
        assert size(piece.text.plain, UNIT) <= TEXT_LIMIT
        assert all(size(f.caption.plain, UNIT) <= CAPTION_LIMIT for f in piece.files)
        assert all(0 <= s.start < s.end <= len(piece.text.plain) for s in piece.text.spans)
        assert 1 <= piece.messages <= 10
    assert {n for piece in pieces for n in piece.items} == set(range(len(items)))
    shown = "".join("".join((p.text.plain, *(f.caption.plain for f in p.files))) for p in pieces)
    flat = "".join(shown.split())
    for number, one in enumerate(items):
        if one.act in (Act.SEND, Act.EDIT):
            assert "".join(one.message.text.plain.split()) in flat, number
    here = [
        a for one in items if one.act is Act.SEND for a in one.message.attachments if a.sha256 or a.origin == TELEGRAM
    ]
    assert len([f for p in pieces for f in p.files]) <= len(here) + sum(one.act is Act.FILE for one in items)


def test_a_file_never_goes_twice_nor_without_its_bytes() -> None:
    for _, items in cases():
        sent = [f.attachment for p in plan(items, words("ru")) for f in p.files]
        assert all(a.sha256 is not None for a in sent)
        assert len(sent) <= sum(len(one.message.attachments) + (one.attachment is not None) for one in items)
