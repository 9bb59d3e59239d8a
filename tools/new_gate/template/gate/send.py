"""What is sent: the body of a message. Pure; the call is the gate's."""

from __future__ import annotations

from typing import Any

from inbox.gate import Outgoing


def message(out: Outgoing, photo: str | None = None) -> dict[str, Any]:
    """`photo`: the id of an uploaded file. The token comes back in statuses, which settles a lost answer."""
    body: dict[str, Any] = {"to": out.to.user, "text": out.text.plain, "token": out.token}
    if out.reply_to is not None:
        body["reply_to"] = out.reply_to
    if photo is not None:
        body["photo"] = photo
    return body
