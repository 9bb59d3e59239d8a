"""Texts in one language, one zone and at one moment, and how dates, lengths, sizes and phones are written in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import phonenumbers
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal

from bot.texts import base_language
from inbox.model import Provider, Text
from inbox.texts import Texts

_NBSP = "\N{NO-BREAK SPACE}"
_DAY = timedelta(days=1)
_KNOWN_GATES = frozenset({"telegram", "telegram_business", "whatsapp", "messenger", "instagram", "email"})
_OWN_NAMES = {"calcom": "Cal.com"}  # of what has no texts yet and is not spelled like its settings
_UNITS = (("kb", 1024), ("mb", 1024**2), ("gb", 1024**3))


@dataclass(frozen=True, slots=True)
class Words:
    """What a renderer needs to speak: pure, so that a screen is the same whenever it is drawn for the same moment."""

    texts: Texts
    language: str
    zone: tzinfo
    now: datetime

    def text(self, key: str, **values: object) -> Text:
        return self.texts.text(key, self.language, **values)

    def plain(self, key: str, **values: object) -> str:
        return self.texts.plain(key, self.language, **values)

    def clock(self, at: datetime) -> str:
        """15:00"""
        return self._format(at, "HH:mm")

    def moment(self, at: datetime) -> str:
        """чт, 26 ноября, 15:00; the year only where it is another one."""
        same_year = at.astimezone(self.zone).year == self.now.astimezone(self.zone).year
        return self._format(at, "EEE, d MMMM, HH:mm" if same_year else "EEE, d MMMM y, HH:mm")

    def day(self, at: datetime) -> str:
        """чт, 26 ноября; the year only where it is another one."""
        return self.moment(at).rpartition(", ")[0]

    def when(self, at: datetime) -> str:
        """The clock today, else the moment."""
        same_day = at.astimezone(self.zone).date() == self.now.astimezone(self.zone).date()
        return self.clock(at) if same_day else self.moment(at)

    def relative(self, at: datetime) -> str:
        """через 3 часа, 12 минут назад; beyond a day the moment."""
        delta = at - self.now
        if abs(delta) >= _DAY:
            return self.moment(at)
        said: str = format_timedelta(delta, add_direction=True, threshold=1, locale=self._locale)
        return re.sub(r"(?<=\d) ", _NBSP, said)

    def duration(self, delta: timedelta) -> str:
        """2 ч 10 мин: the two largest units that say something; seconds below a minute, tenths of them below one."""
        seconds = max(0, int(delta.total_seconds()))
        if seconds < 60:
            return self.plain("span-seconds", n=self.number(seconds or max(0.0, delta.total_seconds())))
        days, rest = divmod(seconds, 86400)
        hours, minutes = rest // 3600, rest % 3600 // 60
        units = [("span-days", days), ("span-hours", hours), ("span-minutes", minutes)]
        first = next(n for n, (_, count) in enumerate(units) if count)
        return " ".join(self.plain(key, n=str(count)) for key, count in units[first : first + 2] if count)

    def size(self, count: int) -> str:
        """3,1 МБ"""
        if count < 1024:
            return self.plain("size-b", n=str(count))
        unit, factor = next(u for u in reversed(_UNITS) if count >= u[1])
        value = count / factor
        return self.plain(f"size-{unit}", n=self.number(value if value < 10 else round(value)))

    def number(self, value: float) -> str:
        """12 500; 3,1"""
        return format_decimal(value, format="#,##0.#", locale=self._locale).replace("\N{NARROW NO-BREAK SPACE}", _NBSP)

    def gate(self, provider: Provider) -> str:
        """WhatsApp; a gate that has no text yet is called by its own name."""
        return self._of_gate("gate", provider) or _OWN_NAMES.get(provider, provider.replace("_", " ").title())

    def actor(self, provider: Provider) -> str:
        """What does or does not do something: a name of the masculine gender in Russian, whatever the network."""
        return self.plain("actor-email") if provider == "email" else self.gate(provider)

    def in_gate(self, provider: Provider) -> str:
        """в WhatsApp"""
        return self._of_gate("in", provider) or self.plain("in-other", gate=self.gate(provider))

    def gate_code(self, provider: Provider) -> str:
        """WA"""
        return self._of_gate("code", provider) or provider[:2].upper()

    def _of_gate(self, prefix: str, provider: Provider) -> str:
        return self.plain(f"{prefix}-{provider.replace('_', '-')}") if provider in _KNOWN_GATES else ""

    def _format(self, at: datetime, pattern: str) -> str:
        return format_datetime(at, pattern, tzinfo=self.zone, locale=self._locale)

    @property
    def _locale(self) -> str:
        return {"ru": "ru", "en": "en_GB"}[base_language(self.language)]


def sentence(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def phone(number: str) -> str | None:
    """+7 916 123-45-67 out of digits with their country code; None when it is no phone number."""
    digits = "+" + number.strip().removeprefix("00").lstrip("+")
    try:
        parsed = phonenumbers.parse(digits)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL).replace(" ", _NBSP)
