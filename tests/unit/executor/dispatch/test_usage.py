"""What tasks used and requested, as the metrics of their DAG count it."""

import pytest

from tradewind import metrics
from tradewind.contract import Measured
from tradewind.dispatch.stats import Counters
from tradewind.testing.recorded_metrics import RecordedMetrics

USAGE = (
    metrics.DAG_CPU_USED,
    metrics.DAG_CPU_REQUESTED,
    metrics.DAG_MEMORY_USED,
    metrics.DAG_MEMORY_REQUESTED,
)
RAN = {
    "duration_s": 20.0,
    "cpu_s": 1.5,
    "cpu_request_s": 0.25,
    "peak_memory_bytes": 64 * 2**20,
    "memory_request_bytes": 256 * 2**20,
}


def counted(measured, *, dag_id="etl"):
    told = RecordedMetrics()
    counters = Counters(measured=told)
    counters.measured_launch(Measured(pod="p", temperature="cold", **measured), dag_id=dag_id)
    return [told.total(metric, dag_id="etl") for metric in USAGE]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        pytest.param(RAN, [1500, 5000, 1280, 5120], id="cores-and-memory-by-time"),
        pytest.param(RAN | {"cpu_request_s": None}, [1500, 0, 1280, 5120], id="no-request"),
        pytest.param(RAN | {"cpu_s": None}, [0, 0, 1280, 5120], id="no-request-without-its-use"),
        pytest.param(RAN | {"peak_memory_bytes": None}, [1500, 5000, 0, 0], id="peak-unknown"),
        pytest.param(RAN | {"duration_s": None}, [0, 0, 0, 0], id="killed-before-it-could-tell"),
        pytest.param(RAN | {"duration_s": -3.0}, [0, 0, 0, 0], id="the-clock-went-back"),
    ],
)
def test_a_dags_tasks_are_counted_by_what_they_told(measured, expected):
    assert counted(measured) == expected


def test_a_workload_of_no_dag_is_nobodys_cost():
    assert counted(RAN, dag_id="") == [0, 0, 0, 0]
