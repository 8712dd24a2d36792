"""Statuses as Kubernetes 1.36 writes them, and what a user reads about each."""

import pytest

from tradewind.pods import diagnosis
from tradewind.pods.causes import Kind
from tradewind.testing.builders import (
    a_pod,
    an_event,
    base_ended,
    base_running,
    base_waiting,
    condition,
)

SPEC = {
    "nodeName": "node-1",
    "containers": [
        {"name": "istio-proxy", "resources": {"limits": {"memory": "64Mi"}}},
        {"name": "base", "image": "worker:1", "resources": {"limits": {"memory": "512Mi"}}},
    ],
    "initContainers": [
        {"name": "fetch", "resources": {"limits": {"memory": "32Mi"}}},
        {"name": "proxy", "restartPolicy": "Always"},
    ],
}
EPOCH = "1970-01-01T00:00:00Z"
OOM = base_ended(137, reason="OOMKilled")
UNLIMITED = {"nodeName": "node-1", "containers": [{"name": "base"}]}
POD_LIMIT = UNLIMITED | {"resources": {"limits": {"memory": "2Gi"}}}


def failed(reason, message=""):
    return {"phase": "Failed", "reason": reason, "message": message}


def init_ended(exit_code, name="fetch", **terminated):
    end = {"exitCode": exit_code, "reason": "Error"} | terminated
    return {
        "phase": "Failed",
        "initContainerStatuses": [{"name": name, "state": {"terminated": end}}],
        "containerStatuses": base_waiting("PodInitializing")["containerStatuses"],
    }


@pytest.mark.parametrize(
    ("spec", "status", "facts", "remedy"),
    [
        pytest.param(
            SPEC,
            OOM,
            "container base was OOMKilled at its memory limit of 512Mi",
            "raise the task's memory limit",
            id="the-limit-of-base-and-not-of-the-first-container",
        ),
        pytest.param(
            SPEC,
            base_ended(0, reason="OOMKilled"),
            "a process of container base was OOMKilled at its memory limit of 512Mi",
            "raise the task's memory limit",
            id="a-child-was-killed-and-the-worker-ended-well",
        ),
        pytest.param(
            POD_LIMIT,
            OOM,
            "at the pod's memory limit of 2Gi",
            "raise the memory limit of the pod",
            id="limit-of-the-whole-pod",
        ),
        pytest.param(
            UNLIMITED,
            OOM,
            "without a memory limit of its own: its node ran out of memory",
            "set a memory request and limit",
            id="no-limit-so-the-node-was-full",
        ),
        pytest.param({}, OOM, "was OOMKilled: it ran out of memory", "raise", id="spec-unknown"),
    ],
)
def test_a_kill_for_memory_names_whose_memory_was_full(spec, status, facts, remedy):
    cause = diagnosis.explain(a_pod(spec=spec, status=status))
    assert cause.kind is Kind.OOM_KILLED
    assert facts in cause.sentence
    assert cause.sentence.partition("; ")[2].startswith(remedy)
    assert not cause.infrastructure


