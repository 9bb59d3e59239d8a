"""Whatever comes in, nothing but Unreadable comes out, and what is read can be stored."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gates.telegram.content import content
from gates.telegram.parse import UPDATE_KINDS, update_key
from inbox.codec import dump
from inbox.errors import Unreadable
from tests.gates.telegram.cases import FIXTURES, parsed

BODIES = [path.read_bytes() for path in FIXTURES]
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**18, max_value=10**40)
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.sampled_from(["\ud800", "private", "emoji"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def harmless(body: bytes) -> None:
    assert update_key(body)
    try:
        facts = parsed(body)
    except Unreadable as error:
        assert 0 < len(error.reason) < 64
    else:
        for fact in facts:
            json.loads(dump(fact).encode("utf-8"))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good update with up to three of its values replaced or taken away."""
    update = json.loads(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 3))):
        node: Any = update
        while isinstance(node, dict | list) and node:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = draw(st.sampled_from(keys))
            if not isinstance(node[key], dict | list) or draw(st.booleans()):
                if draw(st.booleans()):
                    node[key] = draw(JUNK)
                else:
                    del node[key]
                break
            node = node[key]
    return json.dumps(update).encode()


@settings(max_examples=200, deadline=None)
@given(mutated())
def test_mutated_updates(body: bytes) -> None:
    harmless(body)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_truncated_updates(body: bytes, data: st.DataObject) -> None:
    harmless(body[: data.draw(st.integers(0, len(body) - 1))])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_bytes(body: bytes) -> None:
    harmless(body)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(UPDATE_KINDS), JUNK, st.dictionaries(st.sampled_from(["message_id", "text", "chat"]), JUNK))
def test_junk_under_a_known_name(kind: str, junk: Any, fields: dict[str, Any]) -> None:
    harmless(json.dumps({"update_id": 1, kind: junk}).encode())
    harmless(json.dumps({"update_id": 1, kind: fields}).encode())


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["photo", "venue", "contact", "poll", "rich_message", "quote", "chat"]), JUNK))
def test_content_is_total(message: dict[str, Any]) -> None:
    assert dump(content(message)).encode("utf-8")


def test_depth_and_digits_that_break_a_parser() -> None:
    for body in (b"[" * 100_000, b'{"a":' * 100_000, b'{"update_id":' + b"9" * 5000 + b"}", b"\xff\xfe", b""):
        harmless(body)


def test_keys() -> None:
    assert update_key(b'{"update_id": 17, "x": 1}') == update_key(b'{"x": 2, "update_id": 17}') == "17"
    digests = {update_key(body) for body in (b"", b"x", b'{"update_id": true}', b'{"update_id": "17"}', b"[17]")}
    assert len(digests) == 5
    assert all(key.startswith("sha256:") for key in digests)
