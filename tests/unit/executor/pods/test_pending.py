"""Waits as the scheduler and the kubelet of Kubernetes 1.36 write them."""

import pytest

from tradewind.pods import pending
from tradewind.pods.causes import Kind
from tradewind.pods.pending import PendingClass
from tradewind.testing.builders import (
    a_pod,
    base_ended,
    base_running,
    base_waiting,
    condition,
)

PLACED = {
    "nodeName": "node-1",
    "containers": [{"name": "sidecar", "image": "envoy:1"}, {"name": "base", "image": "nope:1"}],
    "initContainers": [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}],
}
CREATING = base_waiting("ContainerCreating")
NOT_FOUND = (
    "rpc error: code = NotFound desc = failed to pull and unpack image "
    '"docker.io/library/nope:1": failed to resolve reference "docker.io/library/nope:1": '
    "docker.io/library/nope:1: not found"
)


def unscheduled(message, reason="Unschedulable"):
    return {"phase": "Pending"} | condition("PodScheduled", reason, message, status="False")


def config_error(message):
    return base_waiting("CreateContainerConfigError", message)


def with_init(state, name="fetch", **more):
    init = {"name": name, "state": state} | more
    return base_waiting("PodInitializing") | {"initContainerStatuses": [init]}


@pytest.mark.parametrize(
    ("status", "facts", "remedy"),
    [
        pytest.param(
            base_waiting("ErrImagePull", NOT_FOUND),
            "pulling image 'nope:1' failed (ErrImagePull: docker.io/library/nope:1: not found)",
            "correct the image's name and tag",
            id="first-failure",
        ),
        pytest.param(
            base_waiting(
                "ImagePullBackOff", f'Back-off pulling image "nope:1": ErrImagePull: {NOT_FOUND}'
            ),
            "keeps failing (ImagePullBackOff: docker.io/library/nope:1: not found)",
            "correct the image's name and tag",
            id="again-and-again",
        ),
        pytest.param(
            base_waiting("ImagePullBackOff", 'Back-off pulling image "nope:1"'),
            "keeps failing (ImagePullBackOff)",
            "check the image's name and tag, imagePullSecrets",
            id="an-old-kubelet-does-not-say-why",
        ),
        pytest.param(
            base_waiting(
                "ErrImagePull",
                "pull access denied, repository does not exist or may require authorization",
            ),
            "pull access denied",
            "imagePullSecrets",
            id="no-credentials",
        ),
        pytest.param(
            base_waiting("ErrImagePull", "429 Too Many Requests - toomanyrequests: rate limit"),
            "429",
            "registry mirror",
            id="rate-limit",
        ),
        pytest.param(
            base_waiting("ErrImagePull", "dial tcp: lookup registry.local: no such host"),
            "no such host",
            "DNS",
            id="registry-out-of-reach",
        ),
        pytest.param(
            base_waiting("ErrImagePull", "write /var/lib/containerd: no space left on device"),
            "no space left",
            "free disk space",
            id="node-full",
        ),
        pytest.param(
            base_waiting(
                "ErrImageNeverPull",
                'Container image "nope:1" is not present with pull policy of Never',
            ),
            "ErrImageNeverPull",
            "IfNotPresent",
            id="never-pull",
        ),
        pytest.param(
            with_init({"waiting": {"reason": "ErrImagePull", "message": "not found"}}),
            "container fetch has no image: pulling its image failed",
            "name and tag",
            id="of-an-init-container",
        ),
    ],
)
def test_an_image_that_cannot_be_pulled_is_told_in_the_registrys_words(status, facts, remedy):
    found = pending.why_pending(a_pod(spec=PLACED, status=status))
    assert (found.kind, found.klass) == (Kind.IMAGE_PULL, PendingClass.IMAGE)
    assert facts in found.sentence
    assert remedy in found.sentence.partition("; ")[2]
    assert not found.fatal


