"""What the WhatsApp Cloud API takes in POST /messages, and how it refuses the rest.

131008: something is missing; 131009: a value is wrong or beyond a limit; 100: an unknown key, a wrong type, an
unknown media id; 132xxx: templates. Unknown keys are refused on every level, so that a typo is seen.
Lengths are counted in code points: the documents say "characters" and no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.meta_errors import GraphError
from sandbox.meta_templates import check_template

TEXT, CAPTION, FILE_NAME, OPAQUE = 4096, 1024, 240, 512
BODY, HEADER, FOOTER, LABEL = 1024, 60, 60, 20
CONTACTS, BUTTONS, SECTIONS, ROWS = 257, 3, 10, 10
BUTTON_ID, ROW_ID, ROW_TITLE, ROW_TEXT = 256, 200, 24, 72

NUMBER = re.compile(r"\+?[0-9]{5,20}")
BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_EMOJI = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff]")
_ENVELOPE = {
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
    "recipient_identity_key_hash",
}
_CONTACT_KEYS = {
    "addresses": {"street", "city", "state", "zip", "country", "country_code", "type"},
    "emails": {"email", "type"},
    "phones": {"phone", "type", "wa_id"},
    "urls": {"url", "type"},
}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the rules must know of the account: uploaded media, messages of the recipient's chat, templates."""

    uploaded: Callable[[str], bool]
    in_chat: Callable[[str], bool]
    template: Callable[[str, str], Json | None]


def check_send(body: Json, known: Lookups) -> None:
    """Raises GraphError for a message that the API would not take. The recipient itself is checked before."""
    kind = text(body, "type", "message", 64)
    check = _KINDS.get(kind)
    if check is None:
        raise GraphError(131009, f"Param type must be one of {sorted(_KINDS)}.")
    only(body, _ENVELOPE | {kind}, "message")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(131009, "This number takes part in no group: recipient_type must be individual.")
    text(body, "biz_opaque_callback_data", "message", OPAQUE, required=False)
    text(body, "recipient_identity_key_hash", "message", 256, required=False)
    if "context" in body:
        context = an_object(body, "context", "message")
        only(context, {"message_id"}, "context")
        text(context, "message_id", "context", 512)
    if kind == "contacts":
        _check_contacts(body)
    else:
        check(an_object(body, kind, "message"), known)


def check_read(body: Json) -> str:
    """A read mark, with or without the typing indicator: the id of the message read."""
    only(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "message")
    if body["status"] != "read":
        raise GraphError(131009, "Param status must be read.")
    if "typing_indicator" in body:
        typing = an_object(body, "typing_indicator", "message")
        only(typing, {"type"}, "typing_indicator")
        one_of(typing, "type", "typing_indicator", {"text"})
    return text(body, "message_id", "message", 512)


def only(obj: Json, allowed: set[str], where: str) -> None:
    if not isinstance(obj, dict):
        raise GraphError(100, f"Parameter '{where}' must be a JSON object.")
    for key in obj:
        if key not in allowed:
            raise GraphError(100, f'Unexpected key "{key}" on param "{where}".')


def an_object(obj: Json, key: str, where: str) -> Json:
    value = obj.get(key)
    if value is None:
        raise GraphError(131008, f"Parameter '{key}' of {where} is required.")
    if not isinstance(value, dict):
        raise GraphError(100, f"Parameter '{key}' of {where} must be a JSON object.")
    return value


def a_list(obj: Json, key: str, where: str, most: int) -> list[Any]:
    value = obj.get(key)
    if value is None:
        raise GraphError(131008, f"Parameter '{key}' of {where} is required.")
    if not isinstance(value, list):
        raise GraphError(100, f"Parameter '{key}' of {where} must be an array.")
    if not 1 <= len(value) <= most:
        raise GraphError(131009, f"Number of {where}['{key}'] must be between 1 and {most}.")
    return value


def optional_list(obj: Json, key: str) -> list[Any]:
    value = obj.get(key, [])
    if not isinstance(value, list):
        raise GraphError(100, f"Parameter '{key}' must be an array.")
    return value


def text(obj: Json, key: str, where: str, most: int, *, least: int = 1, required: bool = True) -> str:
    value = obj.get(key)
    if value is None:
        if key in obj or required:
            raise GraphError(131008, f"Parameter '{key}' of {where} is required.")
        return ""
    if not isinstance(value, str):
        raise GraphError(100, f"Parameter '{key}' of {where} must be a string.")
    if not least <= len(value) <= most:
        raise GraphError(131009, f"{where}['{key}'] length invalid. Min length: {least}, Max length: {most}")
    return value


