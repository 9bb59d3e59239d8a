"""What is to be sent, in lanes."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime
from typing import Any

from inbox.codec import build
from inbox.model import Act, Delivery, DeliveryId, DeliveryState, ExternalId, MessageId, Notice, Part
from inbox.store import Queue
from storage.rows import (
    Convert,
    Rows,
    Writing,
    clean_text,
    micros,
    micros_or_none,
    moment,
    moment_or_none,
    same,
    to_json,
)

OPEN = "state in ('sending', 'uncertain', 'parked')"  # the condition of an index

# Walks the index from lane to lane, so that a thousand rows of one lane cost no more than one.
HEADS = f"""
with recursive lanes (lane) as (
  select min(lane) from deliveries where target = ?1 and state = 'waiting'
  union all
  select (select min(d.lane) from deliveries d where d.target = ?1 and d.state = 'waiting' and d.lane > lanes.lane)
  from lanes where lanes.lane is not null
)
select head.* from lanes join deliveries head on head.id = (
  select min(d.id) from deliveries d where d.target = ?1 and d.lane = lanes.lane and d.state = 'waiting'
)
where lanes.lane is not null and not exists (
  select 1 from deliveries d where d.target = ?1 and d.lane = lanes.lane and d.state = 'sending' and d.{OPEN}
)
order by head.rank, head.id
"""  # noqa: S608

# From head to head along the same index, over all targets: one row a lane is read, and nothing sorted.
LANES = """
with recursive heads (id, target, lane, created_at) as (
  select d.id, d.target, d.lane, d.created_at from deliveries d where d.id = (
    select x.id from deliveries x where x.state = 'waiting' order by x.target, x.lane, x.id limit 1
  )
  union all
  select d.id, d.target, d.lane, d.created_at from heads join deliveries d on d.id = coalesce(
    (select x.id from deliveries x where x.state = 'waiting' and x.target = heads.target and x.lane > heads.lane
     order by x.lane, x.id limit 1),
    (select x.id from deliveries x where x.state = 'waiting' and x.target > heads.target
     order by x.target, x.lane, x.id limit 1)
  )
)
select target, count(*) as lanes, min(created_at) as oldest, lane from heads group by target
"""

WAITING = "select target, count(*) as waiting from deliveries where state = 'waiting' group by target"
ASIDE = f"""
select target, sum(state = 'uncertain') as uncertain, sum(state = 'parked') as parked
from deliveries where {OPEN} and state <> 'sending' group by target
"""  # noqa: S608
FAILED = """
select target, count(*) as failed from deliveries
where id > (select max(id) from deliveries) - ? and state = 'failed' group by target
"""


class DeliveriesReading(Rows):
    def delivery(self, delivery_id: DeliveryId) -> Delivery:
        row = self._first("select * from deliveries where id = ?", delivery_id)
        return _delivery(self._known("delivery", row, delivery_id))

    def deliveries_of(self, message_id: MessageId, target: str | None = None) -> list[Delivery]:
        sql = "select * from deliveries where message_id = ? and target = coalesce(?, target) order by id"
        return [_delivery(row) for row in self._all(sql, message_id, target)]

    def lane_heads(self, target: str) -> list[Delivery]:
        return [_delivery(row) for row in self._all(HEADS, target)]

    def lane_rows(self, lane: str, limit: int) -> list[Delivery]:
        sql = "select * from deliveries where lane = ? and state = 'waiting' order by id limit ?"
        return [_delivery(row) for row in self._all(sql, lane, limit)]

    def unsettled_in(self, lane: str) -> list[Delivery]:
        wanted = f"lane = ? and act = 'send' and state in ('sending', 'uncertain') and {OPEN}"
        sql = f"select * from deliveries where {wanted} order by id"  # noqa: S608
        return [_delivery(row) for row in self._all(sql, lane)]

    def parked_in(self, lane: str) -> list[Delivery]:
        sql = f"select * from deliveries where lane = ? and state = 'parked' and {OPEN} order by id"  # noqa: S608
        return [_delivery(row) for row in self._all(sql, lane)]

    def queues(self) -> list[Queue]:
        waiting = {row["target"]: row["waiting"] for row in self._all(WAITING)}
        lanes = {row["target"]: row for row in self._all(LANES)} if waiting else {}
        aside = {row["target"]: row for row in self._all(ASIDE)}
        return [
            _queue(name, waiting.get(name, 0), lanes.get(name), aside.get(name)) for name in sorted({*waiting, *aside})
        ]

    def broken_rows(self) -> dict[str, int]:
        """By target, those that could not be made into a call. Walks over all that waits."""
        sql = (
            "select target, count(*) as n from deliveries where state = 'waiting' and error >= 'broken:' "
            "and error < 'broken;' group by target"
        )
        return {row["target"]: row["n"] for row in self._all(sql)}

    def failed_lately(self, newest: int) -> dict[str, int]:
        return {row["target"]: row["failed"] for row in self._all(FAILED, newest)}


def _queue(target: str, waiting: int, lanes: sqlite3.Row | None, aside: sqlite3.Row | None) -> Queue:
    """In "lanes" the lane stands beside the least time: SQLite takes it from that row."""
    return Queue(
        target,
        waiting,
        moment(lanes["oldest"]) if lanes else None,
        aside["uncertain"] if aside else 0,
        aside["parked"] if aside else 0,
        lanes["lanes"] if lanes else 0,
        lanes["lane"] if lanes else None,
    )


class DeliveriesWriting(DeliveriesReading, Writing):
    def add_delivery(
        self,
        act: Act,
        target: str,
        lane: str,
        *,
        message_id: MessageId | None = None,
        part: int = 0,
        content: Part | Notice | None = None,
        rank: int = 1,
        state: DeliveryState = DeliveryState.WAITING,
        not_before: datetime | None = None,
    ) -> DeliveryId:
        rows = self._all(
            """
            insert into deliveries (act, target, lane, state, message_id, part, content, not_before, created_at, rank)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id
            """,
            act,
            target,
            lane,
            state,
            message_id,
            part,
            _content(content),
            micros_or_none(not_before),
            micros(self.now),
            rank,
        )
        return DeliveryId(rows[0]["id"])

    def set_delivery(self, delivery_id: DeliveryId, **fields: Any) -> Delivery:
        return _delivery(self._set("deliveries", delivery_id, fields, DELIVERY_FIELDS))

    def orphans(self) -> list[Delivery]:
        sql = f"select * from deliveries where state = 'sending' and {OPEN} order by +id"  # noqa: S608 "+": by the index
        return [_delivery(row) for row in self._all(sql)]


def _content(content: Part | Notice | None) -> str | None:
    return None if content is None else to_json(replace(content, text=clean_text(content.text)))


DELIVERY_FIELDS: dict[str, Convert] = {
    "state": same,
    "call": same,
    "attempts": same,
    "repeat": same,
    "not_before": micros_or_none,
    "created_at": micros_or_none,
    "external_id": same,
    "error": same,
    "content": _content,
    "lane": same,
}


def _delivery(row: sqlite3.Row) -> Delivery:
    message_id, content, external_id = row["message_id"], row["content"], row["external_id"]
    return Delivery(
        id=DeliveryId(row["id"]),
        act=Act(row["act"]),
        target=row["target"],
        lane=row["lane"],
        state=DeliveryState(row["state"]),
        message_id=None if message_id is None else MessageId(message_id),
        part=row["part"],
        content=None if content is None else build(Part | Notice, json.loads(content)),
        call=row["call"],
        attempts=row["attempts"],
        repeat=bool(row["repeat"]),
        not_before=moment_or_none(row["not_before"]),
        created_at=moment(row["created_at"]),
        external_id=None if external_id is None else ExternalId(external_id),
        error=row["error"],
    )
