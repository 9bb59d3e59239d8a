"""What is not kept for ever: after thirty days the bodies of understood webhooks, keys of what must happen once, and
what buttons of lists and questions remember. The key of a webhook stays: it is known however late it comes again.

One look at the clock a day, in steps of few rows: the writer takes them while nobody writes.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta

from storage.rows import Writing, micros

KEPT = timedelta(days=30)  # networks repeat for seven days at most
EVERY = timedelta(days=1)
STEP = 200  # rows that a step looks at: a few milliseconds

BODIES = "retention:bodies"  # cursor: the last webhook whose age was looked at
KEYS = "retention:keys"  # cursor: the last key that this day's pass has seen
DONE = "retention:done"  # cursor: when the last pass ended, microseconds

_FOR_EVER = ("fix:", "stranger:")
"""Keys of what may never happen again: new words that a client got by a button, a stranger who was told of."""
_BY_ROW = ("ask:", "find:", "history:")
"""Settings named by the webhook that asked; an album's leads to it by its value, as new words of an edit do."""
_BY_VALUE = ("ask:album:", "fix:")
_OPEN = "state = 'quarantined' and state <> 'done'"


def sweep_some(connection: sqlite3.Connection, now: datetime) -> bool:
    """One short step of the day's pass; whether there may be more of it."""
    try:
        connection.execute("begin immediate")
        more = _Sweep(connection, now).step()
        connection.execute("commit")
    except sqlite3.Error:  # the disk's trouble is told where it loses something
        if connection.in_transaction:
            connection.execute("rollback")
        return False
    return more


class _Sweep(Writing):
    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        super().__init__(connection, now)
        self._before = micros(now - KEPT)

    def step(self) -> bool:
        done = self._cursor(DONE)
        if done and 0 <= micros(self.now) - int(done) < EVERY // timedelta(microseconds=1):
            return False
        if self._bodies() or self._keys() or self._settings():
            return True
        self._quarantine()
        self._put(DONE, str(micros(self.now)))
        self._put(KEYS, "")
        return False

    def _bodies(self) -> bool:
        """Of those that are done. What stays open keeps its body; it goes when it is done (`InboxWriting.set_raw`)."""
        last = int(self._cursor(BODIES) or 0)
        rows = self._all("select id, state, received_at from inbox where id > ? order by id limit ?", last, STEP)
        ahead = micros(self.now + EVERY)  # a time that was never true may not hold up those behind it
        old = 0
        for row in rows:
            if self._before <= row["received_at"] < ahead:
                break
            old = row["id"]
            if row["state"] == "done" and row["received_at"] < self._before:
                self._all("update inbox set body = x'' where id = ?", old)
        if old:
            self._put(BODIES, str(old))
        return bool(old)

    def _keys(self) -> bool:
        last = self._cursor(KEYS) or ""
        rows = self._all("select key, at from seen where key > ? order by key limit ?", last, STEP)
        for row in rows:
            if row["at"] < self._before and not row["key"].startswith(_FOR_EVER):
                self._all("delete from seen where key = ?", row["key"])
        if rows:
            self._put(KEYS, rows[-1]["key"])
        return bool(rows)

    def _settings(self) -> bool:
        """Those of webhooks whose bodies are gone: their buttons are told to be old from now on."""
        last = int(self._cursor(BODIES) or 0)
        for prefix in _BY_ROW:
            if self._drop(prefix, "cast(substr(key, ?) as integer) between 1 and ?", len(prefix) + 1, last):
                return True
        return any(self._drop(prefix, "cast(value as integer) between 1 and ?", last) for prefix in _BY_VALUE)

    def _drop(self, prefix: str, condition: str, *values: int) -> bool:
        sql = f"""
        delete from settings where key in (
          select key from settings where key >= ? and key < ? and {condition} limit ?
        ) returning key
        """  # noqa: S608 the conditions are ours
        following = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return bool(self._all(sql, prefix, following, *values, STEP))

    def _quarantine(self) -> None:
        """What was told of shapes (`inbox.quarantine`) of which nothing is kept aside any more."""
        sql = "select key, value from settings where key >= 'quarantine:' and key < 'quarantine;' limit ?"
        for row in self._all(sql, STEP):
            provider = row["key"].removeprefix("quarantine:")
            record = json.loads(row["value"])
            kept = {shape: told for shape, told in record.items() if self._is_needed(provider, shape, told)}
            if not kept:
                self._all("delete from settings where key = ?", row["key"])
            elif kept != record:
                self._all("update settings set value = ? where key = ?", json.dumps(kept), row["key"])

    def _is_needed(self, provider: str, shape: str, told: object) -> bool:
        """An entry of another form is of an earlier version, and nobody reads it any more."""
        if not isinstance(told, dict):
            return False
        aside = f"select 1 from inbox where {_OPEN} and provider = ? and error = ? limit 1"  # noqa: S608
        return float(told["told"]) * 1e6 >= self._before or self._first(aside, provider, shape) is not None

    def _cursor(self, name: str) -> str | None:
        row = self._first("select value from cursors where name = ?", name)
        return None if row is None else str(row["value"])

    def _put(self, name: str, value: str) -> None:
        self._all(
            "insert into cursors (name, value) values (?, ?) on conflict (name) do update set value = excluded.value",
            name,
            value,
        )
