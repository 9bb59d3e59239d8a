"""Who may do what: the owner, the listed members of the desk's group, everybody else."""

from __future__ import annotations

import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeskPlace:
    """Where the desk is and who works at it.

    owner_id None: nobody has claimed it yet. chat_id: a supergroup, or None (or the owner's id) for the owner's
    private chat. claim_code: what opens an unclaimed desk. channels: the owner's own.
    """

    owner_id: int | None = None
    chat_id: int | None = None
    members: frozenset[int] = frozenset()
    claim_code: str | None = None
    channels: frozenset[int] = frozenset()

    def serves(self, chat_id: int, user_id: int) -> bool:
        """Whether what this user does in this chat is the owner's (or a member's) work at the desk."""
        if self.owner_id is not None and chat_id == user_id == self.owner_id:
            return True
        if self.chat_id is None or chat_id != self.chat_id or not is_group(chat_id):
            return False
        return user_id == self.owner_id or user_id in self.members

    def is_group_of_desk(self, chat_id: int) -> bool:
        """Whether this is the group where the desk of a known owner stands."""
        return self.owner_id is not None and chat_id == self.chat_id and is_group(chat_id)

    def opens_with(self, text: str) -> bool:
        """Whether `text` is "/start CODE" with the one-time code of a desk that nobody has claimed yet."""
        if self.owner_id is not None or not self.claim_code:
            return False
        return hmac.compare_digest(_bytes(text), _bytes(f"/start {self.claim_code}"))


@dataclass(frozen=True, slots=True)
class Connection:
    """A Business connection, as it is known so far: whose account it is, and what it allows now."""

    owner_id: int
    can_reply: bool
    enabled: bool


def is_group(chat_id: int) -> bool:
    """Users' private chats have positive ids, groups and channels negative ones."""
    return chat_id < 0


def same_secret(given: str, expected: str) -> bool:
    """Constant time, and total: a header may hold any bytes."""
    return bool(expected) and hmac.compare_digest(_bytes(given), _bytes(expected))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
