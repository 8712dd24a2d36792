import re
from pathlib import Path

import pytest
import yaml
from airflow._shared.observability import metrics as airflow_metrics
from airflow.observability import stats

from tradewind import metrics
from tradewind.airflow_stats import AirflowMetrics
from tradewind.metrics import METRICS, UNMEASURED
from tradewind.testing.recorded_metrics import RecordedMetrics

CONTRACT = Path(__file__).parents[3] / "docs" / "contract.md"
TEMPLATE = Path(airflow_metrics.__file__).parent / "metrics_template.yaml"


@pytest.fixture(scope="module")
def airflows_own():
    return {found["name"]: found for found in yaml.safe_load(TEMPLATE.read_text())["metrics"]}


def row(metric):
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {metric.meaning} |"


def test_the_contract_shows_the_table_row_by_row():
    lines = CONTRACT.read_text().splitlines()
    shown = [line for line in lines if re.match(r"\| \S+ \| (counter|gauge|timer) \|", line)]
    assert shown == [row(metric) for metric in METRICS]


def test_names_are_unique_and_fit_for_every_collector():
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"(tradewind|kubernetes_executor)\.[a-z_.]+", name) for name in names)


# Upstream emits these without declaring them in Airflow's list.
UNDECLARED = {
    "kubernetes_executor.pod_creation_batch_duration",
    "kubernetes_executor.pod_creation_batch_size",
}


@pytest.mark.parametrize(
    "metric",
    [
        pytest.param(metric, id=metric.name)
        for metric in METRICS
        if metric.name.startswith("kubernetes_executor.") and metric.name not in UNDECLARED
    ],
)
def test_upstreams_metrics_keep_upstreams_shape(metric, airflows_own):
    declared = airflows_own[metric.name]
    assert metric.kind == declared["type"]
    assert list(metric.labels) == declared["name_variables"]


def test_airflow_still_declares_what_the_contract_says_it_adds(airflows_own):
    added = CONTRACT.read_text().rpartition("Airflow itself adds")[2]
    names = re.findall(r"`([a-z_.]+)`", added)
    assert len(names) == 4
    assert set(names) <= airflows_own.keys()


@pytest.mark.parametrize("sink", [UNMEASURED, RecordedMetrics()], ids=["default", "recorded"])
@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        pytest.param({}, "is labelled kind, not none", id="missing"),
        pytest.param({"sort": "x"}, "is labelled kind, not sort", id="misspelt"),
        pytest.param({"kind": "x", "pod": "y"}, "is labelled kind, not kind, pod", id="too-many"),
    ],
)
def test_a_wrong_label_fails_where_tests_run(sink, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        sink.count(metrics.RETRIES, **labels)


def test_the_right_labels_pass():
    UNMEASURED.count(metrics.RETRIES, 2, kind="quota")
    UNMEASURED.gauge(metrics.PENDING, 3)
    UNMEASURED.timing(metrics.SYNC, 0.1)


def test_a_recorder_tells_totals_levels_and_durations():
    recorded = RecordedMetrics()
    recorded.count(metrics.RETRIES, kind="quota")
    recorded.count(metrics.RETRIES, 2, kind="quota")
    recorded.gauge(metrics.PENDING, 5)
    recorded.gauge(metrics.PENDING, 4)
    recorded.timing(metrics.SYNC, 0.25)
    assert recorded.total(metrics.RETRIES, kind="quota") == 3
    assert recorded.total(metrics.RETRIES, kind="throttled") == 0
    assert recorded.last(metrics.PENDING) == 4
    assert recorded.last(metrics.STARTING) is None
    assert list(recorded.series[metrics.SYNC]) == [0.25]


class Backend:
    """Stands in for StatsD."""

    def __init__(self):
        self.said = []

    def incr(self, stat, **more):
        self.said.append(("incr", stat, more))

    def gauge(self, stat, value, **more):
        self.said.append(("gauge", stat, value, more))

    def timing(self, stat, dt, **more):
        self.said.append(("timing", stat, dt.total_seconds(), more))


@pytest.fixture
def backend(monkeypatch):
    made = Backend()
    monkeypatch.setattr("airflow._shared.observability.metrics.stats._backend", made)
    return made


def test_airflows_stats_get_name_value_and_labels(backend):
    sink = AirflowMetrics()
    sink.count(metrics.RETRIES, 2, kind="quota")
    sink.gauge(metrics.PENDING, 3)
    sink.timing(metrics.POD_CREATION, 0.5)
    assert backend.said == [
        ("incr", "tradewind.retries", {"count": 2, "tags": {"kind": "quota"}}),
        ("gauge", "tradewind.pending", 3, {}),
        ("timing", "kubernetes_executor.pod_creation", 0.5, {}),
    ]


def test_a_teams_metrics_carry_its_name(backend):
    AirflowMetrics(team="blue").count(metrics.LAUNCHES)
    assert backend.said[0][2]["tags"] == {"team_name": "blue"}


def test_a_collector_that_fails_stops_nothing(monkeypatch):
    def broken(*_, **__):
        raise OSError("no route to host")

    for name in ("incr", "gauge", "timing"):
        monkeypatch.setattr(stats, name, broken)
    sink = AirflowMetrics()
    sink.count(metrics.LAUNCHES)
    sink.gauge(metrics.PENDING, 1)
    sink.timing(metrics.SYNC, 1.0)
