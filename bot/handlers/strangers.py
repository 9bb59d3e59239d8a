"""What reaches the desk from those who may not use it: nothing is done, the owner is told once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.console import Console, tell
from inbox.model import ContactId
from inbox.store import Unit

Serves = Callable[[int, int], bool]
"""(chat id, user id): whether what this user does in this chat is work at the desk."""

_PRESENT = frozenset({"member", "administrator", "restricted"})


@dataclass(frozen=True, slots=True)
class Stranger:
    """kind: member (of the desk's group, not listed), connection (somebody's Business account), chat (a group)."""

    kind: str
    ref: str
    chat: str = ""
    message_id: int | None = None
    place: tuple[int, int] | None = None  # chat and thread, where there is one


def may_act(update: Mapping[str, Any], serves: Serves) -> bool:
    """Whether this update is the act of somebody who may use the desk."""
    for kind in ("message", "edited_message", "message_reaction", "callback_query"):
        act = update.get(kind)
        if isinstance(act, Mapping):
            chat = (act.get("message") or {} if kind == "callback_query" else act).get("chat") or {}
            who = act.get("user" if kind == "message_reaction" else "from") or {}
            if "sender_chat" in act:
                return False  # in a group's or channel's name: whose words they are, nobody can say
            return serves(int(chat.get("id", 0)), int(who.get("id", 0)))
    return False


def stranger(update: Mapping[str, Any], desk_chat: int | None) -> Stranger | None:
    """Whom to tell of; None: nobody (a correction, a group that the bot has left)."""
    if isinstance(message := update.get("message"), Mapping):
        thread = message.get("message_thread_id") if message.get("is_topic_message") else None
        place = (int(message["chat"]["id"]), int(thread)) if thread else None
        return Stranger("member", str(message["from"]["id"]), message_id=int(message["message_id"]), place=place)
    if isinstance(connection := update.get("business_connection"), Mapping):
        return Stranger("connection", str(connection["id"])) if connection.get("is_enabled") is True else None
    change = update.get("my_chat_member")
    if not isinstance(change, Mapping):
        return None
    chat, status = change["chat"], (change.get("new_chat_member") or {}).get("status")
    is_group = chat.get("type") in ("group", "supergroup")
    if not is_group or chat["id"] == desk_chat or status not in _PRESENT:
        return None
    return Stranger("chat", str(chat["id"]), chat=str(chat.get("title") or chat["id"]))


def tell_of(unit: Unit, found: Stranger, console: Console) -> None:
    """Once for each, in the topic where it was written."""
    if not unit.once(f"stranger:{found.kind}:{found.ref}"):
        return
    topic = unit.topic_at(*found.place) if found.place else None
    where: ContactId | None = topic.contact_id if topic else None
    here = topic is not None or found.place is None
    tell(unit, console.speech.stranger(found.kind, found.ref, found.chat, found.message_id if here else None), where)
