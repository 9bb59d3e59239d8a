"""What every test may use: the long variants on demand, and counts that are printed at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

COUNTED = "counts"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="the long variants: many kills, many examples, long faults")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long variants are those of tests that ask for `soak`; the rest has nothing longer to show."""
    if not config.getoption("--soak"):
        return
    long = [item for item in items if "soak" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in long])
    items[:] = long


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the long variant was asked for."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture
def counts(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Say what a test counted: `counts("R1", kills=20, lost=0)`. mutant: the defect that was put in to be found."""

    def say(row: str, mutant: str = "", **figures: object) -> None:
        defect = f'with the defect "{mutant}": ' if mutant else ""
        record_property(COUNTED, f"{row:<4} {defect}{', '.join(f'{name} {value}' for name, value in figures.items())}")

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = sorted(_counted(terminalreporter))
    if lines:
        terminalreporter.section("counts")
        for line in lines:
            terminalreporter.write_line(line)


def _counted(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if report.when == "call":
                yield from (str(value) for name, value in report.user_properties if name == COUNTED)
