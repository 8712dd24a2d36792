"""Airflow's own example DAGs: same final states as the LocalExecutor, one pod per launch.

By boarding they run in the release under test. By args, and then with the LocalExecutor, they run
in a second release, where a run's id says how its tasks go. What pods there were comes from
a watch recorded during the run, not from the executor's word.

By args run one DAG of each kind, for a pod costs three seconds of processor time; all of them with
`ALL_BY_ARGS=1 ./task test:cluster -k example_dags`.
"""

import inspect
import os
from collections import defaultdict
from datetime import timedelta
from types import SimpleNamespace

import pytest
from dag_runs import finished, run_all, start_all
from second_release import installed

from tradewind.provider import EXECUTOR
from tradewind_tools.pod_record import TASK_PODS, PodRecorder

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

OF_EACH_KIND = [
    "example_dynamic_task_mapping",
    "example_failed_dag",
    "example_nested_branch_dag",
    "example_sensor_decorator",
    "example_setup_teardown_taskflow",
    "example_short_circuit_decorator",
    "example_time_delta_sensor_async",
    "example_trigger_target_dag",
    "example_xcom_args_with_operators",
    "latest_only_with_trigger",
    "tutorial",
]
"""Mapping, failure, branches, sensor, setup and teardown, deferral, XCom, trigger rules."""
GO_BY_ARGS = DAGS if os.environ.get("ALL_BY_ARGS") else OF_EACH_KIND

DEFERRABLE = ("example_time_delta_sensor_async", "wait")
"""Runs in one pod until it defers, and in another after its trigger has fired; in one pod when it
starts so late, on a busy machine, that its time has come already."""

NEVER_STARTED = {"skipped", "upstream_failed", "removed"}
GONE_WITHIN_S = 60


BOARDS, BY_ARGS = f"{TASK_PODS},tradewind/template", f"{TASK_PODS},!tradewind/template"
"""Labels of the pods that are recorded. A pod that goes the other way is one that is missing."""


def task_policy(task):
    """Try again soon what a busy machine fails: what our final states are held to must be sound.

    Ours have to get through at their first try.
    """
    task.retries, task.retry_delay = 3, timedelta(seconds=5)


def task_instance_mutation_hook(task_instance):
    """Let a run's id say how its tasks go."""
    run_id = task_instance.run_id or ""
    if run_id.startswith("local-"):
        # These tasks share the scheduler's pod: more at once starve the API server.
        task_instance.executor, task_instance.pool = "LocalExecutor", "four_at_once"
    elif run_id.startswith("args-"):
        task_instance.queue = "by_args"


POLICIES = [inspect.getsource(policy) for policy in (task_policy, task_instance_mutation_hook)]
VALUES = {
    "triggerer": {"enabled": True},
    "executor": {"queues": {"by_args": {"delivery": "args"}}},
    "airflow": {
        "localSettings": "\n\n".join(["from datetime import timedelta", *POLICIES]),
        "config": {"core": {"load_examples": True}},
    },
}


@pytest.fixture(scope="module")
def by_boarding(target, airflow):
    """Run all DAGs on the release under test, where pods board; return what became of them."""
    with recorded(target, target.namespace, BOARDS) as recorder:
        runs = run_all(airflow, DAGS)
        until_gone(recorder, runs)
    return SimpleNamespace(runs=runs, recorder=recorder)


@pytest.fixture(scope="module")
def second(target, by_boarding):
    """Run DAGs by args and all with the LocalExecutor, after those that board."""
    # Helm 3 here, since `up` uses Helm 4: both have to get to the end of `--wait`.
    executors = f"{EXECUTOR},LocalExecutor"
    with installed(target, helm=os.environ["HELM3"], executor=executors, more=VALUES) as airflow:
        airflow.post("pools", {"name": "four_at_once", "slots": 4})
        with recorded(target, airflow.namespace, BY_ARGS) as recorder:
            by_args = finished(airflow, start_all(airflow, GO_BY_ARGS, kind="args-"))
            until_gone(recorder, by_args)
        local = finished(airflow, start_all(airflow, DAGS, kind="local-"))
    return SimpleNamespace(local=local, by_args=SimpleNamespace(runs=by_args, recorder=recorder))


@pytest.fixture(scope="module", params=["boarding", "args"])
def ours(request, by_boarding):
    """Return `runs` of DAGs and `recorder` of their pods, one way and the other."""
    if request.param == "boarding":
        return by_boarding
    return request.getfixturevalue("second").by_args


def recorded(target, namespace, selector):
    return PodRecorder(target, namespace=namespace, selector=selector)


def until_gone(recorder, runs):
    recorder.catch_up()
    recorder.wait_gone(run_ids=run_ids_of(runs), timeout_s=GONE_WITHIN_S)
    assert recorder.gaps == 0, "the record is not complete"


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
def test_final_states_equal_those_of_the_local_executor(ours, second):
    assert states(ours.runs) == states({dag_id: second.local[dag_id] for dag_id in ours.runs})


@pytest.mark.timeout(1800)
def test_no_task_was_tried_again_for_the_sake_of_its_pod(ours):
    tried = {
        (dag_id, item["task_id"]): item["try_number"]
        for dag_id, (_, instances) in ours.runs.items()
        for item in instances
        if item["state"] == "success" and item["try_number"] > 1
    }
    assert tried == {}


@pytest.mark.timeout(1800)
def test_every_launch_had_exactly_one_pod(ours):
    launches = ours.recorder.by_launch(run_ids=run_ids_of(ours.runs))
    assert launches
    doubled = {launch: len(pods) for launch, pods in launches.items() if len(pods) != 1}
    assert doubled == {}


@pytest.mark.timeout(1800)
def test_every_task_instance_ran_in_a_pod_of_its_own(ours):
    pods = by_task(ours.recorder.pods(run_ids=run_ids_of(ours.runs)))
    wrong = {}
    for dag_id, (run_id, instances) in ours.runs.items():
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
    pods = ours.recorder.pods(run_ids=run_ids_of(ours.runs))
    assert pods, "nothing was recorded"
    assert [pod.name for pod in pods if not pod.deleted] == []
