"""What this gate calls itself in addresses, events and settings."""

from __future__ import annotations

from inbox.model import ExternalId, Provider

TELEGRAM = Provider("telegram")
BUSINESS = Provider("telegram_business")


def external_id(chat_id: int | str, message_id: int) -> ExternalId:
    """Telegram counts messages per chat, so the id is unique only with the chat."""
    return ExternalId(f"{chat_id}:{message_id}")


def user_key(user_id: int) -> str:
    """The same person in the bot's chat and in Telegram Business is one client."""
    return f"telegram:user:{user_id}"
