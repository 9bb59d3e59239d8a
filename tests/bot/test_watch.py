"""How soon a gate that died shows, how often it is asked, and in what words. On a virtual clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot import watch
from bot.figures import Observer
from bot.health import Health
from bot.watch import Watch, Watched, asked, told, words
from inbox.errors import Locked, Refused, Throttled, Uncertain, Unreachable

HOUR = 3600.0
PROMISED = 15.0
"""Seconds within which the contract shows a dead gate."""


class Over(Exception):
    """The time of the test."""


@dataclass
class Ticking:
    """Whoever sleeps moves the time; what is to happen meanwhile happens in `events`."""

    end: float
    at: float = 0.0
    events: Callable[[float], None] = lambda _: None

    def now(self) -> datetime:
        return datetime(2026, 11, 25, tzinfo=UTC) + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.events(self.at)
        if self.at >= self.end:
            raise Over
        await asyncio.sleep(0)


@dataclass
class Sending:
    name: str = "whatsapp"
    calls: Counter[str] = field(default_factory=Counter)
    trouble: str | None = None
    wait: float = 0.0

    def blocked(self) -> float:
        return self.wait


class Noted(Health):
    """When a part was first said to be worse than ok."""

    def __init__(self, clock: Ticking) -> None:
        super().__init__(["whatsapp", "telegram"])
        self.clock = clock
        self.first: dict[str, float] = {}
        self.said: dict[str, tuple[str, str]] = {}

    def set(self, part: str, state: Any, detail: str = "") -> None:
        super().set(part, state, detail)
        self.said[part] = (state, detail)
        if state != "ok":
            self.first.setdefault(part, self.clock.at)


class Place:
    """One gate that is asked. dies: when; takes: seconds until a probe of the dead one fails."""

    def __init__(self, *, end: float = HOUR, dies: float | None = None, takes: float = 0.0, gate: str = "whatsapp"):
        self.clock = Ticking(end)
        self.target, self.desk = Sending(gate), Sending("desk")
        self.health = Noted(self.clock)
        self.dies, self.takes = dies, takes
        self.probes: list[float] = []
        self.watched = Watched(gate, self.probe, [self.target], besides=[self.desk])
        self.observer = cast(Observer, Observed())
        self.watch = Watch(
            self.health,
            self.observer,
            [self.watched],
            self.desk,
            str,
            None,
            self.clock,
            cast(Any, None),
        )

    async def probe(self) -> None:
        self.probes.append(self.clock.at)
        if self.dies is not None and self.clock.at >= self.dies:
            self.clock.at += self.takes
            raise TimeoutError if self.takes else Locked("token", code="190")

    async def run(self) -> None:
        with pytest.raises(Over):
            await self.watch._probe(self.watched)


@dataclass
class Observed:
    troubles: dict[str, str | None] = field(default_factory=dict)
    latest: Any = None
    look: Any = None


async def test_a_gate_that_is_well_is_asked_less(counts: Callable[..., None]) -> None:
    quiet, busy = Place(), Place()

    def send(at: float) -> None:
        busy.target.calls["accepted"] += 1

    busy.clock.events = send
    await quiet.run()
    await busy.run()
    counts("ready", probes_an_hour=len(quiet.probes), with_traffic=len(busy.probes))
    assert len(quiet.probes) <= HOUR / 10
    assert len(busy.probes) == 1


async def _shown_after(takes: float) -> float:
    """The longest, over every moment between two probes at which it may die without a call."""
    worst = 0.0
    for tenths in range(120):
        dies = 60 + tenths / 10
        place = Place(end=120, dies=dies, takes=takes)
        await place.run()
        worst = max(worst, place.health.first["whatsapp"] - dies)
    return worst


async def test_a_gate_that_dies_unused_shows_in_time(
    counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, silent = await _shown_after(0.0), await _shown_after(watch.PROBE_LIMIT)
    counts("ready", refused_after_s=round(refused, 1), silent_after_s=round(silent, 1))
    assert max(refused, silent) < PROMISED
    monkeypatch.setattr(watch, "PROBE_EVERY", 20.0)
    late = await _shown_after(0.0)
    counts("ready", mutant="asked every 20 s", refused_after_s=round(late, 1))
    assert late > PROMISED


async def test_a_call_that_fails_is_looked_into_at_once() -> None:
    place = Place(end=120, dies=63.0)

    def fail(at: float) -> None:
        if at >= 63 and not place.target.calls:
            place.target.calls["unreachable"] += 1

    place.clock.events = fail
    await place.run()
    assert place.health.first["whatsapp"] - 63 <= watch.PROBE_SOONEST + watch.LOOK


async def test_what_a_target_has_learned_shows_without_a_probe() -> None:
    place = Place(end=120)

    def lock(at: float) -> None:
        place.target.trouble = "locked:token:190" if 61 <= at < 90 else None

    place.clock.events = lock
    await place.run()
    assert place.health.first["whatsapp"] - 61 <= watch.LOOK
    assert place.health.said["whatsapp"] == ("ok", "")
    assert place.observer.troubles == {"whatsapp": None}


async def test_a_gate_in_trouble_is_asked_more_often() -> None:
    place = Place(end=100, dies=0.0)
    await place.run()
    assert 100 / watch.PROBE_AGAIN - 1 <= len(place.probes) <= 100 / watch.PROBE_AGAIN + 1


async def test_the_desk_is_telegram_and_its_own_lanes() -> None:
    place = Place(end=20, gate="telegram")
    await place.run()
    assert place.health.said["desk"] == ("ok", "")
    place = Place(end=20, gate="telegram")
    place.desk.wait = 12.4
    await place.run()
    assert place.health.said["desk"] == ("degraded", "429 for 12 s")
    assert place.health.said["telegram"] == ("ok", "")
    place = Place(end=20, gate="telegram", dies=0.0)
    await place.run()
    assert place.health.said["desk"] == place.health.said["telegram"] == ("degraded", "token refused (190)")
    place = Place(end=20, gate="telegram")
    place.desk.trouble = "unreachable:connect:"
    await place.run()
    assert place.health.said["desk"] == ("degraded", "no connection")


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (None, None),
        (Throttled(30), None),
        (Refused("parameter", code="100"), None),
        (Locked("token", code="190"), "locked:token:190"),
        (Unreachable("connect"), "unreachable:connect:"),
        (Uncertain("timeout"), "uncertain:timeout:"),
        (TimeoutError(), "uncertain:timeout:"),
        (ValueError("odd"), "broken:ValueError:"),
    ],
)
async def test_what_an_answer_says(error: Exception | None, wrong: str | None) -> None:
    async def probe() -> None:
        if error is not None:
            raise error

    assert await asked(probe) == wrong


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("locked:token:190", "token refused (190)"),
        ("locked:restricted:368", "locked: restricted (368)"),
        ("unreachable:connect:", "no connection"),
        ("unreachable:temporary:500", "cannot be reached: temporary (500)"),
        ("unreachable:conflict:409", "another program takes the updates (409)"),
        ("uncertain:timeout:", "no answer"),
        ("uncertain:answer:http500", "no answer: answer (http500)"),
        ("refused:parameter:100", "refused parameter (100)"),
    ],
)
def test_errors_in_an_operators_words(stored: str, read: str) -> None:
    assert words(stored) == read


@pytest.mark.parametrize(
    ("new", "seconds", "detail"), [(0, 0, ""), (3, 1, ""), (3, 60, "3 bodies wait")], ids=["none", "just came", "late"]
)
def test_bodies_that_wait_are_told_with_the_storage(new: int, seconds: float, detail: str) -> None:
    place = Place()
    now = place.clock.now()
    since = now - timedelta(seconds=seconds) if new else None
    place.observer.latest = cast(Any, SimpleNamespace(new=new, new_since=since, at=now))
    assert place.watch.backlog() == detail


async def test_a_picture_that_cannot_be_taken_ends_nothing() -> None:
    place = Place(end=30)
    errors = []

    async def look() -> None:
        errors.append(place.clock.at)
        raise KeyError("odd")

    place.observer.look = look  # type: ignore[method-assign,assignment]
    place.watch.log = cast(Any, SimpleNamespace(error=lambda *_, **__: None))
    with pytest.raises(Over):
        await place.watch._look()
    assert len(errors) > 3


def test_a_short_wait_is_told_to_nobody() -> None:
    assert told(None, watch.BLOCKED - 0.1) == ("ok", "")
    assert told(None, watch.BLOCKED) == ("degraded", "429 for 5 s")
    assert told("locked:token:190", 60.0) == ("degraded", "token refused (190)")
