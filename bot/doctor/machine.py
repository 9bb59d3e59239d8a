"""The machine: Python, SQLite, the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.doctor.findings import Finding, broken, fine, warning
from storage.inspect import resets_log_safely

OLDEST = (3, 11)
BUILT = datetime(2026, 11, 1, tzinfo=UTC)  # no clock that is right shows an earlier time
SKEW = timedelta(seconds=30)
TOO_FAR = timedelta(minutes=4)  # Zoom's signed events are refused from five minutes on


def python(version: tuple[int, int, int]) -> Finding:
    found = ".".join(map(str, version))
    if version[:2] < OLDEST:
        return broken("python", f"{found} is too old", "install Python 3.11 or newer, remove .venv, run make venv")
    return fine("python", found)


def sqlite(version: tuple[int, int, int]) -> Finding:
    found = ".".join(map(str, version))
    if resets_log_safely(version):
        return fine("sqlite", found)
    return warning(
        "sqlite",
        f"{found} has the log-reset race; the bot alone is safe from it, as one connection writes",
        "let no other program write to or checkpoint inbox.db; SQLite 3.51.3 or newer is free of it",
    )


def clock(now: datetime, zone: ZoneInfo) -> Finding:
    if now < BUILT:
        return broken("clock", f"shows {now:%Y-%m-%d %H:%M} UTC", "set the machine's clock, switch time sync on")
    return fine("clock", f"{now.astimezone(zone):%Y-%m-%d %H:%M} in {zone.key}")


def skew(offset: timedelta | None) -> Finding:
    """offset: our time less that of the servers which answered; None: none did."""
    if offset is None:
        return warning("clock.skew", "no server told its time", "look at the network, then run doctor --online again")
    seconds = abs(offset.total_seconds())
    text = f"{seconds:.0f} s {'ahead of' if offset > timedelta() else 'behind'} the providers' clocks"
    fix = "switch time sync on (timedatectl set-ntp true)"
    if abs(offset) > TOO_FAR:
        return broken("clock.skew", text, fix)
    if abs(offset) > SKEW:
        return warning("clock.skew", text, fix)
    return fine("clock.skew", "agrees with the providers' clocks")
