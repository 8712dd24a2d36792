"""Metrics that remember what was measured, and refuse labels that the table does not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tradewind.metrics import Counter, Gauge, Metric, Timer, check


class Series:
    """The values of one metric by its labels."""

    def __init__(self) -> None:
        self._values: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)

    def add(self, labels: dict[str, str], value: float) -> None:
        """Remember one measurement."""
        self._values[tuple(sorted(labels.items()))].append(value)

    def values(self, **labels: str) -> list[float]:
        """Return the measurements with exactly these labels, in order."""
        return list(self._values.get(tuple(sorted(labels.items())), ()))

    def labels(self) -> list[dict[str, str]]:
        """Return every set of labels measured, in order of appearance."""
        return [dict(key) for key in self._values]

    def __iter__(self) -> Iterator[float]:
        return (value for values in self._values.values() for value in values)


class RecordedMetrics:
    """Implements `metrics.Metrics`."""

    def __init__(self) -> None:
        self.series: dict[Metric, Series] = defaultdict(Series)

    def count(self, metric: Counter, amount: int = 1, /, **labels: str) -> None:
        """Remember a count."""
        self._add(metric, amount, labels)

    def gauge(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Remember a level."""
        self._add(metric, value, labels)

    def timing(self, metric: Timer, seconds: float, /, **labels: str) -> None:
        """Remember a duration in seconds."""
        self._add(metric, seconds, labels)

    def total(self, metric: Counter, **labels: str) -> float:
        """Return the sum counted with exactly these labels."""
        return sum(self.series[metric].values(**labels))

    def last(self, metric: Gauge, **labels: str) -> float | None:
        """Return the last level with exactly these labels, or None."""
        values = self.series[metric].values(**labels)
        return values[-1] if values else None

    def _add(self, metric: Metric, value: float, labels: dict[str, str]) -> None:
        check(metric, labels)
        self.series[metric].add(labels, value)
