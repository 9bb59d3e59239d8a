"""What is kept aside because it was not understood, and how the owner hears of it: once per network and shape."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from inbox.fate import tell_general
from inbox.model import Provider
from inbox.store import RawRow, Unit
from inbox.voice import Voice

TELL_AGAIN = timedelta(hours=24)


def put_aside(unit: Unit, row: RawRow, shape: str, voice: Voice) -> None:
    """Keep the body as it came; a later start tries it again."""
    assert row.raw.id is not None
    unit.set_raw(row.raw.id, "quarantined", error=shape, attempts=row.attempts + 1)
    tell(unit, row.raw.provider, shape, voice, again=row.attempts > 0)


def tell(unit: Unit, provider: Provider, shape: str, voice: Voice, *, again: bool = False) -> None:
    """One notice with a count, edited as it grows, a new one after a day. again: this body was counted before."""
    key = f"quarantine:{provider}:{shape}"
    told = json.loads(unit.setting(key) or "{}")
    count = int(told.get("count", 0)) + (0 if again else 1)
    now, since = unit.now.timestamp(), float(told.get("told", 0))
    due = now - since >= TELL_AGAIN.total_seconds()
    since = now if due else since
    unit.set_setting(key, json.dumps({"count": count, "told": since}))
    if due or not again:
        notice = voice.quarantined(provider, shape, count)
        tell_general(unit, replace(notice, key=f"{notice.key}:{int(since)}"), rank=1)


def reopen(unit: Unit) -> None:
    """At each start, and after the claim: the product may have learned what it did not understand."""
    for row in unit.raws("quarantined", 10_000):
        assert row.raw.id is not None
        unit.set_raw(row.raw.id, "new", attempts=max(row.attempts, 1))
