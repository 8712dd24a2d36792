"""Airflow seam: metrics through Airflow's own stats."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from airflow.observability import stats

from tradewind.metrics import Counter, Gauge, Timer


class AirflowMetrics:
    """`metrics.Metrics` over Airflow's stats: StatsD, OpenTelemetry or Datadog, as configured.

    Any thread. Never raises: a collector that is away must not stop a launch.
    """

    def __init__(self, *, team: str = "") -> None:
        self._tags = {"team_name": team} if team else {}

    def count(self, metric: Counter, amount: int = 1, /, **labels: str) -> None:
        """Add `amount`."""
        with contextlib.suppress(Exception):
            stats.incr(metric.name, amount, tags=labels | self._tags)

    def gauge(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Set the value."""
        with contextlib.suppress(Exception):
            stats.gauge(metric.name, value, tags=labels | self._tags)

    def timing(self, metric: Timer, seconds: float, /, **labels: str) -> None:
        """Add a duration; Airflow publishes milliseconds."""
        with contextlib.suppress(Exception):
            stats.timing(metric.name, timedelta(seconds=seconds), tags=labels | self._tags)
