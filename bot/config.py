"""Settings: the environment, over a `.env` file, over the defaults. All that is wrong is told at once, no value ever.

`Config` is what the program uses. A name may also come as `NAME_FILE`, the path of a file that holds the value.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from pydantic import SecretStr, ValidationError
from pydantic_settings import DotEnvSettingsSource

from bot.environment import Environment, origin, substance_key
from gates.telegram.settings import TelegramSettings
from gates.whatsapp.settings import WhatsAppSettings

ENV_FILE = ".env"
SHORTEST_KEY = 6  # characters of a value in an address that may be a secret
LONG_PATH = 16


@dataclass(frozen=True, slots=True)
class Problem:
    name: str  # the variable
    expected: str


class SettingsError(Exception):
    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(", ".join(problem.name for problem in problems))
        self.problems = tuple(problems)


def explain(problems: Iterable[Problem]) -> list[str]:
    """One line per variable, for the operator."""
    return [f"{problem.name}: expected {problem.expected}" for problem in problems]


class Switch(StrEnum):
    ON = "on"
    OFF = "off"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class GateState:
    """What the settings say of a gate; whether it is built is not known here."""

    switch: Switch
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be there together.

    own: any of them, or of `ways`, means that the gate is wanted. shared: needed with them. ways: one group of these.
    """

    own: tuple[str, ...]
    shared: tuple[str, ...] = ()
    ways: tuple[tuple[str, ...], ...] = ((),)

    def state(self, given: frozenset[str]) -> GateState:
        if given.isdisjoint({*self.own, *(name for way in self.ways for name in way)}):
            return GateState(Switch.OFF)
        way = min(self.ways, key=lambda names: (bool(set(names) - given), -len(given.intersection(names))))
        missing = tuple(name for name in dict.fromkeys((*self.own, *way, *self.shared)) if name not in given)
        return GateState(Switch.INCOMPLETE, missing) if missing else GateState(Switch.ON)


_META = ("META_APP_SECRET", "META_VERIFY_TOKEN")
_OAUTH = ("EMAIL_OAUTH_CLIENT_ID", "EMAIL_OAUTH_CLIENT_SECRET", "EMAIL_OAUTH_REFRESH_TOKEN")
GATES: Mapping[str, Needs] = {
    "telegram": Needs(("TELEGRAM_BOT_TOKEN",)),
    "whatsapp": Needs(("WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_ACCESS_TOKEN"), _META),
    "messenger": Needs(("MESSENGER_PAGE_ID", "MESSENGER_PAGE_ACCESS_TOKEN"), _META),
    "instagram": Needs(("INSTAGRAM_ACCOUNT_ID", "INSTAGRAM_ACCESS_TOKEN"), _META),
    "email": Needs(("EMAIL_ADDRESS",), ways=(("EMAIL_PASSWORD",), _OAUTH)),
    "zoom": Needs(("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET")),
    "calcom": Needs(("CALCOM_API_KEY", "CALCOM_WEBHOOK_SECRET")),
}
_EMAIL_BY_GMAIL = Needs(("EMAIL_ADDRESS",), shared=_OAUTH, ways=(_OAUTH, ("EMAIL_PASSWORD",)))
_SUBSTANCE = Needs(("SUBSTANCE_WEBHOOK_URL", "SUBSTANCE_WEBHOOK_SECRET"))
_PUBLISHED = (
    "PUBLIC_URL NOTIFY_EMAIL META_ GRAPH_ WHATSAPP_ MESSENGER_ INSTAGRAM_ BUSINESS_SUITE_ EMAIL_ GMAIL_ ZOOM_ CALCOM_ "
    "SUBSTANCE_"
).split()
"""Beginnings of the names that only a real deployment sets."""


@dataclass(frozen=True, slots=True)
class Telegram:
    token: SecretStr
    api_base: str
    webhook_secret: SecretStr | None  # None: the one that is made at the first start, and stored

    def settings(self, stored_secret: SecretStr) -> TelegramSettings:
        """What the gate wants; a secret of the environment's wins over the stored one."""
        return TelegramSettings(
            token=self.token, api_base=self.api_base, webhook_secret=self.webhook_secret or stored_secret
        )


