"""`backup [FILE]`: one SQLite file that can be put in place of inbox.db; prints its path."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.commands.trouble import failed, guarded, refused, wrong_settings
from bot.config import Config, SettingsError, load
from storage.backup import backup as copy
from storage.backup import default_path


def backup(arguments: Sequence[str]) -> int:
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        return refused("usage: python -m bot backup [FILE]")
    try:
        config = load(os.environ)
    except SettingsError as error:
        return wrong_settings(error)
    return guarded(lambda: _copy(config, arguments), config)


def _copy(config: Config, arguments: Sequence[str]) -> int:
    source = config.data_dir / "inbox.db"
    if not source.exists():
        return failed(f"There is no database in {config.data_dir} yet.")
    target = Path(arguments[0]) if arguments else default_path(config.data_dir, datetime.now(UTC))
    if target.exists() and target.samefile(source):
        return refused(f"{target} is the database itself: name another file.")
    sys.stdout.write(f"{copy(config.data_dir, target)}\n")
    return 0
