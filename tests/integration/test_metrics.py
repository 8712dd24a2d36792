"""A run of the executor, told to Prometheus the way the chart wires it, asked as dashboards ask."""

import asyncio
import configparser
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from airflow._shared.observability.metrics import stats
from airflow.observability.metrics import stats_utils
from airflow.utils.state import TaskInstanceState
from metric_queries import DASHBOARDS, NAMESPACE, alerts, queries, series
from prometheus_rig import monitoring
from rendered import CASES, CHART, LOADER
from scheduler_side import a_pod, a_row, queue, set_state, started, synced

from tradewind.contract import Farewell
from tradewind.testing.builders import base_ended, base_running

__all__ = ["monitoring"]

pytestmark = [
    pytest.mark.usefixtures("database", "configured", "told_as_the_chart_says"),
    pytest.mark.parametrize("delivery", ["boarding"], indirect=True),
    pytest.mark.timeout(300),
]

SENDER = "tradewind-scheduler-0"
RAN = Farewell(
    ended="ran", delivered_s=101.0, run_s=101.5, ended_s=121.0, cpu_s=1.5, peak_memory_bytes=2**26
)
TEMPLATE = """
apiVersion: v1
kind: Pod
spec:
  serviceAccountName: default
  containers:
    - {name: base, image: "worker:1", resources: {requests: {cpu: 250m, memory: 128Mi}}}
"""
# Panels, with the letters of their queries, that a run has to show. Others wait for what does not
# happen here: warm pools, quotas, failed calls, a DAG that runs again.
SHOWN = {
    "Launches per minute A",
    "Loops alive A",
    "Pods by state A",
    "Pods by state B",
    "Pods by state C",
    "Ends by cause A",
    "Created and deleted A",
    "Calls A",
    "Creates by status A",
    "Time of sync A",
    "Cores used A",
    "Cores requested A",
    "Memory used A",
    "Memory requested A",
    "Cost by DAG, over the time shown A",
    "Cost per hour A",
    "Cost per hour B",
}


def chart_settings():
    """Return section [metrics] as a release of the chart has it."""
    command = [os.environ["HELM4"], "template", "tradewind", str(CHART), f"--namespace={NAMESPACE}"]
    command += [f"--values={CASES['metrics']}", "--kube-version=1.36.0", "--api-versions=v1/Secret"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (config,) = [
        document["data"]["airflow.cfg"]
        for document in yaml.load_all(text, LOADER)
        if document and "airflow.cfg" in document.get("data", {})
    ]
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(config)
    return dict(parser["metrics"])


@pytest.fixture
def told_as_the_chart_says(monkeypatch, monitoring, configured):
    """Airflow's stats to the exporter; only its address and the pod's name are other."""
    Path(configured["POD_TEMPLATE_FILE"]).write_text(TEMPLATE)
    here = {"statsd_host": "127.0.0.1", "statsd_port": str(monitoring.statsd_port)}
    for option, value in (chart_settings() | here | {"statsd_prefix": SENDER}).items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{option.upper()}", value)
    # What `stats.initialize` sets, so that it is undone.
    monkeypatch.setattr(stats, "_factory", stats_utils.get_stats_factory())
    monkeypatch.setattr(stats, "_backend", None)
    monkeypatch.setattr(stats, "_export_legacy_names", False)


async def read(monitoring, query, expected):
    """Wait until Prometheus has read what was told."""
    async with asyncio.timeout(30):
        while (found := monitoring.value(query)) != expected:
            await asyncio.sleep(0.3)
    return found


async def run_one(executor, cluster, node, namespace, status, *, state=TaskInstanceState.SUCCESS):
    """Play one task to its end; a failed one's pod is kept for users."""
    ti = a_row()
    queue(executor, ti)
    pod = await a_pod(cluster, namespace)
    await node.set_status(namespace, pod.metadata.name, base_running())
    set_state(ti, state)
    await node.set_status(namespace, pod.metadata.name, status)
    await synced(executor, lambda: ti.key not in executor.running)
    await a_pod(cluster, namespace, count=int(state == TaskInstanceState.FAILED))
    return ti


async def test_prometheus_reads_what_a_run_told(monitoring, real_cluster, node, namespace):
    with started() as executor:
        told = base_ended(message=RAN.encode())
        ti = await run_one(executor, real_cluster, node, namespace, told)
        await run_one(executor, real_cluster, node, namespace, told)
        killed = base_ended(137, reason="OOMKilled")
        failed = TaskInstanceState.FAILED
        await run_one(executor, real_cluster, node, namespace, killed, state=failed)
        executor.heartbeat()
        await read(monitoring, "sum(tradewind_launches_total)", 3)
        await read(monitoring, "tradewind_loop_alive", 1)
        pods = f'tradewind_pods_created_total{{exported_namespace="{namespace}"}}'
        await read(monitoring, f"sum({pods})", 3)
        assert monitoring.value('sum(tradewind_ends_total{cause="completed"})') == 2
        assert monitoring.value('sum(tradewind_ends_total{cause="oom_killed"})') == 1
        assert monitoring.value("sum(tradewind_queued_to_posted_seconds_count)") == 3
        for metric, expected in (
            ("cpu_used", 1500),
            ("cpu_requested", 250 * 20),
            ("memory_used", 64 * 20),
            ("memory_requested", 128 * 20),
        ):
            total = f'tradewind_dag_{metric}_total{{dag_id="{ti.dag_id}"}}'
            assert monitoring.value(total) == expected, metric
        ((labels, _),) = monitoring.ask("tradewind_loop_alive")
        assert (labels["sender"], labels["namespace"]) == (SENDER, NAMESPACE)


async def test_panels_show_a_run_and_prometheus_answers_all_of_them(
    monitoring, real_cluster, node, namespace
):
    with started() as executor:
        await run_one(executor, real_cluster, node, namespace, base_ended(message=RAN.encode()))
        executor.heartbeat()
        # Growth is told by two readings.
        twice = "min(count_over_time(tradewind_dag_cpu_used_total[5m])) >= bool 2"
        await read(monitoring, twice, 1)
        filled = {
            name
            for file in DASHBOARDS
            for name, query in queries(file).items()
            if monitoring.ask(query)
        }
    assert filled >= SHOWN, SHOWN - filled


async def test_every_series_has_a_name_that_the_contract_gives(monitoring):
    names = {
        name
        for name in monitoring.get("/api/v1/label/__name__/values")
        if name.startswith(("tradewind_", "kubernetes_executor_"))
    }
    known = set(series())
    stems = {name.removesuffix("_bucket") for name in known}
    stray = {n for n in names - known if n.removesuffix("_sum").removesuffix("_count") not in stems}
    assert names
    assert not stray


async def test_prometheus_evaluates_every_alert_and_none_fires_for_a_healthy_run(monitoring):
    async with asyncio.timeout(60):
        while True:
            (group,) = monitoring.get("/api/v1/rules")["groups"]
            if all(rule["health"] == "ok" for rule in group["rules"]):
                break
            await asyncio.sleep(0.3)
    assert len(group["rules"]) == len(alerts())
    assert [rule["name"] for rule in group["rules"] if rule["state"] == "firing"] == []
