"""What the package may import, what its classes implement, and that hot queries walk no whole table."""

from __future__ import annotations

import ast
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import storage
from inbox.blobs import Blobs
from inbox.model import Address, AttachmentId, ContactId, ExternalId, IdentityId, MessageId
from inbox.search import parse
from inbox.store import Reading, Store, Unit
from storage.blobs import FileBlobs
from storage.migrate import migrate, migrations
from storage.store import SqlStore
from storage.unit import SqlReading, SqlUnit
from tests.storage.world import TELEGRAM, WHATSAPP, person

SOURCES = sorted(Path(storage.__file__).parent.glob("*.py"))


def contracts(
    store: SqlStore, reading: SqlReading, unit: SqlUnit, blobs: FileBlobs
) -> tuple[Store, Reading, Unit, Blobs]:
    """For the type checker."""
    return store, reading, unit, blobs


def test_imports() -> None:
    allowed = {"inbox", "storage", "aiosqlite"} | sys.stdlib_module_names
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, source
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, source
    assert len(SOURCES) > 10


def test_statements() -> None:
    """The dialect: no INSERT OR, no local times, no rowid; every table is strict."""
    text = "\n".join(p.read_text(encoding="utf-8").lower() for p in [*SOURCES, *_migrations()])
    for word in ("insert or", "replace into", "datetime('", "strftime("):
        assert word not in text
    for name in ("search.rowid", "(rowid, terms)", "'delete', ?", "(search, rowid, terms)", "its id as rowid"):
        text = text.replace(name, "")  # the table of the search has no other key
    assert "rowid" not in text.replace("without rowid", "")
    sql = "\n".join(m.sql.lower() for m in migrations())
    assert sql.count("create table") == sql.count(") strict")


def _migrations() -> list[Path]:
    return sorted((Path(storage.__file__).parent / "migrations").glob("*.sql"))


def test_no_query_walks_a_whole_table() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection, Path(), migrations())
        unit = SqlUnit(connection, now)
        _, one = person(unit, "1")
        _, two = person(unit, "2")
        statements: set[str] = set()
        connection.set_trace_callback(statements.add)
        _use(unit, now, one.id, two.id)
        connection.set_trace_callback(None)
        walked = {
            (line["detail"], sql)
            for sql in statements
            if sql.lstrip().lower().startswith(("select", "with", "update", "delete", "insert"))
            for line in connection.execute(f"explain query plan {sql}")
            if line["detail"].startswith("SCAN")
            and " USING " not in line["detail"]
            and not line["detail"].startswith(
                ("SCAN lanes", "SCAN (", "SCAN CONSTANT", "SCAN lost", "SCAN search VIRTUAL")
            )
        }
        assert walked == set()
        assert len(statements) > 40


def _use(unit: SqlUnit, now: datetime, one: IdentityId, two: IdentityId) -> None:
    unit.identity_at(Address(TELEGRAM, "1", "1"))
    unit.identities_by_key("k")
    unit.keys_of(one)
    unit.identities_of(ContactId(1))
    unit.recent_contacts(5)
    unit.waits_for_owner(ContactId(1))
    unit.message_by_source("desk:1:1")
    unit.album_messages(one, "a")
    unit.ref(WHATSAPP, "1", ExternalId("1"))
    unit.refs_of(MessageId(1))
    unit.fetch_pending(AttachmentId(1))
    unit.find_messages(parse("слово"), None, 5)
    unit.find_messages(parse("слово"), ContactId(1), 5)
    unit.find_contacts("анна мария", 5)
    unit.find_contacts("5550143", 5)
    unit.last_messages(ContactId(1), 5)
    unit.deliveries_of(MessageId(1), "desk")
    unit.lane_heads("desk")
    unit.lane_rows("desk:1", 5)
    unit.unsettled_in("desk:1")
    unit.parked_in("desk:1")
    unit.queues()
    unit.orphans()
    unit.topic_of(ContactId(1), "private", 1)
    unit.topic_at(1, 1)
    unit.shown_as(MessageId(1))
    unit.shown_at(1, 1)
    unit.notice_at("k")
    unit.marks_to_draw(5)
    unit.prompt("p")
    unit.setting("k")
    unit.cursor("c")
    unit.raws("new", 5)
    unit.count_raws("new")
    unit.events_after(0, 5)
    unit.sink("file")
    unit.jobs_due("fetch", now, 5)
    unit.next_job_at("fetch")
    unit.take_early(WHATSAPP, "1", ExternalId("1"))
    unit.drop_early(now)
    unit.failed_lately(100)
    unit.oldest_raw("new")
    unit.quarantined()
    unit.newest_raws(0)
    unit.newest_event_id()
    unit.job_counts()
    unit.join_identities(one, two)
