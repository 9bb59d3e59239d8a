"""What lies on the disk: no secret in plain, nothing that others on the machine may read, and keys that can change."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.secrets import KEY_FILE, Vault
from storage.backup import backup, default_path
from tests.rig import ANNA, IGOR, TOKEN, Rig, rig

SECRETS = (TOKEN, TOKEN.partition(":")[2], "app-secret", "verify-token", "EAAexampletoken")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Nothing is taken away by the surroundings: what is closed, the program closes itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def secret_of(desk: Rig) -> str:
    """What Telegram was told at the last start."""
    return str(desk.world.of("telegram", "setWebhook")[-1].request["secret_token"])


async def start(desk: Rig) -> str:
    asked = len(desk.world.of("telegram", "setWebhook"))
    await desk.start()
    await desk.until(lambda: len(desk.world.of("telegram", "setWebhook")) > asked, "the webhook is set")
    return secret_of(desk)


def sealed(data_dir: Path) -> str:
    with closing(sqlite3.connect(data_dir / "inbox.db")) as connection:
        found = connection.execute("select value from settings where key = 'telegram_webhook_secret'").fetchone()
    return str(found[0])


async def test_nothing_on_the_disk_is_open_or_plain(
    tmp_path: Path, counts: Callable[..., None], open_umask: None
) -> None:
    async with rig(tmp_path / "data") as desk:
        secret = await start(desk)
        desk.graph.writes(IGOR, kind="image", file=b"\xff\xd8\xff picture", mime="image/jpeg")
        desk.telegram.writes(ANNA, "Здравствуйте")
        await desk.until(lambda: bool(desk.exported("media.stored")), "a file is kept")
        await desk.until(lambda: bool(desk.said("Здравствуйте")), "shown")
        backup(desk.data_dir, default_path(desk.data_dir, datetime.now(UTC)))
        paths = [desk.data_dir, *desk.data_dir.rglob("*")]
        modes = {p: stat.S_IMODE(p.stat().st_mode) for p in paths}
        files = [p for p in paths if p.is_file()]
        plain = [p.name for p in files for s in (*SECRETS, secret) if s.encode() in p.read_bytes()]
    kinds = {p.relative_to(desk.data_dir).parts[0] for p in files}
    assert {"inbox.db", "inbox.db-wal", "inbox.lock", KEY_FILE, "substance", "backups", "blobs"} <= kinds
    readable = {p: oct(mode) for p, mode in modes.items() if mode & 0o077}
    counts("REST", files=len(files), readable_by_others=len(readable), with_a_secret=len(plain))
    assert readable == {} and plain == []


async def test_a_copy_without_the_key_asks_for_its_secrets_again(tmp_path: Path) -> None:
    async with rig(tmp_path / "data") as desk:
        first = await start(desk)
        await desk.stop()
        assert await start(desk) == first
        await desk.stop()
        (desk.data_dir / KEY_FILE).unlink()
        second = await start(desk)
        assert second != first
        desk.telegram.writes(ANNA, "И без ключа")
        await desk.until(lambda: bool(desk.said("И без ключа")), "it works with the new one")


async def test_a_new_key_seals_anew_and_the_old_one_may_go(tmp_path: Path) -> None:
    async with rig(tmp_path / "data", SECRET_KEY="old key") as desk:
        first = await start(desk)
        await desk.stop()
        assert Vault(["old key"]).open(sealed(desk.data_dir)) == first
        for keys in ("new key,old key", "new key"):
            desk.extra["SECRET_KEY"] = keys
            assert await start(desk) == first
            await desk.stop()
            assert Vault(["new key"]).open(sealed(desk.data_dir)) == first
        assert not (desk.data_dir / KEY_FILE).exists()