@pytest.mark.parametrize(
    ("reason", "kind", "klass"),
    [
        ("ErrImagePull", Kind.IMAGE_PULL, PendingClass.IMAGE),
        ("ImagePullBackOff", Kind.IMAGE_PULL, PendingClass.IMAGE),
        ("ErrImageNeverPull", Kind.IMAGE_PULL, PendingClass.IMAGE),
        ("ImageInspectError", Kind.IMAGE_PULL, PendingClass.IMAGE),
        ("RegistryUnavailable", Kind.IMAGE_PULL, PendingClass.IMAGE),
        ("SignatureValidationFailed", Kind.IMAGE_PULL, PendingClass.IMAGE),
        ("InvalidImageName", Kind.IMAGE_NAME, PendingClass.IMAGE),
        ("CreateContainerConfigError", Kind.CONFIG_ERROR, PendingClass.CONFIG),
        ("CreateContainerError", Kind.CREATE_ERROR, PendingClass.CONFIG),
        ("PreCreateHookError", Kind.CREATE_ERROR, PendingClass.CONFIG),
        ("PreStartHookError", Kind.CREATE_ERROR, PendingClass.CONFIG),
        ("RunContainerError", Kind.START_ERROR, PendingClass.CONFIG),
        ("PostStartHookError", Kind.START_ERROR, PendingClass.CONFIG),
        ("CreatePodSandboxError", Kind.SANDBOX_FAILED, PendingClass.STARTING),
        ("ConfigPodSandboxError", Kind.SANDBOX_FAILED, PendingClass.STARTING),
        ("NovelError", Kind.OTHER, PendingClass.STARTING),
    ],
)
def test_every_reason_of_a_waiting_container_has_its_kind_and_class(reason, kind, klass):
    found = pending.why_pending(a_pod(spec=PLACED, status=base_waiting(reason, "words")))
    assert (found.kind, found.klass) == (kind, klass)


@pytest.mark.parametrize(
    ("status", "kind", "remedy", "fatal"),
    [
        pytest.param(
            config_error('secret "db" not found'),
            Kind.CONFIG_ERROR,
            "create Secret 'db' in namespace 'tasks', or correct its name",
            False,
            id="no-secret",
        ),
        pytest.param(
            config_error('configmap "settings" not found'),
            Kind.CONFIG_ERROR,
            "create ConfigMap 'settings' in namespace 'tasks', or correct its name",
            False,
            id="no-configmap",
        ),
        pytest.param(
            config_error("couldn't find key password in Secret tasks/db"),
            Kind.CONFIG_ERROR,
            "add key 'password' to Secret 'db' in namespace 'tasks', or correct the key",
            False,
            id="no-such-key",
        ),
        pytest.param(
            config_error(
                'container has runAsNonRoot and image will run as root (pod: "x", container: base)'
            ),
            Kind.CONFIG_ERROR,
            "set securityContext.runAsUser to a number above 0, or use an image with such a user",
            True,
            id="root",
        ),
        pytest.param(
            base_waiting("CreateContainerError", "context deadline exceeded"),
            Kind.CREATE_ERROR,
            "let it be tried on another node; if it repeats, correct the container in the pod "
            "template",
            False,
            id="runtime-trouble",
        ),
        pytest.param(
            base_waiting("RunContainerError", "failed to start"),
            Kind.START_ERROR,
            "check command and args against the image: it must hold Airflow and that program",
            False,
            id="command",
        ),
        pytest.param(
            base_waiting("InvalidImageName", "couldn't parse image name"),
            Kind.IMAGE_NAME,
            "correct the image: lower case, registry/repository:tag, no spaces",
            True,
            id="image-name",
        ),
    ],
)
def test_a_configuration_that_cannot_work_names_what_to_correct(status, kind, remedy, fatal):
    found = pending.why_pending(a_pod(spec=PLACED, status=status))
    assert found.kind is kind
    assert found.sentence.endswith(f"; {remedy}")
    assert found.fatal is fatal


