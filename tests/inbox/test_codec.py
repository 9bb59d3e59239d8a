"""What a row keeps comes back as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.codec import build, dump, load
from inbox.gate import Came, Changed, Fact, Inbound, Person, Progress, Reacted, Rekeyed, Road
from inbox.model import (
    Address,
    Attachment,
    AttachmentId,
    Author,
    Button,
    Card,
    DeliveryState,
    ExternalId,
    MediaKind,
    MessageId,
    Notice,
    Part,
    Place,
    Provider,
    Span,
    Stub,
    Text,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MAYBE = st.none() | WORDS
MOMENTS = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=3)), timezone(timedelta(hours=-3, minutes=-30))])
)
SPANS = st.builds(Span, WORDS, st.integers(0, 9), st.integers(0, 9), MAYBE)
TEXTS = st.builds(Text, WORDS, st.lists(SPANS, max_size=3).map(tuple))
COORDINATES = st.floats(-180, 180) | st.just(7.0)
EXTRAS = st.one_of(
    st.none(),
    st.builds(Place, COORDINATES, COORDINATES, WORDS, WORDS),
    st.builds(Card, WORDS, st.lists(WORDS, max_size=2).map(tuple), st.lists(WORDS, max_size=2).map(tuple), WORDS),
    st.builds(Stub, WORDS, WORDS),
)
PARTS = st.builds(
    Part,
    TEXTS,
    st.lists(st.integers(1).map(AttachmentId), max_size=3).map(tuple),
    EXTRAS,
    st.none() | st.integers(1).map(MessageId),
    MAYBE,
    MAYBE,
)
BUTTONS = st.builds(Button, WORDS, MAYBE, MAYBE, MAYBE, MAYBE, st.booleans())
ROWS = st.lists(st.lists(BUTTONS, max_size=2).map(tuple), max_size=2).map(tuple)
NOTICES = st.builds(Notice, WORDS, TEXTS, ROWS, st.none() | st.integers(), st.booleans(), st.booleans())
ATTACHMENTS = st.builds(
    Attachment,
    st.sampled_from(MediaKind),
    WORDS.map(Provider),
    WORDS,
    MAYBE,
    st.none() | st.integers(0),
    MAYBE,
    MAYBE,
    st.none() | st.integers(1).map(AttachmentId),
    st.none() | st.integers(0),
    st.booleans(),
)
ADDRESSES = st.builds(Address, WORDS.map(Provider), WORDS, WORDS)
PEOPLE = st.builds(Person, ADDRESSES, st.lists(WORDS, max_size=2).map(tuple), MAYBE, MAYBE, MAYBE, MAYBE)
IDS = WORDS.map(ExternalId)
MAYBE_ID = st.none() | IDS
AUTHORS = st.sampled_from(Author)
FACTS: st.SearchStrategy[Inbound] = st.one_of(
    st.builds(
        Came,
        PEOPLE,
        IDS,
        MOMENTS,
        TEXTS,
        st.lists(ATTACHMENTS, max_size=2).map(tuple),
        EXTRAS,
        MAYBE_ID,
        MAYBE,
        MAYBE,
        AUTHORS,
        MAYBE,
        st.booleans(),
        MAYBE,
        MAYBE,
        MAYBE,
    ),
    st.builds(Changed, PEOPLE, IDS, MOMENTS, st.none() | TEXTS, AUTHORS),
    st.builds(Reacted, PEOPLE, IDS, MOMENTS, MAYBE, AUTHORS),
    st.builds(
        Progress,
        st.none() | PEOPLE,
        WORDS.map(Provider),
        WORDS,
        IDS,
        MOMENTS,
        st.sampled_from(DeliveryState),
        MAYBE,
        MAYBE,
    ),
    st.builds(Rekeyed, st.lists(WORDS, max_size=2).map(tuple), PEOPLE, MOMENTS),
    st.builds(Road, WORDS.map(Provider), WORDS, WORDS, st.booleans(), st.booleans(), MOMENTS),
    st.builds(Fact, WORDS.map(Provider), WORDS, MOMENTS, st.dictionaries(WORDS, WORDS | st.integers(), max_size=2)),
)


@given(PARTS)
@settings(max_examples=100)
def test_a_part_comes_back(part: Part) -> None:
    assert load(Part, dump(part)) == part


@given(NOTICES)
@settings(max_examples=100)
def test_a_notice_comes_back(notice: Notice) -> None:
    assert load(Notice, dump(notice)) == notice


@given(FACTS)
@settings(max_examples=150, deadline=None)
def test_a_fact_comes_back_as_its_own_class(fact: Inbound) -> None:
    back: Any = build(Inbound, json.loads(dump(fact)))
    assert type(back) is type(fact)
    assert back == fact


@given(st.one_of(PARTS, NOTICES))
@settings(max_examples=100)
def test_a_union_is_told_apart(content: Part | Notice) -> None:
    assert build(Part | Notice | None, json.loads(dump(content))) == content


def test_types_are_restored_and_not_only_equal() -> None:
    came = Came(
        Person(Address(Provider("net"), "a", "u")),
        ExternalId("1"),
        datetime(2030, 5, 1, tzinfo=UTC),
        Text("hi", (Span("bold", 0, 2),)),
        (Attachment(MediaKind.PHOTO, Provider("net"), "r"),),
        author=Author.OWNER_ELSEWHERE,
    )
    back = load(Came, dump(came))
    assert isinstance(back.author, Author)
    assert isinstance(back.attachments[0].kind, MediaKind)
    assert isinstance(back.text.spans, tuple)
    assert hash(back) == hash(came)
    place = build(Place, {"is": "Place", "latitude": 7, "longitude": 8})
    assert isinstance(place.latitude, float)


def test_defaults_are_left_out() -> None:
    assert json.loads(dump(Part(Text("Анна")))) == {"is": "Part", "text": {"is": "Text", "plain": "Анна"}}
    assert dump(Part()) == '{"is":"Part"}'
    assert "Анна" in dump(Part(Text("Анна")))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", ValueError),
        ('{"is":"Part","extra":{"is":"Part"}}', ValueError),
        ('{"is":"Part","colour":"red"}', KeyError),
        ('{"is":"Notice"}', ValueError),
        ("5", TypeError),
        ('{"is":"Part","attachments":5}', TypeError),
    ],
)
def test_what_cannot_have_been_written_is_an_error(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        load(Part, text)
