"""How much is measured: the full size, and a quick one whose figures show the order of magnitude only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """rounds: of each variant, alternating. rows: messages in the big database. work: where databases are kept."""

    quick: bool
    rows: int
    messages: int  # that go through the whole pipeline where memory is looked at
    work: Path

    @property
    def rounds(self) -> int:
        return 3 if self.quick else 5

    def seconds(self, full: float) -> float:
        """The length of one round."""
        return full / 4 if self.quick else full

    def count(self, full: int) -> int:
        return max(1, full // 5) if self.quick else full
