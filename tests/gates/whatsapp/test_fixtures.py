"""Every fixture against its expectation. A fixture without one fails, and so does an expectation without a fixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gates.http import Answer
from gates.meta.graph import read
from gates.whatsapp.parse import parse
from gates.whatsapp.send import message, reaction, upload
from inbox import codec
from inbox.errors import InboxError
from inbox.gate import Inbound, Outgoing
from inbox.model import ExternalId
from tests.gates.whatsapp.cases import FIXTURES, MINE, raw

HOOKS = ("in_", "status_", "hook_", "coex_")
BODIES = sorted(path for path in FIXTURES.glob("*.json") if len(path.suffixes) == 1)


def of(*prefixes: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in BODIES if path.name.startswith(prefixes)]


def companion(path: Path, kind: str) -> Any:
    return json.loads(path.with_suffix(f".{kind}.json").read_text("utf-8"))


@pytest.mark.parametrize("path", of(*HOOKS))
def test_webhooks(path: Path) -> None:
    got = parse(raw(path.read_bytes()), MINE)
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
    expected = json.loads(path.read_text("utf-8"))
    kind = expected["type"]
    if kind == "reaction":
        wanted = expected["reaction"]
        got = reaction(out, ExternalId(wanted["message_id"]), wanted["emoji"] or None)
    else:
        uploaded = (upload(out.attachments[0]), expected[kind]["id"]) if out.attachments else None
        got = message(out, uploaded)
    if kind == "text":
        expected["text"].setdefault("preview_url", False)
    # The examples have no callback data but one; ours always has.
    assert got == expected | {"biz_opaque_callback_data": out.token}


def test_every_family_is_here_and_nothing_is_left_over() -> None:
    names = {path.stem for path in BODIES}
    assert {name.split("_")[0] for name in names} == {"in", "status", "hook", "coex", "err", "out"}
    companions = {path for path in FIXTURES.glob("*.json")} - set(BODIES)
    assert {path.name.split(".")[0] for path in companions} == names
