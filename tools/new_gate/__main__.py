"""`make new-gate NAME=viber`: copies the template of a gate and its tests, and prints what is left to do."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).resolve().parent / "template"
TAKEN = frozenset({"catalog", "http", "meta", "web"})


class BadName(Exception):
    """The sentence for whoever typed it."""


def create(name: str, root: Path) -> list[Path]:
    """Make gates/NAME and tests/gates/NAME under `root`; returns the files. Raises BadName."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name in TAKEN:
        raise BadName(f"{name!r}: a gate's name is a word of a-z, 0-9 and _, like viber")
    places = {"gate": root / "gates" / name, "tests": root / "tests" / "gates" / name}
    for place in places.values():
        if place.exists():
            raise BadName(f"{place} is there already")
    written = []
    for part, place in places.items():
        for source in sorted((TEMPLATE / part).rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                target = place / source.relative_to(TEMPLATE / part)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(filled(source.read_text(encoding="utf-8"), name), encoding="utf-8")
                written.append(target)
    return written


def filled(text: str, name: str) -> str:
    """The template's own name in its three spellings, replaced."""
    words = "".join(word.capitalize() for word in name.split("_"))
    return text.replace("NEWGATE", name.upper()).replace("Newgate", words).replace("newgate", name)


def steps(name: str) -> str:
    cls, upper = filled("Newgate", name), name.upper()
    return f"""
The one line, in BUILDERS of gates/catalog.py (and the import of {cls}Gate above):
    "{name}": lambda settings, tools: {cls}Gate(settings, tools.http, tools.blobs, tools.clock),

Its settings, so that it can be switched on:
    bot/environment.py  the fields {name}_account, {name}_token, {name}_webhook_secret, {name}_api_base
    bot/config.py       its own in GATES, and the group of Config
    bot/build.py        settings["{name}"] where the gates are built
    .env.example        {upper}_ACCOUNT, {upper}_TOKEN, {upper}_WEBHOOK_SECRET, {upper}_API_BASE
Its name on the desk: gate-{name}, in-{name} and code-{name} in bot/texts/ru.ftl and en.ftl.
Its border: "gates.{name}" in the contract "gates do not know each other" of pyproject.toml.

Then, each step a change of its own: fixture, parse, fake (sandbox/), send, doc. See CONTRIBUTING.md.
"""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: make new-gate NAME=viber\n")
        return 2
    try:
        written = create(arguments[0], ROOT)
    except BadName as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for path in written:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    sys.stdout.write(steps(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
