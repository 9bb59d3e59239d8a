"""Handshake and signature: what is let in, and that nothing makes the check fall over."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gates.meta.signature import check, handshake, sign, verify
from inbox.errors import Unverified

SECRET = "test_app_secret"
IN_TEXT = Path(__file__).parents[3] / "gates/whatsapp/fixtures/in_text.json"
VECTOR = "sha256=7675a4f7a73466aa53268e4203643a12934bdff148f77702766c6dde68cd5c32"
HEADER = "X-Hub-Signature-256"


def emulate() -> bytes:
    """The body as Meta writes it: escapes instead of letters, `\\/` for a slash."""
    obj = json.loads(IN_TEXT.read_bytes())
    return json.dumps(obj, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode()


def test_the_documented_vector_is_accepted() -> None:
    body = emulate()
    assert len(body) == 849
    assert sign(body, SECRET).decode() == VECTOR
    assert verify("POST", {}, {HEADER: VECTOR}, body, secrets=(SECRET,), token="t") is None


def test_the_same_object_in_other_bytes_has_its_own_signature() -> None:
    body = json.dumps(json.loads(IN_TEXT.read_bytes()), ensure_ascii=False).encode()
    with pytest.raises(Unverified):
        check({HEADER: VECTOR}, body, (SECRET,))
    check({HEADER: sign(body, SECRET).decode()}, body, (SECRET,))


@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.upper()])
@pytest.mark.parametrize("secrets", [(SECRET,), ("other", SECRET), (SECRET, "other")])
def test_any_of_the_secrets_and_any_case_of_the_name_will_do(name: str, secrets: tuple[str, ...]) -> None:
    check(CIMultiDict({name: f" {VECTOR} "}), emulate(), secrets)
    with pytest.raises(Unverified):
        check(CIMultiDict({name: VECTOR}), emulate(), ("other", "third"))


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "missing"),
        ({HEADER: ""}, "empty"),
        ({HEADER: VECTOR.removeprefix("sha256=")}, "without its prefix"),
        ({HEADER: VECTOR[:-1]}, "too short"),
        ({HEADER: VECTOR + "0"}, "too long"),
        ({HEADER: "sha256=" + VECTOR.removeprefix("sha256=").upper()}, "upper-case hex"),
        ({HEADER: VECTOR.upper()}, "upper-case prefix"),
        ({HEADER: "sha1=" + hmac.new(SECRET.encode(), emulate(), hashlib.sha1).hexdigest()}, "SHA-1"),
        ({"X-Hub-Signature": VECTOR}, "the old header"),
        ({HEADER: "sha256=" + "é" * 64}, "not ASCII"),
        ({HEADER: "sha256=\udcff\ud800"}, "bytes that are no text"),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], why: str) -> None:
    with pytest.raises(Unverified):
        check(headers, emulate(), (SECRET,))


def test_one_changed_byte_is_refused() -> None:
    body = bytearray(emulate())
    body[100] ^= 1
    with pytest.raises(Unverified):
        check({HEADER: VECTOR}, bytes(body), (SECRET,))


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_is_let_in(secrets: tuple[str, ...]) -> None:
    body = b"{}"
    with pytest.raises(Unverified):
        check({HEADER: sign(body, "").decode()}, body, secrets)


@settings(max_examples=100)
@given(st.text(), st.binary(max_size=200))
def test_a_foreign_header_never_breaks_the_check(header: str, body: bytes) -> None:
    with pytest.raises(Unverified):
        check({HEADER: header}, body, (SECRET,))


ASKED = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "tökén"}


def test_the_handshake_gives_the_challenge_back_as_it_is() -> None:
    assert handshake(ASKED, "tökén") == "1158201444"
    assert verify("GET", ASKED, {}, b"", secrets=(SECRET,), token="tökén") == "1158201444"


@pytest.mark.parametrize(
    "change",
    [
        {"hub.mode": "unsubscribe"},
        {"hub.mode": ""},
        {"hub.challenge": ""},
        {"hub.verify_token": "token"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "\ud800"},
    ],
)
def test_a_wrong_handshake_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Unverified):
        handshake(ASKED | change, "tökén")


def test_an_empty_token_opens_nothing() -> None:
    with pytest.raises(Unverified):
        handshake(ASKED | {"hub.verify_token": ""}, "")


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(Unverified):
        verify(method, ASKED, {HEADER: VECTOR}, emulate(), secrets=(SECRET,), token="tökén")