@pytest.mark.parametrize(
    ("status", "kind", "facts", "remedy"),
    [
        pytest.param(
            base_ended(1, reason="Error"), Kind.EXIT_CODE, "exit code 1", "task's log", id="error"
        ),
        pytest.param(
            base_ended(2, message="disk full"), Kind.EXIT_CODE, "2: disk full", "log", id="message"
        ),
        pytest.param(
            base_ended(127), Kind.EXIT_CODE, "exit code 127", "an image that holds it", id="127"
        ),
        pytest.param(
            base_ended(137, reason="Error"),
            Kind.SIGNAL,
            "exit code 137 (SIGKILL), and not for its memory limit",
            "a node that ran out of memory",
            id="killed-but-not-for-memory",
        ),
        pytest.param(base_ended(143), Kind.SIGNAL, "143 (SIGTERM)", "what asked", id="sigterm"),
        pytest.param(base_ended(126), Kind.EXIT_CODE, "126;", "executable", id="126"),
        pytest.param(base_ended(134), Kind.SIGNAL, "(SIGABRT)", "native library", id="abort"),
        pytest.param(base_ended(135), Kind.SIGNAL, "(SIGBUS)", "native library", id="bus-error"),
        pytest.param(base_ended(132), Kind.SIGNAL, "(SIGILL)", "native library", id="wrong-cpu"),
        pytest.param(
            base_ended(139), Kind.SIGNAL, "139 (SIGSEGV)", "native library", id="segmentation-fault"
        ),
        pytest.param(
            base_ended(2, signal=9), Kind.SIGNAL, "(SIGKILL)", "a kill", id="a-signal-told-outright"
        ),
        pytest.param(base_ended(160), Kind.EXIT_CODE, "exit code 160;", "log", id="160-no-signal"),
        pytest.param(base_ended(255), Kind.EXIT_CODE, "exit code 255;", "log", id="255-no-signal"),
        pytest.param(
            base_ended(0), Kind.NO_RESULT, "never reported a result", "API server", id="silent-end"
        ),
        pytest.param(
            base_ended(
                128,
                reason="StartError",
                startedAt=EPOCH,
                message='exec: "airflow": executable file not found in $PATH: unknown',
            ),
            Kind.START_ERROR,
            'could not be started (StartError): exec: "airflow"',
            "check command and args",
            id="command-not-in-the-image",
        ),
        pytest.param(
            base_ended(137, reason="ContainerStatusUnknown", startedAt=None),
            Kind.NODE_LOST,
            "node node-1 lost track of container base",
            "retries",
            id="kubelet-lost-the-container",
        ),
    ],
)
def test_the_end_of_the_tasks_container_is_told(status, kind, facts, remedy):
    cause = diagnosis.explain(a_pod(spec=SPEC, status=status))
    assert cause.kind is kind
    assert facts in cause.sentence
    assert remedy in cause.sentence.partition("; ")[2]


@pytest.mark.parametrize(
    ("exit_code", "kind"),
    [
        pytest.param(143, Kind.DELETED, id="stopped-by-the-deletion"),
        pytest.param(137, Kind.DELETED, id="killed-after-the-grace-period"),
        pytest.param(0, Kind.DELETED, id="ended-orderly-when-asked-to"),
        pytest.param(1, Kind.EXIT_CODE, id="failed-by-itself"),
    ],
)
def test_a_deletion_explains_the_signals_it_sends(exit_code, kind):
    pod = a_pod(status=base_ended(exit_code), deletionTimestamp="2026-01-01T00:00:00Z")
    assert diagnosis.explain(pod).kind is kind


@pytest.mark.parametrize(
    ("status", "kind", "facts"),
    [
        pytest.param(
            init_ended(2, message="no such host"),
            Kind.INIT_CONTAINER,
            "init container fetch ended with exit code 2: no such host",
            id="failed",
        ),
        pytest.param(
            init_ended(137, reason="OOMKilled"),
            Kind.OOM_KILLED,
            "init container fetch was OOMKilled at its memory limit of 32Mi; "
            "raise the memory limit of container 'fetch'",
            id="its-own-memory-limit",
        ),
        pytest.param(
            init_ended(137, name="proxy"),
            Kind.NO_REASON,
            "it is Failed and gives no reason",
            id="a-sidecar-is-ended-by-the-kubelet",
        ),
    ],
)
def test_an_init_container_is_named(status, kind, facts):
    cause = diagnosis.explain(a_pod(spec=SPEC, status=status))
    assert cause.kind is kind
    assert facts in cause.sentence


