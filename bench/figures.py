"""Medians, percentiles and how figures are written."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank. Raises ValueError for no values: a percentile of nothing is no figure."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    if not values:
        raise ValueError("nothing was measured")
    return statistics.median(values)


def ms(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.3f} ms" if value < 1 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def us(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us"


def times(ratio: float) -> str:
    return f"{ratio:.2f}x"


def mb(size: float) -> str:
    return f"{size / 1024**2:.0f} MB"


def spread(values: Sequence[float]) -> str:
    """The rounds' least and most, so that noise is seen."""
    return f"{min(values):.2f}-{max(values):.2f}"
