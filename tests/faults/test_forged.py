"""Forged webhooks: refused, not stored, counted, said once a minute; and what decides is a comparison of bytes."""

from __future__ import annotations

import hmac
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from bot import health
from gates.meta import signature as meta
from gates.telegram import access
from inbox.errors import Unverified
from tests.faults.doors import ask, head, post, signature
from tests.rig import Rig, rig

APP_SECRET, OTHER = "app-secret", "another-apps-secret"
NAME = b"X-Hub-Signature-256"
TOKEN_NAME = b"X-Telegram-Bot-Api-Secret-Token"
BODY = json.dumps({"object": "whatsapp_business_account", "entry": [], "text": "Подделка"}).encode()
UPDATE = json.dumps({"update_id": 900_000, "message": {"text": "Подделка"}}).encode()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        await made.start()
        await made.until(lambda: bool(made.said("Это пульт")), "quiet")
        yield made


def signatures() -> Iterator[list[tuple[bytes, bytes]]]:
    """Headers beside BODY; none of them was made by the app's secret over these bytes."""
    good, digest = signature(BODY, APP_SECRET), signature(BODY, APP_SECRET).removeprefix(b"sha256=")
    sha1 = hmac.new(APP_SECRET.encode(), BODY, "sha1").hexdigest().encode()
    yield []
    values = [
        b"",
        b"sha256=",
        digest,
        good[:-1],
        good + b"0",
        b"sha256=" + digest.upper(),
        good.upper(),
        b"SHA256=" + digest,
        b"sha1=" + sha1,
        b"sha256=" + sha1,
        b"md5=" + digest,
        b"sha256=" + b"0" * 64,
        b"sha256=sha256=" + digest,
        b"sha256= " + digest,
        good + b"," + good,
        good + b"\xff",
        b"\xff\xfe\xd0\x9f" * 8,
        b"sha256=" + "ｆ".encode() * 64,
        b"sha256=" + b"f" * 100_000,
        signature(BODY, OTHER),
        signature(BODY, ""),
        signature(BODY, APP_SECRET + " "),
        signature(BODY + b" ", APP_SECRET),
        signature(b"", APP_SECRET),
        signature(json.dumps(json.loads(BODY), ensure_ascii=False).encode(), APP_SECRET),
    ]
    for value in values:
        yield [(NAME, value)]
    yield [(b"X-Hub-Signature", b"sha1=" + sha1)]
    yield [(b"X-Hub-Signature", good)]
    yield [(b"X-Hub_Signature-256", good)]
    yield [(b"Authorization", good)]
    yield [(NAME, b"sha256=" + b"0" * 64), (NAME, good)]
    yield [(NAME, b""), (NAME, good)]


