"""Every combination of what a pod can show has a short explanation with a remedy."""

import itertools

from tradewind.pods import diagnosis, pending
from tradewind.pods.causes import MAX_CHARS, Kind
from tradewind.testing.builders import (
    a_pod,
    an_event,
    base_ended,
    base_running,
    base_waiting,
    condition,
)

LONG = "words; and more words: " * 200
PHASES = ["", "Pending", "Running", "Failed", "Unknown"]
REASONS = [("", ""), ("Evicted", ""), ("DeadlineExceeded", LONG), ("Novel", "")]
CONDITIONS = [
    {},
    condition("PodScheduled", "", "", status="False"),
    condition("DisruptionTarget", "", LONG),
    condition("DisruptionTarget", "TerminationByKubelet"),
]
BASES = [
    {},
    base_running(),
    base_ended(-1, reason=LONG, message=LONG),
    base_ended(137, reason="OOMKilled"),
    base_ended(9999, signal=77),
    base_waiting("ImagePullBackOff", LONG),
    base_waiting("Novel", "\n\x00é"),
    base_waiting("CreateContainerConfigError", f'secret "{"s" * 253}" not found'),
]
INITS = [
    [],
    [{"name": "fetch", "state": {}}],
    [{"name": "fetch", "state": {"terminated": {"exitCode": 1}}}],
    [{"name": "n" * 63, "state": {"running": {}}}],
]
SPECS = [{}, {"nodeName": "n" * 253, "containers": [{"name": "base"}], "activeDeadlineSeconds": 1}]
EVENTS = [
    [],
    [an_event(""), an_event("FailedMount", LONG, lastTimestamp=None, series={"count": 3})],
    [an_event("Evicted", ""), an_event("Pulling"), an_event("BackOff", "image")],
]


def every_pod():
    shapes = itertools.product(PHASES, REASONS, CONDITIONS, BASES, INITS, SPECS)
    for phase, (reason, message), conditions, base, inits, spec in shapes:
        status = {"initContainerStatuses": inits} | base | conditions
        status |= {"phase": phase, "reason": reason, "message": message}
        more = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if phase == "Running" else {}
        if spec:
            more |= {"name": "n" * 253, "namespace": "s" * 63}
        yield a_pod(spec=spec, status=status, **more)


def is_whole(sentence):
    before, found, remedy = sentence.rpartition("; ")
    return before and found and len(remedy) > 10 and len(sentence) <= MAX_CHARS


def test_every_pod_has_a_short_explanation_with_a_remedy():
    kinds = set()
    for pod, events in zip(every_pod(), itertools.cycle(EVENTS), strict=False):
        for cause in (diagnosis.explain(pod, events=events), diagnosis.deleted(pod, events=events)):
            assert is_whole(cause.sentence), cause
            assert "\n" not in cause.sentence
            kinds.add(cause.kind)
        waiting = pending.why_pending(pod, events=events)
        assert waiting is None or is_whole(waiting.sentence), waiting
    assert len(kinds & set(Kind)) > 10
