"""Work that is due at a time."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

from inbox.store import Job, JobCount
from storage.rows import Rows, Writing, micros, moment, moment_or_none, to_json


class JobsReading(Rows):
    def job(self, job_id: int) -> Job:
        return _job(self._known("job", self._first("select * from jobs where id = ?", job_id), job_id))

    def jobs_due(self, kind: str, now: datetime, limit: int) -> list[Job]:
        """Longest due first."""
        sql = "select * from jobs where kind = ? and due_at <= ? order by due_at, id limit ?"
        return [_job(row) for row in self._all(sql, kind, micros(now), limit)]

    def next_job_at(self, kind: str) -> datetime | None:
        row = self._first("select min(due_at) as due_at from jobs where kind = ?", kind)
        return None if row is None else moment_or_none(row["due_at"])

    def job_counts(self) -> list[JobCount]:
        sql = "select kind, count(*) as n, min(created_at) as oldest from jobs group by kind"
        return [JobCount(row["kind"], row["n"], moment(row["oldest"])) for row in self._all(sql)]


class JobsWriting(JobsReading, Writing):
    def add_job(self, kind: str, payload: dict[str, Any], due_at: datetime) -> int:
        rows = self._all(
            "insert into jobs (kind, payload, due_at, created_at) values (?, ?, ?, ?) returning id",
            kind,
            to_json(payload),
            micros(due_at),
            micros(self.now),
        )
        return int(rows[0]["id"])

    def set_job(self, job_id: int, *, due_at: datetime, attempts: int) -> None:
        sql = "update jobs set due_at = ?, attempts = ? where id = ? returning id"
        self._known("job", self._first(sql, micros(due_at), attempts, job_id), job_id)

    def finish_job(self, job_id: int) -> None:
        self._known("job", self._first("delete from jobs where id = ? returning id", job_id), job_id)


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        due_at=moment(row["due_at"]),
        attempts=row["attempts"],
        created_at=moment(row["created_at"]),
    )
