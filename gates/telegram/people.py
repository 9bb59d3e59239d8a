"""Telegram's user or private chat to a Person."""

from __future__ import annotations

from gates.telegram.names import user_key
from gates.telegram.shape import Json, need_integer, word
from inbox.gate import Person
from inbox.model import Address, Provider


def person(provider: Provider, account: str, who: Json, route: str | None = None) -> Person:
    """`who`: a User, or the Chat of a private chat, which names the same person without the language."""
    user_id = need_integer(who, "id", "user")
    name = " ".join(part for part in (word(who, "first_name"), word(who, "last_name")) if part and part.strip())
    return Person(
        address=Address(provider, account, str(user_id)),
        keys=(user_key(user_id),),
        name=name.strip() or None,
        handle=word(who, "username") or None,
        language=word(who, "language_code") or None,
        route=route,
    )
