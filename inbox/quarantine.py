"""What is kept aside because it was not understood, and how the owner hears of it: once per network and shape.

A shape may be a word of the body itself, so it is taken only where it looks like a name, and of one network only so
many are told apart: whatever is sent, the notices and their record stay few.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

from inbox.fate import tell_general
from inbox.model import Provider
from inbox.store import RawRow, Unit
from inbox.voice import Voice

TELL_AGAIN = timedelta(hours=24)
SHAPES = 50
OTHER = "other"

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def put_aside(unit: Unit, row: RawRow, shape: str, voice: Voice) -> None:
    """Keep the body as it came; a later start tries it again, and so does she by button."""
    assert row.raw.id is not None
    told = tell(unit, row.raw.provider, shape, voice, again=row.attempts > 0, kept=True)
    unit.set_raw(row.raw.id, "quarantined", error=told, attempts=row.attempts + 1)


def tell(unit: Unit, provider: Provider, shape: str, voice: Voice, *, again: bool = False, kept: bool = False) -> str:
    """One notice with a count, edited as it grows, a new one after a day. Returns the shape as it is told.

    again: this body was counted before. kept: there is a body that can be tried again.
    """
    record = _record(unit, provider)
    known = _NAME.fullmatch(shape) and (shape in record or len(record) < SHAPES)
    shape = shape if known else OTHER
    told = record.get(shape, {})
    count = int(told.get("count", 0)) + (0 if again else 1)
    now, since = unit.now.timestamp(), float(told.get("told", 0))
    due = now - since >= TELL_AGAIN.total_seconds()
    since = now if due else since
    _keep(unit, provider, record | {shape: {"count": count, "told": since}})
    if due or not again or told.get("asked"):
        notice = voice.quarantined(provider, shape, count, again=_id(shape) if kept else None)
        tell_general(unit, replace(notice, key=f"{notice.key}:{int(since)}"), rank=1)
    return shape


def reopen(unit: Unit, shapes: Collection[str] | None = None) -> None:
    """At each start: the product may have learned what it did not understand. Some once what they wait for is known."""
    unit.reopen_raws(shapes=shapes)


def try_again(unit: Unit, provider: Provider, shape_id: str, voice: Voice) -> bool:
    """By her button under the notice, which says what comes of it. False: nothing of this shape is kept any more."""
    record = _record(unit, provider)
    shape = next((s for s in record if _id(s) == shape_id), None)
    count = unit.reopen_raws(provider, [shape]) if shape is not None else 0
    if shape is None or count == 0:
        return False
    told = record[shape]
    _keep(unit, provider, record | {shape: told | {"asked": True}})
    standing = voice.quarantined(provider, shape, int(told["count"])).key
    tell_general(unit, replace(voice.tried_again(provider, count), key=f"{standing}:{int(told['told'])}"))
    return True


def _record(unit: Unit, provider: Provider) -> dict[str, dict[str, Any]]:
    """What was told of a network: by shape, how many, when, and whether she asked to try them again."""
    record: dict[str, dict[str, Any]] = json.loads(unit.setting(f"quarantine:{provider}") or "{}")
    return record


def _keep(unit: Unit, provider: Provider, record: dict[str, dict[str, Any]]) -> None:
    unit.set_setting(f"quarantine:{provider}", json.dumps(record))


def _id(shape: str) -> str:
    """A shape as a button can carry it."""
    return hashlib.sha256(shape.encode()).hexdigest()[:12]
