"""The doctor: what it finds by tables, against a real data folder, and against the fakes over HTTP."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.commands.doctor import doctor
from bot.config import Config, examine, load
from bot.doctor import machine, setup
from bot.doctor.contents import SEALED, Setup, contents
from bot.doctor.data import backup, data, free_space, is_running
from bot.doctor.findings import SIGNS, Finding, Level, as_json, as_text, broken, fine, warning
from bot.doctor.online import Dates, calling, online
from bot.doctor.telegram import topics, webhook
from bot.doctor.whatsapp import number, token
from bot.room import BACK
from bot.secrets import open_vault
from inbox.model import Act, DeliveryState, Part, Text
from inbox.store import Unit
from sandbox.meta import APP_ID
from sandbox.scene import ACCESS_TOKEN, Scene
from sandbox.world import Fault
from storage.backup import FLOOR, default_path
from storage.backup import backup as copy
from storage.db import data_lock
from storage.store import open_store
from storage.substance import FileSink
from tests.storage.world import WHATSAPP, StoodClock, raw

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TOKEN = "123456789:AAExample-token"
META = {
    "META_APP_SECRET": "app-secret",
    "META_VERIFY_TOKEN": "verify-me",
    "WHATSAPP_PHONE_NUMBER_ID": "2003004005",
    "WHATSAPP_ACCESS_TOKEN": "EAAexample",
}


def config(**environ: str) -> Config:
    return load({"TELEGRAM_BOT_TOKEN": TOKEN, **environ}, None)


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    """The worst level of each check."""
    found: dict[str, Level] = {}
    order = list(Level)
    for f in findings:
        found[f.check] = max(found.get(f.check, Level.FINE), f.level, key=order.index)
    return found


def troubles(findings: Iterable[Finding]) -> dict[str, Level]:
    return {check: level for check, level in levels(findings).items() if level is not Level.FINE}


# -- what a finding looks like


def test_a_finding_is_a_line_and_its_fix_another() -> None:
    text = as_text([fine("a", "is well"), warning("bb", "is odd", "look"), broken("c", "is gone", "bring it back")])
    assert text.splitlines() == [
        "✓ a   is well",
        "! bb  is odd",
        "      -> look",
        "✗ c   is gone",
        "      -> bring it back",
    ]
    assert set(SIGNS) == set(Level)


def test_json_counts() -> None:
    told = json.loads(as_json([fine("a", "ё"), warning("b", "x", "y"), broken("c", "x", "y"), broken("d", "x", "y")]))
    assert (told["broken"], told["warnings"], len(told["findings"])) == (2, 1, 4)
    assert told["findings"][0] == {"check": "a", "level": "fine", "text": "ё", "fix": ""}


# -- the machine


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 10, 14), Level.BROKEN), ((3, 11, 0), Level.FINE), ((3, 14, 1), Level.FINE), ((2, 7, 18), Level.BROKEN)],
)
def test_python(version: tuple[int, int, int], level: Level) -> None:
    assert machine.python(version).level is level


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 40, 1), Level.WARNING),
        ((3, 51, 2), Level.WARNING),
        ((3, 51, 3), Level.FINE),
        ((3, 50, 7), Level.FINE),
        ((3, 44, 6), Level.FINE),
    ],
)
def test_sqlite(version: tuple[int, int, int], level: Level) -> None:
    assert machine.sqlite(version).level is level


def test_a_clock_from_before_the_program_was_made() -> None:
    zone = ZoneInfo("Europe/Moscow")
    assert machine.clock(datetime(1970, 1, 1, tzinfo=UTC), zone).level is Level.BROKEN
    assert machine.clock(NOW, zone) == fine("clock", "2026-11-25 15:00 in Europe/Moscow")


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0, Level.FINE), (-30, Level.FINE), (31, Level.WARNING), (-240, Level.WARNING), (241, Level.BROKEN)],
)
def test_skew(seconds: int, level: Level) -> None:
    found = machine.skew(timedelta(seconds=seconds))
    assert found.level is level
    assert level is Level.FINE or ("ahead" if seconds > 0 else "behind") in found.text


# -- the settings


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"settings": Level.WARNING}),
        ({"TELEGRAM_BOT_TOKEN": TOKEN}, {}),
        ({"TELEGRAM_BOT_TOKEN": "not-a-token"}, {"settings": Level.BROKEN}),
        ({"PUBLIC_URL": "https://desk.example.com"}, {"settings": Level.BROKEN}),
        ({"TELEGRAM_BOT_TOKEN": TOKEN, "WHATSAPP_ACCESS_TOKEN": "EAAexample"}, {"settings": Level.BROKEN}),
    ],
)
def test_settings(environ: Mapping[str, str], expected: Mapping[str, Level]) -> None:
    assert troubles(setup.settings(examine(environ, None))) == expected


def test_every_wrong_setting_is_named_with_what_is_expected_and_never_its_value() -> None:
    found = examine({"TELEGRAM_BOT_TOKEN": "s3cret-wrong", "PORT": "s3cret-port", "TIMEZONE": "Mars/s3cret"}, None)
    text = as_text(list(setup.settings(found)))
    assert all(name in text for name in ("TELEGRAM_BOT_TOKEN", "PORT", "TIMEZONE", "like Europe/Moscow"))
    assert "s3cret" not in text


def test_gates() -> None:
    found = examine({"TELEGRAM_BOT_TOKEN": TOKEN, "CALCOM_API_KEY": "k", "CALCOM_WEBHOOK_SECRET": "s"}, None)
    findings = list(setup.gates(found, ("telegram", "whatsapp")))
    assert troubles(findings) == {"gate.calcom": Level.WARNING}
    assert findings[-1].text == "on: telegram; off: whatsapp"
    half = examine({"TELEGRAM_BOT_TOKEN": TOKEN, "WHATSAPP_ACCESS_TOKEN": "EAAexample"}, None)
    assert [f.text for f in setup.gates(half, ("telegram", "whatsapp"))] == [
        "on: telegram; off: none; whatsapp: incomplete"
    ]


def test_the_settings_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert list(setup.env_file(path)) == []
    path.write_text("")
    path.chmod(0o640)
    assert list(setup.env_file(path)) == []
    path.chmod(0o644)
    assert troubles(setup.env_file(path)) == {"settings.file": Level.WARNING}


OWN_SERVER = {"TELEGRAM_API_BASE": "http://127.0.0.1:8081"}


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({}, Level.FINE),
        (META, Level.WARNING),
        ({"PUBLIC_URL": "https://desk.example.com"}, Level.FINE),
        ({"PUBLIC_URL": "https://desk.example.com:8443"}, Level.FINE),
        ({"PUBLIC_URL": "https://desk.example.com:8443", **META}, Level.WARNING),
        ({"PUBLIC_URL": "https://desk.example.com:8080"}, Level.BROKEN),
        ({"PUBLIC_URL": "http://desk.example.com"}, Level.BROKEN),
        ({"PUBLIC_URL": "https://localhost"}, Level.BROKEN),
        ({"PUBLIC_URL": "https://192.168.1.5"}, Level.BROKEN),
        ({"PUBLIC_URL": "https://desk.local"}, Level.BROKEN),
        ({"PUBLIC_URL": "http://127.0.0.1:8080", **OWN_SERVER}, Level.FINE),
        ({"RAILWAY_PUBLIC_DOMAIN": "desk.up.railway.app", **META}, Level.FINE),
    ],
)
def test_public_url(environ: Mapping[str, str], level: Level) -> None:
    assert setup.public_url(config(**environ)).level is level


@pytest.mark.parametrize(
    ("environ", "data_dir", "expected"),
    [
        ({}, "/data", {}),
        (
            {"RAILWAY_SERVICE_ID": "s"},
            "/data",
            {"railway.volume": Level.WARNING, "railway.draining": Level.WARNING},
        ),
        (
            {
                "RAILWAY_SERVICE_ID": "s",
                "RAILWAY_VOLUME_MOUNT_PATH": "/data",
                "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "15",
            },
            "/data/desk",
            {},
        ),
        (
            {
                "RAILWAY_SERVICE_ID": "s",
                "RAILWAY_VOLUME_MOUNT_PATH": "/vol",
                "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "15",
            },
            "/data",
            {"railway.volume": Level.WARNING},
        ),
    ],
)
def test_railway(environ: Mapping[str, str], data_dir: str, expected: Mapping[str, Level]) -> None:
    assert troubles(setup.railway(environ, Path(data_dir))) == expected


# -- the data folder


def test_before_the_first_start_all_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    findings = list(data(folder, NOW, has_secret_key=False))
    assert troubles(findings) == {}
    assert "is made at the first start" in as_text(findings)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert troubles(data(tmp_path / "data", NOW, has_secret_key=False))["data.folder"] is Level.BROKEN


@pytest.mark.parametrize(
    ("free", "size", "level"),
    [
        (BACK - 1, 0, Level.BROKEN),
        (FLOOR - 1, 0, Level.WARNING),
        (FLOOR, 0, Level.FINE),
        (500 * 1024**2, 450 * 1024**2, Level.WARNING),
    ],
)
def test_free_space(free: int, size: int, level: Level) -> None:
    assert free_space(free, size).level is level


def test_whether_the_bot_runs_is_seen_and_nothing_is_disturbed(tmp_path: Path) -> None:
    assert not is_running(tmp_path)
    with data_lock(tmp_path):
        assert is_running(tmp_path)
        with (tmp_path / "inbox.lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not is_running(tmp_path)
    with data_lock(tmp_path):
        assert is_running(tmp_path)


async def filled(folder: Path, clock: StoodClock) -> None:
    """A quarantined body, an answer that waits, one of unknown fate, and an export that fails."""
    async with open_store(folder, clock) as store:
        await store.put([raw("a", clock.at), raw("b", clock.at)])

        def work(unit: Unit) -> None:
            unit.set_raw(1, "quarantined", error="object")
            unit.set_raw(2, "done")
            unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:1", content=Part(Text("раз")))
            lost = unit.add_delivery(Act.SEND, "telegram", "telegram:2", content=Part(Text("два")))
            unit.set_delivery(lost, state=DeliveryState.UNCERTAIN)
            unit.set_sink("webhook", failing_since=unit.now, attempts=3)
            unit.set_sink("file", last_event_id=1)
            unit.emit(WHATSAPP, "message.in", unit.now)

        await store.write(work)


async def test_what_is_stuck_is_told(tmp_path: Path) -> None:
    clock = StoodClock(NOW)
    await filled(tmp_path, clock)
    findings = list(data(tmp_path, NOW + timedelta(hours=3), has_secret_key=True))
    assert troubles(findings) == {
        "quarantine": Level.WARNING,
        "queue.whatsapp": Level.WARNING,
        "queue.telegram": Level.WARNING,
        "export.webhook": Level.WARNING,
        "export.file": Level.WARNING,
        "running": Level.WARNING,
        "backup": Level.WARNING,
    }
    assert "1 wait in 1 lanes, the oldest for 3 h" in as_text(findings)


async def test_a_sound_folder(tmp_path: Path) -> None:
    clock = StoodClock(NOW)
    async with open_store(tmp_path, clock) as store:
        await store.write(lambda u: u.emit(WHATSAPP, "message.in", u.now))
        await FileSink(tmp_path).take(await store.read(lambda r: r.events_after(0, 10)))
        made = copy(tmp_path, default_path(tmp_path, NOW))
        os.utime(made, (NOW.timestamp(), NOW.timestamp()))
        beside = list(data(tmp_path, NOW + timedelta(hours=1), has_secret_key=True))
        assert troubles(beside) == {}
        assert fine("running", "yes") in beside
    alone = list(data(tmp_path, NOW + timedelta(hours=1), has_secret_key=True))
    assert troubles(alone) == {"running": Level.WARNING}


Change = Callable[[Unit], object]
HELD = Setup(gates=("whatsapp",), receiver=True)


def job(kind: str, hours: float) -> Change:
    return lambda u: u.add_job(kind, {"attachment": 1}, u.now + timedelta(hours=hours))


def delivery(state: DeliveryState, error: str | None = None) -> Change:
    def add(unit: Unit) -> None:
        row = unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:1", content=Part(Text("раз")))
        unit.set_delivery(row, state=state, error=error)

    return add


FAULTS: list[tuple[str, Level, str, Change, float]] = [
    ("quarantine", Level.WARNING, "whatsapp 1", lambda u: u.set_raw(1, "quarantined", error="object"), 0),
    ("intake", Level.BROKEN, "1 bodies are on disk and not applied, the oldest for 61 s", lambda u: None, 61),
    ("updates", Level.BROKEN, "1 updates of the owner", lambda u: u.set_raw(1, "desk"), 61),
    ("queue.whatsapp", Level.WARNING, "the oldest for 61 min", delivery(DeliveryState.WAITING), 3660),
    ("queue.whatsapp", Level.WARNING, "1 are uncertain", delivery(DeliveryState.UNCERTAIN), 0),
    ("failed.whatsapp", Level.WARNING, "1 of the newest", delivery(DeliveryState.FAILED, "refused:window:"), 0),
    ("broken.whatsapp", Level.WARNING, "1 deliveries break", delivery(DeliveryState.WAITING, "broken:KeyError:"), 0),
    ("jobs.broken", Level.WARNING, "1 jobs broke", job("broken", 0), 0),
    ("media", Level.WARNING, "1 files of clients are not fetched, the first for 61 min", job("fetch", 1), 3660),
    ("export.webhook", Level.WARNING, "410", lambda u: u.set_sink("webhook", stopped=True), 0),
    ("export.webhook", Level.WARNING, "since 2026-11-25", lambda u: u.set_sink("webhook", failing_since=u.now), 0),
    ("export.webhook", Level.WARNING, "up to 1 events wait", lambda u: u.emit(WHATSAPP, "message.in", u.now), 400),
    ("export.file", Level.WARNING, "the first for 7 min", lambda u: u.emit(WHATSAPP, "message.in", u.now), 400),
    ("last.whatsapp", Level.WARNING, "nothing has come from it for 4 days", lambda u: None, 4 * 86_400),
    ("running.alive", Level.BROKEN, "written nothing for 62 s", lambda u: u.set_setting("alive", str(_now(u))), 62),
    ("secret_key.opens", Level.WARNING, "cannot be opened", lambda u: u.set_setting(SEALED[0], "gAAAAA"), 0),
]


def _now(unit: Unit) -> int:
    return int(unit.now.timestamp())


@pytest.mark.parametrize(("check", "level", "words", "change", "seconds"), FAULTS)
async def test_each_fault_in_the_database_is_named_and_has_a_fix(
    tmp_path: Path, check: str, level: Level, words: str, change: Change, seconds: float
) -> None:
    """Beside the running bot, as it holds the lock here."""
    async with open_store(tmp_path, StoodClock(NOW)) as store:
        await store.put([raw("a", NOW)])
        before = troubles(contents(tmp_path, NOW, HELD, running=True))
        await store.write(change)
        findings = list(contents(tmp_path, NOW + timedelta(seconds=seconds), HELD, running=True))
    assert check not in before
    found = next(f for f in findings if f.check == check and words in f.text)
    assert found.level is level
    assert found.fix and "\n" not in found.text + found.fix


async def test_what_waits_for_a_start_is_no_fault_of_the_program(tmp_path: Path) -> None:
    async with open_store(tmp_path, StoodClock(NOW)) as store:
        await store.put([raw("a", NOW)])
    found = {f.check: f for f in contents(tmp_path, NOW + timedelta(hours=2), Setup(), running=False)}
    assert found["intake"].level is Level.WARNING and found["intake"].fix == "start the bot"


async def test_a_gate_of_which_nothing_ever_came(tmp_path: Path) -> None:
    async with open_store(tmp_path, StoodClock(NOW)) as store:
        await store.put([raw("a", NOW)])
        findings = list(contents(tmp_path, NOW, Setup(gates=("telegram", "whatsapp")), running=True))
    assert troubles(findings)["last.telegram"] is Level.WARNING
    assert fine("last.whatsapp", "something came 0 s ago") in findings


async def test_what_was_sealed_with_a_key_that_is_there_opens(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path, ()).seal("a secret")
    async with open_store(tmp_path, StoodClock(NOW)) as store:
        await store.write(lambda u: u.set_setting(SEALED[0], sealed))
        assert "secret_key.opens" not in troubles(contents(tmp_path, NOW, Setup(), running=True))
        (tmp_path / "secret.key").unlink()
        assert troubles(contents(tmp_path, NOW, Setup(), running=True))["secret_key.opens"] is Level.WARNING
        other = Setup(keys=(SecretStr("another key"),))
        assert troubles(contents(tmp_path, NOW, other, running=True))["secret_key.opens"] is Level.WARNING
    assert not (tmp_path / "secret.key").exists(), "whoever only looks makes nothing"


async def test_a_database_that_is_gone(tmp_path: Path) -> None:
    async with open_store(tmp_path, StoodClock(NOW)) as store:
        await store.write(lambda u: u.emit(WHATSAPP, "message.in", u.now))
        await FileSink(tmp_path).take(await store.read(lambda r: r.events_after(0, 10)))
    for name in ("inbox.db", "inbox.db-wal", "inbox.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    found = next(f for f in data(tmp_path, NOW, has_secret_key=True) if f.check == "database")
    assert found.level is Level.BROKEN and "substance/ is there" in found.text


async def test_a_folder_that_others_can_read(tmp_path: Path) -> None:
    async with open_store(tmp_path / "data", StoodClock(NOW)):
        pass
    assert "data.rights" not in troubles(data(tmp_path / "data", NOW, has_secret_key=True))
    for path, mode in ((tmp_path / "data", 0o755), (tmp_path / "data" / "inbox.db", 0o640)):
        usual = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        found = [f for f in data(tmp_path / "data", NOW, has_secret_key=True) if f.check == "data.rights"]
        assert [f.fix.split()[2] for f in found] == [str(path)]
        path.chmod(usual)


def test_the_port() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        here = config(PORT=str(other.getsockname()[1]))
        assert setup.port(here, running=True).level is Level.BROKEN, "bound by another, and it does not listen"
        other.listen()
        taken = setup.port(here, running=False)
        assert (taken.level, "taken by another program" in taken.text) == (Level.BROKEN, True)
        assert setup.port(here, running=True).level is Level.FINE
    assert setup.port(here, running=False).level is Level.FINE
    assert setup.port(here, running=True).level is Level.BROKEN
    assert setup.port(config(HOST="203.0.113.7"), running=False).level is Level.BROKEN


async def test_a_clock_behind_what_is_stored(tmp_path: Path) -> None:
    await filled(tmp_path, StoodClock(NOW))
    found = troubles(data(tmp_path, NOW - timedelta(hours=1), has_secret_key=True))
    assert found["clock.stored"] is Level.BROKEN


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


async def test_nothing_is_written_into_the_database(tmp_path: Path) -> None:
    await filled(tmp_path, StoodClock(NOW))
    before = digests(tmp_path)
    list(data(tmp_path, NOW, has_secret_key=False))
    after = digests(tmp_path)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"inbox.db-wal", "inbox.db-shm"}


async def test_a_newer_and_an_older_schema(tmp_path: Path) -> None:
    await filled(tmp_path, StoodClock(NOW))
    for version, level in ((9999, Level.BROKEN), (0, Level.FINE)):
        with sqlite3.connect(tmp_path / "inbox.db") as connection:
            connection.execute(f"pragma user_version = {version}")
        connection.close()
        assert levels(data(tmp_path, NOW, has_secret_key=True))["database.schema"] is level


@pytest.mark.parametrize(
    "content", [b"this is no database, and was never one" * 40, b"SQLite format 3\0" + b"\1" * 500]
)
def test_a_damaged_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inbox.db").write_bytes(content)
    found = troubles(data(tmp_path, NOW, has_secret_key=True))
    assert found["database"] is Level.BROKEN


def test_the_key(tmp_path: Path) -> None:
    assert "secret_key" not in troubles(data(tmp_path, NOW, has_secret_key=False))
    (tmp_path / "inbox.db").write_bytes(b"")
    assert troubles(data(tmp_path, NOW, has_secret_key=False))["secret_key"] is Level.WARNING
    key = tmp_path / "secret.key"
    key.write_text("key-that-nobody-may-see")
    key.chmod(stat.S_IRUSR | stat.S_IROTH)
    findings = list(data(tmp_path, NOW, has_secret_key=False))
    assert troubles(findings)["secret_key"] is Level.WARNING
    key.chmod(0o600)
    findings += data(tmp_path, NOW, has_secret_key=False)
    assert "secret_key" not in troubles(data(tmp_path, NOW, has_secret_key=False))
    assert "nobody-may-see" not in as_text(findings)


async def test_the_newest_backup(tmp_path: Path) -> None:
    assert backup(tmp_path, NOW).level is Level.WARNING
    made = default_path(tmp_path, NOW)
    async with open_store(tmp_path, StoodClock(NOW)):
        copy(tmp_path, made)
        for hours, level in ((3, Level.FINE), (5, Level.WARNING)):  # a running bot makes one an hour
            assert aged(made, hours=hours).level is level
    for hours, level in ((47, Level.FINE), (49, Level.WARNING)):
        assert aged(made, hours=hours).level is level
    for content in (b"", b"no database at all" * 100):
        made.write_bytes(content)
        assert "no sound copy" in aged(made, hours=1).text


def aged(made: Path, *, hours: int) -> Finding:
    at = (NOW - timedelta(hours=hours)).timestamp()
    os.utime(made, (at, at))
    return backup(made.parent.parent, NOW)


# -- Telegram and WhatsApp, by what they answer


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ({"has_topics_enabled": True, "allows_users_to_create_topics": False}, Level.FINE),
        ({"has_topics_enabled": True, "allows_users_to_create_topics": True}, Level.WARNING),
        ({"has_topics_enabled": False}, Level.WARNING),
        ({}, Level.WARNING),
    ],
)
def test_topics(answer: dict[str, Any], level: Level) -> None:
    assert topics(answer).level is level


HOOK = "https://desk.example.com/webhooks/telegram"
AGO = int((NOW - timedelta(minutes=5)).timestamp())


@pytest.mark.parametrize(
    ("info", "wanted", "running", "expected"),
    [
        ({"url": HOOK, "pending_update_count": 0}, HOOK, True, {}),
        ({"url": ""}, None, True, {}),
        ({"url": HOOK}, None, False, {}),
        ({"url": HOOK}, None, True, {"telegram.webhook": Level.BROKEN}),
        ({"url": ""}, HOOK, True, {"telegram.webhook": Level.BROKEN}),
        ({"url": ""}, HOOK, False, {}),
        ({"url": "https://other.example.com/hook"}, HOOK, True, {"telegram.webhook": Level.BROKEN}),
        ({"url": HOOK, "pending_update_count": 50}, HOOK, True, {"telegram.pending": Level.WARNING}),
        (
            {"url": HOOK, "last_error_message": "Connection refused", "last_error_date": AGO},
            HOOK,
            True,
            {"telegram.delivery": Level.WARNING},
        ),
        ({"url": HOOK, "last_error_message": "Connection refused", "last_error_date": AGO - 7200}, HOOK, True, {}),
    ],
)
def test_webhook(info: dict[str, Any], wanted: str | None, running: bool, expected: Mapping[str, Level]) -> None:
    assert troubles(webhook(info, wanted, running=running, now=NOW)) == expected


BOTH = ["whatsapp_business_messaging", "whatsapp_business_management"]
NEVER, SOON, LATER = 0, int((NOW + timedelta(days=2)).timestamp()), int((NOW + timedelta(days=60)).timestamp())


@pytest.mark.parametrize(
    ("answer", "manages", "expected"),
    [
        ({"is_valid": True, "expires_at": NEVER, "scopes": BOTH}, True, {}),
        ({"is_valid": True, "expires_at": LATER, "scopes": BOTH[:1]}, False, {}),
        ({"is_valid": True, "expires_at": LATER, "scopes": BOTH[:1]}, True, {"whatsapp.scopes": Level.WARNING}),
        ({"is_valid": True, "expires_at": SOON, "scopes": BOTH}, True, {"whatsapp.token": Level.WARNING}),
        (
            {"is_valid": True, "expires_at": NEVER, "data_access_expires_at": SOON, "scopes": BOTH},
            True,
            {"whatsapp.token": Level.WARNING},
        ),
        ({"is_valid": True, "scopes": BOTH[1:]}, True, {"whatsapp.scopes": Level.BROKEN}),
        ({"is_valid": False}, True, {"whatsapp.token": Level.BROKEN}),
        ({}, False, {"whatsapp.token": Level.BROKEN}),
    ],
)
def test_token(answer: Mapping[str, Any], manages: bool, expected: Mapping[str, Level]) -> None:
    assert troubles(token(answer, NOW, manages=manages)) == expected


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ({"display_phone_number": "+1 202-555-0100", "quality_rating": "GREEN", "status": "CONNECTED"}, Level.FINE),
        ({"id": "1"}, Level.FINE),
        ({"quality_rating": "RED", "status": "CONNECTED"}, Level.WARNING),
        ({"quality_rating": "GREEN", "status": "BANNED"}, Level.BROKEN),
    ],
)
def test_number(answer: Mapping[str, Any], level: Level) -> None:
    assert number(answer).level is level


# -- against the fakes


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    await made.start()
    yield made
    await made.stop()


async def asked(scene: Scene, *, running: bool = False, **environ: str) -> list[Finding]:
    found = load({**scene.environment(8080), **environ}, None)
    findings = await online(found, running=running, now=lambda: datetime.now(UTC))
    text = as_text(findings) + as_json(findings)
    assert not any(secret in text for secret in found.secrets())
    return findings


async def test_all_is_well_online(scene: Scene) -> None:
    findings = await asked(scene)
    assert troubles(findings) == {}
    assert set(levels(findings)) == {
        "telegram.bot",
        "telegram.topics",
        "telegram.webhook",
        "whatsapp.token",
        "whatsapp.scopes",
        "whatsapp.number",
        "whatsapp.subscription",
        "clock.skew",
    }
    assert {call.method for call in scene.world.of("telegram")} == {"getMe", "getWebhookInfo"}
    assert all(call.method.startswith("GET ") for call in scene.world.of("graph"))


async def test_the_app_asks_about_its_token_where_its_id_is_set(scene: Scene) -> None:
    assert troubles(await asked(scene, META_APP_ID=APP_ID)) == {}


async def test_what_the_providers_complain_of(scene: Scene) -> None:
    scene.telegram.topics = False
    scene.graph.token_expires_at = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    scene.graph.subscribed = False
    assert troubles(await asked(scene, running=True)) == {
        "telegram.topics": Level.WARNING,
        "telegram.webhook": Level.BROKEN,
        "whatsapp.token": Level.WARNING,
        "whatsapp.subscription": Level.BROKEN,
    }


async def test_a_desk_in_a_group_wants_no_topics_in_the_private_chat(scene: Scene) -> None:
    scene.telegram.topics = False
    assert troubles(await asked(scene, DESK_CHAT_ID="-1001234567890")) == {}


async def test_dead_tokens(scene: Scene) -> None:
    scene.telegram.token_valid = False
    scene.graph.token_valid = False
    found = troubles(await asked(scene))
    assert found["telegram.bot"] is found["whatsapp.token"] is found["whatsapp.number"] is Level.BROKEN


async def test_another_number_than_the_tokens(scene: Scene) -> None:
    assert troubles(await asked(scene, WHATSAPP_PHONE_NUMBER_ID="999"))["whatsapp.number"] is Level.BROKEN


@pytest.mark.parametrize(
    ("kind", "level"),
    [("refuse", Level.BROKEN), ("500", Level.BROKEN), ("garbage", Level.BROKEN), ("429", Level.WARNING)],
)
async def test_a_provider_in_trouble(scene: Scene, kind: str, level: Level) -> None:
    scene.world.plan(Fault(kind, "telegram", "getMe", seconds=3))
    assert troubles(await asked(scene)) == {"telegram.bot": level}


async def test_nobody_listens(scene: Scene) -> None:
    base = scene.telegram.base
    await scene.telegram.stop()
    findings = await asked(scene, TELEGRAM_API_BASE=base)
    assert troubles(findings) == {"telegram.bot": Level.BROKEN, "telegram.webhook": Level.BROKEN}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("Wed, 25 Nov 2026 11:50:00 GMT", 600), ("Wed, 25 Nov 2026 12:00:10 GMT", -10), ("junk", None)],
)
async def test_the_servers_clock(aiohttp_server: Any, header: str, seconds: int | None) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": header})

    app = web.Application()
    app.router.add_get("/", answer)
    server = await aiohttp_server(app)
    dates = Dates(lambda: NOW)
    async with calling(dates) as http, http.get(server.make_url("/")) as response:
        await response.read()
    assert dates.offset == (None if seconds is None else timedelta(seconds=seconds))


# -- the command


@contextmanager
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, **environ: str) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("TELEGRAM_", "META_", "WHATSAPP_", "RAILWAY_")) or name in ("PUBLIC_URL", "DATA_DIR"):
            monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    yield


def test_exit_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with in_folder(tmp_path, monkeypatch):
        assert doctor(()) == 0
        assert "! settings" in capsys.readouterr().out
        assert doctor(("--offline",)) == 2
        (tmp_path / ".env").write_text("TELEGRAM_BOT_TOKEN=wrong\n")
        assert doctor(()) == 1
        assert "✗ settings" in capsys.readouterr().out
        assert doctor(("--online", "--json")) == 1
        told = json.loads(capsys.readouterr().out)
        assert [f["check"] for f in told["findings"] if f["level"] == "broken"] == ["settings"]


async def test_the_command_beside_the_running_bot(scene: Scene, tmp_path: Path) -> None:
    environ = {**scene.environment(8080), "DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    async with open_store(tmp_path, StoodClock(datetime.now(UTC))):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "doctor",
            "--online",
            "--json",
            cwd=ROOT,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert err == b""
    assert ACCESS_TOKEN.encode() not in out
    findings = [Finding(**{**f, "level": Level(f["level"])}) for f in json.loads(out)["findings"]]
    assert fine("running", "yes") in findings
    assert levels(findings)["telegram.bot"] is Level.FINE
    assert process.returncode == 1, "the webhook is not set, although the bot runs"


def test_nothing_slow_is_imported() -> None:
    modules = "import sys, bot.commands.doctor, bot.doctor.online"
    code = f"{modules}; print([m for m in ('aiogram', 'zoomus') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_place_without_gates_asks_nobody() -> None:
    nobody = replace(config(), telegram=None)
    assert asyncio.run(online(nobody, running=False, now=lambda: NOW)) == []
