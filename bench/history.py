"""Databases with a past, built straight into the first version of the schema, migrated, and kept for the next run.

A message stands there as it does after it was shown: with its id on the network, its delivery to the desk, its place
there and its exported line. Bodies are kept for the newest messages only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bodies import PHONE_ID
from bench.phrases import COMMON, RARE, WORDS, client_name
from bench.plan import Plan
from inbox.clock import SystemClock
from storage.db import FILE
from storage.migrate import migrations
from storage.store import open_store

OWNER = 1001
START = 1_760_000_000_000_000  # microseconds since 1970
STEP = 3_000_000  # between two messages
CHUNK = 20_000
BODIES = 100_000


@dataclass(frozen=True, slots=True)
class Shape:
    """rows: messages. contacts: clients between whom they are spread at random."""

    rows: int

    @property
    def contacts(self) -> int:
        return max(500, min(100_000, self.rows // 20))


def user(number: int) -> str:
    return f"US.88{number:08d}"


async def cached(plan: Plan, rows: int) -> Path:
    """The folder of a database with so many messages. It is built once for each version of the schema."""
    schema = hashlib.sha256("".join(step.sql for step in migrations()).encode()).hexdigest()[:10]
    folder = plan.work / f"history-{rows}-{schema}"
    if not (folder / FILE).exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        sys.stderr.write(f"building {rows} messages ... ")
        sys.stderr.flush()
        await asyncio.to_thread(build, part / FILE, Shape(rows))
        async with open_store(part, SystemClock()):
            pass  # the later steps of the schema fill in what they add, an index of words for one
        shutil.rmtree(part / "backups", ignore_errors=True)
        part.rename(folder)
    return folder


async def copied(plan: Plan, rows: int, target: Path) -> None:
    source = await cached(plan, rows)
    await asyncio.to_thread(shutil.copytree, source, target, dirs_exist_ok=True)


def build(path: Path, shape: Shape) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -400000", "foreign_keys = off"):
            connection.execute(f"pragma {pragma}").fetchall()
        first = migrations()[0]
        connection.executescript(first.sql)
        connection.execute(f"pragma user_version = {first.number}")
        _people(connection, shape.contacts)
        _messages(connection, shape)
        connection.execute("pragma journal_mode = wal").fetchall()
    finally:
        connection.close()


def _people(connection: sqlite3.Connection, count: int) -> None:
    numbers = range(1, count + 1)
    put(
        connection,
        "contacts",
        ("id", "name", "created_at", "last_at"),
        ((n, client_name(n), START, START + n) for n in numbers),
    )
    put(
        connection,
        "identities",
        ("id", "contact_id", "provider", "account", "user", "name", "last_inbound_at"),
        ((n, n, "whatsapp", PHONE_ID, user(n), client_name(n), START) for n in numbers),
    )
    keys = ((n, f"whatsapp:{PHONE_ID}:bsuid:{user(n)}", n) for n in numbers)
    put(connection, "identity_keys", ("id", "key", "identity_id"), keys)
    put(
        connection,
        "topics",
        ("id", "contact_id", "backend", "chat_id", "thread_id", "name_shown", "card_message_id", "card_shown"),
        ((n, n, "private", OWNER, n + 100, client_name(n), n + 200, "") for n in numbers),
    )


def _messages(connection: sqlite3.Connection, shape: Shape) -> None:
    """Table by table in slices, so that the words of a slice are in memory once."""
    chance = random.Random(1)
    for first in range(1, shape.rows + 1, CHUNK):
        ids = range(first, min(first + CHUNK, shape.rows + 1))
        owners = {n: chance.randint(1, shape.contacts) for n in ids}
        texts = {n: text(chance, n) for n in ids}
        at = {n: START + n * STEP for n in ids}
        connection.execute("begin")
        put(
            connection,
            "messages",
            ("id", "identity_id", "author", "text", "at", "stored_at"),
            ((n, owners[n], "client", texts[n], at[n], at[n]) for n in ids),
        )
        put(
            connection,
            "refs",
            ("provider", "account", "external_id", "message_id", "part"),
            sorted(("whatsapp", PHONE_ID, wamid(n), n, 0) for n in ids),
        )
        put(
            connection,
            "deliveries",
            ("id", "act", "target", "lane", "state", "message_id", "created_at", "attempts", "call"),
            ((n, "send", "desk", f"desk:{owners[n]}", "sent", n, at[n], 1, n) for n in ids),
        )
        shown = ((OWNER, n + 1_000_000, n, 0) for n in ids)
        put(connection, "shown", ("chat_id", "desk_message_id", "message_id", "part"), shown)
        put(
            connection,
            "events",
            ("id", "provider", "timestamp", "stored_at", "data"),
            ((n, "whatsapp", at[n], at[n], event(n, owners[n], texts[n])) for n in ids),
        )
        bodies = (n for n in ids if n > shape.rows - BODIES)
        put(
            connection,
            "inbox",
            ("id", "provider", "key", "body", "received_at", "state"),
            ((n, "whatsapp", digest(n), b"{" + b"x" * 1400, at[n], "done") for n in bodies),
        )
        connection.execute("commit")


def put(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Any) -> None:
    places = ", ".join("?" * len(columns))
    connection.executemany(f"insert into {table} ({', '.join(columns)}) values ({places})", rows)  # noqa: S608 ours


def text(chance: random.Random, number: int) -> str:
    """Ten words; a common one in each fifth message, a rare one in each ten thousandth."""
    words = chance.choices(WORDS, k=10)
    if number % 5 == 0:
        words[3] = COMMON
    if number % 10_000 == 0:
        words[7] = RARE
    return " ".join(words)


def event(number: int, client: int, words: str) -> str:
    line = {"type": "message.in", "stored_at": "2026-01-01T00:00:00+00:00", "client": client, "message": number}
    return json.dumps({**line, "external_id": wamid(number), "text": words, "author": "client"}, ensure_ascii=False)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def wamid(number: int) -> str:
    """At random places of its index, as real ones are."""
    return f"wamid.HBgLMTIwMjU1NTAxNDMVAgASGBQz{digest(number)[:18].upper()}AA=="


def queue(path: Path, threads: dict[int, int], rows: int) -> None:
    """Rows that wait for the desk: `threads` are the topics' threads by client, each with an equal share of rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("begin")
        connection.execute("delete from topics")
        topics = ((c, c, "private", OWNER, t, client_name(c), 1, "") for c, t in threads.items())
        columns = ("id", "contact_id", "backend", "chat_id", "thread_id", "name_shown", "card_message_id", "card_shown")
        put(connection, "topics", columns, topics)
        _waiting(connection, list(threads), rows)
        connection.execute("commit")
    finally:
        connection.close()


def _waiting(connection: sqlite3.Connection, clients: list[int], rows: int) -> None:
    last = connection.execute("select coalesce(max(id), 0) from messages").fetchone()[0]
    ids = range(last + 1, last + rows + 1)

    def client(number: int) -> int:
        return clients[number % len(clients)]

    put(
        connection,
        "messages",
        ("id", "identity_id", "author", "text", "at", "stored_at"),
        ((n, client(n), "client", f"#n{n}# {COMMON}", START, START) for n in ids),
    )
    put(
        connection,
        "deliveries",
        ("act", "target", "lane", "state", "message_id", "created_at"),
        (("send", "desk", f"desk:{client(n)}", "waiting", n, START) for n in ids),
    )