@pytest.mark.parametrize(
    ("status", "facts", "remedy"),
    [
        pytest.param(
            unscheduled(
                "0/3 nodes are available: 3 Insufficient memory. no new claims to deallocate, "
                "preemption: 0/3 nodes are available: 3 No preemption victims found."
            ),
            "not scheduled (Unschedulable: 0/3 nodes are available: 3 Insufficient memory)",
            "lower the pod's memory request or add nodes with free memory",
            id="memory",
        ),
        pytest.param(
            unscheduled(
                "0/3 nodes are available: 1 node(s) had untolerated taint "
                "{node-role.kubernetes.io/control-plane: }, 2 Insufficient nvidia.com/gpu."
            ),
            "2 Insufficient nvidia.com/gpu)",
            "lower the pod's nvidia.com/gpu request or add nodes with free nvidia.com/gpu, "
            "or add a toleration for the taint",
            id="device-and-taint",
        ),
        pytest.param(
            unscheduled(
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
            ),
            "didn't match Pod's node affinity/selector",
            "correct the pod's nodeSelector, affinity or spread",
            id="selector",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 Too many pods."),
            "1 Too many pods)",
            "add nodes or raise their pod limit",
            id="nodes-full-of-pods",
        ),
        pytest.param(
            unscheduled('persistentvolumeclaim "data" not found'),
            'persistentvolumeclaim "data" not found',
            "create or bind the PersistentVolumeClaim where the pod may run",
            id="claim",
        ),
        pytest.param(
            unscheduled("Scheduling is blocked due to non-empty scheduling gates"),
            "non-empty scheduling gates",
            "compare the pod's requests, nodeSelector, affinity and tolerations with the nodes",
            id="no-known-word",
        ),
        pytest.param(
            unscheduled("Scheduling is blocked", reason="SchedulingGated"),
            "Scheduling is blocked",
            "see which controller is to remove the pod's schedulingGates, or drop them",
            id="gated",
        ),
        pytest.param(
            {"phase": "Pending"},
            "scheduler 'default-scheduler' has not looked at it yet",
            "check that a scheduler named 'default-scheduler' runs",
            id="no-scheduler",
        ),
    ],
)
def test_a_pod_without_a_node_tells_the_schedulers_own_sentence(status, facts, remedy):
    found = pending.why_pending(a_pod(status=status))
    assert (found.kind, found.klass) == (Kind.UNSCHEDULABLE, PendingClass.UNSCHEDULABLE)
    assert facts in found.sentence
    assert found.sentence.endswith(f"; {remedy}")


def test_a_pod_just_placed_is_not_blamed_on_the_scheduler():
    ready = condition("Ready", "", status="False")["conditions"]
    placed = condition("PodScheduled", "")["conditions"]
    found = pending.why_pending(a_pod(status={"conditions": [*ready, *placed]}))
    assert found.kind is Kind.NODE_SILENT


def test_a_command_too_long_to_quote_becomes_words():
    pod = a_pod(name="n" * 200, spec=PLACED, status=with_init({"running": {}}))
    assert pending.why_pending(pod).sentence.endswith("; read the log of its container 'fetch'")


@pytest.mark.parametrize(
    ("status", "kind", "klass", "facts"),
    [
        pytest.param(
            {"phase": "Pending"} | condition("PodScheduled", ""),
            Kind.NODE_SILENT,
            PendingClass.SCHEDULED_NOT_STARTED,
            "placed on node node-1, whose kubelet has not begun",
            id="kubelet-silent",
        ),
        pytest.param(
            CREATING,
            Kind.SLOW_START,
            PendingClass.STARTING,
            "its containers are being made on node node-1",
            id="creating",
        ),
        pytest.param(
            CREATING | condition("PodReadyToStartContainers", "", status="False"),
            Kind.SLOW_START,
            PendingClass.STARTING,
            "its volumes and network are being set up on node node-1",
            id="not-even-creating",
        ),
        pytest.param(
            with_init({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
            Kind.INIT_CONTAINER,
            PendingClass.INIT,
            "init container fetch runs since 2026-01-01T00:00:00Z; read its log: "
            "kubectl logs -n tasks etl-load -c fetch",
            id="init-container-runs",
        ),
        pytest.param(
            with_init({"running": {}}, name="proxy", started=False),
            Kind.SIDECAR,
            PendingClass.INIT,
            "sidecar proxy runs, but its startup probe has not passed",
            id="sidecar-not-ready",
        ),
        pytest.param(
            with_init({"running": {}}, name="proxy", started=True),
            Kind.SLOW_START,
            PendingClass.STARTING,
            "its containers are being made",
            id="sidecar-ready",
        ),
        pytest.param(
            with_init(
                {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                name="proxy",
                restartCount=3,
                lastState={"terminated": {"exitCode": 1, "message": "no certificate"}},
            ),
            Kind.SIDECAR,
            PendingClass.INIT,
            "container proxy ended with exit code 1: no certificate, 3 restarts",
            id="sidecar-crashes",
        ),
    ],
)
def test_a_start_under_way_tells_what_it_is_at(status, kind, klass, facts):
    found = pending.why_pending(a_pod(spec=PLACED, status=status))
    assert (found.kind, found.klass) == (kind, klass)
    assert facts in found.sentence


@pytest.mark.parametrize(
    ("status", "deleting"),
    [
        pytest.param(base_running(), False, id="runs"),
        pytest.param(base_ended(1), False, id="ended"),
        pytest.param(CREATING, True, id="being-deleted"),
    ],
)
def test_a_pod_that_waits_for_nothing_has_no_reason(status, deleting):
    times = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {}
    assert pending.why_pending(a_pod(spec=PLACED, status=status, **times)) is None