@dataclass(frozen=True, slots=True)
class Substance:
    """Where the export goes, besides the file. key: the bytes that sign it."""

    url: str = field(repr=False)  # may hold a secret
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """Gate groups are None when the gate is off. `environment` has the values of the gates without a group here."""

    telegram: Telegram | None
    whatsapp: WhatsAppSettings | None
    substance: Substance | None
    gates: Mapping[str, GateState]
    owner_id: int | None
    desk_chat_id: int | None
    channel_id: str | None
    public_url: str | None
    host: str
    port: int
    data_dir: Path
    secret_keys: tuple[SecretStr, ...]
    language: Literal["ru", "en"]
    timezone: ZoneInfo
    log_level: str
    log_format: Literal["text", "json"]
    metrics_token: SecretStr | None
    notify_email: str | None
    media_hosts: tuple[str, ...]
    environment: Environment = field(repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log's redaction."""
        found: list[str] = []
        for name in Environment.model_fields:
            value = getattr(self.environment, name)
            values = value if isinstance(value, tuple) else (value,)
            found.extend(secret.get_secret_value() for secret in values if isinstance(secret, SecretStr))
        if self.substance is not None:
            found.extend(_secrets_of_address(self.substance.url))
        return tuple(found)


def _secrets_of_address(url: str) -> list[str]:
    """What of a receiver's address may be the key to it: its query, a password, a long path."""
    parts = urlsplit(url)
    values = [value for _, value in parse_qsl(parts.query) if len(value) >= SHORTEST_KEY]
    path = parts.path if len(parts.path) >= LONG_PATH else ""
    return [found for found in (parts.query, parts.password, path, *values) if found]


@dataclass(frozen=True, slots=True)
class Findings:
    """config: None where there are problems. real: something is set that only a real deployment sets."""

    config: Config | None
    gates: Mapping[str, GateState]
    problems: tuple[Problem, ...]
    real: bool
    has_token: bool


def load(environ: Mapping[str, str] | None = None, env_file: str | Path | None = ENV_FILE) -> Config:
    """Read the settings; `environ`: os.environ. Raises SettingsError. The bot token may be missing."""
    found = examine(environ, env_file)
    if found.config is None:
        raise SettingsError(found.problems)
    return found.config


def sandbox_or_run(
    environ: Mapping[str, str] | None = None, env_file: str | Path | None = ENV_FILE
) -> Literal["run", "sandbox"]:
    """What the command `run` does. Raises SettingsError, also where the token has been forgotten."""
    found = examine(environ, env_file)
    problems = list(found.problems)
    if found.real and not found.has_token:
        problems.insert(0, Problem("TELEGRAM_BOT_TOKEN", "the token of @BotFather, as other settings are there"))
    if problems:
        raise SettingsError(problems)
    return "run" if found.has_token else "sandbox"


def examine(environ: Mapping[str, str] | None = None, env_file: str | Path | None = ENV_FILE) -> Findings:
    """Read the settings and say everything about them; raises nothing."""
    problems: list[Problem] = []
    layers = [os.environ if environ is None else environ, _read_env_file(env_file, problems)]
    values: dict[str, str] = {}
    for name in (field_name.upper() for field_name in Environment.model_fields):
        value = _lookup(name, layers, problems)
        if value:
            values[name] = value
    given = frozenset(values) | {problem.name.removesuffix("_FILE") for problem in problems}
    public_url = _public_url(layers, problems) if "PUBLIC_URL" not in given else None
    gates, missing = _gate_states(values, given)
    environment = _validate(values, problems)
    problems += missing
    config = None
    if environment is not None and not problems:
        config = _config(environment, gates, public_url, _data_dir(environment, layers))
    real = public_url is not None or any(name.startswith(tuple(_PUBLISHED)) for name in given)
    return Findings(config, gates, tuple(problems), real, "TELEGRAM_BOT_TOKEN" in given)


def _read_env_file(path: str | Path | None, problems: list[Problem]) -> Mapping[str, str]:
    try:
        source = DotEnvSettingsSource(Environment, env_file=path, env_file_encoding="utf-8-sig", case_sensitive=True)
    except (OSError, UnicodeDecodeError):
        problems.append(Problem(str(path), "a readable file in UTF-8"))
        return {}
    return {name: value for name, value in source.env_vars.items() if value}


def _lookup(name: str, layers: Sequence[Mapping[str, str]], problems: list[Problem]) -> str:
    """The value from the first layer that has the name or its file; "" where none has."""
    for layer in layers:
        value = layer.get(name, "").strip()
        path = layer.get(f"{name}_FILE", "").strip()
        if not value and path:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                problems.append(Problem(f"{name}_FILE", "the path of a readable text file"))
                return ""
        if value:
            return value
    return ""


def _public_url(layers: Sequence[Mapping[str, str]], problems: list[Problem]) -> str | None:
    """The address that the hosting platform says."""
    for name, form in (
        ("RAILWAY_PUBLIC_DOMAIN", "https://{}"),
        ("RENDER_EXTERNAL_URL", "{}"),
        ("FLY_APP_NAME", "https://{}.fly.dev"),
    ):
        value = _lookup(name, layers, problems)
        if value:
            try:
                return origin(form.format(value))
            except ValueError:
                problems.append(Problem(name, f"what makes a plain address as {form.format('...')}"))
                return None
    return None


def _data_dir(environment: Environment, layers: Sequence[Mapping[str, str]]) -> Path:
    return Path(environment.data_dir or _lookup("RAILWAY_VOLUME_MOUNT_PATH", layers, []) or "data")


def _gate_states(values: Mapping[str, str], given: frozenset[str]) -> tuple[Mapping[str, GateState], list[Problem]]:
    gates = {name: need.state(given) for name, need in GATES.items()}
    if values.get("EMAIL_SEND") == "gmail":
        gates["email"] = _EMAIL_BY_GMAIL.state(given)
    missing: dict[str, Problem] = {}
    for gate, state in {**gates, "the export by webhook": _SUBSTANCE.state(given)}.items():
        for name in state.missing:
            missing.setdefault(name, Problem(name, f"a value, as other settings of {gate} are there"))
    if "NOTIFY_EMAIL" in given and gates["email"].switch is Switch.OFF:
        for name in ("EMAIL_ADDRESS", "EMAIL_PASSWORD"):
            missing[name] = Problem(name, "a value, as NOTIFY_EMAIL needs the e-mail gate")
    return gates, list(missing.values())


def _validate(values: Mapping[str, str], problems: list[Problem]) -> Environment | None:
    try:
        return Environment.model_validate({name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        for finding in error.errors(include_url=False, include_input=False):
            problems.append(Problem(str(finding["loc"][0]).upper(), str(finding["ctx"]["error"])))
        return None


def _config(env: Environment, gates: Mapping[str, GateState], platform_url: str | None, data_dir: Path) -> Config:
    return Config(
        telegram=_telegram(env),
        whatsapp=_whatsapp(env) if gates["whatsapp"].switch is Switch.ON else None,
        substance=_substance(env),
        gates=gates,
        owner_id=env.owner_id,
        desk_chat_id=env.desk_chat_id,
        channel_id=env.telegram_channel_id,
        public_url=env.public_url or platform_url,
        host=env.host,
        port=env.port,
        data_dir=data_dir,
        secret_keys=env.secret_key,
        language=env.language,
        timezone=ZoneInfo(env.timezone),
        log_level=env.log_level,
        log_format=env.log_format,
        metrics_token=env.metrics_token,
        notify_email=env.notify_email,
        media_hosts=env.media_hosts,
        environment=env,
    )


def _telegram(env: Environment) -> Telegram | None:
    if env.telegram_bot_token is None:
        return None
    return Telegram(env.telegram_bot_token, env.telegram_api_base, env.telegram_webhook_secret)


def _whatsapp(env: Environment) -> WhatsAppSettings:
    return WhatsAppSettings.model_validate(
        {
            "phone_number_id": env.whatsapp_phone_number_id,
            "access_token": env.whatsapp_access_token,
            "business_account_id": env.whatsapp_business_account_id,
            "app_secret": env.meta_app_secret,
            "verify_token": env.meta_verify_token,
            "graph_api_base": env.graph_api_base,
            "graph_api_version": env.graph_api_version,
            "media_hosts": env.media_hosts,
        }
    )


def _substance(env: Environment) -> Substance | None:
    if env.substance_webhook_url is None or env.substance_webhook_secret is None:
        return None
    return Substance(env.substance_webhook_url, substance_key(env.substance_webhook_secret.get_secret_value()))
