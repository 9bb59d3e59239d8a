"""Reading of untrusted JSON: a wrong type is the same as an absent field, unless the field is needed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from inbox.errors import Unreadable

Json = Mapping[str, Any]

_MAX = 2**63
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def obj(of: Json, key: str) -> Json | None:
    value = of.get(key)
    return value if isinstance(value, dict) else None


def objects(of: Json, key: str) -> list[Json]:
    value = of.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def integers(of: Json, key: str) -> list[int]:
    value = of.get(key)
    return [item for item in value if _is_integer(item)] if isinstance(value, list) else []


def integer(of: Json, key: str) -> int | None:
    """Only what 64 bits hold: the database takes no more."""
    value = of.get(key)
    return value if _is_integer(value) else None


def real(of: Json, key: str) -> float | None:
    value = of.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX < value < _MAX:
        return None
    return float(value) if math.isfinite(value) else None


def word(of: Json, key: str) -> str | None:
    """A string that is sure to encode: JSON may hold half of a surrogate pair, a database and the export may not."""
    value = of.get(key)
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else None


def need_obj(of: Json, key: str, where: str) -> Json:
    value = obj(of, key)
    if value is None:
        raise Unreadable(f"{where}.{key}")
    return value


def need_integer(of: Json, key: str, where: str) -> int:
    value = integer(of, key)
    if value is None:
        raise Unreadable(f"{where}.{key}")
    return value


def need_word(of: Json, key: str, where: str) -> str:
    value = word(of, key)
    if not value:
        raise Unreadable(f"{where}.{key}")
    return value


def need_moment(of: Json, key: str, where: str) -> datetime:
    """Unix seconds to an aware moment."""
    seconds = need_integer(of, key, where)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unreadable(f"{where}.{key}") from None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_MAX <= value < _MAX
