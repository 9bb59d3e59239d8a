"""The log: to stderr, as text or JSON, ours and the libraries' through one redaction.

Nothing that a client wrote and no secret gets out: values under telling keys are hidden whole, and what looks like a
secret, or is one of the settings', is cut out of every text, tracebacks included.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"

_WORDS = "text body caption quote plain content payload raw name first_name last_name username handle title"
_PEOPLE = "phone phones number wa_id msisdn recipient to from email emails address"
_KEYS = frozenset(f"{_WORDS} {_PEOPLE} authorization cookie".split())
_TELLING = re.compile(r"token|secret|password|signature|api_?key|_phone|phone_", re.IGNORECASE)
_SHAPES = re.compile(
    r"""
      (?P<bot>/(?:file/)?bot)[0-9]+:[^/\s"'?]+           # a token in an address of the Bot API, however short
    | (?<![0-9])[0-9]{6,}:[A-Za-z0-9_-]{30,}             # a bot token anywhere
    | (?P<auth>\b(?:Bearer|Basic)\s+)(?!\[hidden\])[^\s"',;]+
    | (?P<pair>["']?\b[\w.]{0,40}(?:token|secret|password|appsecret_proof|api_key|hub\.challenge)["']?\s*[=:]\s*["']?)
      (?!\[hidden\])[^\s"'&,;})\]]+
    | \bwhsec_[A-Za-z0-9+/=]+
    | (?P<media>/media/)[A-Za-z0-9_-]{16,}
    | (?<![\w+])\+[0-9]{8,15}(?![0-9])                   # a telephone number
    """,
    re.VERBOSE | re.IGNORECASE,
)


def _hide(found: re.Match[str]) -> str:
    """What names the secret stays, the secret goes."""
    return next((kept for kept in found.groups() if kept), "") + HIDDEN


def _forms(secret: str) -> set[str]:
    """As it is, and as reprs, JSON and addresses write it."""
    forms = {secret, repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1]}
    return forms | {json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="", errors="surrogatepass")}


class Redactor:
    """Cuts secrets out of whatever is logged. `add`: a secret that came after the start."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        self._secrets.update(form for secret in secrets if secret for form in _forms(secret))
        if self._secrets:
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._known = re.compile("|".join(re.escape(secret) for secret in longest_first))

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _SHAPES.sub(_hide, text)

    def value(self, value: Any) -> Any:
        """The same value for numbers and the like; texts, lists and mappings without secrets; else its repr so."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            return HIDDEN
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.pair(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        return self.text(repr(value))

    def pair(self, key: str, value: Any) -> Any:
        if key.lower() in _KEYS or _TELLING.search(key):
            return HIDDEN
        return self.value(value)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: self.pair(key, value) for key, value in event.items()}


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        """logging would print the message and its arguments as they are, past the redaction."""
        self.stream.write(f"a log line of {record.name} ({record.filename}:{record.lineno}) could not be written\n")


def configure(level: str, format: Literal["text", "json"], secrets: Iterable[str]) -> Redactor:
    """Attach everything that logs in this process to stderr. The redactor takes secrets that come later."""
    redactor = Redactor(secrets)
    added: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *added,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *added],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redactor,
                *_renderer(format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]  # any other would write past the redaction
    root.setLevel(level)
    # One line a request says nothing that the counters do not, and has addresses in it.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    # At debug it writes every call with its arguments: whole bodies, with the words and numbers of clients.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    return redactor


def _renderer(format: Literal["text", "json"]) -> list[Processor]:
    if format == "json":
        return [structlog.processors.EventRenamer("msg"), structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), timestamp_key="ts", exception_formatter=structlog.dev.plain_traceback
        )
    ]
