"""The metrics page: `tradewind.metrics` in Prometheus' words. Any thread."""

from __future__ import annotations

import prometheus_client

from tradewind.metrics import METRICS, Counter, Gauge, Metric, Timer, check

_PREFIX = "tradewind."


class PrometheusMetrics:
    """Implements `metrics.Metrics`. Timers are published in seconds."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._collectors = {
            metric: _collector(metric, self.registry)
            for metric in METRICS
            if metric.name.startswith(_PREFIX)
        }
        prometheus_client.ProcessCollector(registry=self.registry)

    def count(self, metric: Counter, amount: int = 1, /, **labels: str) -> None:
        """Add `amount`."""
        found = self._labelled(metric, labels)
        if isinstance(found, prometheus_client.Counter):
            found.inc(amount)

    def gauge(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Set the value."""
        found = self._labelled(metric, labels)
        if isinstance(found, prometheus_client.Gauge):
            found.set(value)

    def timing(self, metric: Timer, seconds: float, /, **labels: str) -> None:
        """Add a duration."""
        found = self._labelled(metric, labels)
        if isinstance(found, prometheus_client.Histogram):
            found.observe(seconds)

    def page(self) -> bytes:
        """Return the page as Prometheus scrapes it."""
        return prometheus_client.generate_latest(self.registry)

    def _labelled(self, metric: Metric, labels: dict[str, str]) -> object:
        check(metric, labels)
        collector = self._collectors.get(metric)
        return collector.labels(**labels) if collector and labels else collector


_Collector = prometheus_client.Counter | prometheus_client.Gauge | prometheus_client.Histogram


def _collector(metric: Metric, registry: prometheus_client.CollectorRegistry) -> _Collector:
    name = metric.name.replace(".", "_")
    match metric:
        case Counter():
            kind: type[_Collector] = prometheus_client.Counter
        case Gauge():
            kind = prometheus_client.Gauge
        case _:
            kind, name = prometheus_client.Histogram, f"{name}_seconds"
    return kind(name, metric.meaning, metric.labels, registry=registry)
