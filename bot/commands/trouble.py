"""How a command says that it cannot: one sentence each, on stderr, with what to do."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable

from bot.config import Config, SettingsError, explain
from bot.secrets import KeyFileBroken
from inbox.errors import StorageDown
from storage.backup import BadCopy
from storage.db import AlreadyRunning
from storage.migrate import MigrationFailed, SchemaTooNew

WRONG = 2
FAILED = 1


def refused(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return WRONG


def failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return FAILED


def wrong_settings(error: SettingsError) -> int:
    for line in explain(error.problems):
        sys.stderr.write(f"{line}\n")
    return WRONG


def guarded(work: Callable[[], int], config: Config) -> int:
    """Run `work`; what keeps it from starting becomes a sentence and exit code 1."""
    folder = config.data_dir
    try:
        return work()
    except AlreadyRunning:
        return failed(f"Another process works on {folder}: stop it first, or set another DATA_DIR.")
    except SchemaTooNew as error:
        return failed(
            f"The database in {folder} is of a newer version ({error.found}; this one knows {error.known}): "
            "install that version again, or put an older copy from backups/ in place."
        )
    except (MigrationFailed, BadCopy) as error:
        return failed(f"The database in {folder} could not be brought up to date ({error}); it is as it was before.")
    except KeyFileBroken:
        return failed(f"{folder}/secret.key cannot be used: put the right file in place, or set SECRET_KEY.")
    except StorageDown as error:
        return failed(f"The disk under {folder} does not take data ({error.reason}): free space or mend its rights.")
    except OSError as error:
        return failed(f"It cannot be done: {error.strerror or type(error).__name__} ({error.filename or error.errno}).")
    except sqlite3.Error as error:
        return failed(f"The database in {folder} cannot be read: {error}.")
