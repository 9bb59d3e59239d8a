"""Bodies as they came, and keys of what must happen once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime

from inbox.gate import Raw
from inbox.model import Provider
from inbox.store import RawRow
from storage.retention import BODIES
from storage.rows import Rows, Writing, clean, micros, moment

COUNTED = 10_000  # rows that one look goes over at most

PUT = """
insert into inbox (provider, key, body, received_at) values (?, ?, ?, ?)
on conflict (provider, key) do nothing
"""

SET = f"""
update inbox set state = ?1, error = ?2, attempts = coalesce(?3, attempts),
  body = case when ?1 = 'done' and id <= (select cast(value as integer) from cursors where name = '{BODIES}')
    then x'' else body end
where id = ?4 returning id
"""  # noqa: S608 the name is ours


def put_values(raw: Raw) -> tuple[str, str, bytes, int]:
    """What `PUT` takes."""
    return clean(raw.provider), clean(raw.key), raw.body, micros(raw.received_at)


class InboxReading(Rows):
    def raw(self, raw_id: int) -> RawRow:
        return _raw(self._known("raw", self._first("select * from inbox where id = ?", raw_id), raw_id))

    def raws(self, state: str, limit: int) -> list[RawRow]:
        return [
            _raw(row)
            for row in self._all(
                f"select * from inbox where {_in_state(state)} order by id limit ?",  # noqa: S608
                state,
                limit,
            )
        ]

    def first_raw(self, state: str) -> int | None:
        row = self._first(f"select id from inbox where {_in_state(state)} order by id limit 1", state)  # noqa: S608
        return int(row[0]) if row else None

    def count_raws(self, state: str) -> int:
        row = self._first(f"select count(*) from inbox where {_in_state(state)}", state)  # noqa: S608
        return int(row[0]) if row else 0

    def oldest_raw(self, state: str) -> datetime | None:
        row = self._first(f"select received_at from inbox where {_in_state(state)} order by id limit 1", state)  # noqa: S608
        return None if row is None else moment(row["received_at"])

    def quarantined(self) -> dict[Provider, int]:
        aside = f"select provider from inbox where {_in_state('quarantined')} limit ?"  # noqa: S608
        rows = self._all(f"select provider, count(*) as n from ({aside}) group by provider", "quarantined", COUNTED)  # noqa: S608
        return {Provider(row["provider"]): row["n"] for row in rows}

    def newest_raws(self, after: int) -> tuple[int, dict[Provider, datetime]]:
        row = self._first("select coalesce(max(id), 0) as id from inbox")
        newest = int(row["id"]) if row else 0
        sql = "select provider, max(received_at) as at from inbox where id > ? and id <= ? group by provider"
        rows = self._all(sql, max(after, newest - COUNTED), newest)
        return newest, {Provider(row["provider"]): moment(row["at"]) for row in rows}


class InboxWriting(InboxReading, Writing):
    def add_raw(self, raw: Raw) -> bool:
        return bool(self._all(f"{PUT} returning id", *put_values(raw)))

    def set_raw(self, raw_id: int, state: str, *, error: str | None = None, attempts: int | None = None) -> None:
        """What becomes done only after its like were emptied of their bodies loses its own at once."""
        changed = self._first(SET, state, error, attempts, raw_id)
        self._known("raw", changed, raw_id)

    def reopen_raws(self, provider: Provider | None = None, shapes: Collection[str] | None = None) -> int:
        """The bodies are not looked at: there may be thousands, of megabytes."""
        changed = self._all(
            f"""
            update inbox set state = 'new', error = null, attempts = max(attempts, 1)
            where {_in_state("quarantined")} and provider = coalesce(?, provider)
              and (? or error in (select value from json_each(?))) returning id
            """,  # noqa: S608
            "quarantined",
            provider,
            shapes is None,
            json.dumps(list(shapes or ())),
        )
        return len(changed)

    def once(self, key: str) -> bool:
        sql = "insert into seen (key, at) values (?, ?) on conflict (key) do nothing returning key"
        return bool(self._all(sql, key, micros(self.now)))


def _in_state(state: str) -> str:
    """All but the done ones are in a small index, which is used where its own condition is repeated."""
    return "state = ?" if state == "done" else "state = ? and state <> 'done'"


def _raw(row: sqlite3.Row) -> RawRow:
    return RawRow(
        raw=Raw(
            provider=Provider(row["provider"]),
            key=row["key"],
            body=row["body"],
            received_at=moment(row["received_at"]),
            id=row["id"],
        ),
        state=row["state"],
        attempts=row["attempts"],
        error=row["error"],
    )
