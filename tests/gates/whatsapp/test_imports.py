"""What the code of the Meta gates leans on: the standard library, the HTTP client, its settings, and the inbox."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import gates.whatsapp

GATES = Path(gates.whatsapp.__file__).parents[1]
ALLOWED = ("inbox", "gates.http", "gates.meta", "aiohttp", "yarl")
ALLOWED_WHATSAPP = (*ALLOWED, "gates.whatsapp", "pydantic")


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return names | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


def foreign(path: Path, allowed: tuple[str, ...]) -> set[str]:
    return {
        name
        for name in imported(path)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == known or name.startswith(f"{known}.") for known in allowed)
    }


def test_the_shared_part_knows_no_gate_and_no_framework() -> None:
    paths = [GATES / "http.py", *(GATES / "meta").glob("*.py")]
    assert len(paths) > 4
    assert {path.name: found for path in paths if (found := foreign(path, ALLOWED))} == {}


def test_the_gate_knows_no_other_gate_and_no_bot_framework() -> None:
    paths = list((GATES / "whatsapp").glob("*.py"))
    assert len(paths) > 8
    assert {path.name: found for path in paths if (found := foreign(path, ALLOWED_WHATSAPP))} == {}
