"""Every way in which something may fail, on one screen.

`code` is the provider's own code where there is one: it is shown to the owner in grey and kept with the row.
"""

from __future__ import annotations

from typing import ClassVar

ACCEPTED = "accepted"  # what a counter calls a call that did not fail


class InboxError(Exception):
    """Base. `name` is what is stored with a delivery, as "name:reason:code"."""

    name: ClassVar[str] = "error"

    def __init__(self, reason: str = "", *, code: str = "", detail: str = "") -> None:
        super().__init__(f"{self.name} {reason} {code}".strip())
        self.reason = reason
        self.code = code
        self.detail = detail  # for the log at debug level; never text of a message, never a secret

    def stored(self) -> str:
        return f"{self.name}:{self.reason}:{self.code}"


def outcome(error: Exception) -> str:
    """What a counter calls a call that ended so: one of the names below, or "broken" where the fault is ours."""
    if isinstance(error, InboxError):
        return error.name
    return Uncertain.name if isinstance(error, TimeoutError) else "broken"


class Unverified(InboxError):
    """Inbound: signature or secret wrong. 401, nothing stored."""

    name = "unverified"


class Unreadable(InboxError):
    """Inbound: signed, but not understood or not for our account. Kept raw as quarantined; `reason` is its shape."""

    name = "unreadable"


class StorageDown(InboxError):
    """The disk does not take it, or the queue to it is full. 503 with Retry-After."""

    name = "storage"


class Refused(InboxError):
    """Outbound: the network said no, for good.

    reason: window, blocked, unreachable, too_big, bad_media, kind, not_found, too_old, unchanged, not_allowed,
    payment, parameter, ecosystem, unsupported, invalid, unknown.
    """

    name = "refused"


class Throttled(InboxError):
    """Outbound: surely not taken; later. `retry_after`: seconds. `everyone`: the whole account waits."""

    name = "throttled"

    def __init__(self, retry_after: float, *, everyone: bool = False, code: str = "") -> None:
        super().__init__("later", code=code)
        self.retry_after = retry_after
        self.everyone = everyone


class Unreachable(InboxError):
    """Outbound: certainly not taken (no connection, a temporary error in the network's own words)."""

    name = "unreachable"


class Uncertain(InboxError):
    """Outbound: the request may have left, and no answer says what became of it. Left to the owner."""

    name = "uncertain"


class Locked(InboxError):
    """Outbound: token dead, account restricted. The gate pauses; what waits keeps waiting."""

    name = "locked"


class TopicGone(InboxError):
    """Desk: the thread does not exist (any more)."""

    name = "topic_gone"
