"""`make new-gate`: what it makes is a gate whose own tests pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.new_gate.__main__ import BadName, create, filled, main, steps

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["", "Viber", "2go", "a-b", "../x", "class", "meta", "http", "web", "catalog"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName):
        create(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    first = create("viber", tmp_path)
    assert {"gate.py", "parse.py", "send.py", "errors.py", "abilities.py", "settings.py", "doc.md"} <= {
        path.name for path in first
    }
    with pytest.raises(BadName):
        create("viber", tmp_path)


def test_the_name_is_filled_in() -> None:
    assert filled("newgate Newgate NEWGATE", "my_net") == "my_net MyNet MY_NET"


def test_no_trace_of_the_template_is_left(tmp_path: Path) -> None:
    for path in create("viber", tmp_path):
        assert "newgate" not in (path.name + path.read_text(encoding="utf-8")).lower(), path


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(()) == 2
    assert main(("Not a name",)) == 2
    assert main(("whatsapp",)) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_line_for_the_catalog_is_as_the_others_there() -> None:
    line = next(line for line in steps("whatsapp").splitlines() if "lambda" in line)
    catalog = (ROOT / "gates" / "catalog.py").read_text(encoding="utf-8")
    assert line.strip().replace("WhatsappGate", "WhatsAppGate") in catalog


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Links to the product, with a new gate beside the real ones."""
    (tmp_path / "gates").mkdir()
    (tmp_path / "tests" / "gates").mkdir(parents=True)
    for entry in (ROOT / "gates").iterdir():
        (tmp_path / "gates" / entry.name).symlink_to(entry)
    for name in ("inbox", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for package in ("tests", "tests/gates"):
        (tmp_path / package / "__init__.py").touch()
    create("viber", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "tool",
    [
        ("pytest", "-p", "no:cacheprovider", "tests/gates/viber"),
        ("mypy", "--strict", "--follow-imports=silent", "--cache-dir=types", "gates/viber", "tests/gates/viber"),
        ("ruff", "check", "--no-cache", "--isolated", "--line-length=120", "gates/viber", "tests/gates/viber"),
    ],
    ids=lambda tool: tool[0],
)
def test_the_new_gate_passes_what_every_change_must(tree: Path, tool: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=tree, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
