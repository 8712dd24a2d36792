import pytest

from tradewind.pods import diagnosis
from tradewind.testing.builders import a_pod, base_ended, base_waiting

DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "PreemptionByScheduler",
    "message": "default-scheduler: preempting to accommodate a higher priority pod",
}
UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
}
INIT_FAILED = {
    "phase": "Failed",
    "initContainerStatuses": [
        {"name": "fetch", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}
    ],
}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(base_ended(137, reason="OOMKilled"), "raise the memory limit", id="oom"),
        pytest.param(base_ended(1, reason="Error"), "exit code 1", id="exit-code"),
        pytest.param(base_ended(137, reason="Error"), "SIGKILL", id="signal-from-exit-code"),
        pytest.param(base_ended(143), "SIGTERM", id="terminated"),
        pytest.param(base_ended(2, message="disk full"), "disk full", id="termination-message"),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
            "Evicted: low on memory",
            id="evicted",
        ),
        pytest.param(
            base_ended(137) | {"conditions": [DISRUPTED]}, "PreemptionByScheduler", id="preempted"
        ),
        pytest.param(INIT_FAILED, "init container fetch ended with exit code 2", id="init"),
        pytest.param(
            base_waiting("ImagePullBackOff", "not found"), "ImagePullBackOff: not found", id="pull"
        ),
        pytest.param(
            {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
            "3 Insufficient memory",
            id="unschedulable",
        ),
        pytest.param({}, "unknown without a reason", id="nothing-known"),
    ],
)
def test_the_most_telling_fact_is_named(status, words):
    assert words in diagnosis.of(a_pod(status=status))


def test_a_deleted_pod_is_named_with_its_node():
    pod = a_pod(status={"conditions": [DISRUPTED]})
    assert "tasks/etl-load was gone before its task had ended" in diagnosis.deleted(pod)
    assert "PreemptionByScheduler" in diagnosis.deleted(pod)
    assert "deleted from outside" in diagnosis.deleted(a_pod())


def test_a_long_message_is_clipped():
    assert len(diagnosis.of(a_pod(status=base_ended(1, message="x" * 5000)))) < 500
