"""`python -m sandbox`: the product against fake providers, with a page in the browser."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from bot.log import configure
from sandbox.stage import Stage, chosen_data_dir, free_port

DEFAULT_PORT = 8080


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 fine, 1 the product ended by itself, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="sandbox", description="The product between fake providers, on this machine.")
    parser.add_argument("--port", type=int, default=None, help=f"first port to try; PORT, else {DEFAULT_PORT}")
    arguments = parser.parse_args(argv)
    given = arguments.port if arguments.port is not None else os.environ.get("PORT", "").strip() or DEFAULT_PORT
    try:
        first = int(given)
        if not 0 <= first < 65536:
            raise ValueError
    except ValueError:
        sys.stderr.write("PORT: expected a number from 0 to 65535\n")
        return 2
    configure("INFO", "text", ())
    return asyncio.run(_run(free_port(first)))


async def _run(port: int) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Stage(port=port, data_dir=chosen_data_dir()) as stage:
        sys.stdout.write(f"{stage.address}/\n")
        sys.stdout.flush()
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, stage.app}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        ended = stage.app.result() if stage.app.done() else None
    return 0 if ended is None else ended


if __name__ == "__main__":
    raise SystemExit(main())
