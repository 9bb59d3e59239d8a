"""The Bot API's refusals to the taxonomy of inbox.errors. Data first, one function, no library.

The texts are the server's own: sentences in lower case, codes of the layer below in upper case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inbox.errors import InboxError, Locked, Refused, Throttled, TopicGone, Unreachable

Table = Sequence[tuple[str, str]]

TOPIC_GONE = "topic_gone"
QUOTE_INVALID = "QUOTE_TEXT_INVALID"
FILE_UNAVAILABLE = "unavailable"
"""Code of the one sentence that means both a wrong file id and a file that Telegram cannot reach just now: for a send
it is a refusal, for a download a reason to try again."""

NO_ROUTE = "no_route"
"""Code of our own: the Business connection is known to be switched off, or not to allow replies."""

BAD_REQUEST: Table = (
    ("message is not modified", "unchanged"),
    ("topic_not_modified", "unchanged"),
    ("message_not_modified", "unchanged"),
    ("message thread not found", TOPIC_GONE),
    ("topic_", TOPIC_GONE),
    ("message to be replied not found", "not_found"),
    ("message to edit not found", "not_found"),
    ("message to delete not found", "not_found"),
    ("message to react not found", "not_found"),
    ("message to pin not found", "not_found"),
    ("message to copy not found", "not_found"),
    ("message not found", "not_found"),
    ("message_id_invalid", "not_found"),
    ("message can't be edited", "too_old"),
    ("message can't be deleted", "too_old"),
    ("message_edit_time_expired", "too_old"),
    ("message_delete_forbidden", "too_old"),
    ("query is too old", "too_old"),
    ("business_", "window"),
    ("business connection", "window"),
    ("voice_messages_forbidden", "not_allowed"),
    ("reaction_invalid", "not_allowed"),
    ("_forbidden", "not_allowed"),
    ("not enough rights", "not_allowed"),
    ("have no rights", "not_allowed"),
    ("need administrator rights", "not_allowed"),
    ("file is too big", "too_big"),
    ("too large", "too_big"),
    ("wrong file", "bad_media"),
    ("wrong remote file", "bad_media"),
    ("wrong type of the web page content", "bad_media"),
    ("wrong type of file", "bad_media"),
    ("failed to get http url content", "bad_media"),
    ("can't use file of type", "bad_media"),
    ("type of file mismatch", "bad_media"),
    ("file must be non-empty", "bad_media"),
    ("photo_", "bad_media"),
    ("image_process_failed", "bad_media"),
    ("media_", "bad_media"),
    ("webpage_media_empty", "bad_media"),
    ("invalid file", "bad_media"),
    ("file_reference", "bad_media"),
    ("file_part", "bad_media"),
    ("sticker_", "bad_media"),
    ("video_", "bad_media"),
    ("user_is_blocked", "blocked"),
    ("chat not found", "unreachable"),
    ("user not found", "unreachable"),
    ("peer_id_invalid", "unreachable"),
    ("user_is_deactivated", "unreachable"),
    ("input_user_deactivated", "unreachable"),
    ("payment_required", "payment"),
    ("stars", "payment"),
    ("message is too long", "invalid"),
    ("caption is too long", "invalid"),
    ("message text is empty", "invalid"),
    ("can't parse entities", "invalid"),
    ("quote_text_invalid", "invalid"),
    ("reply markup is too long", "invalid"),
    ("button_", "invalid"),
)
"""What a 400 says -> reason; the first that fits."""

FORBIDDEN: Table = (
    ("blocked", "blocked"),
    ("payment_required", "payment"),
    ("premium_required", "not_allowed"),
    ("not enough rights", "not_allowed"),
    ("have no rights", "not_allowed"),
    ("", "unreachable"),  # deactivated, kicked, no member, never wrote to the bot
)

_CODE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_RETRY_AFTER = re.compile(r"retry after (\d{1,9})")
_DEFAULT_WAIT = 5.0


def refusal(
    status: int, description: str, *, retry_after: float | None = None, migrate_to: int | None = None
) -> InboxError:
    """The error that an answer of Telegram's own means. status: `error_code`. `code` keeps Telegram's word for it."""
    text = description.lower()
    code = _code(status, description)
    if status == 429 or retry_after is not None:
        return Throttled(_wait(text) if retry_after is None else retry_after, code="429")
    if migrate_to is not None:
        return Refused("migrated", code=code, detail=str(migrate_to))
    if status in (401, 404):
        return Locked("token", code=code)
    if status == 403:
        return Refused(_reason(FORBIDDEN, text), code=code)
    if status == 413:
        return Refused("too_big", code=code)
    if status == 409 or status >= 500:
        return Unreachable("conflict" if status == 409 else "temporary", code=code)
    reason = _reason(BAD_REQUEST, text)
    return TopicGone(code=code) if reason == TOPIC_GONE else Refused(reason, code=code)


def _code(status: int, description: str) -> str:
    if "temporarily unavailable" in description:
        return FILE_UNAVAILABLE
    return match[0] if (match := _CODE.search(description)) else str(status)


def _reason(table: Table, text: str) -> str:
    return next((reason for words, reason in table if words in text), "unknown")


def _wait(text: str) -> float:
    return float(match[1]) if (match := _RETRY_AFTER.search(text)) else _DEFAULT_WAIT
