"""Settings of the Telegram gate."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

_TOKEN = re.compile(r"[0-9]{1,19}:[A-Za-z0-9_-]+")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class TelegramSettings(BaseModel):
    """token: TELEGRAM_BOT_TOKEN. api_base: TELEGRAM_API_BASE. webhook_secret: TELEGRAM_WEBHOOK_SECRET."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    token: SecretStr
    api_base: str = "https://api.telegram.org"
    webhook_secret: SecretStr

    @field_validator("token")
    @classmethod
    def _token_has_an_id(cls, value: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("expected 123456789:letters-and-digits, as BotFather gives it")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _secret_fits_a_header(cls, value: SecretStr) -> SecretStr:
        if not _SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("expected 1 to 256 of A-Z, a-z, 0-9, _ and -")
        return value

    @field_validator("api_base")
    @classmethod
    def _base_is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("expected an http or https address")
        return value.rstrip("/")

    @property
    def bot_id(self) -> int:
        """The number before the colon of the token is the bot's user id."""
        return int(self.token.get_secret_value().partition(":")[0])
