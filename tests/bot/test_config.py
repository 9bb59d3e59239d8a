"""Settings: every finding at once, never a value, and nothing half switched on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.config import Config, Switch, examine, explain, load, sandbox_or_run
from bot.config import SettingsError as Wrong
from bot.environment import Environment

ROOT = Path(__file__).parents[2]
TOKEN = "123456789:AAExampleExampleExampleExampleExample0"
META = {"META_APP_SECRET": "app-secret", "META_VERIFY_TOKEN": "verify me"}
WHATSAPP = {"WHATSAPP_PHONE_NUMBER_ID": "2003", "WHATSAPP_ACCESS_TOKEN": "EAAexample", **META}


def read(**environ: str) -> Config:
    return load(environ, None)


def findings(**environ: str) -> list[str]:
    """Names of the variables that are wrong or missing."""
    return [problem.name for problem in examine(environ, None).problems]


def test_defaults() -> None:
    config = read(TELEGRAM_BOT_TOKEN=TOKEN)
    assert config.telegram is not None
    assert config.telegram.token.get_secret_value() == TOKEN
    assert config.telegram.api_base == "https://api.telegram.org"
    assert config.telegram.webhook_secret is None
    assert (config.whatsapp, config.substance, config.public_url) == (None, None, None)
    assert (config.host, config.port, config.data_dir) == ("127.0.0.1", 8080, Path("data"))
    assert (config.language, config.timezone.key) == ("ru", "Europe/Moscow")
    assert (config.log_level, config.log_format) == ("INFO", "text")
    assert (config.owner_id, config.desk_chat_id, config.channel_id) == (None, None, None)
    assert config.media_hosts[0] == "*.fbcdn.net"
    assert {name for name, state in config.gates.items() if state.switch is Switch.ON} == {"telegram"}


@pytest.mark.parametrize(
    ("variable", "default"),
    [
        ("GRAPH_API_BASE", "https://graph.facebook.com"),
        ("GRAPH_API_VERSION", "v25.0"),
        ("INSTAGRAM_API_BASE", "https://graph.instagram.com"),
        ("EMAIL_OAUTH_URL", "https://oauth2.googleapis.com/token"),
        ("EMAIL_SEND", "smtp"),
        ("GMAIL_API_BASE", "https://gmail.googleapis.com"),
        ("EMAIL_IMAP_URL", "imaps://imap.gmail.com:993"),
        ("EMAIL_SMTP_URL", "smtps://smtp.gmail.com:465"),
        ("ZOOM_HOST", "me"),
        ("ZOOM_API_BASE", "https://api.zoom.us/v2"),
        ("ZOOM_OAUTH_URL", "https://zoom.us/oauth/token"),
        ("CALCOM_API_BASE", "https://api.cal.com/v2"),
    ],
)
def test_defaults_of_the_other_gates(variable: str, default: str) -> None:
    assert getattr(read().environment, variable.lower()) == default


def test_the_whole_of_telegram_and_whatsapp() -> None:
    config = read(
        **WHATSAPP,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_BASE="http://127.0.0.1:9001/",
        TELEGRAM_WEBHOOK_SECRET="header_secret",
        WHATSAPP_BUSINESS_ACCOUNT_ID="1001",
        GRAPH_API_BASE="http://127.0.0.1:9002",
        MEDIA_HOSTS="*.fbcdn.net, CDN.example.com",
        OWNER_ID="70001",
        DESK_CHAT_ID="-1001234567890",
        TELEGRAM_CHANNEL_ID="@example_channel",
        PORT="0",
        LOG_LEVEL="debug",
    )
    assert config.telegram is not None
    gate = config.telegram.settings(SecretStr("stored"))
    assert (gate.api_base, gate.webhook_secret.get_secret_value()) == ("http://127.0.0.1:9001", "header_secret")
    assert config.whatsapp is not None
    assert config.whatsapp.phone_number_id == "2003"
    assert config.whatsapp.business_account_id == "1001"
    assert config.whatsapp.access_token.get_secret_value() == "EAAexample"
    assert config.whatsapp.app_secret.get_secret_value() == "app-secret"
    assert config.whatsapp.verify_token.get_secret_value() == "verify me"
    assert (config.whatsapp.graph_api_base, config.whatsapp.graph_api_version) == ("http://127.0.0.1:9002", "v25.0")
    assert config.whatsapp.media_hosts == ("*.fbcdn.net", "cdn.example.com")
    assert (config.owner_id, config.desk_chat_id, config.channel_id) == (70001, -1001234567890, "@example_channel")
    assert (config.port, config.log_level) == (0, "DEBUG")


def test_a_stored_webhook_secret_is_used_where_none_is_set() -> None:
    telegram = read(TELEGRAM_BOT_TOKEN=TOKEN).telegram
    assert telegram is not None
    assert telegram.settings(SecretStr("stored")).webhook_secret.get_secret_value() == "stored"


@pytest.mark.parametrize(
    ("environ", "gate", "missing"),
    [
        (META, "whatsapp", None),
        ({"WHATSAPP_BUSINESS_ACCOUNT_ID": "1"}, "whatsapp", None),
        (WHATSAPP, "whatsapp", ""),
        ({"WHATSAPP_PHONE_NUMBER_ID": "1", **META}, "whatsapp", "WHATSAPP_ACCESS_TOKEN"),
        (
            {"WHATSAPP_ACCESS_TOKEN": "1"},
            "whatsapp",
            "WHATSAPP_PHONE_NUMBER_ID META_APP_SECRET META_VERIFY_TOKEN",
        ),
        ({"MESSENGER_PAGE_ID": "1", **META}, "messenger", "MESSENGER_PAGE_ACCESS_TOKEN"),
        ({"MESSENGER_PAGE_ID": "1", "MESSENGER_PAGE_ACCESS_TOKEN": "1", **META}, "messenger", ""),
        ({"INSTAGRAM_ACCOUNT_ID": "1", "INSTAGRAM_ACCESS_TOKEN": "1", **META}, "instagram", ""),
        ({"INSTAGRAM_ACCESS_TOKEN": "1", **META}, "instagram", "INSTAGRAM_ACCOUNT_ID"),
        ({"INSTAGRAM_APP_SECRET": "1"}, "instagram", None),
        ({"EMAIL_ADDRESS": "a@example.com", "EMAIL_PASSWORD": "a b c d"}, "email", ""),
        ({"EMAIL_ADDRESS": "a@example.com"}, "email", "EMAIL_PASSWORD"),
        ({"EMAIL_PASSWORD": "x"}, "email", "EMAIL_ADDRESS"),
        (
            {"EMAIL_ADDRESS": "a@example.com", "EMAIL_OAUTH_CLIENT_ID": "1"},
            "email",
            "EMAIL_OAUTH_CLIENT_SECRET EMAIL_OAUTH_REFRESH_TOKEN",
        ),
        (
            {
                "EMAIL_ADDRESS": "a@example.com",
                "EMAIL_OAUTH_CLIENT_ID": "1",
                "EMAIL_OAUTH_CLIENT_SECRET": "1",
                "EMAIL_OAUTH_REFRESH_TOKEN": "1",
            },
            "email",
            "",
        ),
        (
            {"EMAIL_ADDRESS": "a@example.com", "EMAIL_PASSWORD": "x", "EMAIL_SEND": "gmail"},
            "email",
            "EMAIL_OAUTH_CLIENT_ID EMAIL_OAUTH_CLIENT_SECRET EMAIL_OAUTH_REFRESH_TOKEN",
        ),
        ({"EMAIL_SEND": "gmail"}, "email", None),
        ({"ZOOM_ACCOUNT_ID": "1"}, "zoom", "ZOOM_CLIENT_ID ZOOM_CLIENT_SECRET"),
        ({"ZOOM_WEBHOOK_SECRET": "1"}, "zoom", None),
        ({"CALCOM_API_KEY": "1"}, "calcom", "CALCOM_WEBHOOK_SECRET"),
        ({"CALCOM_API_KEY": "1", "CALCOM_WEBHOOK_SECRET": "1"}, "calcom", ""),
    ],
)
def test_gates(environ: dict[str, str], gate: str, missing: str | None) -> None:
    found = examine({"TELEGRAM_BOT_TOKEN": TOKEN, **environ}, None)
    switch = Switch.OFF if missing is None else Switch.INCOMPLETE if missing else Switch.ON
    assert (found.gates[gate].switch, " ".join(found.gates[gate].missing)) == (switch, missing or "")
    assert sorted(problem.name for problem in found.problems) == sorted((missing or "").split())
    assert (found.config is None) == (switch is Switch.INCOMPLETE)


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"SUBSTANCE_WEBHOOK_URL": "https://example.com/in"}, ["SUBSTANCE_WEBHOOK_SECRET"]),
        ({"SUBSTANCE_WEBHOOK_SECRET": "x"}, ["SUBSTANCE_WEBHOOK_URL"]),
        ({"NOTIFY_EMAIL": "a@example.com"}, ["EMAIL_ADDRESS", "EMAIL_PASSWORD"]),
        ({"NOTIFY_EMAIL": "a@example.com", "EMAIL_ADDRESS": "b@example.com"}, ["EMAIL_PASSWORD"]),
        ({"NOTIFY_EMAIL": "a@example.com", "EMAIL_ADDRESS": "b@example.com", "EMAIL_PASSWORD": "x"}, []),
    ],
)
def test_what_is_needed_together(environ: dict[str, str], missing: list[str]) -> None:
    assert findings(**environ) == missing


@pytest.mark.parametrize(
    ("secret", "key"),
    [("whsec_c2VjcmV0", b"secret"), ("plain text", b"plain text"), ("ключ", "ключ".encode()), ("whsec", b"whsec")],
)
def test_the_secret_of_the_export(secret: str, key: bytes) -> None:
    substance = read(SUBSTANCE_WEBHOOK_URL="http://127.0.0.1:9/x?y=1", SUBSTANCE_WEBHOOK_SECRET=secret).substance
    assert substance is not None
    assert (substance.url, substance.key) == ("http://127.0.0.1:9/x?y=1", key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", "planted"),
        ("TELEGRAM_BOT_TOKEN", "12345:planted here"),
        ("TELEGRAM_BOT_TOKEN", ":planted"),
        ("TELEGRAM_WEBHOOK_SECRET", "planted.dot"),
        ("TELEGRAM_WEBHOOK_SECRET", "planted" * 40),
        ("TELEGRAM_API_BASE", "planted"),
        ("TELEGRAM_API_BASE", "ftp://planted"),
        ("TELEGRAM_API_BASE", "https://user:planted@example.com"),
        ("TELEGRAM_CHANNEL_ID", "planted"),
        ("OWNER_ID", "planted"),
        ("OWNER_ID", "-77"),
        ("OWNER_ID", "7" * 30),
        ("DESK_CHAT_ID", "1234567890"),
        ("DESK_CHAT_ID", "-12345"),
        ("PUBLIC_URL", "planted.example.com"),
        ("PUBLIC_URL", "https://example.com/planted"),
        ("PUBLIC_URL", "https://example.com?planted"),
        ("PUBLIC_URL", "https://exa mple.com"),
        ("PUBLIC_URL", "https://example.com:planted"),
        ("PUBLIC_URL", "https://[planted"),
        ("HOST", "planted/host"),
        ("PORT", "planted"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "٣"),
        ("SECRET_KEY", " , ,"),
        ("LANGUAGE", "planted"),
        ("LANGUAGE", "RU"),
        ("TIMEZONE", "Planted/Zone"),
        ("TIMEZONE", "../planted"),
        ("TIMEZONE", "Europe"),
        ("TIMEZONE", "+03:00"),
        ("LOG_LEVEL", "planted"),
        ("LOG_FORMAT", "planted"),
        ("MEDIA_HOSTS", "https://planted.example.com"),
        ("MEDIA_HOSTS", "*"),
        ("METRICS_TOKEN", "planted token"),
        ("META_APP_SECRET", "плантед"),
        ("GRAPH_API_VERSION", "25.planted"),
        ("EMAIL_IMAP_URL", "imap://planted.example.com:143"),
        ("EMAIL_IMAP_URL", "imaps://user:planted@example.com"),
        ("EMAIL_SMTP_URL", "smtp://10.0.0.1:25"),
        ("EMAIL_SMTP_URL", "imaps://planted.example.com"),
        ("EMAIL_SEND", "planted"),
        ("SUBSTANCE_WEBHOOK_SECRET", "whsec_planted!"),
        ("SUBSTANCE_WEBHOOK_SECRET", "whsec_"),
        ("RAILWAY_PUBLIC_DOMAIN", "https://planted"),
        ("RENDER_EXTERNAL_URL", "planted"),
        ("FLY_APP_NAME", "planted/x"),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(name: str, value: str) -> None:
    problems = [problem for problem in examine({name: value}, None).problems if problem.name == name]
    assert len(problems) == 1
    (line,) = explain(problems)
    assert line.startswith(f"{name}: expected ")
    assert "planted" not in line.lower()


@pytest.mark.parametrize(
    ("name", "value", "read_as"),
    [
        ("EMAIL_IMAP_URL", "imap://127.0.0.1:1143", "imap://127.0.0.1:1143"),
        ("EMAIL_SMTP_URL", "smtp://localhost:1025/", "smtp://localhost:1025"),
        ("EMAIL_SMTP_URL", "smtp://[::1]:1025", "smtp://[::1]:1025"),
        ("PUBLIC_URL", "https://desk.example.com/", "https://desk.example.com"),
        ("PUBLIC_URL", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("ZOOM_API_BASE", "http://127.0.0.1:9/v2/", "http://127.0.0.1:9/v2"),
        ("TIMEZONE", "Asia/Almaty", "Asia/Almaty"),
    ],
)
def test_a_right_value(name: str, value: str, read_as: str) -> None:
    assert getattr(read(**{name: value}).environment, name.lower()) == read_as


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(Wrong) as caught:
        read(TELEGRAM_BOT_TOKEN="x", PORT="x", TIMEZONE="x", ZOOM_ACCOUNT_ID="x", OWNER_ID_FILE="/nowhere/at/all")
    names = {problem.name for problem in caught.value.problems}
    assert names == {
        "TELEGRAM_BOT_TOKEN",
        "PORT",
        "TIMEZONE",
        "ZOOM_CLIENT_ID",
        "ZOOM_CLIENT_SECRET",
        "OWNER_ID_FILE",
    }


def test_a_wrong_value_is_not_missing_too() -> None:
    assert findings(**{**WHATSAPP, "WHATSAPP_ACCESS_TOKEN": "two words"}) == ["WHATSAPP_ACCESS_TOKEN"]


@given(st.sampled_from(sorted(Environment.model_fields)), st.text(alphabet=st.characters(exclude_characters="\0")))
def test_no_value_is_ever_in_what_is_said(field: str, value: str) -> None:
    planted = f"§{value}§"
    found = examine({field.upper(): planted}, None)
    assert planted not in "\n".join(explain(found.problems))
    assert found.config is None or not any(secret in repr(found.config) for secret in found.config.secrets())


def test_empty_is_not_set() -> None:
    empty = {name.upper(): " " if index % 2 else "" for index, name in enumerate(Environment.model_fields)}
    assert load(empty, None) == load({}, None)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"PUBLIC_URL": "https://a.example", "RAILWAY_PUBLIC_DOMAIN": "b.example"}, "https://a.example"),
        ({"RAILWAY_PUBLIC_DOMAIN": "b.example", "RENDER_EXTERNAL_URL": "https://c.example"}, "https://b.example"),
        ({"RENDER_EXTERNAL_URL": "https://c.example/", "FLY_APP_NAME": "d"}, "https://c.example"),
        ({"FLY_APP_NAME": "d"}, "https://d.fly.dev"),
        ({"PUBLIC_URL": "", "RAILWAY_PUBLIC_DOMAIN": "", "FLY_APP_NAME": "d"}, "https://d.fly.dev"),
        ({}, None),
    ],
)
def test_public_url(environ: dict[str, str], url: str | None) -> None:
    assert read(**environ).public_url == url


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"DATA_DIR": "/srv/desk", "RAILWAY_VOLUME_MOUNT_PATH": "/data"}, "/srv/desk"),
        ({"RAILWAY_VOLUME_MOUNT_PATH": "/data"}, "/data"),
        ({}, "data"),
    ],
)
def test_data_dir(environ: dict[str, str], folder: str) -> None:
    assert read(**environ).data_dir == Path(folder)


def test_places_in_order(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    secret = tmp_path / "secret"
    secret.write_text(f"{TOKEN}\n")
    env_file.write_text(
        f"# a comment\nPORT=1111\nHOST=localhost\nLANGUAGE=en\nTELEGRAM_BOT_TOKEN_FILE={secret}\nUNKNOWN=1\n"
    )
    config = load({"PORT": "2222", "HOST": "", "PATH": "/bin"}, env_file)
    assert (config.port, config.host, config.language) == (2222, "localhost", "en")
    assert config.telegram is not None
    assert config.telegram.token.get_secret_value() == TOKEN


def test_the_environments_file_wins_over_the_value_in_env(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1111\n")
    (tmp_path / "port").write_text("2222")
    assert load({"PORT_FILE": str(tmp_path / "port")}, tmp_path / ".env").port == 2222
    assert load({"PORT_FILE": str(tmp_path / "port"), "PORT": "3333"}, tmp_path / ".env").port == 3333


def test_env_file_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=1111\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOST", "localhost")
    config = load()
    assert (config.port, config.host) == (1111, "localhost")


def test_an_env_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe\n")
    found = examine({}, tmp_path / ".env")
    assert [problem.name for problem in found.problems] == [str(tmp_path / ".env")]


@pytest.mark.parametrize("environ", [{}, {"PORT": "0"}, {"DATA_DIR": "x"}, {"OWNER_ID": "7"}, {"WHATSAPP_X": "1"}])
def test_without_settings_the_sandbox_plays(environ: dict[str, str]) -> None:
    known = {name: value for name, value in environ.items() if name != "WHATSAPP_X"}
    assert sandbox_or_run(environ, None) == sandbox_or_run(known, None) == "sandbox"


@pytest.mark.parametrize(
    "environ",
    [
        {"PUBLIC_URL": "https://a.example"},
        {"RAILWAY_PUBLIC_DOMAIN": "a.example"},
        {"META_APP_SECRET": "x"},
        {"EMAIL_ADDRESS": "a@example.com", "EMAIL_PASSWORD": "x"},
        WHATSAPP,
        {"CALCOM_BOOKING_URL": "https://cal.example/x"},
    ],
)
def test_a_forgotten_token(environ: dict[str, str]) -> None:
    with pytest.raises(Wrong) as caught:
        sandbox_or_run(environ, None)
    assert [problem.name for problem in caught.value.problems] == ["TELEGRAM_BOT_TOKEN"]


def test_a_forgotten_token_is_told_with_the_rest() -> None:
    with pytest.raises(Wrong) as caught:
        sandbox_or_run({"ZOOM_ACCOUNT_ID": "x", "ZOOM_CLIENT_ID": "x", "PORT": "x"}, None)
    assert [problem.name for problem in caught.value.problems] == ["TELEGRAM_BOT_TOKEN", "PORT", "ZOOM_CLIENT_SECRET"]


def test_with_a_token_it_runs() -> None:
    assert sandbox_or_run({"TELEGRAM_BOT_TOKEN": TOKEN, "META_APP_SECRET": "x"}, None) == "run"


def test_secrets_for_the_log() -> None:
    config = read(
        **WHATSAPP,
        TELEGRAM_BOT_TOKEN=TOKEN,
        SECRET_KEY="first key, second key",
        METRICS_TOKEN="figures!",
        SUBSTANCE_WEBHOOK_URL="https://she:pass%20word@example.com/hooks/0123456789?v=2&key=of-the-receiver",
        SUBSTANCE_WEBHOOK_SECRET="whsec_c2VjcmV0",
    )
    assert set(config.secrets()) == {
        TOKEN,
        "first key",
        "second key",
        "figures!",
        "whsec_c2VjcmV0",
        "EAAexample",
        "app-secret",
        "verify me",
        "v=2&key=of-the-receiver",
        "of-the-receiver",
        "pass%20word",
        "/hooks/0123456789",
    }
    assert not any(secret in repr(config) for secret in config.secrets())


def test_the_example_lists_every_setting() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
    assert sorted(names) == sorted(name.upper() for name in Environment.model_fields)


def test_the_example_as_it_is_starts_the_sandbox() -> None:
    assert sandbox_or_run({}, ROOT / ".env.example") == "sandbox"


def test_the_example_keeps_to_what_every_reader_of_env_files_takes() -> None:
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        assert line == "" or line.startswith("#") or re.fullmatch(r"[A-Z0-9_]+=", line), line
        assert line.isascii()


def test_nothing_slow_is_imported() -> None:
    code = "import sys, bot.config; print([m for m in ('aiogram', 'aiohttp.web', 'zoomus') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
