import pytest
from rich.console import Console

from tradewind_tools import status
from tradewind_tools.errors import ToolError
from tradewind_tools.pod_record import POOL, TASK_PODS

DIGEST = "0123456789abcdef" * 4


def a_container(*, ready=False, last=None, **state):
    return {"name": "main", "ready": ready, "state": state, "lastState": last or {}}


def a_pod(*containers, init=(), labels=None, **more):
    return {
        "metadata": {"name": "pod-1", "labels": labels or {}},
        "spec": {"containers": [{"image": f"host:5005/tradewind/airflow@sha256:{DIGEST}"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"restartCount": 2} | item for item in containers],
            "initContainerStatuses": list(init),
        }
        | more,
    }


def reasons(pod):
    return [(item.container, item.reason) for item in status.problems([pod])]


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available",
}
ENDED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod(a_container(ready=True, running={})), [], id="ready"),
        pytest.param(
            a_pod(a_container(waiting={"reason": "ImagePullBackOff", "message": "no such tag"})),
            [("main", "ImagePullBackOff: no such tag")],
            id="image",
        ),
        pytest.param(
            a_pod(a_container(waiting={"reason": "CrashLoopBackOff"}, last=ENDED)),
            [("main", "CrashLoopBackOff, ended with OOMKilled (exit code 137)")],
            id="crash-loop-says-how-it-ended",
        ),
        pytest.param(
            a_pod(a_container(**ENDED)),
            [("main", "ended with OOMKilled (exit code 137)")],
            id="ended-badly",
        ),
        pytest.param(
            a_pod(a_container(terminated={"reason": "Completed", "exitCode": 0})),
            [],
            id="ended-well",
        ),
        pytest.param(
            a_pod(a_container(running={})),
            [("main", "runs, but its readiness probe does not pass (yet)")],
            id="probe",
        ),
        pytest.param(
            a_pod(
                a_container(waiting={"reason": "PodInitializing"}), init=[a_container(running={})]
            ),
            [("main", "runs, but the others wait for its end (yet)")],
            id="only-the-init-container-is-named",
        ),
        pytest.param(
            a_pod(phase="Pending", conditions=[UNSCHEDULABLE]),
            [("", "Unschedulable: 0/1 nodes are available")],
            id="no-node",
        ),
        pytest.param(
            a_pod(phase="Failed", reason="Evicted", message="low on memory"),
            [("", "Evicted: low on memory")],
            id="evicted",
        ),
        pytest.param(
            a_pod(a_container(**ENDED), phase="Succeeded"), [], id="succeeded-needs-no-reason"
        ),
        pytest.param(
            a_pod(a_container(**ENDED), labels={TASK_PODS: "L1"}), [], id="tasks-are-not-components"
        ),
        pytest.param(
            a_pod(a_container(waiting={"reason": "ContainerCreating"}), labels={POOL: "default"}),
            [],
            id="nor-are-idle-pods",
        ),
    ],
)
def test_why_a_pod_is_not_ready(pod, expected):
    assert reasons(pod) == expected


def test_long_reasons_are_cut():
    pod = a_pod(a_container(waiting={"reason": "x" * 1000}))
    assert reasons(pod) == [("main", "x" * status.REASON_CHARS)]


@pytest.mark.parametrize(
    ("kind", "spec", "found", "expected"),
    [
        pytest.param("Deployment", {"replicas": 2}, {"readyReplicas": 1}, (1, 2, False), id="half"),
        pytest.param("StatefulSet", {"replicas": 1}, {}, (0, 1, False), id="not-yet"),
        pytest.param("Job", {"completions": 1}, {"succeeded": 1}, (1, 1, True), id="job-done"),
        pytest.param("Deployment", {"replicas": 0}, {}, (0, 0, True), id="scaled-to-nothing"),
    ],
)
def test_readiness_of_workloads(kind, spec, found, expected):
    labels = {status.COMPONENT: "scheduler"}
    item = {"kind": kind, "metadata": {"name": "x", "labels": labels}, "spec": spec}
    workload = status.parse_workload(item | {"status": found})
    assert (workload.ready, workload.wanted, workload.is_ready) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (f"host:5005/tradewind/airflow@sha256:{DIGEST}", "airflow@0123456789ab"),
        ("tradewind/airflow:1.2", "airflow:1.2"),
        ("airflow", "airflow"),
    ],
)
def test_images_are_shown_short(reference, expected):
    assert status.short_image(reference) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({status.COMPONENT: "scheduler"}, "scheduler"),
        ({TASK_PODS: "l1"}, "a task"),
        ({TASK_PODS: "l1", POOL: "default"}, "a task"),
        ({POOL: "default"}, "the next task (pool default)"),
        ({}, ""),
    ],
)
def test_a_pod_is_shown_with_what_it_is_there_for(labels, expected):
    assert status.purpose(labels) == expected


def test_the_pod_table_shows_restarts_and_image():
    console = Console(width=120)
    with console.capture() as capture:
        console.print(status.pod_table([a_pod(a_container(ready=True))]))
    for word in ("pod-1", "Running", "2", "airflow@0123456789ab"):
        assert word in capture.get()


def an_instance(map_index, *, task_id="extract", try_number=2):
    return {
        "dag_id": "d",
        "dag_run_id": "r",
        "task_id": task_id,
        "map_index": map_index,
        "try_number": try_number,
    }


INSTANCES = [an_instance(0), an_instance(1), an_instance(-1, task_id="load")]


@pytest.mark.parametrize(
    ("task_id", "map_index", "expected"),
    [("extract", None, [0, 1]), ("extract", 1, [1]), ("load", None, [-1])],
)
def test_a_task_or_one_of_its_map_indexes_is_chosen(task_id, map_index, expected):
    found = status.chosen(INSTANCES, task_id=task_id, map_index=map_index)
    assert [item["map_index"] for item in found] == expected


@pytest.mark.parametrize(
    ("task_id", "map_index", "message"),
    [
        ("extrakt", None, "no task 'extrakt' in this run: choose one of extract, load"),
        ("extract", 7, "no map index 7: choose one of 0, 1"),
    ],
)
def test_what_is_not_there_is_named(task_id, map_index, message):
    with pytest.raises(ToolError, match=message):
        status.chosen(INSTANCES, task_id=task_id, map_index=map_index)


class FakeAirflow:
    def log(self, *names, map_index, try_number):
        yield f"{'/'.join(names)} {map_index} {try_number}"


@pytest.mark.parametrize(
    ("instances", "try_number", "expected"),
    [
        pytest.param([an_instance(-1)], None, ["d/r/extract -1 2"], id="last-try"),
        pytest.param([an_instance(-1)], 1, ["d/r/extract -1 1"], id="chosen-try"),
        pytest.param([an_instance(-1)], 3, ["extract was not tried 3 times"], id="no-such-try"),
        pytest.param(
            [an_instance(-1, try_number=0)], None, ["extract was not tried yet"], id="not-started"
        ),
        pytest.param(
            [an_instance(0), an_instance(1)],
            None,
            ["==> extract[0] <==", "d/r/extract 0 2", "==> extract[1] <==", "d/r/extract 1 2"],
            id="mapped",
        ),
    ],
)
def test_lines_of_a_task(instances, try_number, expected):
    assert list(status.task_log(FakeAirflow(), instances, try_number=try_number)) == expected


@pytest.mark.parametrize("words", [[], ["a", "b"], ["a", "b", "c", "d"]])
def test_logs_wants_one_or_three_words(words):
    with pytest.raises(ToolError, match="one component, or three words"):
        status.logs(None, words, map_index=None, try_number=None)
