"""Airflow's own chart runs Tradewind by the values of docs/install.md, and goes back again.

It needs the chart's folder, of a checkout of Airflow, in OFFICIAL_CHART, and is skipped without.
"""

import os
from pathlib import Path

import pytest
from dag_runs import await_dags, await_ends
from official_chart import NO_ENV, OfficialRelease, push_image, without_dependencies

from tradewind_tools import paths
from tradewind_tools.pod_record import TASK_PODS, PodRecorder

DAG = "own_pods"
DAG_FILE = paths.CHECKOUT / "tests" / "cluster" / "dags" / f"{DAG}.py"
ANY_EXECUTOR = "kubernetes_executor=True"
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def release(target, tmp_path_factory):
    """Install the chart as the example says."""
    chart = Path(os.environ.get("OFFICIAL_CHART", ""))
    if not (chart / "Chart.yaml").is_file():
        pytest.skip(f"OFFICIAL_CHART={chart} is no folder with a chart: name that of Airflow's")
    folder = tmp_path_factory.mktemp("official")
    push_image(target)
    with OfficialRelease(
        target,
        helm=os.environ["HELM3"],
        chart=without_dependencies(chart, folder),
        folder=folder,
        dag_file=DAG_FILE,
    ) as made:
        made.install()
        yield made


def run_once(target, release, *, selector):
    """Run the DAG once; return its task instances and how many pods had the selector's labels."""
    with (
        release.api() as api,
        PodRecorder(target, namespace=release.namespace, selector=selector) as recorder,
    ):
        await_dags(api, [DAG])
        run_id = api.trigger(DAG, conf={})
        state = await_ends(api, {DAG: run_id}, timeout_s=400)[DAG]
        recorder.catch_up()
        assert state == "success", release.story(api, DAG, run_id)
        return api.task_instances(DAG, run_id), recorder.pods(run_ids=[run_id])


def test_each_task_runs_in_a_pod_of_its_own(target, release):
    instances, pods = run_once(target, release, selector=TASK_PODS)
    assert {item["state"] for item in instances} == {"success"}
    assert len(instances) == len(pods) == len({pod.launch_id for pod in pods}) == 3


def test_the_doctor_finds_only_what_the_chart_grants_too_much(release):
    findings = release.doctor()
    assert [item for item in findings if item["state"] == "fail"] == []
    warned = [item["found"] for item in findings if item["state"] == "warn"]
    assert len(warned) == 1, findings
    assert "may create pods/exec" in warned[0]


def test_without_three_values_it_is_the_kubernetes_executor_again(target, release):
    release.install(more=NO_ENV)
    instances, pods = run_once(target, release, selector=ANY_EXECUTOR)
    assert {item["state"] for item in instances} == {"success"}
    assert len(pods) == 3
    assert not any(pod.launch_id for pod in pods), "these pods are Tradewind's"
