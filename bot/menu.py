"""The menus under the slash: the owner's for her chat only, the small one for everybody else."""

from __future__ import annotations

from aiogram import Bot
from aiogram.methods import SetMyCommands
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeUnion,
)

from bot import say
from gates.telegram.api import call
from inbox.errors import InboxError
from inbox.log import Log
from inbox.texts import Texts


async def offer(bot: Bot, texts: Texts, chat_id: int, log: Log) -> bool:
    """Best effort: True once both menus stand in both languages."""
    everybody = BotCommandScopeAllPrivateChats()
    for language in ("en", "ru"):
        clients = say.client_command_list(texts, language)
        owner = say.command_list(texts, language)
        for scope, commands in ((everybody, clients), (BotCommandScopeChat(chat_id=chat_id), owner)):
            if not await _set(bot, scope, commands, language, log):
                return False
    return True


async def _set(bot: Bot, scope: BotCommandScopeUnion, commands: list[tuple[str, str]], language: str, log: Log) -> bool:
    """English stands for every language that has no menu of its own."""
    menu = [BotCommand(command=name, description=description) for name, description in commands]
    code = None if language == "en" else language
    try:
        await call(bot, SetMyCommands(commands=menu, scope=scope, language_code=code))
    except InboxError as error:
        log.info("menu.not_set", error=error.stored())
        return False
    return True
