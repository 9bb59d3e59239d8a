"""Reading JSON that somebody else wrote: a value of the wrong kind is simply not there."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from inbox.errors import Unreadable

_LONE = re.compile(r"[\ud800-\udfff]")


def parse(body: bytes) -> Any:
    """Read JSON. Raises Unreadable("not_json"), for a nesting that is too deep as well."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not_json") from None


def obj(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """A string without halves of a cut emoji and without NUL: neither a database nor a chat takes them."""
    return _LONE.sub("\ufffd", value).replace("\0", "") if isinstance(value, str) else ""


def label(value: object) -> str:
    """A string or a number as a string: ids come as either."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else ""
    return text(value)


def whole(value: object) -> int | None:
    """A whole number that is not negative, as a number or as its digits."""
    digits = label(value)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 15 else None


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 10**15 else None


def moment(value: object, fallback: datetime) -> datetime:
    """Unix seconds, as a number or in a string. Anything else: `fallback`."""
    seconds = whole(value)
    try:
        return fallback if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return fallback