LATE = failed("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def test_a_deadline_names_its_seconds():
    pod = a_pod(spec={"activeDeadlineSeconds": 3600}, status=base_ended(143) | LATE)
    cause = diagnosis.explain(pod)
    assert cause.kind is Kind.DEADLINE
    assert "activeDeadlineSeconds of 3600 s; raise the task's execution_timeout" in cause.sentence


def test_a_deadline_before_the_start_of_a_healthy_pod_names_only_its_seconds():
    cause = diagnosis.explain(a_pod(status=base_waiting("ContainerCreating") | LATE))
    assert "outlived its activeDeadlineSeconds; raise" in cause.sentence


def test_a_deadline_before_the_start_names_what_the_pod_waited_for():
    pod = a_pod(status=base_waiting("ContainerCreating") | LATE)
    mount = an_event("FailedMount", 'MountVolume.SetUp failed : secret "db" not found')
    sentence = diagnosis.explain(pod, events=[mount]).sentence
    assert "before the task began: a volume is missing (FailedMount: MountVolume" in sentence
    assert sentence.endswith("create Secret 'db' in namespace 'tasks', or correct its name")


@pytest.mark.parametrize(
    ("status", "events", "kind"),
    [
        pytest.param({"phase": "Failed"}, [], Kind.NO_REASON, id="nothing-known"),
        pytest.param(
            {"phase": "Failed"}, [an_event("Evicted", "low on")], Kind.EVICTED, id="event-tells"
        ),
        pytest.param(base_waiting("ImagePullBackOff"), [], Kind.IMAGE_PULL, id="given-up-waiting"),
        pytest.param(base_waiting("ContainerCreating"), [], Kind.UNSCHEDULABLE, id="not-placed"),
        pytest.param(base_running(), [], Kind.NO_REASON, id="runs"),
        pytest.param(
            {"phase": "Failed", "message": "words"}, [], Kind.NO_REASON, id="words-without-reason"
        ),
    ],
)
def test_events_come_last(status, events, kind):
    assert diagnosis.explain(a_pod(status=status), events=events).kind is kind


@pytest.mark.parametrize(
    ("status", "events", "kind", "facts"),
    [
        pytest.param({}, [], Kind.DELETED, "deleted from outside", id="by-somebody"),
        pytest.param(
            condition("DisruptionTarget", "PreemptionByScheduler"),
            [],
            Kind.PREEMPTED,
            "PreemptionByScheduler",
            id="announced",
        ),
        pytest.param(
            base_running(),
            [an_event("TaintManagerEviction", "Marking for deletion Pod tasks/etl-load")],
            Kind.NODE_LOST,
            "because of a taint",
            id="told-by-an-event",
        ),
        pytest.param(
            base_running(),
            [
                an_event("TaintManagerEviction", "Marking for deletion Pod tasks/etl-load"),
                an_event("TaintManagerEviction", "Cancelling deletion of Pod x", at_s=5),
            ],
            Kind.DELETED,
            "deleted from outside",
            id="a-cancelled-removal-is-none",
        ),
    ],
)
def test_a_vanished_pod_is_named_with_its_node(status, events, kind, facts):
    cause = diagnosis.deleted(a_pod(spec=SPEC, status=status), events=events)
    start = "pod tasks/etl-load was gone before its task had ended on node node-1: "
    assert cause.kind is kind
    assert cause.sentence.startswith(start)
    assert facts in cause.sentence
    assert cause.infrastructure


def test_a_pod_missing_from_a_list_says_that_nobody_saw_its_end():
    assert (
        "and nobody saw it end: it was deleted" in diagnosis.deleted(a_pod(), seen=False).sentence
    )


def test_a_pod_that_is_being_deleted_while_it_runs_says_so():
    pod = a_pod(status=base_running(), deletionTimestamp="2026-01-01T00:00:00Z")
    assert diagnosis.explain(pod).kind is Kind.DELETED


def test_the_text_form_is_the_sentence():
    pod = a_pod(status=base_ended(1))
    assert diagnosis.of(pod) == diagnosis.explain(pod).sentence
