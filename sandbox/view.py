"""What people see on their screens, in one shape for both messengers, as plain JSON.

A message: id, who ("client", "owner", "bot"), kind, text, entities, media {url, name, mime}, reply {id, text},
quote, reactions [{who, emoji}], at (Unix seconds), edited, deleted, service, buttons [[{text, data, style, url,
copy}]], status, album.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.scene import BOT_ID, CONNECTION, OWNER, PEOPLE, Person, Scene
from sandbox.telegram_files import MEDIA
from sandbox.telegram_rules import SERVICE

Json = dict[str, Any]
SHOWN = 300  # messages of a chat
_PICTURES = frozenset({"photo", "sticker"})


def phones(scene: Scene) -> list[Json]:
    return [_phone(scene, person) for person in PEOPLE.values()]


def conversation(scene: Scene, person: Person) -> list[Json]:
    """The messages on a client's phone, oldest first."""
    if person.network == "whatsapp":
        bubbles = scene.graph.messages(person.user)
        by_id = {bubble["id"]: bubble for bubble in bubbles}
        return [_whatsapp(bubble, by_id) for bubble in bubbles]
    if person.network == "business":
        if CONNECTION not in scene.telegram.chats.connections:
            return []
        bodies = scene.telegram.business_messages(CONNECTION, person.user_id)
    else:
        bodies = scene.telegram.messages(person.user_id)
    return [_telegram(body) for body in bodies if not body["_deleted"]]


def desk(scene: Scene) -> Json:
    """Topics of the owner's chat with the bot, and its messages; `topic` None: General."""
    messages = desk_messages(scene)
    topics = [
        {"id": t["message_thread_id"], "name": t["name"], "deleted": t["deleted"]}
        for t in scene.telegram.topics_of(OWNER)
    ]
    return {"topics": topics, "messages": messages[-2 * SHOWN :]}


def desk_messages(scene: Scene, *, deleted: bool = False) -> list[Json]:
    """All messages of the owner's chat, oldest first, each with its `topic`."""
    shown = []
    for body in scene.telegram.messages(OWNER):
        if body["_deleted"] and not deleted:
            continue
        shown.append({**_telegram(body), "topic": body.get("message_thread_id")})
    return shown


def _phone(scene: Scene, person: Person) -> Json:
    typing = False
    if person.network == "whatsapp":
        typing = scene.graph.phone(person.user).typing_until > scene.world.now()
    handle = f"+{person.user}" if person.network == "whatsapp" else f"@{person.username}"
    return {
        "key": person.key,
        "name": person.name,
        "network": person.network,
        "handle": handle,
        "reads": person.reads,
        "typing": typing,
        "messages": conversation(scene, person)[-SHOWN:],
    }


def _whatsapp(bubble: Json, by_id: Mapping[str, Json]) -> Json:
    media = bubble["media"]
    target = by_id.get(bubble["reply_to"] or "")
    kind = {"image": "photo"}.get(bubble["kind"], bubble["kind"])
    sides = {"client": "client", "business": "owner"}
    return {
        "id": bubble["id"],
        "who": sides[bubble["from"]],
        "kind": kind,
        "text": bubble["text"],
        "media": _file("whatsapp", media.get("id", ""), media.get("name"), media.get("mime")) if media else None,
        "reply": {"id": target["id"], "text": _gist(target["text"], target["kind"])} if target else None,
        "reactions": [{"who": sides[who], "emoji": emoji} for who, emoji in bubble["reactions"].items()],
        "at": bubble["at"],
        "status": bubble["status"],
        "deleted": kind == "revoked",
    }


def _telegram(body: Json) -> Json:
    kind = next((k for k in ("photo", "video", "animation", *sorted(MEDIA)) if k in body), None)
    media = None
    if kind is not None:
        content = body[kind][-1] if kind == "photo" else body[kind]
        media = _file("telegram", content["file_id"], content.get("file_name"), content.get("mime_type"))
    service = next((name for name in sorted(SERVICE) if name in body), None)
    target = body.get("reply_to_message")
    return {
        "id": body["message_id"],
        "who": _who(body),
        "kind": kind or ("text" if "text" in body else _other_kind(body)),
        "text": body.get("text") or body.get("caption") or "",
        "entities": body.get("entities") or body.get("caption_entities") or [],
        "media": media,
        "reply": {"id": target["message_id"], "text": _reply_gist(target)} if target else None,
        "quote": (body.get("quote") or {}).get("text"),
        "reactions": [{"who": _side(r["who"]), "emoji": r["emoji"]} for r in body["_reactions"]],
        "at": body["date"],
        "edited": body["_edited"],
        "deleted": body["_deleted"],
        "service": service,
        "pins": body["pinned_message"]["message_id"] if service == "pinned_message" else None,
        "buttons": _buttons(body["_markup"]),
        "album": body.get("media_group_id"),
        "by_bot": "sender_business_bot" in body,
    }


def _other_kind(body: Json) -> str:
    return next((k for k in ("location", "venue", "contact", "poll", "dice") if k in body), "service")


def _who(body: Json) -> str:
    return _side(body.get("from", {}).get("id", 0))


def _side(user_id: int) -> str:
    return {OWNER: "owner", BOT_ID: "bot"}.get(user_id, "client")


def _buttons(markup: Json | None) -> list[list[Json]]:
    rows: Iterable[Iterable[Json]] = (markup or {}).get("inline_keyboard", [])
    return [
        [
            {
                "text": button["text"],
                "data": button.get("callback_data"),
                "style": button.get("style", ""),
                "url": button.get("url"),
                "copy": (button.get("copy_text") or {}).get("text"),
                "off": "disabled" in button,
            }
            for button in row
        ]
        for row in rows
    ]


def _file(provider: str, file_id: str, name: str | None, mime: str | None) -> Json:
    return {"url": f"/sandbox/media/{provider}/{file_id}", "name": name or "", "mime": mime or ""}


def _reply_gist(target: Json) -> str:
    kind = next((k for k in MEDIA if k in target), "text")
    return _gist(target.get("text") or target.get("caption") or "", kind)


def _gist(text: str, kind: str) -> str:
    return text[:120] if text else {"image": "photo"}.get(kind, kind)
