"""What a Bot API method may be asked: its parameters, their types, and how a request body becomes them.

A parameter that the method does not have is refused (the real server ignores it), so that a typo is seen.
Deprecated parameters, `parse_mode` and whatever belongs to inline or ephemeral messages are left out on purpose:
a bot that needs one of them depends on something that this fake does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Body = dict[str, Any]


class Refusal(Exception):
    """An error answer of the Bot API: HTTP status and `error_code`, description, `parameters`."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> Body:
        body: Body = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            body["parameters"] = dict(self.parameters)
        return body


def bad(text: str) -> Refusal:
    return Refusal(400, f"Bad Request: {text}")


def forbidden(text: str) -> Refusal:
    return Refusal(403, f"Forbidden: {text}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came as a part of a multipart request."""

    name: str
    data: bytes


@dataclass(slots=True)
class Request:
    """A decoded call: parameters by name with their own types, files by the name of their part."""

    method: str
    values: Body
    uploads: dict[str, Upload] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    def logged(self) -> Body:
        """The parameters without the bytes of files."""
        logged = dict(self.values)
        if self.uploads:
            logged["_files"] = {part: {"name": u.name, "size": len(u.data)} for part, u in self.uploads.items()}
        return logged


_TARGET = "!chat_id business_connection_id message_thread_id"
_OPTIONS = (
    "disable_notification protect_content allow_paid_broadcast message_effect_id reply_parameters reply_markup "
    "direct_messages_topic_id suggested_post_parameters"
)
_CAPTION = "caption caption_entities"
_EDIT = "!chat_id !message_id business_connection_id reply_markup"
_CARRY = "!chat_id !from_chat_id message_thread_id disable_notification protect_content direct_messages_topic_id"

_DECLARED = {
    "getMe": "",
    "setWebhook": "!url ip_address max_connections allowed_updates drop_pending_updates secret_token",
    "deleteWebhook": "drop_pending_updates",
    "getWebhookInfo": "",
    "getUpdates": "offset limit timeout allowed_updates",
    "sendMessage": f"{_TARGET} !text entities link_preview_options {_OPTIONS}",
    "sendPhoto": f"{_TARGET} !photo {_CAPTION} show_caption_above_media has_spoiler {_OPTIONS}",
    "sendVideo": f"{_TARGET} !video duration width height thumbnail cover start_timestamp {_CAPTION} "
    f"show_caption_above_media has_spoiler supports_streaming {_OPTIONS}",
    "sendAnimation": f"{_TARGET} !animation duration width height thumbnail {_CAPTION} "
    f"show_caption_above_media has_spoiler {_OPTIONS}",
    "sendAudio": f"{_TARGET} !audio {_CAPTION} duration performer title thumbnail {_OPTIONS}",
    "sendVoice": f"{_TARGET} !voice {_CAPTION} duration {_OPTIONS}",
    "sendVideoNote": f"{_TARGET} !video_note duration length thumbnail {_OPTIONS}",
    "sendDocument": f"{_TARGET} !document thumbnail {_CAPTION} disable_content_type_detection {_OPTIONS}",
    "sendSticker": f"{_TARGET} !sticker emoji {_OPTIONS}",
    "sendLocation": f"{_TARGET} !latitude !longitude horizontal_accuracy live_period heading "
    f"proximity_alert_radius {_OPTIONS}",
    "sendVenue": f"{_TARGET} !latitude !longitude !title !address foursquare_id foursquare_type google_place_id "
    f"google_place_type {_OPTIONS}",
    "sendContact": f"{_TARGET} !phone_number !first_name last_name vcard {_OPTIONS}",
    "sendDice": f"{_TARGET} emoji {_OPTIONS}",
    "sendPoll": f"{_TARGET} !question !options question_entities is_anonymous type allows_multiple_answers "
    f"allows_revoting correct_option_ids explanation explanation_entities open_period close_date is_closed {_OPTIONS}",
    "sendMediaGroup": f"{_TARGET} !media disable_notification protect_content allow_paid_broadcast message_effect_id "
    "reply_parameters direct_messages_topic_id",
    "copyMessage": f"{_CARRY} !message_id video_start_timestamp {_CAPTION} show_caption_above_media "
    "allow_paid_broadcast message_effect_id reply_parameters reply_markup suggested_post_parameters",
    "copyMessages": f"{_CARRY} !message_ids remove_caption",
    "forwardMessage": f"{_CARRY} !message_id video_start_timestamp message_effect_id suggested_post_parameters",
    "editMessageText": f"{_EDIT} !text entities link_preview_options",
    "editMessageCaption": f"{_EDIT} {_CAPTION} show_caption_above_media",
    "editMessageMedia": f"{_EDIT} !media",
    "editMessageReplyMarkup": _EDIT,
    "deleteMessage": "!chat_id !message_id",
    "deleteMessages": "!chat_id !message_ids",
    "deleteBusinessMessages": "!business_connection_id !message_ids",
    "readBusinessMessage": "!business_connection_id !chat_id !message_id",
    "getBusinessConnection": "!business_connection_id",
    "setMessageReaction": "!chat_id !message_id reaction is_big",
    "pinChatMessage": "!chat_id !message_id business_connection_id disable_notification",
    "unpinChatMessage": "!chat_id message_id business_connection_id",
    "createForumTopic": "!chat_id !name icon_color icon_custom_emoji_id",
    "editForumTopic": "!chat_id !message_thread_id name icon_custom_emoji_id",
    "deleteForumTopic": "!chat_id !message_thread_id",
    "closeForumTopic": "!chat_id !message_thread_id",
    "reopenForumTopic": "!chat_id !message_thread_id",
    "getForumTopicIconStickers": "",
    "sendChatAction": f"{_TARGET} !action",
    "answerCallbackQuery": "!callback_query_id text show_alert url cache_time",
    "setMyCommands": "!commands scope language_code",
    "getMyCommands": "scope language_code",
    "deleteMyCommands": "scope language_code",
    "setChatMenuButton": "chat_id menu_button",
    "getChatMenuButton": "chat_id",
    "setMyDescription": "description language_code",
    "getMyDescription": "language_code",
    "setMyShortDescription": "short_description language_code",
    "getMyShortDescription": "language_code",
    "getChat": "!chat_id",
    "getChatMember": "!chat_id !user_id",
    "getFile": "!file_id",
}

PARAMETERS: dict[str, frozenset[str]] = {
    method: frozenset(name.lstrip("!") for name in names.split()) for method, names in _DECLARED.items()
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    method: tuple(name[1:] for name in names.split() if name.startswith("!")) for method, names in _DECLARED.items()
}

_INTEGERS = frozenset(
    "message_thread_id message_id user_id offset limit timeout max_connections duration width height length "
    "start_timestamp video_start_timestamp live_period heading proximity_alert_radius open_period close_date "
    "icon_color cache_time direct_messages_topic_id".split()
)
_FLOATS = frozenset("latitude longitude horizontal_accuracy".split())
_FLAGS = frozenset(
    "drop_pending_updates disable_notification protect_content allow_paid_broadcast show_caption_above_media "
    "has_spoiler supports_streaming disable_content_type_detection is_anonymous allows_multiple_answers "
    "allows_revoting is_closed remove_caption is_big show_alert".split()
)
_OBJECTS: dict[str, type] = {
    "reply_parameters": dict,
    "reply_markup": dict,
    "link_preview_options": dict,
    "suggested_post_parameters": dict,
    "scope": dict,
    "menu_button": dict,
    **dict.fromkeys(
        "allowed_updates entities caption_entities question_entities explanation_entities options "
        "correct_option_ids message_ids reaction commands".split(),
        list,
    ),
}


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise bad(f"parameter {name} must be an integer")
    try:
        return int(value)
    except ValueError:
        raise bad(f"parameter {name} must be an integer") from None


def _flag(name: str, value: Any) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    text = str(value).lower()
    if text not in known:
        raise bad(f"parameter {name} must be a boolean")
    return known[text]


def _object(name: str, value: Any, kind: type) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise bad(f"can't parse {name} JSON object") from None
    if not isinstance(value, kind):
        raise bad(f"object expected as {name}" if kind is dict else f"array expected as {name}")
    return value


def _chat_id(name: str, value: Any) -> int | str:
    if isinstance(value, str) and value.startswith("@"):
        return value
    return _integer(name, value)


def _typed(method: str, name: str, value: Any) -> Any:
    if name in ("chat_id", "from_chat_id"):
        return _chat_id(name, value)
    if name in _INTEGERS:
        return _integer(name, value)
    if name in _FLAGS:
        return _flag(name, value)
    if name in _OBJECTS:
        return _object(name, value, _OBJECTS[name])
    if name == "media":
        return _object(name, value, list if method == "sendMediaGroup" else dict)
    if name in _FLOATS:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise bad(f"parameter {name} must be a number") from None
    if not isinstance(value, str):
        raise bad(f"parameter {name} must be a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise bad("strings must be encoded in UTF-8")
    return value


_MISSING = {
    "text": "message text is empty",
    "chat_id": "chat_id is empty",
    "message_id": "message identifier is not specified",
}


def checked(request: Request) -> Request:
    """The call with typed values. Raises Refusal for an unknown, missing or badly typed parameter."""
    known = PARAMETERS[request.method]
    values: Body = {}
    for name, value in request.values.items():
        if name not in known:
            raise bad(f"unknown parameter {name} of {request.method}")
        if value is not None:
            values[name] = _typed(request.method, name, value)
    for name in _REQUIRED[request.method]:
        if name not in values:
            raise bad(_MISSING.get(name, f"parameter {name} is required"))
    return Request(request.method, values, request.uploads)


async def decoded(method: str, http: web.Request) -> Request:
    """Query, JSON, urlencoded and multipart bodies alike, values as they came; a file sits in the part of its name."""
    request = Request(method, dict(http.query))
    if http.content_type == "application/json":
        try:
            body = json.loads(await http.text() or "{}")
        except ValueError:
            raise bad("can't parse JSON object") from None
        if not isinstance(body, dict):
            raise bad("object expected")
        request.values.update(body)
        return request
    for name, value in (await http.post()).items():
        if isinstance(value, web.FileField):
            request.uploads[name] = Upload(value.filename, value.file.read())
            value.file.close()
            if name in PARAMETERS.get(method, ()):
                request.values[name] = f"attach://{name}"
        else:
            request.values[name] = value if isinstance(value, str) else bytes(value).decode()
    return request
