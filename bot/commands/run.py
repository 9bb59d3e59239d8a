"""`run`: the bot, or the sandbox where nothing is set."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Sequence

from bot.commands.trouble import guarded, refused, wrong_settings
from bot.config import SettingsError, load, sandbox_or_run
from bot.log import configure


def run(arguments: Sequence[str], sandbox: Callable[[Sequence[str]], int]) -> int:
    """`sandbox` starts the product on its stage."""
    if arguments:
        return refused(f"run takes no arguments: {arguments[0]}")
    try:
        if sandbox_or_run(os.environ) == "sandbox":
            sys.stderr.write("No TELEGRAM_BOT_TOKEN is set: this is the sandbox, with invented people.\n")
            return sandbox(())
        config = load(os.environ)
    except SettingsError as error:
        return wrong_settings(error)
    configure(config.log_level, config.log_format, config.secrets())
    from bot.app import serve  # noqa: PLC0415 - settings are looked at before anything is opened

    # What is imported stays: looking through it for garbage would stop the loop for a sixth of a second each time.
    return guarded(lambda: asyncio.run(serve(config, loaded=gc.freeze)), config)
