"""`python -m bot`: the command line. What a command produces goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from bot import __version__

USAGE = """usage: python -m bot [COMMAND]

  run       start the bot (the default; without any setting: the sandbox)
  sandbox   the product on a stage: fake messengers on this machine and a page to try it
  doctor    look for what is wrong and say how to mend it: [--online] [--json]
  backup    [FILE] make a consistent copy of the database, also while the bot runs
  export    --since TIME-OR-ID print the export's lines from there on
  --version, --help
"""


def main(arguments: Sequence[str]) -> int:
    name, rest = (arguments[0], arguments[1:]) if arguments else ("run", ())
    if name in ("--help", "-h", "help"):
        sys.stdout.write(USAGE)
        return 0
    if name == "--version":
        sys.stdout.write(f"{__version__}\n")
        return 0
    command = COMMANDS.get(name)
    if command is None:
        sys.stderr.write(f"{name}: no such command\n{USAGE}")
        return 2
    return command(rest)


def _run(arguments: Sequence[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped_early)
    from bot.commands.run import run  # noqa: PLC0415 - each command imports only what it needs

    return run(arguments, _sandbox)


def _stopped_early(number: int, frame: FrameType | None) -> NoReturn:
    """Asked to stop before anything was taken: the loop's own handlers take over once there is something to settle.

    At once, whatever is under way: a migration, a lock that is waited for. All of it survives even a kill.
    """
    os._exit(0)


def _sandbox(arguments: Sequence[str]) -> int:
    from sandbox.__main__ import main as sandbox  # noqa: PLC0415

    return sandbox(arguments)


def _doctor(arguments: Sequence[str]) -> int:
    from bot.commands.doctor import doctor  # noqa: PLC0415

    return doctor(arguments)


def _backup(arguments: Sequence[str]) -> int:
    from bot.commands.backup import backup  # noqa: PLC0415

    return backup(arguments)


def _export(arguments: Sequence[str]) -> int:
    from bot.commands.export import export  # noqa: PLC0415

    return export(arguments)


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "run": _run,
    "sandbox": _sandbox,
    "doctor": _doctor,
    "backup": _backup,
    "export": _export,
}


def leave(code: int) -> NoReturn:
    """End at once: all is closed by now. The interpreter's own end would wait for the thread in which the desk's
    imports may still run, and takes a second to take them apart where they have."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it is gone
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