def one_of(obj: Json, key: str, where: str, allowed: set[str]) -> str:
    value = text(obj, key, where, 64)
    if value not in allowed:
        raise GraphError(131009, f"{where}['{key}'] must be one of {sorted(allowed)}.")
    return value


def flag(obj: Json, key: str, where: str) -> None:
    if key in obj and not isinstance(obj[key], bool):
        raise GraphError(100, f"Parameter '{key}' of {where} must be a boolean.")


def media(obj: Json, where: str, known: Lookups) -> None:
    """`id` of an upload, or `link`; exactly one of them."""
    if ("id" in obj) == ("link" in obj):
        raise GraphError(131008, f"Either id or link of {where} is required, not both.")
    if "link" in obj:
        link = urlsplit(text(obj, "link", where, 2048))
        if link.scheme != "https" or not link.hostname:
            raise GraphError(131009, f"{where}['link'] must be a public HTTPS address.")
    elif not known.uploaded(text(obj, "id", where, 64)):
        raise GraphError(100, f"{where}['id'] is not a media id of this number.")


def _check_text(obj: Json, known: Lookups) -> None:
    only(obj, {"body", "preview_url"}, "text")
    text(obj, "body", "text", TEXT)
    flag(obj, "preview_url", "text")


def _check_captioned(where: str) -> Callable[[Json, Lookups], None]:
    def check(obj: Json, known: Lookups) -> None:
        only(obj, {"id", "link", "caption"}, where)
        media(obj, where, known)
        text(obj, "caption", where, CAPTION, least=0, required=False)

    return check


def _check_document(obj: Json, known: Lookups) -> None:
    only(obj, {"id", "link", "caption", "filename"}, "document")
    media(obj, "document", known)
    text(obj, "caption", "document", CAPTION, least=0, required=False)
    text(obj, "filename", "document", FILE_NAME, required=False)


def _check_audio(obj: Json, known: Lookups) -> None:
    only(obj, {"id", "link", "voice"}, "audio")
    media(obj, "audio", known)
    flag(obj, "voice", "audio")


def _check_sticker(obj: Json, known: Lookups) -> None:
    only(obj, {"id", "link"}, "sticker")
    media(obj, "sticker", known)


