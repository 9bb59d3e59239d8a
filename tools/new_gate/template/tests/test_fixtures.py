"""Every fixture against its expectation. A fixture without one fails, and so does an expectation without a fixture."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import gates.newgate
from gates.http import Answer
from gates.newgate.abilities import NEWGATE
from gates.newgate.errors import read
from gates.newgate.parse import parse
from gates.newgate.send import message
from inbox import codec
from inbox.errors import InboxError
from inbox.gate import Inbound, Outgoing, Raw

FIXTURES = Path(gates.newgate.__file__).parent / "fixtures"
BODIES = sorted(path for path in FIXTURES.glob("*.json") if len(path.suffixes) == 1)
RECEIVED = datetime(2026, 11, 25, 12, tzinfo=UTC)


def of(*prefixes: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in BODIES if path.name.startswith(prefixes)]


def companion(path: Path, kind: str) -> Any:
    return json.loads(path.with_suffix(f".{kind}.json").read_text("utf-8"))


@pytest.mark.parametrize("path", of("in_", "status_"))
def test_webhooks(path: Path) -> None:
    got = parse(Raw(NEWGATE, "key", path.read_bytes(), RECEIVED), "desk")
    assert codec.plain(got) == companion(path, "expected")
    assert [codec.build(Inbound, item) for item in codec.plain(got)] == got


@pytest.mark.parametrize("path", of("err_"))
def test_error_answers(path: Path) -> None:
    with pytest.raises(InboxError) as caught:
        read(Answer(400, {}, path.read_bytes()))
    found = caught.value
    assert {"class": type(found).__name__, "reason": found.reason, "code": found.code} == companion(path, "expected")


@pytest.mark.parametrize("path", of("out_"))
def test_requests(path: Path) -> None:
    out: Outgoing = codec.build(Outgoing, companion(path, "outgoing"))
    assert message(out) == json.loads(path.read_text("utf-8"))


def test_nothing_is_left_over() -> None:
    companions = {path for path in FIXTURES.glob("*.json")} - set(BODIES)
    assert {path.name.split(".")[0] for path in companions} == {path.stem for path in BODIES}
