"""Moments that something waits for, or is counted from: they move with the wall clock when it is set."""

from __future__ import annotations

from datetime import timedelta

from storage.rows import Writing

_SHIFTS = (
    # A row that is leaving keeps its age: it is in the token that its network gives back.
    "update deliveries set created_at = created_at + ?1, not_before = not_before + ?1 where state = 'waiting'",
    "update jobs set due_at = due_at + ?1, created_at = created_at + ?1",
    "update early set stored_at = stored_at + ?1",
    "update sinks set failing_since = failing_since + ?1 where failing_since is not null",
    """
    update settings set value = json_set(value, '$.told', json_extract(value, '$.told') + ?1 / 1e6)
    where key glob 'quarantine:*'
    """,
)


class WaitsWriting(Writing):
    def shift_waits(self, by: timedelta) -> None:
        for sql in _SHIFTS:
            self._all(sql, by // timedelta(microseconds=1))
