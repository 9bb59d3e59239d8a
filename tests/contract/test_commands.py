"""Section 1: the commands that start nothing, and settings that are wrong."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.contract.process import Ended, command

SECRET = "value-that-must-not-be-told"


def told(ended: Ended) -> list[str]:
    """The variables of stderr, one a line."""
    assert ended.out == ""
    assert SECRET not in ended.err
    found = [re.match(r"([A-Z_]+): ", line) for line in ended.err.splitlines()]
    assert all(found), ended.err
    return [match[1] for match in found if match]


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_version_help_and_wrong_usage(tmp_path: Path) -> None:
    version, usage, wrong, more = await asyncio.gather(
        command(tmp_path, {}, "--version"),
        command(tmp_path, {}, "--help"),
        command(tmp_path, {}, "no-such-thing"),
        command(tmp_path, {}, "run", "fast"),
    )
    assert (version.code, version.err) == (0, "")
    assert re.fullmatch(r"[0-9]+\.[0-9]+.*\n", version.out)
    assert (usage.code, usage.err) == (0, "")
    assert {"run", "sandbox", "doctor", "backup", "export"} <= set(re.findall(r"^  (\w+)", usage.out, re.MULTILINE))
    assert (wrong.code, wrong.out) == (2, "")
    assert (more.code, more.out) == (2, "")
    assert left_in(tmp_path) == []


async def test_all_that_is_wrong_is_told_at_once_without_values(tmp_path: Path) -> None:
    wrong = {
        "TELEGRAM_BOT_TOKEN": SECRET,
        "OWNER_ID": SECRET,
        "DESK_CHAT_ID": "12",
        "PUBLIC_URL": f"ftp://{SECRET}",
        "PORT": "70000",
        "TIMEZONE": SECRET,
        "LANGUAGE": "de",
        "LOG_FORMAT": SECRET,
        "META_VERIFY_TOKEN_FILE": f"/nowhere/{SECRET}",
        "WHATSAPP_ACCESS_TOKEN": SECRET,
        "SUBSTANCE_WEBHOOK_URL": f"https://receiver.example/{SECRET}",
        "ZOOM_CLIENT_ID": SECRET,
        "EMAIL_IMAP_URL": "imap://mail.example:143",
    }
    ended = await command(tmp_path, wrong)
    names = told(ended)
    assert ended.code == 2
    assert len(names) == len(set(names))
    assert set(names) == {
        *(set(wrong) - {"WHATSAPP_ACCESS_TOKEN", "SUBSTANCE_WEBHOOK_URL", "ZOOM_CLIENT_ID"}),
        "WHATSAPP_PHONE_NUMBER_ID",
        "META_APP_SECRET",
        "SUBSTANCE_WEBHOOK_SECRET",
        "ZOOM_ACCOUNT_ID",
        "ZOOM_CLIENT_SECRET",
    }
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    "environment",
    [
        {
            "WHATSAPP_ACCESS_TOKEN": "a",
            "WHATSAPP_PHONE_NUMBER_ID": "1",
            "META_APP_SECRET": "b",
            "META_VERIFY_TOKEN": "c",
        },
        {"PUBLIC_URL": "https://desk.example.com", "TELEGRAM_BOT_TOKEN": ""},
    ],
    ids=["a gate", "an address"],
)
async def test_a_forgotten_token_is_no_game(tmp_path: Path, environment: dict[str, str]) -> None:
    ended = await command(tmp_path, environment)
    assert (ended.code, told(ended)) == (2, ["TELEGRAM_BOT_TOKEN"])


async def test_commands_on_nothing_and_with_wrong_words(tmp_path: Path) -> None:
    data = {"DATA_DIR": str(tmp_path / "none")}
    backup, export, since, times = await asyncio.gather(
        command(tmp_path, data, "backup"),
        command(tmp_path, data, "export", "--since", "1"),
        command(tmp_path, data, "export"),
        command(tmp_path, data, "export", "--since", "yesterday"),
    )
    for ended, code in ((backup, 1), (export, 1), (since, 2), (times, 2)):
        assert (ended.code, ended.out) == (code, "")
        assert ended.err and "Traceback" not in ended.err
    assert left_in(tmp_path) == []