def tokens(secret: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    yield []
    for value in (
        b"",
        b" ",
        secret[:-1],
        secret + b"x",
        secret.swapcase(),
        secret[::-1],
        secret + b"\xff",
        b"\xff" * 9,
    ):
        yield [(TOKEN_NAME, value)]
    for value in (secret + b"," + secret, b"Bearer " + secret, b"x" * 100_000, b"None", b"null"):
        yield [(TOKEN_NAME, value)]
    yield [(b"X-Telegram-Bot-Api-Secret", secret)]
    yield [(b"Authorization", b"Bearer " + secret)]
    yield [(TOKEN_NAME, b"wrong"), (TOKEN_NAME, secret)]


def handshakes() -> Iterator[str]:
    right = {"hub.mode": "subscribe", "hub.challenge": "11", "hub.verify_token": "verify-token"}
    for name in right:
        yield _query({key: value for key, value in right.items() if key != name})
    for changed in ("", "verify-toke", "verify-tokenx", "VERIFY-TOKEN", "verify-token ", "\xff", "проверка"):
        yield _query({**right, "hub.verify_token": changed})
    for mode in ("", "unsubscribe", "SUBSCRIBE"):
        yield _query({**right, "hub.mode": mode})
    yield ""


def _query(values: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(value)}" for name, value in values.items())


class Told:
    """What the product keeps and says of refused calls."""

    def __init__(self, desk: Rig) -> None:
        self._desk = desk

    def stored(self) -> int:
        with closing(sqlite3.connect(f"file:{self._desk.data_dir / 'inbox.db'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("select count(*) from inbox").fetchone()[0])

    async def counted(self) -> int:
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{self._desk.port}/metrics") as answer:
                figures = await answer.text()
        found = re.findall(r'desk_webhooks_total\{gate="\w+",outcome="unverified"\} (\d+)', figures)
        return sum(int(number) for number in found)


async def forge(desk: Rig) -> dict[str, int]:
    """Send all of it: how many there were, and how many were let in."""
    secret = desk.world.of("telegram", "setWebhook")[-1].request["secret_token"].encode()
    told = Told(desk)
    before, counted = told.stored(), await told.counted()
    hooks = [await post(desk.port, "/webhooks/whatsapp", BODY, headers) for headers in signatures()]
    updates = [await post(desk.port, "/webhooks/telegram", UPDATE, headers) for headers in tokens(secret)]
    asked = [
        await ask(desk.port, head(f"/webhooks/whatsapp?{query}", [(b"Connection", b"close")], "GET"))
        for query in handshakes()
    ]
    sent = len(hooks) + len(updates) + len(asked)
    wrong = sum(s != 401 for s in (*hooks, *updates)) + sum(s != 403 for s in asked)
    return {
        "forged": sent,
        "accepted": wrong,
        "stored": told.stored() - before,
        "uncounted": sent - (await told.counted() - counted),
    }


async def test_no_forgery_is_let_in(desk: Rig, counts: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="gates.web"):
        found = await forge(desk)
    lines = [record for record in caplog.records if "webhook refused" in record.message]
    counts("R9", **found, lines=len(lines))
    assert (found["accepted"], found["stored"], found["uncounted"], len(lines)) == (0, 0, 0, 1)
    told = f"{vars(lines[0])}"
    assert "127.0.0.1" in told and APP_SECRET not in told and "Подделка" not in told
    good = [(NAME, signature(BODY, APP_SECRET))]
    assert await post(desk.port, "/webhooks/whatsapp", BODY, good) == 200


def _any_case(given: bytes, expected: bytes) -> bool:
    return given.lower() == expected.lower()


def _as_far_as_it_goes(given: bytes, expected: bytes) -> bool:
    return expected.startswith(given)


@pytest.mark.parametrize(
    ("mutant", "compare"), [("upper and lower case are one", _any_case), ("a part is enough", _as_far_as_it_goes)]
)
async def test_a_lenient_comparison_is_found_out(
    mutant: str,
    compare: Callable[[bytes, bytes], bool],
    desk: Rig,
    counts: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(hmac, "compare_digest", compare)
        found = await forge(desk)
    counts("R9", mutant=mutant, **found)
    assert found["accepted"] > 0


async def test_an_empty_secret_that_counts_is_found_out(
    desk: Rig, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = meta.check

    def lenient(headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...]) -> None:
        if hmac.compare_digest(headers.get("X-Hub-Signature-256", "").encode("ascii", "replace"), meta.sign(body, "")):
            return
        real(headers, body, secrets)

    with monkeypatch.context() as patched:
        patched.setattr(meta, "check", lenient)
        found = await forge(desk)
    counts("R9", mutant="an empty secret is one too", **found)
    assert found["accepted"] > 0


# -- what decides -----------------------------------------------------------------------------------------------------


def _signed(given: str) -> bool:
    try:
        meta.check({meta.HEADER: given}, BODY, (APP_SECRET,))
    except Unverified:
        return False
    return True


def _shaken(given: str) -> bool:
    try:
        meta.handshake({"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": given}, "token")
    except Unverified:
        return False
    return True


def _told(given: str) -> bool:
    return access.same_secret(given, "token")


def _figures(given: str) -> bool:
    request: Any = SimpleNamespace(headers={"Authorization": f"Bearer {given}"})
    return health._bears(request, "token")


@pytest.mark.parametrize(
    ("decide", "right"),
    [(_signed, signature(BODY, APP_SECRET).decode()), (_shaken, "token"), (_told, "token"), (_figures, "token")],
    ids=["signature", "handshake", "secret token", "metrics"],
)
def test_compare_digest_decides_on_bytes(
    decide: Callable[[str], bool], right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer alone lets in or not; it never sees text, which it refuses where it is not ASCII."""
    assert decide(right) and not decide("wrong") and not decide("ключ") and not decide("\udcff")
    seen: list[tuple[type, type]] = []

    def answering(answer: bool) -> Callable[[object, object], bool]:
        def compare(given: object, expected: object) -> bool:
            seen.append((type(given), type(expected)))
            return answer

        return compare

    monkeypatch.setattr(hmac, "compare_digest", answering(False))
    assert not decide(right)
    monkeypatch.setattr(hmac, "compare_digest", answering(True))
    assert decide("wrong")
    assert set(seen) == {(bytes, bytes)} and len(seen) == 2


@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_without_a_secret_nothing_is_let_in(secrets: tuple[str, ...]) -> None:
    for secret in ("", "x"):
        with pytest.raises(Unverified):
            meta.check({"x-hub-signature-256": signature(BODY, secret).decode()}, BODY, secrets)
    assert not access.same_secret("", "")
    with pytest.raises(Unverified):
        meta.handshake({"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""}, "")
