"""What an accepted send becomes on the client's phone: the words, the file, the choices, the price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.meta_clients import Bubble, Phone
from sandbox.meta_media import Shelf
from sandbox.meta_templates import filled, quick_replies


def bubble_of(
    wamid: str,
    phone: Phone,
    body: Mapping[str, Any],
    *,
    at: float,
    by_user_id: bool,
    window_open: bool,
    template: Mapping[str, Any] | None,
    shelf: Shelf,
) -> Bubble:
    kind = body["type"]
    content = body[kind]
    target = content["message_id"] if kind == "reaction" else body.get("context", {}).get("message_id")
    if kind == "audio" and content.get("voice"):
        kind = "voice"
    return Bubble(
        wamid,
        phone,
        "business",
        kind,
        _words(body, template),
        at,
        body,
        _file(body, shelf),
        target,
        by_user_id=by_user_id,
        tag=body.get("biz_opaque_callback_data"),
        pricing=_pricing(template, window_open),
        choices=_choices(body, template),
    )


def _words(body: Mapping[str, Any], template: Mapping[str, Any] | None) -> str:
    kind = body["type"]
    content = body[kind]
    if template is not None:
        return filled(template, content.get("components", []))
    if kind == "contacts":
        return ", ".join(c["name"]["formatted_name"] for c in content)
    if kind == "interactive":
        return str(content["body"]["text"])
    keys = {"text": "body", "reaction": "emoji", "location": "name"}
    return str(content.get(keys.get(kind, "caption"), ""))


def _file(body: Mapping[str, Any], shelf: Shelf) -> dict[str, Any] | None:
    content = body[body["type"]]
    if body["type"] not in {"image", "video", "audio", "document", "sticker"}:
        return None
    name = {"name": content["filename"]} if "filename" in content else {}
    voice = {"voice": bool(content.get("voice"))} if body["type"] == "audio" else {}
    if "link" in content:
        return {"link": content["link"], **name, **voice}
    media = shelf.get(content["id"])
    known = {"mime": media.mime, "size": len(media.content)} if media else {}
    return {"id": content["id"], **known, **name, **voice}


def _choices(body: Mapping[str, Any], template: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    if template is not None:
        payloads = quick_replies(template, body["template"].get("components", []))
        return {title: {"payload": payload, "text": title} for title, payload in payloads.items()}
    if body["type"] != "interactive":
        return {}
    action = body["interactive"]["action"]
    buttons = [b["reply"] for b in action.get("buttons", [])]
    rows = [row for section in action.get("sections", []) for row in section["rows"]]
    return {b["title"]: {"type": "button_reply", "button_reply": dict(b)} for b in buttons} | {
        r["title"]: {"type": "list_reply", "list_reply": dict(r)} for r in rows
    }


def _pricing(template: Mapping[str, Any] | None, window_open: bool) -> dict[str, Any]:
    category = "service" if template is None else str(template["category"]).lower()
    free = window_open and category in {"service", "utility"}
    return {
        "billable": not free,
        "pricing_model": "PMP",
        "type": "free_customer_service" if free else "regular",
        "category": category,
    }
