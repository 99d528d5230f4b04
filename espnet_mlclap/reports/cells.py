"""How figures are printed in tables."""

from typing import Optional, Sequence


def number(metric: str, value: float) -> str:
    """A figure as printed: per cent and mean ranks with one decimal, median ranks without."""
    return f"{value:.0f}" if metric == "medR" else f"{value:.1f}"


def with_interval(metric: str, value: float, interval: Optional[Sequence[float]]) -> str:
    """A figure with its interval, where there is one."""
    if interval is None:
        return number(metric, value)
    low, high = (number(metric, bound) for bound in interval)
    return f"{number(metric, value)} [{low}, {high}]"


def with_difference(value: float, low: float, high: float) -> str:
    """A difference with its interval; a star where that does not hold 0."""
    signed = [f"{bound:+.1f}" for bound in (value, low, high)]
    return f"{signed[0]} [{signed[1]}, {signed[2]}]{' *' if low > 0 or high < 0 else ''}"
