"""Waiting times over a stop: a clock that is set back while the process is down is seen by nobody then."""

from __future__ import annotations

from datetime import timedelta

from inbox.clock import STEP
from inbox.store import Unit

ALIVE = "alive"  # a setting, written every few seconds: Unix seconds at which the process lived


def resume(unit: Unit) -> None:
    """At the start: where it is earlier now than it was at the end, what waits goes on waiting from now."""
    last = unit.setting(ALIVE)
    back = float(last) - unit.now.timestamp() if last else 0.0
    if back >= STEP:
        unit.shift_waits(timedelta(seconds=-back))
