import pytest

from tradewind.janitor import view
from tradewind.janitor.view import Stage
from tradewind.pods import labels
from tradewind.testing.builders import a_pod, base_ended, base_running, base_waiting

CREATED = "2026-01-01T00:00:00Z"
CREATED_S = 1_767_225_600.0
NOTES = {"dag_id": "etl", "task_id": "load", "run_id": "r", "try_number": "2", "map_index": "3"}


@pytest.mark.parametrize(
    ("status", "leaving", "expected"),
    [
        pytest.param({"phase": "Pending"}, False, Stage.PENDING, id="no container yet"),
        pytest.param(base_waiting("ImagePullBackOff"), False, Stage.PENDING, id="image"),
        pytest.param(base_running(), False, Stage.RUNNING, id="running"),
        pytest.param(base_running(), True, Stage.RUNNING, id="running, asked to go"),
        pytest.param({"phase": "Pending"}, True, Stage.PENDING, id="pending, asked to go"),
        pytest.param(base_ended(0), False, Stage.SUCCEEDED, id="succeeded"),
        pytest.param(base_ended(0), True, Stage.SUCCEEDED, id="succeeded, asked to go"),
        pytest.param(base_ended(1), False, Stage.FAILED, id="failed"),
        pytest.param(base_ended(0) | {"phase": "Running"}, False, Stage.SUCCEEDED, id="sidecar"),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, False, Stage.FAILED, id="evicted"),
        pytest.param(base_running() | {"phase": "Unknown"}, False, Stage.RUNNING, id="unknown"),
    ],
)
def test_the_base_container_says_where_the_task_stands(status, leaving, expected):
    more = {"deletionTimestamp": CREATED} if leaving else {}
    assert view.of(a_pod(status=status, **more)).stage is expected


def test_a_sidecar_that_outlives_the_task_is_seen():
    seen = view.of(a_pod(status=base_ended(0) | {"phase": "Running"}))
    assert seen.is_held_by_sidecar
    assert not view.of(a_pod(status=base_ended(0))).is_held_by_sidecar


def test_identity_comes_from_annotations_labels_and_times():
    seen = view.of(
        a_pod(
            labels={labels.LAUNCH_ID: "id", labels.INSTALLATION: "ours", labels.POOL: "small"},
            annotations=NOTES | {labels.ROW_ID: "row-1"},
            creationTimestamp=CREATED,
            deletionTimestamp="2026-01-01T00:01:00Z",
            finalizers=["example.com/hold"],
            ownerReferences=[{"apiVersion": "v1", "kind": "Job", "name": "j", "uid": "u"}],
            spec={"nodeName": "node-1"},
            status=base_ended(0, finishedAt="2026-01-01T00:00:30Z"),
        )
    )
    assert seen.task == labels.TaskRef(
        dag_id="etl", task_id="load", run_id="r", try_number=2, map_index=3
    )
    assert (seen.launch_id, seen.installation, seen.pool) == ("id", "ours", "small")
    assert (seen.row_id, seen.node, seen.owner) == ("row-1", "node-1", "Job")
    assert seen.finalizers == ("example.com/hold",)
    assert (seen.launched_s, seen.ended_s, seen.leaves_s) == (
        CREATED_S,
        CREATED_S + 30,
        CREATED_S + 60,
    )


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        pytest.param(f"{CREATED_S + 500:.3f}", CREATED_S + 500, id="claimed later"),
        pytest.param("0", CREATED_S, id="older than the pod"),
        pytest.param("nan", CREATED_S, id="no number"),
        pytest.param("-inf", CREATED_S, id="endless"),
        pytest.param("yesterday", CREATED_S, id="words"),
    ],
)
def test_no_claim_makes_a_pod_older_than_it_is(claimed, expected):
    pod = a_pod(creationTimestamp=CREATED, annotations={labels.CLAIMED_AT: claimed})
    assert view.of(pod).launched_s == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [("true", True), ("", True), ("bitte", True), ("false", False), (" False ", False)],
)
def test_any_word_but_false_keeps_a_pod(said, expected):
    assert view.of(a_pod(annotations={labels.KEEP: said})).is_kept is expected


def test_a_pod_that_says_nothing_has_nothing():
    seen = view.of(a_pod())
    assert (seen.task, seen.launched_s, seen.launch_id, seen.is_idle) == (None, None, "", False)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"try_number": "many"}, id="no number"),
        pytest.param({"map_index": "²"}, id="no digit"),
        pytest.param({"dag_id": None}, id="missing"),
    ],
)
def test_odd_annotations_lose_their_meaning_and_not_the_pod(odd):
    notes = {key: value for key, value in (NOTES | odd).items() if value is not None}
    assert view.of(a_pod(annotations=notes)).task is None


def test_an_odd_launch_id_makes_no_idle_pod():
    pod = a_pod(labels={labels.POOL: "small", labels.LAUNCH_ID: "not-a-uuid"})
    assert not view.of(pod).is_idle
    assert view.of(a_pod(labels={labels.POOL: "small"})).is_idle


def test_pods_of_operators_and_callbacks_are_told_apart():
    assert view.of(a_pod(labels={view.OPERATOR_POD: "True"})).is_operators
    assert not view.of(a_pod(labels={labels.WORKLOAD: "callback"})).runs_task
