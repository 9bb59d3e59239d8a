"""Whatever text a body holds, it can be stored, and comes back the same or cleaned."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.model import INBOX, Author, Part, Span, Text
from storage.migrate import migrate, migrations
from storage.rows import clean, clean_text, micros, moment, to_json
from storage.unit import SqlUnit
from tests.storage.world import person

ANY = st.text(st.characters(exclude_categories=()))


@settings(max_examples=200)
@given(ANY)
def test_clean_text_is_utf8_without_nul(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned and cleaned.encode().decode() == cleaned
    assert clean(cleaned) == cleaned
    assert len(cleaned) == len(text) - text.count("\0")


@settings(max_examples=200)
@given(ANY, st.integers(0, 30), st.integers(0, 30))
def test_spans_stay_on_their_words(words: str, start: int, length: int) -> None:
    text = Text(words, (Span("bold", start, start + length),))
    cleaned = clean_text(text)
    under = words[start : start + length].replace("\0", "")
    for span in cleaned.spans:
        assert cleaned.plain[span.start : span.end] == under
    if under:
        assert cleaned.spans


@settings(max_examples=100)
@given(st.recursive(ANY | st.floats() | st.integers() | st.none(), lambda x: st.dictionaries(ANY, x) | st.lists(x)))
def test_json_is_strict_and_clean(value: object) -> None:
    text = to_json(value)
    assert clean(text) == text and "\\u0000" not in text.replace("\\\\", "")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)


@settings(max_examples=60, deadline=None)
@given(ANY, ANY)
def test_any_text_is_stored_and_found_again(words: str, name: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection, Path(), migrations())
        unit = SqlUnit(connection, datetime(2026, 3, 1, tzinfo=UTC))
        contact, identity = person(unit, name, name)
        assert contact.name == clean(name)
        assert unit.identity_at(identity.address) == identity
        content = Part(Text(words), quote=words)
        message = unit.add_message(identity.id, Author.CLIENT, at=unit.now, content=content, source=words)
        assert (message.text.plain, message.quote) == (clean(words), clean(words))
        assert unit.message_by_source(words) == message
        unit.emit(INBOX, "x", unit.now, words=words)
        assert unit.events_after(0, 1)[0].data["words"] == clean(words)
        assert unit.once(words) is True and unit.once(words) is False


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=3))])))
def test_times_are_exact(at: datetime) -> None:
    assert moment(micros(at)) == at


def test_naive_times_are_refused() -> None:
    with pytest.raises(TypeError):
        micros(datetime(2026, 3, 1))
