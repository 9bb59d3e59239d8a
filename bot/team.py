"""What is said about those who may use a desk that is a supergroup, besides the owner. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.say import data
from bot.texts.words import Words
from inbox.model import Button, Notice

LIMIT = 20


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person who is in the desk's group now."""

    id: int
    name: str


def listing(words: Words, message_id: int, listed: Mapping[int, str], gone: Mapping[int, str]) -> Notice:
    """gone: whom the list had, but not the group any more."""
    names = ", ".join(f"{name} ({user_id})" for user_id, name in listed.items())
    text = words.text("team-list", names=names) if listed else words.text("team-empty")
    if gone:
        text = words.text("team-list-gone", list=text, names=", ".join(gone.values()))
    return Notice(f"answer:{message_id}", text, reply_to=message_id)


def question(words: Words, ref: str, who: Colleague, *, listed: bool, reply_to: int | None) -> Notice:
    """Before anything changes. ref: the command, chat and message."""
    key, verb, label, style = (
        ("team-ask-remove", "unseat", "button-team-remove", "danger")
        if listed
        else ("team-ask-add", "seat", "button-team-add", "success")
    )
    change = Button(words.plain(label), data("g", verb, ref, who.id), style=style)
    leave = Button(words.plain("button-team-keep"), data("g", "unmoved", ref, who.id))
    return Notice(f"team:{ref}", words.text(key, name=who.name), ((change, leave),), reply_to)


def settled(words: Words, ref: str, key: str, name: str) -> Notice:
    """The question's message once it is answered. key: team-added, team-removed, team-nobody, team-full."""
    values = {"count": LIMIT} if key == "team-full" else {"name": name} if key in ("team-added", "team-removed") else {}
    return Notice(f"team:{ref}", words.text(key, **values))


def left(words: Words, who: Colleague) -> Notice:
    return Notice(f"team:left:{who.id}", words.text("team-left", name=who.name), silent=False)
