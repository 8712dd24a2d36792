"""Airflow's own example DAGs: same final states as the LocalExecutor, one pod per launch.

The LocalExecutor runs them in a second release of the same chart, in a namespace of its own. What
pods there were comes from a watch recorded during the run, not from the executor's word.
"""

import os
from collections import defaultdict

import pytest
from dag_runs import run_all
from second_release import installed

from tradewind_tools.pod_record import PodRecorder

DAGS = [
    "example_bash_operator",
    "example_custom_weight",
    "example_display_name",
    "example_dynamic_task_mapping",
    "example_dynamic_task_mapping_with_no_taskflow_operators",
    "example_failed_dag",
    "example_nested_branch_dag",
    "example_sensor_decorator",
    "example_setup_teardown",
    "example_setup_teardown_taskflow",
    "example_short_circuit_decorator",
    "example_short_circuit_operator",
    "example_simplest_dag",
    "example_skip_dag",
    "example_task_group",
    "example_task_group_decorator",
    "example_task_group_mapping",
    "example_task_mapping_second_order",
    "example_time_delta_sensor_async",
    "example_trigger_target_dag",
    "example_weekday_branch_operator",
    "example_xcom",
    "example_xcom_args",
    "example_xcom_args_with_operators",
    "latest_only",
    "latest_only_with_trigger",
    "tutorial",
    "tutorial_taskflow_api",
]
"""Branching, mapping, XCom, TaskFlow, task groups, trigger rules, setup and teardown, a sensor, a
deferrable operator, a failing DAG. Left out: what chooses at random or needs a service."""

DEFERRABLE = ("example_time_delta_sensor_async", "wait")
"""Runs in one pod until it defers, and in another after its trigger has fired; in one pod when it
starts so late, on a busy machine, that its time has come already."""

NEVER_STARTED = {"skipped", "upstream_failed", "removed"}
GONE_WITHIN_S = 60


@pytest.fixture(scope="module")
def ours(target, airflow):
    """Return (runs, recorder) of all DAGs on the release under test."""
    with PodRecorder(target, namespace=target.namespace) as recorder:
        runs = run_all(airflow, DAGS)
        recorder.catch_up()
        recorder.wait_gone(run_ids=run_ids_of(runs), timeout_s=GONE_WITHIN_S)
    assert recorder.gaps == 0, "the record is not complete"
    return runs, recorder


@pytest.fixture(scope="module")
def expected(target, ours):
    """Return the same runs with the LocalExecutor; after ours, so that neither slows the other."""
    # Helm 3 here, since `up` uses Helm 4: both have to get to the end of `--wait`.
    # Tasks that a busy machine fails there are tried again: what ours are held to must be sound.
    again = {"default_task_retries": 3, "default_task_retry_delay": 5}
    # They share the scheduler's pod: more at once starve the API server.
    core = {"load_examples": True, "parallelism": 4} | again
    values = {"airflow": {"config": {"core": core}}, "triggerer": {"enabled": True}}
    with installed(
        target, helm=os.environ["HELM3"], executor="LocalExecutor", more=values
    ) as reference:
        return run_all(reference, DAGS)


def run_ids_of(runs):
    return [run_id for run_id, _ in runs.values()]


def by_task(pods):
    found = defaultdict(list)
    for pod in pods:
        found[pod.key.dag_id, pod.key.run_id, pod.key.task_id, pod.key.map_index].append(pod)
    return found


def states(runs):
    return {
        (dag_id, item["task_id"], item["map_index"]): item["state"]
        for dag_id, (_, instances) in runs.items()
        for item in instances
    }


@pytest.mark.timeout(1800)
def test_final_states_equal_those_of_the_local_executor(ours, expected):
    runs, _ = ours
    assert states(runs) == states(expected)


@pytest.mark.timeout(1800)
def test_every_launch_had_exactly_one_pod(ours):
    runs, recorder = ours
    launches = recorder.by_launch(run_ids=run_ids_of(runs))
    assert launches
    doubled = {launch: len(pods) for launch, pods in launches.items() if len(pods) != 1}
    assert doubled == {}


@pytest.mark.timeout(1800)
def test_every_task_instance_ran_in_a_pod_of_its_own(ours):
    runs, recorder = ours
    pods = by_task(recorder.pods(run_ids=run_ids_of(runs)))
    wrong = {}
    for dag_id, (run_id, instances) in runs.items():
        for item in instances:
            key = (dag_id, run_id, item["task_id"], item["map_index"])
            wanted = _pods_wanted(dag_id, item)
            if len(pods.get(key, [])) not in wanted:
                wrong[key] = (len(pods.get(key, [])), wanted, item["state"])
    assert wrong == {}


def _pods_wanted(dag_id, item):
    if (dag_id, item["task_id"]) == DEFERRABLE:
        return {1, 2}
    # The scheduler itself ends operators without work and tasks whose upstream decided for them.
    never_launched = not item["hostname"]
    if never_launched:
        assert item["operator"] == "EmptyOperator" or item["state"] in NEVER_STARTED, item
    return {0 if never_launched else item["try_number"]}


def test_a_deferred_task_resumes_in_a_pod_of_its_own(target, airflow):
    dag_id, task_id = DEFERRABLE
    with PodRecorder(target, namespace=target.namespace) as recorder:
        run_id, instances = run_all(airflow, [dag_id])[dag_id]
        recorder.catch_up()
    index = next(item["map_index"] for item in instances if item["task_id"] == task_id)
    pods = by_task(recorder.pods(run_ids=[run_id]))[dag_id, run_id, task_id, index]
    assert len(pods) == 2
    assert len({pod.launch_id for pod in pods}) == 2


@pytest.mark.timeout(1800)
def test_no_pod_is_left(ours):
    runs, recorder = ours
    pods = recorder.pods(run_ids=run_ids_of(runs))
    assert pods, "nothing was recorded"
    assert [pod.name for pod in pods if not pod.deleted] == []
