"""`doctor [--online] [--json]`: what is wrong and how to mend it. Writes nothing, works beside the running bot."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import sqlite_version_info

from bot.commands.trouble import FAILED, refused
from bot.config import ENV_FILE, Findings, Switch, examine
from bot.doctor import machine, setup
from bot.doctor.contents import Setup
from bot.doctor.data import data, is_running
from bot.doctor.findings import Finding, Level, as_json, as_text, warning
from gates.catalog import BUILDERS

OPTIONS = frozenset({"--online", "--json"})


def doctor(arguments: Sequence[str]) -> int:
    unknown = [a for a in arguments if a not in OPTIONS]
    if unknown:
        return refused(f"usage: python -m bot doctor [--online] [--json]; not known: {unknown[0]}")
    found = examine(os.environ, ENV_FILE)
    findings = list(offline(found, os.environ, Path(ENV_FILE)))
    if "--online" in arguments:
        findings += _online(found)
    sys.stdout.write(as_json(findings) if "--json" in arguments else as_text(findings))
    return FAILED if any(f.level is Level.BROKEN for f in findings) else 0


def offline(found: Findings, environ: Mapping[str, str], env_file: Path) -> Iterator[Finding]:
    now, config = datetime.now(UTC), found.config
    yield machine.python(sys.version_info[:3])
    yield machine.sqlite(sqlite_version_info)
    yield from setup.settings(found)
    yield from setup.env_file(env_file)
    yield from setup.gates(found, BUILDERS)
    if config is None:
        yield warning("data", "not looked at while settings are wrong", "mend the settings, then run doctor again")
        return
    yield setup.public_url(config)
    yield from setup.railway(environ, config.data_dir)
    yield machine.clock(now, config.timezone)
    yield setup.port(config, running=is_running(config.data_dir))
    gates = [name for name, state in config.gates.items() if state.switch is Switch.ON and name in BUILDERS]
    known = Setup(config.secret_keys, gates, receiver=config.substance is not None)
    yield from data(config.data_dir, now, has_secret_key=bool(config.secret_keys), setup=known)


def _online(found: Findings) -> list[Finding]:
    if found.config is None:
        return [warning("online", "nobody was asked while settings are wrong", "mend the settings first")]
    from bot.doctor.online import online  # noqa: PLC0415 - the client costs a moment that the offline look does without

    running = is_running(found.config.data_dir)
    return asyncio.run(online(found.config, running=running, now=lambda: datetime.now(UTC)))
