"""What holds for every network in the catalog, whatever it is."""

from __future__ import annotations

import builtins
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import gates
from bot.say import CLIENT_COMMANDS, cause, why
from gates import catalog
from gates.meta import errors as meta_errors
from gates.telegram import errors as telegram_errors
from gates.telegram.access import Connection, DeskPlace
from gates.telegram.gate import TelegramGate
from gates.telegram.settings import TelegramSettings
from gates.whatsapp.settings import WhatsAppSettings
from inbox.abilities import MediaRule
from inbox.blobs import Blob
from inbox.clock import SystemClock
from inbox.errors import (
    InboxError,
    Locked,
    Refused,
    Throttled,
    TopicGone,
    Uncertain,
    Unreachable,
    Unreadable,
    Unverified,
)
from inbox.gate import Came, Deletes, Edits, Gate, Inbound, Polls, Probes, Raw, Reacts, Registers
from inbox.model import MediaKind, Provider
from tests.bot.drawing import words
from tests.gates.telegram import cases as telegram
from tests.gates.whatsapp import cases as whatsapp

FOLDER = Path(gates.__file__).parent
SECRET = "app-secret"
Headers = Mapping[str, str]


class NoBlobs:
    """Nothing here may look at a file."""

    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        raise AssertionError("asked to keep a file")

    def path(self, sha256: str) -> Path:
        raise AssertionError(f"asked for {sha256}")

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        raise AssertionError(f"asked for {sha256}")


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the catalog. sign: the headers of a genuine call; signs_body: whether they depend on the body."""

    settings: object
    sign: Callable[[bytes], Headers]
    signs_body: bool
    inbound: Callable[[Path], bool] = lambda _: True


def _meta(body: bytes) -> Headers:
    return {"X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"}


CASES: dict[str, Case] = {
    "telegram": Case(
        TelegramSettings(token=SecretStr(telegram.TOKEN), webhook_secret=SecretStr("sec-ret_1")),
        lambda _: {"X-Telegram-Bot-Api-Secret-Token": "sec-ret_1"},
        signs_body=False,
    ),
    "whatsapp": Case(
        WhatsAppSettings(
            phone_number_id=whatsapp.PHONE,
            business_account_id=whatsapp.WABA,
            access_token=SecretStr("token"),
            app_secret=SecretStr(SECRET),
            verify_token=SecretStr("verify"),
        ),
        _meta,
        signs_body=True,
        inbound=lambda path: not path.name.startswith("out_"),
    ),
}


@pytest.fixture(params=sorted(catalog.BUILDERS))
async def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def gate(name: str) -> AsyncIterator[Gate]:
    async with aiohttp.ClientSession() as http:
        made = catalog.build({name: CASES[name].settings}, catalog.Tools(http, NoBlobs(), SystemClock()))[name]
        if isinstance(made, TelegramGate):
            made.set_desk(DeskPlace(owner_id=telegram.OWNER))
            made.set_connections({telegram.ROUTE: Connection(telegram.OWNER, can_reply=True, enabled=True)})
        yield made


def fixtures(name: str) -> list[Path]:
    paths = (FOLDER / name / "fixtures").glob("*.json")
    real = [p for p in paths if not p.name.endswith((".expected.json", ".outgoing.json"))]
    return sorted(p for p in real if CASES[name].inbound(p))


def read(gate: Gate, body: bytes) -> list[Inbound]:
    return list(gate.parse(Raw(gate.provider, gate.key(body), body, telegram.RECEIVED)))


def test_every_network_of_the_catalog_is_looked_at() -> None:
    assert CASES.keys() == catalog.BUILDERS.keys() <= catalog.WEBHOOKS
    assert all(len(fixtures(name)) >= 20 for name in CASES)
    assert all((FOLDER / name / "doc.md").is_file() for name in CASES)


async def test_abilities_agree_with_powers(gate: Gate) -> None:
    roads = gate.roads.values()
    assert roads and gate.provider in gate.roads
    assert isinstance(gate, Edits) is any(road.edit is not None for road in roads)
    assert isinstance(gate, Deletes) is any(road.delete is not None for road in roads)
    assert isinstance(gate, Reacts) is any(road.reactions is not None for road in roads)
    assert isinstance(gate, Polls) <= isinstance(gate, Registers), "what polls can be called as well"
    assert isinstance(gate, Probes)
    for road in roads:
        assert road.text_limit > 0 and road.text_unit in ("chars", "bytes", "utf16")
        assert MediaKind.DOCUMENT in road.media, "what has no kind of its own goes as a document"
        assert (road.album_size > 1) is bool(road.album) and road.album <= road.media.keys()
        assert all(0 < rule.max_bytes and 0 <= rule.caption <= road.text_limit for rule in road.media.values())
        assert road.shares_files_with <= gate.roads.keys()
        assert road.menu <= set(CLIENT_COMMANDS)


async def test_every_kind_of_media_has_a_fixture(name: str, gate: Gate) -> None:
    """A kind that is sent by the very rule of another one needs none of its own."""
    shown = {
        a.kind for path in fixtures(name) for f in _facts(gate, path) if isinstance(f, Came) for a in f.attachments
    }
    covered: list[MediaRule] = [road.media[kind] for road in gate.roads.values() for kind in shown & road.media.keys()]
    for road in gate.roads.values():
        missing = {kind for kind, rule in road.media.items() if kind not in shown and rule not in covered}
        assert missing == set()


def _facts(gate: Gate, path: Path) -> list[Inbound]:
    try:
        return read(gate, path.read_bytes())
    except Unreadable:
        return []


async def test_parsing_is_deterministic_and_reaches_out_for_nothing(
    name: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [path.read_bytes() for path in fixtures(name)]

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("parse reached out")

    outcomes: list[list[str]] = []
    with monkeypatch.context() as sealed:
        sealed.setattr(socket.socket, "connect", refuse)
        sealed.setattr(socket, "getaddrinfo", refuse)
        sealed.setattr(builtins, "open", refuse)
        for _ in range(2):
            outcomes.append([_outcome(gate, body) for body in bodies])
    assert outcomes[0] == outcomes[1]


def _outcome(gate: Gate, body: bytes) -> str:
    try:
        return repr(read(gate, body))
    except Unreadable as error:
        return error.stored()


async def test_a_genuine_call_passes_and_one_flipped_bit_does_not(name: str, gate: Gate) -> None:
    case, body = CASES[name], fixtures(name)[0].read_bytes()
    genuine = dict(case.sign(body))
    assert gate.verify("POST", {}, genuine, body) is None
    ((header, value),) = genuine.items()
    forged: list[tuple[Headers, bytes]] = [({}, body), ({header: ""}, body), ({header: value[:-1]}, body)]
    forged += [({header: _flipped(value.encode(), bit).decode("latin-1")}, body) for bit in range(len(value) * 8)]
    if case.signs_body:
        forged += [(genuine, _flipped(body, bit)) for bit in range(0, len(body) * 8, 7)]
        forged += [(genuine, body + b" "), (genuine, b"")]
    for headers, content in forged:
        with pytest.raises(Unverified):
            gate.verify("POST", {}, headers, content)


def _flipped(of: bytes, bit: int) -> bytes:
    changed = bytearray(of)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


async def test_a_repeated_body_has_the_same_key_and_others_have_others(name: str, gate: Gate) -> None:
    bodies = {path.read_bytes() for path in fixtures(name)}
    keys = {body: gate.key(body) for body in bodies}
    assert all(gate.key(bytes(body)) == key and key for body, key in keys.items())
    assert len(set(keys.values())) == len(_distinct(name, bodies))


def _distinct(name: str, bodies: set[bytes]) -> set[object]:
    """Bodies that their network tells apart: by an id of its own where it has one."""
    ids = {body: json.loads(body).get("update_id") for body in bodies}
    return {ids[body] if ids[body] is not None else body for body in bodies}


LEAVES: tuple[Any, ...] = (None, True, 0, -1, 2**70, 1.5, 1e308, "", "x", "\ud800", "9" * 40, [], [[]], {}, {"a": {}})


async def test_truncated_and_twisted_bodies_raise_nothing_but_unreadable(name: str, gate: Gate) -> None:
    for path in fixtures(name):
        body = path.read_bytes()
        for cut in range(0, len(body), max(1, len(body) // 12)):
            _read_or_refuse(gate, body[:cut])
        tree = json.loads(body)
        for number, (holder, key) in enumerate(_places(tree)):
            kept = holder[key]
            holder[key] = LEAVES[number % len(LEAVES)]
            _read_or_refuse(gate, json.dumps(tree).encode())
            if isinstance(holder, dict):
                del holder[key]
                _read_or_refuse(gate, json.dumps(tree).encode())
            holder[key] = kept


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(tree, dict | list):
        for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
            yield from _places(value)
            yield tree, key


def _read_or_refuse(gate: Gate, body: bytes) -> None:
    assert gate.key(body)
    try:
        facts = read(gate, body)
    except Unreadable as error:
        assert error.reason
    else:
        repr(facts).encode()


KEYS = st.sampled_from(["update_id", "message", "object", "entry", "changes", "value", "chat", "from", "id"])
TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | TREES.map(lambda tree: json.dumps(tree).encode()))
def test_anything_at_all_is_read_or_refused(gate: Gate, body: bytes) -> None:
    _read_or_refuse(gate, body)


TAXONOMY = (Refused, Throttled, Unreachable, Uncertain, Locked, TopicGone)


def _errors() -> Iterator[tuple[str, Provider, InboxError]]:
    """Every line of every table of errors, as the error that it becomes."""
    for status, table in ((400, telegram_errors.BAD_REQUEST), (403, telegram_errors.FORBIDDEN)):
        for said, _ in table:
            yield f"telegram {status} {said}", Provider("telegram"), telegram_errors.refusal(status, said)
    for status in (401, 404, 409, 413, 429, 500, 502):
        yield f"telegram {status}", Provider("telegram"), telegram_errors.refusal(status, "")
    for row in meta_errors.TABLE:
        for code in {row.first, row.last}:
            yield f"meta {code}", Provider("whatsapp"), meta_errors.error(code)


def test_every_line_of_the_error_tables_has_a_class_and_a_sentence_in_both_languages() -> None:
    rows = list(_errors())
    assert len(rows) > 100
    for language in ("ru", "en"):
        spoken = words(language)
        for title, provider, error in rows:
            assert isinstance(error, TAXONOMY), title
            if isinstance(error, TopicGone) or error.reason == "unknown":
                continue
            nothing = why(spoken, provider, "unknown")
            assert not cause(spoken, provider, error.stored()).startswith(nothing), (title, error.reason)
