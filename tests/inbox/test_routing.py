"""Where the owner's words go."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.model import Address, Contact, ContactId, Identity, IdentityId, MessageId, Provider
from inbox.routing import (
    Ask,
    Command,
    Console,
    Note,
    Nothing,
    Party,
    ReplyTo,
    Route,
    Said,
    Target,
    UnknownCommand,
    Written,
    choose_identity,
    classify,
    route,
    suggest,
)

CONSOLE = Console(
    "desk_bot", frozenset({"zoom", "help", "status", "today"}), {"сегодня": "today", "how goes it": "status"}
)


def identity(number: int, contact: int, hour: int | None = None) -> Identity:
    at = None if hour is None else datetime(2030, 5, 1, hour, tzinfo=UTC)
    address = Address(Provider(f"net{number}"), "acc", str(number))
    return Identity(IdentityId(number), ContactId(contact), address, "Анна", last_inbound_at=at)


def party(contact: int, *identities: Identity, via: int | None = None) -> Party:
    return Party(Contact(ContactId(contact), "Анна", via=IdentityId(via) if via else None), identities)


ANNA = party(1, identity(11, 1, 9), identity(12, 1, 10))
BORIS = party(2, identity(21, 2, 9))
TO_ANNA = ReplyTo(ANNA, IdentityId(11), MessageId(100))
TO_BORIS = ReplyTo(BORIS, IdentityId(21), MessageId(200))
RECENT = (ContactId(2), ContactId(1))


def target(contact: int, who: int, reply: int | None = None, crossed: bool = False) -> Target:
    return Target(ContactId(contact), IdentityId(who), MessageId(reply) if reply else None, crossed)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (Written("hi", topic=ANNA), target(1, 12)),
        (Written("hi", topic=ANNA, reply=TO_ANNA), target(1, 11, 100)),
        (Written("hi", topic=ANNA, reply=TO_BORIS), target(1, 12, None, True)),
        (Written("hi", topic=ANNA, prompted=BORIS), target(1, 12)),
        (Written("", has_media=True, topic=ANNA), target(1, 12)),
        (Written("hi", general=True, reply=TO_BORIS), target(2, 21, 200)),
        (Written("hi", general=True, prompted=BORIS), target(2, 21)),
        (Written("hi", general=True, reply=TO_ANNA, prompted=BORIS), target(1, 11, 100)),
        (Written("hi", general=True, recent=RECENT), Ask(RECENT)),
        (Written("", has_media=True, general=True, recent=RECENT), Ask(RECENT)),
        (Written("hi", recent=RECENT), Ask(RECENT)),
        (Written("hi", topic=party(3), recent=RECENT), Ask(RECENT)),
        (Written("  ", topic=ANNA), Nothing()),
        (Written(" Сегодня ", general=True), Command("today", "", 9)),
        (Written("how goes it", general=True), Command("status", "", 11)),
        (Written("Сегодня", topic=ANNA), target(1, 12)),
        (Written("Сегодня"), Ask()),
        (Written("Сегодня", general=True, reply=TO_BORIS), target(2, 21, 200)),
        (Written("/ she is late", topic=ANNA), Note(ContactId(1), 2)),
        (Written("//she is late", general=True, reply=TO_BORIS), Note(ContactId(2), 2)),
        (Written("// she", topic=ANNA, reply=TO_BORIS, has_media=True), Note(ContactId(1), 3)),
        (Written("/\nshe is late", general=True), Note(None, 2)),
        (Written("/zoom", topic=ANNA), Command("zoom", "", 5)),
        (Written("/Zoom@Desk_Bot  tomorrow\n10:00 ", topic=ANNA), Command("zoom", "tomorrow\n10:00", 16)),
        (Written("/zoom@other_bot x", topic=ANNA), Nothing()),
        (Written("/zomm 10:00", topic=ANNA), UnknownCommand("zomm", "zoom")),
        (Written("/qqq", topic=ANNA, prompted=BORIS), UnknownCommand("qqq", None)),
        (Written("/", topic=ANNA), UnknownCommand("", None)),
        (Written("/@desk_bot", topic=ANNA), UnknownCommand("", None)),
        (Written("/usr/bin is a path", topic=ANNA), UnknownCommand("usr/bin", None)),
        (Written("\u200b /zoom", topic=ANNA), Command("zoom", "", 7)),
        (Written("1/2", topic=ANNA), target(1, 12)),
    ],
)
def test_route(written: Written, expected: Route) -> None:
    assert route(written, CONSOLE) == expected


@given(
    st.sampled_from(["", " ", "\n", "\u200b", "\ufeff "]),
    st.text(max_size=30),
    st.sampled_from([None, ANNA]),
    st.booleans(),
    st.sampled_from([None, TO_ANNA, TO_BORIS]),
    st.sampled_from([None, BORIS]),
    st.booleans(),
)
def test_nothing_that_begins_with_a_slash_goes_to_a_client(
    before: str,
    rest: str,
    topic: Party | None,
    general: bool,
    reply: ReplyTo | None,
    prompted: Party | None,
    has_media: bool,
) -> None:
    written = Written(f"{before}/{rest}", has_media, topic, general, reply, prompted, RECENT)
    assert isinstance(route(written, CONSOLE), Note | Command | UnknownCommand | Nothing)


@given(st.text(max_size=30))
def test_plain_is_what_has_no_slash_in_front(text: str) -> None:
    words = classify(text)
    if words.said is Said.PLAIN:
        assert not text.lstrip().startswith("/")
    else:
        assert text[: words.start].strip().lstrip("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff \t\n").startswith("/")


@given(st.text(max_size=30).map(str.strip))
def test_the_words_of_a_note_are_kept_whole(text: str) -> None:
    for mark in ("/ ", "//", "// "):
        noted = f"{mark}{text}"
        words = classify(noted)
        assert words.said is Said.NOTE
        assert noted[words.start :] == text


@pytest.mark.parametrize(
    ("name", "expected"), [("zomm", "zoom"), ("STATUS", "status"), ("halp", "help"), ("x", None), ("", None)]
)
def test_suggest(name: str, expected: str | None) -> None:
    assert suggest(name, CONSOLE.commands) == expected


@pytest.mark.parametrize(
    ("via", "reply", "expected"),
    [(None, None, 12), (11, None, 11), (12, 11, 11), (None, 11, 11), (99, None, 12), (11, 99, 11)],
)
def test_choose_identity(via: int | None, reply: int | None, expected: int) -> None:
    person = party(1, identity(11, 1, 9), identity(12, 1, 10), identity(13, 1), via=via)
    wanted = IdentityId(reply) if reply else None
    assert choose_identity(person.contact, person.identities, wanted) == expected


def test_choose_identity_of_somebody_who_never_wrote() -> None:
    person = party(1, identity(11, 1), identity(12, 1))
    assert choose_identity(person.contact, person.identities) == 12
    assert choose_identity(person.contact, ()) is None
