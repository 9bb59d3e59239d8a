"""The schema, in numbered steps. Each is applied whole or not at all; `user_version` is the number of the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from storage.backup import FOLDER, copy
from storage.db import row_value
from storage.index import add_functions


class SchemaTooNew(Exception):
    """A later version of the program has been here."""

    code: ClassVar[str] = "schema_too_new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"{self.code} {found} {known}")
        self.found = found
        self.known = known


class MigrationFailed(Exception):
    """The database is as it was before the step `number`; the cause is chained."""

    code: ClassVar[str] = "migration_failed"

    def __init__(self, number: int) -> None:
        super().__init__(f"{self.code} {number}")
        self.number = number


@dataclass(frozen=True, slots=True)
class Migration:
    """sql: statements without a transaction of their own. Foreign keys are checked after them, not during."""

    number: int
    sql: str


def migrations() -> list[Migration]:
    """Those that come with the program, in order: `migrations/NNNN_what.sql`."""
    found = [
        Migration(int(file.name[:4]), file.read_text(encoding="utf-8"))
        for file in files("storage").joinpath("migrations").iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda m: m.number)


def version(connection: sqlite3.Connection) -> int:
    return int(row_value(connection, "pragma user_version"))


def refuse_newer(connection: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Raises SchemaTooNew."""
    found, known = version(connection), steps[-1].number
    if found > known:
        raise SchemaTooNew(found, known)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    """Bring the database to the last step.

    Raises SchemaTooNew, MigrationFailed, or whatever kept the copy from being made.
    """
    refuse_newer(connection, steps)
    start = version(connection)
    due = [step for step in steps if step.number > start]
    if due and start:
        copy(path, path.parent / FOLDER / f"inbox-schema-{start:04}.db")
    add_functions(connection)
    connection.execute("pragma foreign_keys = off")  # inside a transaction it would do nothing
    try:
        for step in due:
            _apply(connection, step)
    finally:
        connection.execute("pragma foreign_keys = on")


def _apply(connection: sqlite3.Connection, step: Migration) -> None:
    try:
        connection.executescript(f"begin immediate;\n{step.sql}")
        broken = connection.execute("pragma foreign_key_check").fetchone()
        if broken is not None:
            raise sqlite3.IntegrityError(f"{broken[0]} refers to what is not in {broken[2]}")
        connection.execute(f"pragma user_version = {step.number:d}")
        connection.execute("commit")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("rollback")
        raise MigrationFailed(step.number) from error
