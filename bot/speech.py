"""Everything that handlers say, besides what the inbox has the desk say by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import say
from bot.room import News
from bot.say import OwnerVoice
from bot.status import Status, status_text
from inbox.backups import Asked
from inbox.model import Contact, Delivery, Notice, Provider, Text


@dataclass(frozen=True, slots=True)
class Standing:
    """What the first screen and /status tell. findings: what the probe of the desk found."""

    status: Status
    ready: tuple[Provider, ...]
    missing: tuple[Provider, ...]
    findings: tuple[Text, ...]


class Speech(OwnerVoice):
    def toast(self, key: str) -> str:
        return self.words.plain(key) if key else ""

    def unknown_command(self, message_id: int, name: str, near: str | None) -> Notice:
        return say.unknown_command(self.words, name, near, message_id)

    def crossed(self, message_id: int) -> Notice:
        return say.line(self.words, "other-topic", message_id)

    def for_whom(self, message_id: int | None, question: int, contacts: Sequence[Contact], more: int | None) -> Notice:
        return say.ask_whom(self.words, str(question), contacts, reply_to=message_id, more=more)

    def given(self, question: int, contact: Contact | None) -> Notice:
        return say.answered_whom(self.words, str(question), contact)

    def answer_whom(self, contact: Contact) -> Notice:
        return say.ask_text(self.words, contact)

    def welcome(self, standing: Standing, ref: str = "", reply_to: int | None = None) -> Notice:
        """ref: which /start of hers it answers; empty: the desk was claimed."""
        ready, missing = standing.ready, standing.missing
        return say.claimed(self.words, ready, missing, standing.findings, ref=ref, reply_to=reply_to)

    def stranger(self, kind: str, ref: str, chat: str, message_id: int | None) -> Notice:
        return say.stranger(self.words, kind, ref, chat=chat, reply_to=message_id)

    def change_settled(self, delivery: Delivery, reply_to: int | None, *, fixed: bool) -> Notice:
        return say.change_settled(self.words, delivery, fixed=fixed, reply_to=reply_to)

    def not_asked(self, contact: Contact) -> Notice:
        return say.ask_dropped(self.words, contact)

    def help(self, message_id: int, name: str) -> Notice:
        return say.answer(say.help_text(self.words, name) or say.help_text(self.words) or Text(), message_id)

    def disk(self, news: News, free: int) -> Notice:
        """free: bytes."""
        return say.disk(self.words, str(news), free)

    def status(self, message_id: int, standing: Standing) -> Notice:
        return say.answer(status_text(self.words, standing.status), message_id)

    def backup_begun(self, who: Asked) -> Notice:
        return say.backup_begun(self.words, who.ref, who.reply_to)

    def backup_made(self, who: Asked, at: datetime, size: int, path: str, count: int) -> Notice:
        return say.backup_made(self.words, who.ref, at, size, path, count, reply_to=who.reply_to)

    def backup_failed(self, who: Asked, reason: str, newest: datetime | None, need: int, free: int) -> Notice:
        return say.backup_failed(self.words, who.ref, reason, newest, need=need, free=free, reply_to=who.reply_to)

    def needs_reply(self, message_id: int, command: str, *, own: bool) -> Notice:
        key = "needs-own-reply" if own else "needs-reply"
        return say.line(self.words, key, message_id, command=f"/{command}")

    def no_reaction(self, message_id: int, provider: Provider) -> Notice:
        words = self.words
        where = words.in_gate(provider)
        why = say.why(words, provider, "not_allowed")
        return say.line(words, "cannot-react", message_id, where=where[:1].upper() + where[1:], why=why)

    def taken_back(self, message_id: int) -> Notice:
        return say.line(self.words, "taken-back", message_id)

    def deleted(self, message_id: int) -> Notice:
        return say.line(self.words, "deleted-for-client", message_id)
