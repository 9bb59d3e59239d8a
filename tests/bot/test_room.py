"""The level of the disk, look by look, and what is said of it."""

from __future__ import annotations

import pytest

from bot.room import BACK, LEAST, LOW, LOW_MOST, MB, PATIENCE, QUIET, Level, Look, News, Room, low, news, step

TOTAL = 2_000 * MB  # LOW is what counts as low there
PLENTY = 1_500 * MB
FULL, STUCK, FINE = Level.FULL, Level.STUCK, Level.FINE

# (seconds since the look before, bytes free, why the last group was refused) and the level and the news of it
Script = list[tuple[float, int, str | None, Level, News | None]]
SCRIPTS: dict[str, Script] = {
    "all is well": [(1, PLENTY, None, FINE, None), (100, PLENTY, None, FINE, None)],
    "it fills up and is emptied": [
        (1, LOW, None, FINE, None),
        (1, LOW - 1, None, Level.LOW, News.LOW),
        (1, LEAST, None, Level.LOW, None),
        (1, LEAST - 1, None, FULL, News.FULL),
        (1, LEAST + 16 * MB, None, FULL, None),  # the reserve was given back
        (QUIET, BACK - 1, None, FULL, None),
        (1, BACK, None, Level.LOW, News.BACK),
        (1, LOW + 1, None, Level.LOW, None),
        (1, int(LOW * 1.5), None, FINE, None),
        (1, LOW - 1, None, Level.LOW, News.LOW),
    ],
    "at the edge of low it is told once": [
        (1, LOW - 1, None, Level.LOW, News.LOW),
        (1, LOW + 1, None, Level.LOW, None),
        (1, LOW - 1, None, Level.LOW, None),
    ],
    "refused for room though there is some": [
        (1, PLENTY, "full", FULL, News.FULL),
        (1, PLENTY, None, FULL, None),
        (1, PLENTY, "full", FULL, None),
        (QUIET - 1, PLENTY, None, FULL, None),
        (1, PLENTY, None, FINE, News.BACK),
    ],
    "a lock that goes by is not spoken of": [
        (1, PLENTY, "locked", STUCK, None),
        (PATIENCE - 1, PLENTY, "locked", STUCK, None),
        (QUIET, PLENTY, None, FINE, None),
    ],
    "a lock that stays": [
        (1, PLENTY, "locked", STUCK, None),
        (PATIENCE, PLENTY, "locked", STUCK, News.STUCK),
        (60, PLENTY, "locked", STUCK, None),
        (1, PLENTY, None, STUCK, None),
        (QUIET, PLENTY, None, FINE, News.BACK),
    ],
    "what comes and goes is one trouble": [
        (1, PLENTY, "io", STUCK, None),
        (PATIENCE / 2, PLENTY, None, STUCK, None),
        (PATIENCE / 2, PLENTY, "io", STUCK, News.STUCK),
    ],
    "from one trouble into another": [
        (1, PLENTY, "io", STUCK, None),
        (1, LEAST - 1, "io", FULL, News.FULL),
        (1, BACK, "locked", FULL, None),
        (QUIET, BACK, None, Level.LOW, News.BACK),
    ],
    "told of a lock, then full": [
        (1, PLENTY, "locked", STUCK, None),
        (PATIENCE, PLENTY, "locked", STUCK, News.STUCK),
        (1, PLENTY, "full", FULL, None),
        (QUIET, PLENTY, None, FINE, News.BACK),
    ],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_level_and_the_news(name: str) -> None:
    room, at = Room(), 1000.0
    for number, (seconds, free, refusal, level, heard) in enumerate(SCRIPTS[name]):
        at += seconds
        before, room = room, step(room, Look(at, free, TOTAL, refusal))
        assert (room.level, news(before, room)) == (level, heard), f"look {number}"
        assert room.refuses == (level in (FULL, STUCK))
        assert bool(room.reason) == room.refuses


def test_an_outage_that_was_told_before_a_restart_is_closed_or_goes_on() -> None:
    told = Room(is_told=True)
    assert not told.refuses
    over = step(told, Look(1.0, PLENTY, TOTAL))
    assert (over.level, news(told, over)) == (FINE, News.BACK)
    lasts = step(told, Look(1.0, LEAST - 1, TOTAL))
    assert (lasts.level, news(told, lasts)) == (FULL, None)
    assert news(lasts, step(lasts, Look(1.0 + QUIET, PLENTY, TOTAL))) is News.BACK


def test_what_is_low_grows_with_the_disk_within_bounds() -> None:
    assert [low(n * MB) for n in (1_000, 4_000, 8_000, 1_000_000)] == [LOW, LOW, 400 * MB, LOW_MOST]
    assert LEAST < BACK < LOW
