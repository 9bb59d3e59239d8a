"""Every variable of the settings with its default, and what a value of it must look like.

A check raises ValueError that says what is expected, and never the value: that is what the operator reads.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gates.http import MEDIA_HOSTS

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _address(value: str, schemes: Sequence[str], expected: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in schemes or not parts.hostname or re.search(r"[\s\x00-\x1f\\]", value):
        raise ValueError(expected)
    return parts


def _base(value: str) -> str:
    expected = "an http:// or https:// address without user name, query or fragment"
    parts = _address(value, ("http", "https"), expected)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(expected)
    return value.rstrip("/")


def origin(value: str) -> str:
    expected = "an http:// or https:// address without a path, like https://desk.example.com"
    try:
        base = _base(value)
    except ValueError:
        raise ValueError(expected) from None
    if urlsplit(base).path:
        raise ValueError(expected)
    return base


def _link(value: str) -> str:
    _address(value, ("http", "https"), "an http:// or https:// address")
    return value


def _mail_url(scheme: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        expected = f"{scheme}s://HOST:PORT ({scheme}:// only on loopback)"
        parts = _address(value, (scheme, scheme + "s"), expected)
        if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(expected)
        if parts.scheme == scheme and not _is_loopback(parts.hostname or ""):
            raise ValueError(expected)
        return value.rstrip("/")

    return check


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _matching(pattern: str, expected: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(expected)
        return value

    return check


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return value

    return check


def _level(value: str) -> str:
    return _one_of(*LEVELS)(value.upper())


def _whole(expected: str, allowed: Callable[[int], bool]) -> Callable[[str], int]:
    def check(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", value) or not allowed(int(value)):
            raise ValueError(expected)
        return int(value)

    return check


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ValueError("an IANA time zone, like Europe/Moscow") from None
    return value


def _listed(value: str, expected: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not found:
        raise ValueError(expected)
    return found


def _hosts(value: str) -> tuple[str, ...]:
    expected = "host names with commas between them, like *.fbcdn.net, cdn.example.com"
    found = tuple(host.lower() for host in _listed(value, expected))
    if not all(re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+", host) for host in found):
        raise ValueError(expected)
    return found


def _keys(value: str) -> tuple[SecretStr, ...]:
    return tuple(SecretStr(key) for key in _listed(value, "a long random text, or several with commas between them"))


def _signing_secret(value: str) -> str:
    substance_key(value)
    return value


def substance_key(secret: str) -> bytes:
    """The bytes to sign with: "whsec_" and base64 of them, or any other text itself. Raises ValueError."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    expected = "whsec_ followed by base64, or any other text"
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    if not key:
        raise ValueError(expected)
    return key


def _plain(pattern: str, expected: str) -> BeforeValidator:
    return BeforeValidator(_matching(pattern, expected))


def _secret(check: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda value: SecretStr(check(value)))


_WORD = _matching(r"[!-~]+", "letters, digits and signs, without spaces")  # travels in headers and addresses
_TOKEN = _matching(r"[0-9]{1,19}:[A-Za-z0-9_-]+", "a token of @BotFather, like 123456789:letters-and-digits")
_HEADER = _matching(r"[A-Za-z0-9_-]{1,256}", "1 to 256 of A-Z, a-z, 0-9, _ and -")
_LINE = _matching(r"[^\x00-\x1f\x7f]+", "a text on one line")
_SUPERGROUP = _whole("a supergroup's id, a number that begins with -100", lambda n: bool(re.match("-100[0-9]", str(n))))

