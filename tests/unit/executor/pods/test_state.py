import pytest

from tradewind.pods import state
from tradewind.pods.state import PodState
from tradewind.testing.builders import a_pod, base_ended, base_running, base_waiting

SIDECAR_RUNS = {"name": "sidecar", "state": {"running": {}}}
SIDECAR_FAILED = {"name": "sidecar", "state": {"terminated": {"exitCode": 1}}}


def with_sidecar(status, sidecar, phase):
    return status | {
        "phase": phase,
        "containerStatuses": [sidecar, *status["containerStatuses"]],
    }


@pytest.mark.parametrize(
    ("status", "deleting", "expected"),
    [
        pytest.param({}, False, PodState.PENDING, id="no-status-yet"),
        pytest.param({"phase": "Pending"}, False, PodState.PENDING, id="pending"),
        pytest.param(base_waiting("ImagePullBackOff"), False, PodState.PENDING, id="waiting"),
        pytest.param(base_running(), False, PodState.RUNNING, id="running"),
        pytest.param(base_ended(0), False, PodState.SUCCEEDED, id="succeeded"),
        pytest.param(base_ended(1), False, PodState.FAILED, id="failed"),
        pytest.param(
            with_sidecar(base_ended(0), SIDECAR_RUNS, "Running"),
            False,
            PodState.SUCCEEDED,
            id="a-sidecar-that-stays-does-not-hold-the-task",
        ),
        pytest.param(
            with_sidecar(base_ended(0), SIDECAR_FAILED, "Failed"),
            False,
            PodState.SUCCEEDED,
            id="a-sidecar-that-fails-does-not-fail-the-task",
        ),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted"}, False, PodState.FAILED, id="evicted-early"
        ),
        pytest.param(base_running(), True, PodState.DELETING, id="deleted-while-running"),
        pytest.param(base_ended(0), True, PodState.SUCCEEDED, id="deleted-after-its-end"),
    ],
)
def test_the_base_container_decides(status, deleting, expected):
    times = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    assert state.of(a_pod(status=status, **times)) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, False, id="no-status"),
        pytest.param(base_waiting("ErrImagePull"), False, id="waiting"),
        pytest.param(base_running(), True, id="running"),
        pytest.param(base_ended(1), True, id="ended"),
        pytest.param(base_ended(128, startedAt=""), False, id="never-started"),
        pytest.param(
            base_ended(128, startedAt="1970-01-01T00:00:00Z"), False, id="command-never-started"
        ),
    ],
)
def test_has_started(status, expected):
    assert state.has_started(a_pod(status=status)) is expected


SPEC = {
    "containers": [{"name": "sidecar", "image": "envoy:1"}, {"name": "base", "image": "worker:1"}],
    "initContainers": [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}],
}


@pytest.mark.parametrize(
    ("name", "image", "sidecar"),
    [
        pytest.param("base", "worker:1", False, id="the-tasks-container-by-name"),
        pytest.param("fetch", "", False, id="an-init-container"),
        pytest.param("proxy", "", True, id="an-init-container-that-stays-is-a-sidecar"),
    ],
)
def test_a_container_is_found_by_its_name(name, image, sidecar):
    pod = a_pod(spec=SPEC)
    assert state.asked(pod, name).image == image
    assert state.is_sidecar(pod, name) is sidecar


def test_an_unknown_container_was_not_asked_for():
    assert state.asked(a_pod(), "base") is None
    assert not state.is_sidecar(a_pod(), "base")
