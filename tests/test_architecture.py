"""What the packages may know of each other, and what nobody may do."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PRODUCT = ("inbox", "gates", "bot", "storage")
CYRILLIC = re.compile("[\u0400-\u04ff]")

WALL_CLOCK = {
    "inbox/clock.py": "the clock itself",
    "bot/commands/backup.py": "a command of its own process: the name of the copy",
    "bot/commands/doctor.py": "a command of its own process: how old things are",
}
BARE_TASKS = {
    "bot/app.py": "the group of all workers, and the wait for the end",
    "bot/crowd.py": "the look at who is connected, begun and ended by the server's application",
    "storage/store.py": "the thread of the writer, ended by the store",
    "inbox/intake.py": "commits of one round, gathered in the same round",
}
PROVIDER_NAMED = {
    "bot/render.py": "a WhatsApp route is a phone number, shown on the card",
    "bot/texts/words.py": "the mail server is no brand, so the sentence has another subject",
}
CYRILLIC_ALLOWED = {
    "bot/texts": "the texts",
    "inbox/search.py": "stems of Russian words",
    "sandbox/scene.py": "the people of the stage",
    "sandbox/stories.py": "the stories",
    "sandbox/page": "the page of the sandbox",
}


def sources(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), parsed(path)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """(dotted name, call)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def found(test: Callable[[str, ast.Call], bool], *packages: str) -> dict[str, list[int]]:
    """Lines of the calls that the test is true for, by file."""
    lines: dict[str, list[int]] = {}
    for path, tree in sources(*packages):
        for name, call in calls(tree):
            if test(name, call):
                lines.setdefault(path, []).append(call.lineno)
    return lines


def test_imports_keep_to_the_contracts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


def test_nothing_is_printed() -> None:
    assert found(lambda name, _: name in ("print", "pprint.pprint"), *PRODUCT, "sandbox") == {}


def test_every_moment_has_a_zone() -> None:
    def naive(name: str, call: ast.Call) -> bool:
        if name.endswith((".utcnow", ".utcfromtimestamp", "date.today", "datetime.today")):
            return True
        given = len(call.args) + len(call.keywords)
        return (name.endswith("datetime.now") and not given) or (name.endswith("datetime.fromtimestamp") and given < 2)

    assert found(naive, *PRODUCT, "sandbox", "tests") == {}


def test_only_the_clock_reads_the_wall_clock() -> None:
    names = ("time.time", "time.time_ns", "time.localtime", "time.gmtime")
    readers = found(lambda name, _: name in names or name.endswith("datetime.now"), *PRODUCT)
    assert readers.keys() <= WALL_CLOCK.keys(), readers
    assert "inbox/clock.py" in readers


def test_tasks_belong_to_a_group() -> None:
    def bare(name: str, _: ast.Call) -> bool:
        owner, method = name.rpartition(".")[::2]
        return method in ("create_task", "ensure_future") and not owner.endswith("group")

    tasks = found(bare, *PRODUCT)
    assert tasks.keys() <= BARE_TASKS.keys(), tasks
    assert "bot/app.py" in tasks


def test_words_for_people_stand_with_the_texts() -> None:
    written: dict[str, list[int]] = {}
    for path, tree in sources(*PRODUCT, "sandbox"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CYRILLIC.search(node.value):
                written.setdefault(path, []).append(node.lineno)
    stray = {path: lines for path, lines in written.items() if not path.startswith(tuple(CYRILLIC_ALLOWED))}
    assert stray == {}


def test_nobody_asks_which_network_it_is_but_the_network_itself() -> None:
    named: dict[str, list[int]] = {}
    for path, tree in sources(*PRODUCT):
        if path.startswith("gates/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and _names_a_provider(node):
                named.setdefault(path, []).append(node.lineno)
    assert named.keys() <= PROVIDER_NAMED.keys(), named


def _names_a_provider(compared: ast.Compare) -> bool:
    sides = [compared.left, *compared.comparators]
    about = any(ast.unparse(side).rpartition(".")[2] in ("provider", "road", "gate") for side in sides)
    literal = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
    constant = any(isinstance(side, ast.Name) and side.id in ("TELEGRAM", "BUSINESS", "WHATSAPP") for side in sides)
    return about and (literal or constant)


def test_gates_name_no_other_gate() -> None:
    folders = {p.parent.name for p in (ROOT / "gates").glob("*/gate.py")}
    assert folders >= {"telegram", "whatsapp"}
    for path, tree in sources("gates"):
        own = path.split("/")[1]
        if own not in folders:
            continue
        strings = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not strings & (folders - {own}), path
