"""The export: an append-only table, and where each receiver stands in it."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

from inbox.model import ContactId, Event, MessageId, Provider
from inbox.store import Sink
from storage.rows import Convert, Rows, Writing, micros, micros_or_none, moment, moment_or_none, same, to_json

AFTER = "select id, provider, timestamp, data from events where id > ? order by id limit ?"
OURS = frozenset({"id", "stored_at"})
SINK_FIELDS: dict[str, Convert] = {
    "last_event_id": same,
    "failing_since": micros_or_none,
    "attempts": same,
    "stopped": same,
}


class EventsReading(Rows):
    def events_after(self, event_id: int, limit: int) -> list[Event]:
        return [event(row) for row in self._all(AFTER, event_id, limit)]

    def newest_event_id(self) -> int:
        row = self._first("select coalesce(max(id), 0) as id from events")
        return int(row["id"]) if row else 0

    def sink(self, name: str) -> Sink | None:
        row = self._first("select * from sinks where name = ?", name)
        if row is None:
            return None
        return Sink(
            name=row["name"],
            last_event_id=row["last_event_id"],
            failing_since=moment_or_none(row["failing_since"]),
            attempts=row["attempts"],
            stopped=bool(row["stopped"]),
        )


class EventsWriting(EventsReading, Writing):
    def emit(
        self,
        provider: Provider,
        type: str,
        at: datetime,
        *,
        client: ContactId | None = None,
        message: MessageId | None = None,
        external_id: str | None = None,
        **data: Any,
    ) -> int:
        if OURS & data.keys():
            raise TypeError("id and stored_at are set by the store")
        line: dict[str, Any] = {"type": type, "stored_at": self.now, "client": client}
        if message is not None:
            line["message"] = message
        if external_id is not None:
            line["external_id"] = external_id
        rows = self._all(
            "insert into events (provider, timestamp, stored_at, data) values (?, ?, ?, ?) returning id",
            provider,
            micros(at),
            micros(self.now),
            to_json(line | data),
        )
        return int(rows[0]["id"])

    def set_sink(self, name: str, **fields: Any) -> None:
        self._all("insert into sinks (name) values (?) on conflict (name) do nothing", name)
        self._set("sinks", name, fields, SINK_FIELDS, key="name")

    def raise_event_floor(self, last_id: int) -> None:
        """The next event gets an id above `last_id`, and above all that were ever given here."""
        raised = self._all("update sqlite_sequence set seq = max(seq, ?) where name = 'events' returning seq", last_id)
        if not raised:
            self._all("insert into sqlite_sequence (name, seq) values ('events', ?)", last_id)


def event(row: sqlite3.Row) -> Event:
    """The id is the row's: it is known only once the line is stored."""
    return Event(
        id=row["id"],
        provider=Provider(row["provider"]),
        timestamp=moment(row["timestamp"]),
        data={"id": row["id"], **json.loads(row["data"])},
    )
