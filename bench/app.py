"""The whole product as a process that is measured: `python -m bench.app [open]`. open: Telegram's pace is not kept.

Its settings are the environment; no `.env` file is read. One JSON object is printed when the port is open.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import sys

from bot.app import serve
from bot.config import load
from bot.log import configure


def main(arguments: list[str]) -> int:
    config = load(os.environ, env_file=None)
    configure(config.log_level, config.log_format, config.secrets())
    rate = math.inf if "open" in arguments else None
    return asyncio.run(serve(config, ready=tell, rate=rate, loaded=gc.freeze))


def tell(port: int) -> None:
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
