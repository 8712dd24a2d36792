"""Events as the kubelet of Kubernetes 1.36 writes them, about pods whose status tells nothing."""

import pytest

from tradewind.pods import pending
from tradewind.pods.causes import Kind
from tradewind.pods.pending import PendingClass
from tradewind.testing.builders import a_pod, an_event, base_waiting

PLACED = {"nodeName": "node-1"}
CREATING = base_waiting("ContainerCreating")
NOT_FOUND = (
    "rpc error: code = NotFound desc = failed to pull and unpack image "
    '"docker.io/library/nope:1": failed to resolve reference "docker.io/library/nope:1": '
    "docker.io/library/nope:1: not found"
)
VOLUME_TIMED_OUT = an_event(
    "FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", at_s=9
)
NO_SECRET = an_event(
    "FailedMount",
    'MountVolume.SetUp failed for volume "creds" : secret "db" not found',
    at_s=8,
    count=7,
)


@pytest.mark.parametrize(
    ("events", "kind", "klass", "facts"),
    [
        pytest.param(
            [NO_SECRET, VOLUME_TIMED_OUT],
            Kind.MOUNT_FAILED,
            PendingClass.VOLUME,
            "secret \"db\" not found, 7 times); create Secret 'db' in namespace",
            id="the-telling-event-beats-the-later-vague-one",
        ),
        pytest.param(
            [VOLUME_TIMED_OUT], Kind.MOUNT_FAILED, PendingClass.VOLUME, "timed out", id="only-vague"
        ),
        pytest.param(
            [an_event("FailedMount", "references non-existent secret key: password")],
            Kind.MOUNT_FAILED,
            PendingClass.VOLUME,
            "; add key 'password' to the Secret or ConfigMap, or correct the volume's items",
            id="no-such-item",
        ),
        pytest.param(
            [an_event("FailedAttachVolume", "Multi-Attach error for volume pvc-1")],
            Kind.MOUNT_FAILED,
            PendingClass.VOLUME,
            "Multi-Attach error",
            id="attached-elsewhere",
        ),
        pytest.param(
            [an_event("FailedCreatePodSandBox", 'plugin type="calico" failed (add)')],
            Kind.SANDBOX_FAILED,
            PendingClass.STARTING,
            'plugin type="calico" failed',
            id="network",
        ),
        pytest.param(
            [an_event("InspectFailed", "Failed to apply default image tag")],
            Kind.IMAGE_NAME,
            PendingClass.IMAGE,
            "default image tag",
            id="image-name",
        ),
        pytest.param(
            [
                an_event("Failed", f'Failed to pull image "nope:1": {NOT_FOUND}', at_s=1),
                an_event("Failed", "Error: ErrImagePull", at_s=1),
                an_event("BackOff", 'Back-off pulling image "nope:1"', at_s=2),
            ],
            Kind.IMAGE_PULL,
            PendingClass.IMAGE,
            "pulling an image failed (docker.io/library/nope:1: not found)",
            id="image-between-two-pulls",
        ),
        pytest.param(
            [NO_SECRET, an_event("Pulling", 'Pulling image "worker:1"', at_s=20)],
            Kind.SLOW_START,
            PendingClass.STARTING,
            'on node node-1 (Pulling image "worker:1")',
            id="overcome-trouble-is-no-reason",
        ),
        pytest.param(
            [an_event("FailedMount", "not yet"), an_event("Pulling", 'Pulling image "worker:1"')],
            Kind.SLOW_START,
            PendingClass.STARTING,
            'Pulling image "worker:1"',
            id="overcome-within-the-same-second",
        ),
        pytest.param(
            [an_event("Scheduled", "Successfully assigned tasks/etl-load to node-1")],
            Kind.SLOW_START,
            PendingClass.STARTING,
            "its containers are being made on node node-1;",
            id="nothing-told",
        ),
    ],
)
def test_events_tell_what_the_status_does_not(events, kind, klass, facts):
    pod = a_pod(spec=PLACED, status=CREATING)
    assert pending.why_pending(pod).wants_events
    found = pending.why_pending(pod, events=events)
    assert (found.kind, found.klass) == (kind, klass)
    assert facts in found.sentence


@pytest.mark.parametrize(
    ("events", "words", "wants_events"),
    [
        pytest.param([], "keeps failing (ImagePullBackOff)", True, id="not-asked-yet"),
        pytest.param(
            [an_event("Failed", f'Failed to pull image "nope:1": {NOT_FOUND}')],
            "docker.io/library/nope:1: not found",
            False,
            id="the-event-tells",
        ),
        pytest.param([NO_SECRET], "keeps failing", True, id="other-trouble-does-not-answer-it"),
    ],
)
def test_a_back_off_without_the_registrys_words_asks_for_events(events, words, wants_events):
    status = base_waiting("ImagePullBackOff", 'Back-off pulling image "nope:1"')
    found = pending.why_pending(a_pod(spec=PLACED, status=status), events=events)
    assert (found.kind, found.wants_events) == (Kind.IMAGE_PULL, wants_events)
    assert words in found.sentence
