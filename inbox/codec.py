"""Frozen dataclasses to JSON and back: what a row keeps of a Part, a Notice or a fact that came too early.

A union of dataclasses is told apart by the key "is". Empty defaults are left out, so rows and fixtures stay short.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_AS_THEY_ARE = frozenset({str, int, float, bool, type(None)})


def plain(value: object) -> Any:
    """Turn a value into what `json.dumps` takes. A dataclass becomes an object with its name under "is"."""
    if type(value) in _AS_THEY_ARE:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out: dict[str, Any] = {"is": type(value).__name__}
        for f in dataclasses.fields(value):
            item = getattr(value, f.name)
            if not _is_default(f, item):
                out[f.name] = plain(item)
        return out
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [plain(v) for v in value]
    return value


def dump(value: object) -> str:
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def load(cls: type[T], text: str) -> T:
    """The reverse of `dump`. Raises ValueError, TypeError or KeyError on what `dump` cannot have written."""
    value: T = build(cls, json.loads(text))
    return value


def build(hint: Any, value: Any) -> Any:
    """Turn parsed JSON into a value of the type `hint`."""
    if hint is Any or value is None:
        return value
    hint = getattr(hint, "__supertype__", hint)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _build_union(get_args(hint), value)
    if origin is tuple:
        return tuple(build(get_args(hint)[0], v) for v in value)
    if origin is not None and issubclass(origin, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(hint):
        return _build_dataclass(hint, value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if hint is float and isinstance(value, int):
        return float(value)
    return value


def _build_dataclass(cls: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"no object for {cls.__name__}")
    if value.get("is", cls.__name__) != cls.__name__:
        raise ValueError(f"{value['is']} for {cls.__name__}")
    hints = _hints(cls)
    return cls(**{k: build(hints[k], v) for k, v in value.items() if k != "is"})


def _build_union(options: tuple[Any, ...], value: Any) -> Any:
    if isinstance(value, dict) and "is" in value:
        for option in options:
            if getattr(option, "__name__", None) == value["is"]:
                return build(option, value)
        raise ValueError(f"no {value['is']} here")
    for option in options:
        if option is not type(None):
            return build(option, value)
    return value


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(field.default == value)
    if field.default_factory is not dataclasses.MISSING:
        return bool(field.default_factory() == value)
    return False
