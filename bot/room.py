"""Whether the disk takes data: from the room on it and what the writer ran into to a level, and to what is said of it.

Pure. The level falls at once and rises with a delay and a margin, so that a disk at the edge is not told each second.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.reserve import SIZE as RESERVE

MB = 1024**2
LEAST = 8 * MB  # bytes; with less nothing new is taken, what is left is for what is under way
BACK = LEAST + RESERVE + 8 * MB  # bytes that must be there before new data is taken again: the reserve is made of them
LOW, LOW_SHARE, LOW_MOST = 200 * MB, 0.05, 1024 * MB
RELIEF = 1.5  # times what is low: then it is low no more
PATIENCE = 10.0  # seconds; a lock that is gone by then is not spoken of
QUIET = 10.0  # seconds without a refusal after which the disk takes data again


class Level(StrEnum):
    FINE = "fine"
    LOW = "low"
    STUCK = "stuck"  # it takes nothing, and room is not what it lacks: locked, read-only, broken
    FULL = "full"


class News(StrEnum):
    LOW = "low"
    STUCK = "stuck"
    FULL = "full"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Look:
    """at: monotonic seconds. free, total: bytes. refusal: why the last group of writes was not taken, None: it was."""

    at: float
    free: int
    total: int
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """since, refused_at: when the refusals began and the last one was seen. is_told: she hears of them, or has heard
    before a restart.
    """

    level: Level = Level.FINE
    reason: str = ""
    since: float = 0.0
    refused_at: float = 0.0
    is_told: bool = False

    @property
    def refuses(self) -> bool:
        return self.level in (Level.STUCK, Level.FULL)


def low(total: int) -> int:
    """A twentieth of the disk, within bounds."""
    return int(min(max(LOW, total * LOW_SHARE), LOW_MOST))


def step(room: Room, look: Look) -> Room:
    if look.refusal == "full" or look.free < LEAST:
        return _refused(room, look, Level.FULL, "full")
    if look.refusal is not None:
        level = Level.FULL if room.level is Level.FULL else Level.STUCK
        return _refused(room, look, level, look.refusal)
    if room.refuses and look.at - room.refused_at < QUIET:
        return room
    if room.level is Level.FULL and look.free < BACK:
        return room
    return _taken(room, look)


def _refused(room: Room, look: Look, level: Level, reason: str) -> Room:
    since = room.since if room.refuses else look.at
    is_told = room.is_told or level is Level.FULL or look.at - since >= PATIENCE
    return Room(level, reason, since, look.at, is_told)


def _taken(room: Room, look: Look) -> Room:
    enough = low(look.total) * (1.0 if room.level is Level.FINE else RELIEF)
    level = Level.LOW if look.free < enough else Level.FINE
    return Room(level)


def news(before: Room, after: Room) -> News | None:
    """What the owner hears of the step, if anything."""
    if after.is_told and not before.is_told:
        return News.FULL if after.level is Level.FULL else News.STUCK
    if before.is_told and not after.is_told:
        return News.BACK
    if after.level is Level.LOW and before.level is Level.FINE:
        return News.LOW
    return None