def _check_location(obj: Json, known: Lookups) -> None:
    only(obj, {"latitude", "longitude", "name", "address"}, "location")
    for key, most in (("latitude", 90), ("longitude", 180)):
        value = obj.get(key)
        if value is None:
            raise GraphError(131008, f"Parameter '{key}' of location is required.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise GraphError(100, f"Parameter '{key}' of location must be a number.")
        if abs(value) > most:
            raise GraphError(131009, f"location['{key}'] is out of range.")
    text(obj, "name", "location", 1000, required=False)
    text(obj, "address", "location", 1000, required=False)


def _check_contacts(body: Json) -> None:
    for contact in a_list(body, "contacts", "message", CONTACTS):
        if not isinstance(contact, dict):
            raise GraphError(100, "Parameter 'contacts' must be an array of JSON objects.")
        only(contact, {"name", "org", "birthday", *_CONTACT_KEYS}, "contacts")
        name = an_object(contact, "name", "contacts")
        only(
            name,
            {"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"},
            "name",
        )
        text(name, "formatted_name", "name", 1024)
        for key, allowed in _CONTACT_KEYS.items():
            for item in optional_list(contact, key):
                only(item, allowed, key)
        only(contact.get("org", {}), {"company", "department", "title"}, "org")


def _check_reaction(obj: Json, known: Lookups) -> None:
    only(obj, {"message_id", "emoji"}, "reaction")
    if not known.in_chat(text(obj, "message_id", "reaction", 512)):
        raise GraphError(131009, "reaction['message_id'] is not a message of this chat.")
    emoji = text(obj, "emoji", "reaction", 32, least=0)
    if re.search(r"\s|[A-Za-z]", emoji) or (emoji and emoji.isascii()):
        raise GraphError(131009, "reaction['emoji'] must be one emoji or an empty string.")


def _check_interactive(obj: Json, known: Lookups) -> None:
    only(obj, {"type", "header", "body", "footer", "action"}, "interactive")
    kind = one_of(obj, "type", "interactive", set(_ACTIONS))
    if "header" in obj:
        _check_header(an_object(obj, "header", "interactive"), known)
    body = an_object(obj, "body", "interactive")
    only(body, {"text"}, "body")
    text(body, "text", "body", BODY)
    if "footer" in obj:
        footer = an_object(obj, "footer", "interactive")
        only(footer, {"text"}, "footer")
        text(footer, "text", "footer", FOOTER)
    _ACTIONS[kind](an_object(obj, "action", "interactive"))


def _check_header(header: Json, known: Lookups) -> None:
    kind = one_of(header, "type", "header", {"text", "image", "video", "document"})
    only(header, {"type", kind}, "header")
    if kind == "text":
        text(header, "text", "header", HEADER)
    else:
        file = an_object(header, kind, "header")
        only(file, {"id", "link", "filename"} if kind == "document" else {"id", "link"}, kind)
        media(file, kind, known)


def _check_buttons(action: Json) -> None:
    only(action, {"buttons"}, "action")
    for button in a_list(action, "buttons", "action", BUTTONS):
        only(button, {"type", "reply"}, "buttons")
        one_of(button, "type", "buttons", {"reply"})
        reply = an_object(button, "reply", "buttons")
        only(reply, {"id", "title"}, "reply")
        text(reply, "id", "reply", BUTTON_ID)
        text(reply, "title", "reply", LABEL)


def _check_list(action: Json) -> None:
    only(action, {"button", "sections"}, "action")
    text(action, "button", "action", LABEL)
    rows = 0
    for section in a_list(action, "sections", "action", SECTIONS):
        only(section, {"title", "rows"}, "sections")
        text(section, "title", "sections", ROW_TITLE, required=False)
        for row in a_list(section, "rows", "sections", ROWS):
            only(row, {"id", "title", "description"}, "rows")
            text(row, "id", "rows", ROW_ID)
            text(row, "title", "rows", ROW_TITLE)
            text(row, "description", "rows", ROW_TEXT, required=False)
            rows += 1
    if rows > ROWS:
        raise GraphError(131009, f"Total row count exceed max allowed count: {ROWS}")


def _check_cta_url(action: Json) -> None:
    only(action, {"name", "parameters"}, "action")
    one_of(action, "name", "action", {"cta_url"})
    parameters = an_object(action, "parameters", "action")
    only(parameters, {"display_text", "url"}, "parameters")
    if _EMOJI.search(text(parameters, "display_text", "parameters", LABEL)):
        raise GraphError(131009, "parameters['display_text'] must not have emoji.")
    link = urlsplit(text(parameters, "url", "parameters", 2000))
    if link.scheme not in {"http", "https"} or not link.hostname:
        raise GraphError(131009, "parameters['url'] must be an address.")


def _check_named(name: str) -> Callable[[Json], None]:
    def check(action: Json) -> None:
        only(action, {"name"}, "action")
        one_of(action, "name", "action", {name})

    return check


def _check_template_send(obj: Json, known: Lookups) -> None:
    only(obj, {"name", "language", "components"}, "template")
    language = an_object(obj, "language", "template")
    only(language, {"code", "policy"}, "language")
    name, code = text(obj, "name", "template", 512), text(language, "code", "language", 16)
    components = optional_list(obj, "components")
    for component in components:
        only(component, {"type", "sub_type", "index", "parameters"}, "components")
        text(component, "type", "components", 32)
        for parameter in optional_list(component, "parameters"):
            only(parameter, set(parameter) if isinstance(parameter, dict) else set(), "parameters")
            kind = text(parameter, "type", "parameters", 32)
            only(parameter, {"type", "parameter_name", kind}, "parameters")
            if kind in {"image", "video", "document"}:
                file = an_object(parameter, kind, "parameters")
                only(file, {"id", "link", "filename"}, kind)
                media(file, kind, known)
    check_template(known.template(name, code), name, code, components)


_ACTIONS: dict[str, Callable[[Json], None]] = {
    "button": _check_buttons,
    "list": _check_list,
    "cta_url": _check_cta_url,
    "location_request_message": _check_named("send_location"),
    "request_contact_info": _check_named("request_contact_info"),
}
_KINDS: dict[str, Callable[[Json, Lookups], None]] = {
    "text": _check_text,
    "image": _check_captioned("image"),
    "video": _check_captioned("video"),
    "audio": _check_audio,
    "document": _check_document,
    "sticker": _check_sticker,
    "location": _check_location,
    "reaction": _check_reaction,
    "interactive": _check_interactive,
    "template": _check_template_send,
    "contacts": lambda obj, known: None,  # an array, checked on its own
}
