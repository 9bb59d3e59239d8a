"""What the repository says is true: commands exist, links lead somewhere, locks are whole, no path is one machine's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from bot.__main__ import COMMANDS, USAGE

ROOT = Path(__file__).resolve().parents[1]
PICTURE = "docs/sandbox.png"  # made by the test of the sandbox's page, which looks at it


def files() -> list[Path]:
    """All that is tracked, and what is new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def pages() -> list[Path]:
    return sorted(path for path in files() if path.suffix == ".md" and "template" not in path.parts)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))


# -- commands


def test_the_targets_that_were_promised() -> None:
    promised = {"venv", "run", "sandbox", "test", "check", "new-gate", "lock", "help"}
    assert promised <= targets()
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()


@pytest.mark.parametrize("path", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_commands_of_a_page_exist(path: Path) -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", path.read_text(encoding="utf-8"), re.DOTALL))
    made = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    assert made <= targets(), made - targets()
    ran = set(re.findall(r"python -m bot ([a-z]+)", code))
    assert ran <= set(COMMANDS), ran - set(COMMANDS)


def test_the_readme_and_the_usage_name_every_command() -> None:
    listed = re.findall(r"^\| `([a-z]+)[` ]", text("README.md"), re.MULTILINE)
    assert listed == list(COMMANDS)
    assert re.findall(r"^  ([a-z]+) ", USAGE, re.MULTILINE) == list(COMMANDS)


def test_ci_runs_the_same_as_a_developer_and_nothing_weaker() -> None:
    lines = [line for line in text(".ci/run").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-2:] == ["make check", "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(ROOT / ".ci" / "packages", os.X_OK)


# -- pages


@pytest.mark.parametrize("path", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if not re.match(r"https?:", link) and link != PICTURE:
            assert (path.parent / link).exists(), link


@pytest.mark.parametrize("name", ["README.md", "README.ru.md"])
def test_the_first_screen_has_the_picture(name: str) -> None:
    first = "\n".join(text(name).splitlines()[:15])
    assert f"]({PICTURE})" in first


def test_decisions_have_context_decision_and_consequence() -> None:
    found = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in found] == [f"{number:04}" for number in range(1, len(found) + 1)]
    for path in found:
        heads = re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert heads == ["Context", "Decision", "Consequence"], path.name


# -- locks


def locked(name: str) -> dict[str, str]:
    """Version by package; every line of the lock is a pinned package or one of its hashes."""
    versions: dict[str, str] = {}
    hashes: dict[str, int] = {}
    package = ""
    for line in text(name).splitlines():
        pin = re.fullmatch(r"([a-z0-9][a-z0-9._-]*)==([^\s;]+)( ;.*)? \\", line)
        if pin:
            package = pin[1]
            versions[package], hashes[package] = pin[2], 0
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
            hashes[package] += 1
    assert all(hashes.values())
    return versions


def test_every_locked_package_has_its_hashes_and_tests_run_on_what_runs() -> None:
    runtime, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    assert runtime
    assert runtime.items() <= dev.items()


def test_the_lock_has_what_the_project_asks_for() -> None:
    pins = dict(re.findall(r'"([a-z0-9.-]+)==([0-9.]+)"', text("pyproject.toml")))
    assert pins
    assert {name.replace(".", "-"): version for name, version in pins.items()}.items() <= locked(
        "requirements-dev.txt"
    ).items()


# -- hosting


def test_the_image() -> None:
    image = text("Dockerfile")
    words = [line.split()[0] for line in image.splitlines() if line and line[0].isupper()]
    assert "PYTHONDONTWRITEBYTECODE" not in image
    assert "VOLUME" not in words, "Railway refuses it"
    assert words.index("USER") < words.index("CMD")
    assert "--require-hashes" in image
    assert "STOPSIGNAL SIGTERM" in image
    period = re.search(r"--start-period=(\d+)s", image)
    assert period is not None
    assert int(period[1]) >= 20
    copied = set(re.findall(r"^COPY (\w+) ", image, re.MULTILINE))
    assert copied == {"inbox", "gates", "storage", "bot", "sandbox"}
    assert {f"!{name}" for name in copied} <= set(text(".dockerignore").splitlines())


def test_the_compose_file_is_small() -> None:
    assert len(text("compose.yaml").splitlines()) <= 20


def test_no_railway_toml() -> None:
    assert not (ROOT / "railway.toml").exists()
    assert not (ROOT / "railway.json").exists()


# -- a machine's own

OWN = re.compile(
    "|".join(
        (
            r"/wo" r"rk/(?!flows)",
            r"/ro" r"ot/",
            r"/ho" r"me/[a-z]",
            r"/Us" r"ers/[A-Za-z]",
            r"/opt/wh" r"eels",
            r"pypi\." r"org",
            r"files\.python" r"hosted\.org",
            r"(--|_|extra-)index[-_]" r"url",
        )
    ),
    re.IGNORECASE,
)


def test_no_paths_of_a_machine_and_no_registries() -> None:
    found = []
    for path in files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if OWN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []
