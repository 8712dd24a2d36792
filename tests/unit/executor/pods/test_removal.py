"""What takes pods away, as Kubernetes 1.36 writes it, and what a user reads about each."""

import pytest

from tradewind.pods import diagnosis
from tradewind.pods.causes import Kind
from tradewind.testing.builders import a_pod, an_event, base_ended, condition

ON_NODE = {"nodeName": "node-1"}
OOM = base_ended(137, reason="OOMKilled")


def failed(reason, message=""):
    return {"phase": "Failed", "reason": reason, "message": message}


def disrupted(reason, message=""):
    return base_ended(143) | condition("DisruptionTarget", reason, message)


LOW = "The node was low on resource: {}. Threshold quantity: 100Mi, available: 93Mi. "


@pytest.mark.parametrize(
    ("status", "kind", "facts", "remedy"),
    [
        pytest.param(
            OOM | failed("Evicted", LOW.format("memory") + "Container base was using 1Gi, ..."),
            Kind.EVICTED,
            "evicted by the kubelet (Evicted on node node-1: The node was low on resource: memory",
            "request as much memory",
            id="evicted-for-memory-wins-over-the-kill-it-caused",
        ),
        pytest.param(
            failed("Evicted", LOW.format("ephemeral-storage")),
            Kind.EVICTED,
            "ephemeral-storage",
            "request as much ephemeral-storage",
            id="evicted-for-disk",
        ),
        pytest.param(
            failed("Evicted", "Pod was rejected: The node had condition: [DiskPressure]. "),
            Kind.EVICTED,
            "[DiskPressure]",
            "placed again; see what fills that node",
            id="refused-under-pressure",
        ),
        pytest.param(
            failed("Evicted", 'Usage of EmptyDir volume "tmp" exceeds the limit "1Mi". '),
            Kind.STORAGE_LIMIT,
            '"tmp" exceeds the limit "1Mi"',
            "emptyDir's sizeLimit",
            id="own-volume-full",
        ),
        pytest.param(
            failed(
                "Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers"
            ),
            Kind.STORAGE_LIMIT,
            "ephemeral",
            "write less",
            id="own-disk-limit",
        ),
        pytest.param(
            failed("Terminated", "Pod was terminated in response to imminent node shutdown."),
            Kind.NODE_SHUTDOWN,
            "shutdown of its node (Terminated on node node-1",
            "spot",
            id="node-shut-down",
        ),
        pytest.param(
            failed("NodeShutdown", "Pod was rejected as the node is shutting down."),
            Kind.NODE_SHUTDOWN,
            "NodeShutdown",
            "retries",
            id="node-shutting-down",
        ),
        pytest.param(
            failed("Shutdown", "Node is shutting, evicting pods"),
            Kind.NODE_SHUTDOWN,
            "Node is shutting",
            "retries",
            id="node-shut-down-as-older-kubelets-word-it",
        ),
        pytest.param(
            failed("NodeLost", "Node node-1 which was running pod etl-load is unresponsive"),
            Kind.NODE_LOST,
            "is unresponsive",
            "retries",
            id="node-lost",
        ),
        pytest.param(
            failed("Preempting", "Preempted in order to admit critical pod"),
            Kind.PREEMPTED,
            "critical pod",
            "PriorityClass",
            id="preempted-by-the-kubelet",
        ),
        pytest.param(
            failed("OutOfmemory", "Pod was rejected: Node didn't have enough resource: memory"),
            Kind.NODE_REFUSED,
            "refused by its node (OutOfmemory on node node-1",
            "placed again",
            id="node-was-fuller-than-the-scheduler-thought",
        ),
        pytest.param(
            failed("UnexpectedAdmissionError", "Pod was rejected: Allocate failed: no healthy gpu"),
            Kind.NODE_REFUSED,
            "no healthy gpu",
            "placed again",
            id="no-device",
        ),
        pytest.param(
            failed("NovelReason", "words"), Kind.OTHER, "NovelReason: words", "look", id="unknown"
        ),
        pytest.param(
            OOM | failed("NovelReason"), Kind.OOM_KILLED, "OOM", "raise", id="known-beats-unknown"
        ),
    ],
)
def test_the_pods_own_reason_is_told(status, kind, facts, remedy):
    cause = diagnosis.explain(a_pod(spec=ON_NODE, status=status))
    assert cause.kind is kind
    assert facts in cause.sentence
    assert remedy in cause.sentence.partition("; ")[2]


@pytest.mark.parametrize(
    ("status", "kind", "facts"),
    [
        pytest.param(
            disrupted(
                "PreemptionByScheduler",
                "default-scheduler: preempting to accommodate a higher priority pod",
            ),
            Kind.PREEMPTED,
            "preempted to make room",
            id="preempted",
        ),
        pytest.param(
            disrupted("EvictionByEvictionAPI", "Eviction API: evicting"),
            Kind.DISRUPTED,
            "as a node drain does",
            id="drained",
        ),
        pytest.param(
            disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
            Kind.NODE_LOST,
            "NoExecute taint",
            id="tainted",
        ),
        pytest.param(
            disrupted("DeletionByPodGC", "PodGC: node no longer exists"),
            Kind.NODE_LOST,
            "its node no longer exists",
            id="node-removed",
        ),
        pytest.param(
            disrupted("TerminationByKubelet", LOW.format("pids")),
            Kind.EVICTED,
            "low on resource: pids",
            id="kubelet-evicts",
        ),
        pytest.param(
            disrupted(
                "TerminationByKubelet",
                "Pod was terminated in response to imminent node shutdown.",
            ),
            Kind.NODE_SHUTDOWN,
            "shutdown of its node",
            id="kubelet-shuts-down",
        ),
        pytest.param(
            disrupted(
                "TerminationByKubelet",
                "Pod was preempted by Kubelet to accommodate a critical pod.",
            ),
            Kind.PREEMPTED,
            "critical pod",
            id="kubelet-preempts",
        ),
        pytest.param(
            disrupted("DeletionByDeviceTaintManager", "deleting due to NoExecute taint"),
            Kind.DISRUPTED,
            "a device it uses is tainted",
            id="device-tainted",
        ),
        pytest.param(disrupted("Novel", "words"), Kind.DISRUPTED, "disrupted (Novel", id="unknown"),
    ],
)
def test_a_disruption_is_blamed_on_the_cluster_and_not_on_the_signal_it_sent(status, kind, facts):
    cause = diagnosis.explain(a_pod(spec=ON_NODE, status=status))
    assert cause.kind is kind
    assert facts in cause.sentence
    assert cause.infrastructure


@pytest.mark.parametrize(
    "reason",
    [
        "NodeAffinity",
        "TaintToleration",
        "UnexpectedAdmissionError",
        "TopologyAffinityError",
        "SMTAlignmentError",
        "VolumeAttachmentLimitExceeded",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "OutOfcpu",
        "OutOfnvidia.com/gpu",
    ],
)
def test_a_refusal_is_known_by_its_reason_where_an_older_kubelet_words_it_otherwise(reason):
    assert diagnosis.explain(a_pod(status=failed(reason, "words"))).kind is Kind.NODE_REFUSED


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Evicted", Kind.EVICTED),
        ("Preempted", Kind.PREEMPTED),
        ("Preempting", Kind.PREEMPTED),
        ("TaintManagerEviction", Kind.NODE_LOST),
        ("NodeControllerEviction", Kind.NODE_LOST),
        ("NodeNotReady", Kind.NODE_LOST),
        ("Killing", Kind.DELETED),
    ],
)
def test_an_event_tells_what_took_a_vanished_pod(reason, kind):
    assert diagnosis.deleted(a_pod(), events=[an_event(reason, "words")]).kind is kind


@pytest.mark.parametrize(
    ("resource", "remedy"),
    [
        ("memory", "request as much memory"),
        ("ephemeral-storage", "request as much ephemeral-storage"),
        ("inodes", "write fewer files"),
        ("pids", "start fewer processes"),
        ("novel", "request as much of the scarce resource"),
    ],
)
def test_an_eviction_is_remedied_by_what_the_node_was_short_of(resource, remedy):
    cause = diagnosis.explain(a_pod(status=failed("Evicted", LOW.format(resource))))
    assert remedy in cause.sentence.partition("; ")[2]


def test_a_disruption_that_was_called_off_is_no_cause():
    called_off = condition("DisruptionTarget", "EvictionByEvictionAPI", status="False")
    assert diagnosis.explain(a_pod(status=base_ended(1) | called_off)).kind is Kind.EXIT_CODE
