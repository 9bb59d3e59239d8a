"""Telegram: a bot's private chats and the owner's chats of Telegram Business."""
