"""Dashboards of Airflow's KubernetesExecutor go on: its names, told when it tells them."""

import re
from pathlib import Path

from airflow.providers.cncf.kubernetes import executors as upstream

import tradewind
from tradewind import metrics
from tradewind.testing.recorded_metrics import RecordedMetrics

SOURCE = Path(tradewind.__file__).parent


def test_every_metric_that_upstreams_executor_emits_is_in_the_table():
    (folder,) = upstream.__path__
    source = "".join(path.read_text() for path in Path(folder).glob("kubernetes_executor*.py"))
    emitted = set(re.findall(r'"(kubernetes_executor\.[a-z_.]+)"', source))
    assert emitted == {
        metric.name for metric in metrics.METRICS if metric.name.startswith("kubernetes_executor.")
    }


def test_no_metric_of_the_table_is_told_by_nobody():
    others = [path for path in SOURCE.rglob("*.py") if path.name != "metrics.py"]
    used = set(re.findall(r"\b[A-Z_]{3,}\b", "".join(path.read_text() for path in others)))
    named = {
        name
        for name, value in vars(metrics).items()
        if isinstance(value, metrics.Metric) and value in metrics.METRICS
    }
    assert named <= used


def test_a_heartbeats_tasks_are_a_batch(scheduler):
    scheduler.executor._measured = recorded = RecordedMetrics()
    with scheduler.started() as executor:
        executor.queue_workload(scheduler.a_task(task_id="extract"), session=None)
        scheduler.queue(scheduler.a_task())
    assert recorded.last(metrics.POD_CREATION_BATCH_SIZE) == 2
    assert len(list(recorded.series[metrics.POD_CREATION_BATCH_DURATION])) == 1


def test_an_adoption_is_timed(scheduler):
    scheduler.executor._measured = recorded = RecordedMetrics()
    with scheduler.started() as executor:
        executor.try_adopt_task_instances([])
    assert len(list(recorded.series[metrics.ADOPTION])) == 1
