"""Binding and reading rows: times, text and JSON on their way into SQLite and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from inbox.codec import plain
from inbox.model import Span, Text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LARGEST = 2**63 - 1

Convert = Callable[[Any], Any]


def micros(at: datetime) -> int:
    """Microseconds since 1970. Raises TypeError for a naive datetime."""
    return (at - EPOCH) // MICROSECOND


def moment(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


def micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def same(value: Any) -> Any:
    return value


def count_or_none(value: int | None) -> int | None:
    """A number that a stranger stated; what SQLite cannot hold (2**64) was never true."""
    return value if value is not None and 0 <= value <= LARGEST else None


def clean(text: str) -> str:
    """Text that SQLite and every network take: no NUL, half an emoji (a lone surrogate) becomes "?"."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def clean_text(text: Text) -> Text:
    """Like `clean`; the spans move with the characters that are left out."""
    if "\0" not in text.plain:
        return text
    words = text.plain

    def left(end: int) -> int:
        return end - words.count("\0", 0, end)

    spans = (Span(s.kind, left(s.start), left(s.end), s.url) for s in text.spans)
    return Text(words.replace("\0", ""), tuple(s for s in spans if s.start < s.end))


def to_json(value: object) -> str:
    """JSON of `inbox.codec`, clean inside as well: NUL hides there as an escape, and NaN is no JSON."""
    return json.dumps(_cleaned(plain(value)), ensure_ascii=False, separators=(",", ":"))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(k): _cleaned(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_cleaned(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Rows:
    """What the tables' classes share: one connection, and one door through which every parameter passes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Raises KeyError where a row refers to what is not there."""
        bound = [clean(v) if isinstance(v, str) else v for v in values]
        try:
            return self._connection.execute(sql, bound).fetchall()
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                raise KeyError("no such row to refer to") from error
            raise

    def _first(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _known(self, what: str, row: sqlite3.Row | None, key: object) -> sqlite3.Row:
        if row is None:
            raise KeyError(f"no {what} {key}")
        return row


class Writing(Rows):
    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        super().__init__(connection)
        self._now = now

    @property
    def now(self) -> datetime:
        return self._now

    def _set(
        self,
        table: str,
        row_id: int | str,
        fields: Mapping[str, Any],
        columns: Mapping[str, Convert],
        *,
        key: str = "id",
    ) -> sqlite3.Row:
        """Update some columns of one row, and return it. Raises TypeError for a field not in `columns`, KeyError."""
        unknown = fields.keys() - columns.keys()
        if unknown:
            raise TypeError(f"no such fields of {table}: {', '.join(sorted(unknown))}")
        assignments = ", ".join(f"{name} = ?" for name in fields) or f"{key} = {key}"
        values = [columns[name](value) for name, value in fields.items()]
        sql = f"update {table} set {assignments} where {key} = ? returning *"  # noqa: S608 names are ours
        return self._known(table, self._first(sql, *values, row_id), row_id)
