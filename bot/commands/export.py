"""`export --since ISO-TIME-OR-ID`: the export's lines from there on, in order, also beside the running bot."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.commands.trouble import failed, guarded, refused, wrong_settings
from bot.config import Config, SettingsError, load
from storage.inspect import events_since
from storage.substance import line

USAGE = "usage: python -m bot export --since 2026-11-25T12:00:00Z (or the id of an event)"


def export(arguments: Sequence[str]) -> int:
    given = list(arguments)
    if len(given) == 1 and given[0].startswith("--since="):
        given = ["--since", given[0].removeprefix("--since=")]
    if len(given) != 2 or given[0] != "--since":
        return refused(USAGE)
    since = _since(given[1])
    if since is None:
        return refused(f"{USAGE}; not a time and not an id: {given[1]}")
    try:
        config = load(os.environ)
    except SettingsError as error:
        return wrong_settings(error)
    return guarded(lambda: _print(config, since), config)


def _since(text: str) -> datetime | int | None:
    """A time without a zone is UTC."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _print(config: Config, since: datetime | int) -> int:
    path = config.data_dir / "inbox.db"
    if not path.exists():
        return failed(f"There is no database in {config.data_dir} yet.")
    out = sys.stdout.buffer
    for event in events_since(path, since):
        out.write(line(event) + b"\n")
    out.flush()
    return 0