Word = Annotated[str, BeforeValidator(_WORD)]
Secret = Annotated[SecretStr, _secret(_WORD)]
Password = Annotated[SecretStr, _secret(_LINE)]
BotToken = Annotated[SecretStr, _secret(_TOKEN)]
HeaderSecret = Annotated[SecretStr, _secret(_HEADER)]
SigningSecret = Annotated[SecretStr, _secret(_signing_secret)]
Email = Annotated[str, _plain(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")]
Base = Annotated[str, BeforeValidator(_base)]
Origin = Annotated[str, BeforeValidator(origin)]
Link = Annotated[str, BeforeValidator(_link)]
UserId = Annotated[int, BeforeValidator(_whole("a Telegram user id, digits only", lambda n: n > 0))]
Supergroup = Annotated[int, BeforeValidator(_SUPERGROUP)]
Channel = Annotated[str, _plain(r"@[A-Za-z][A-Za-z0-9_]{3,31}|-100[0-9]+", "@name of a channel, or its id (-100...)")]
Host = Annotated[str, _plain(r"[0-9A-Za-z.:_%-]+", "a host name or an IP address")]
Port = Annotated[int, BeforeValidator(_whole("a number from 0 to 65535", lambda n: 0 <= n <= 65535))]
Version = Annotated[str, _plain(r"v[0-9]+\.[0-9]+", "a version, like v25.0")]


class Environment(BaseSettings):
    """Every variable, as the operator knows it (there in upper case). An empty one counts as not set."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, validate_default=False)

    telegram_bot_token: BotToken | None = None
    owner_id: UserId | None = None
    desk_chat_id: Supergroup | None = None
    telegram_channel_id: Channel | None = None
    telegram_api_base: Base = "https://api.telegram.org"
    telegram_webhook_secret: HeaderSecret | None = None
    public_url: Origin | None = None
    host: Host = "127.0.0.1"
    port: Port = 8080
    data_dir: str | None = None
    secret_key: Annotated[tuple[SecretStr, ...], BeforeValidator(_keys)] = ()
    language: Annotated[Literal["ru", "en"], BeforeValidator(_one_of("ru", "en"))] = "ru"
    timezone: Annotated[str, BeforeValidator(_zone)] = "Europe/Moscow"
    log_level: Annotated[str, BeforeValidator(_level)] = "INFO"
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_one_of("text", "json"))] = "text"
    media_hosts: Annotated[tuple[str, ...], BeforeValidator(_hosts)] = MEDIA_HOSTS
    metrics_token: Secret | None = None
    notify_email: Email | None = None

    meta_app_id: Word | None = None
    meta_app_secret: Secret | None = None
    meta_verify_token: Password | None = None
    graph_api_base: Base = "https://graph.facebook.com"
    graph_api_version: Version = "v25.0"
    whatsapp_phone_number_id: Word | None = None
    whatsapp_access_token: Secret | None = None
    whatsapp_business_account_id: Word | None = None
    messenger_page_id: Word | None = None
    messenger_page_access_token: Secret | None = None
    instagram_account_id: Word | None = None
    instagram_access_token: Secret | None = None
    instagram_api_base: Base = "https://graph.instagram.com"
    instagram_app_secret: Secret | None = None
    business_suite_page_id: Word | None = None
    business_suite_business_id: Word | None = None

    email_address: Email | None = None
    email_password: Password | None = None
    email_oauth_client_id: Word | None = None
    email_oauth_client_secret: Secret | None = None
    email_oauth_refresh_token: Secret | None = None
    email_oauth_url: Base = "https://oauth2.googleapis.com/token"
    email_send: Annotated[str, BeforeValidator(_one_of("smtp", "gmail"))] = "smtp"
    gmail_api_base: Base = "https://gmail.googleapis.com"
    email_imap_url: Annotated[str, BeforeValidator(_mail_url("imap"))] = "imaps://imap.gmail.com:993"
    email_smtp_url: Annotated[str, BeforeValidator(_mail_url("smtp"))] = "smtps://smtp.gmail.com:465"

    zoom_account_id: Word | None = None
    zoom_client_id: Word | None = None
    zoom_client_secret: Secret | None = None
    zoom_webhook_secret: Secret | None = None
    zoom_host: Word = "me"
    zoom_api_base: Base = "https://api.zoom.us/v2"
    zoom_oauth_url: Base = "https://zoom.us/oauth/token"
    calcom_api_key: Secret | None = None
    calcom_webhook_secret: Password | None = None
    calcom_api_base: Base = "https://api.cal.com/v2"
    calcom_booking_url: Link | None = None

    substance_webhook_url: Link | None = Field(None, repr=False)  # may hold a secret
    substance_webhook_secret: SigningSecret | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over: `bot.config` layers the places itself, because of NAME_FILE."""
        return (init_settings,)
