"""What Newgate's error answers mean: the table, and the one place that reads an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from gates.http import Answer
from inbox.errors import InboxError, Locked, Refused, Throttled, Uncertain

TABLE: Mapping[str, Callable[[str], InboxError]] = {
    "invalid_token": lambda code: Locked("token", code=code),
    "rate_limit": lambda code: Throttled(30, code=code),
    "window_closed": lambda code: Refused("window", code=code),
    "blocked": lambda code: Refused("blocked", code=code),
    "no_such_user": lambda code: Refused("unreachable", code=code),
}


def read(answer: Answer) -> dict[str, Any]:
    """The object of a good answer; else raises what it means.

    Only the network's own error body, or a 4xx, says that nothing was taken; any other answer leaves that open.
    """
    body = _object(answer.body)
    error = body.get("error") if body else None
    if isinstance(error, str):
        raise TABLE[error](error) if error in TABLE else Refused("unknown", code=error)
    if 200 <= answer.status < 300 and body is not None:
        return body
    code = f"http{answer.status}"
    if answer.status == 401:
        raise Locked("token", code=code)
    if answer.status == 429:
        raise Throttled(30, everyone=True, code=code)
    if 400 <= answer.status < 500:
        raise Refused("invalid", code=code)
    raise Uncertain("answer", code=code)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
