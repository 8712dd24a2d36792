"""Stand-ins for the two servers a janitor asks, and for who is told."""

from dataclasses import replace

import msgspec

from tradewind.client.errors import ApiError
from tradewind.client.models import Pod
from tradewind.janitor import view
from tradewind.janitor.airflow_api import EvidenceError, place_of
from tradewind.janitor.evidence import Node
from tradewind.pods import labels
from tradewind.testing.builders import base_running

OURS = "ours"
START_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


def manifest(name="etl-load", *, status=None, spec=None, said=None, notes=None, **metadata):
    """Return a pod of ours as the API server gives it; it was created at `START_S`."""
    marks = {labels.LAUNCH_ID: "8c1f3b5e-0000-4000-8000-000000000001", labels.INSTALLATION: OURS}
    task = {"dag_id": "etl", "task_id": "load", "run_id": "r", "try_number": "1"}
    identity = {
        "name": name,
        "namespace": "tasks",
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": marks | (said or {}),
        "annotations": task | {labels.ROW_ID: f"row-{name}"} | (notes or {}),
    }
    parts = {
        "metadata": identity | metadata,
        "spec": spec or {},
        "status": status or base_running(),
    }
    return msgspec.convert(parts, Pod)


class FakeKube:
    """Pods in memory; deletes need the uid and version of the stored pod, as the real ones do."""

    def __init__(self, *pods):
        self.pods = {(pod.metadata.namespace, pod.metadata.name): pod for pod in pods}
        self.nodes = {}
        self.events = []
        self.deleted = []
        self.failures = []
        self.clock_skew_s = 0.0

    def views(self):
        return [view.of(pod) for pod in self.pods.values()]

    def change(self, pod):
        """Store another version of a pod."""
        metadata = pod.metadata
        version = str(int(metadata.resource_version) + 1)
        changed = msgspec.structs.replace(
            pod, metadata=msgspec.structs.replace(metadata, resource_version=version)
        )
        self.pods[metadata.namespace, metadata.name] = changed

    async def get_pod(self, namespace, name):
        try:
            return self.pods[namespace, name]
        except KeyError:
            raise ApiError(404, reason="NotFound", message=name) from None

    async def delete(self, pod, *, force):
        if self.failures:
            raise self.failures.pop(0)
        found = (await self.get_pod(pod.namespace, pod.name)).metadata
        if (found.uid, found.resource_version) != (pod.uid, pod.version):
            raise ApiError(409, reason="Conflict", message="the precondition failed")
        del self.pods[pod.namespace, pod.name]
        self.deleted.append((pod.name, force))

    async def node(self, name):
        return self.nodes.get(name, Node.UNKNOWN)

    async def post_event(self, namespace, event):
        self.events.append(event)

    async def read_log(self, namespace, name, *, container, tail_lines):
        return "last words\n"

    async def versions(self, namespace, *, selector):
        return {view.of(pod).uid: int(pod.metadata.resource_version) for pod in self.pods.values()}


class FakeWitness:
    """An Airflow whose rows a test writes down by place."""

    def __init__(self):
        self.instances = {}
        self.failure = None
        self.hidden = set()
        """Places that lists leave out, as for a user who may not read them."""
        self.asked = []

    def tell(self, pod, row):
        """Let the row, or None, be what Airflow has of the pod's task."""
        place = place_of(view.of(pod).task)
        self.instances.pop(place, None)
        if row is not None:
            self.instances[place] = row

    async def rows(self, asked):
        self.asked.append(list(asked))
        self._fail()
        return {
            task: self.instances[place_of(task)]
            for task in asked
            if place_of(task) in self.instances and place_of(task) not in self.hidden
        }

    async def row(self, task):
        self.asked.append([task])
        self._fail()
        return self.instances.get(place_of(task))

    def _fail(self):
        if self.failure is not None:
            raise self.failure


def unreachable():
    return EvidenceError("no answer from http://airflow", kind="unreachable")


class SilentRecorder:
    """Remembers what it was told."""

    def __init__(self):
        self.gone = []
        self.others = []

    async def before(self, pod, verdict):
        return "tail"

    async def deleted(self, pod, verdict, *, log_tail):
        self.gone.append((pod.metadata.name, verdict.reason, log_tail))

    async def found(self, finding):
        self.others.append(replace(finding))


class ManualClock:
    """A clock that a test turns."""

    def __init__(self):
        self.passed_s = 0.0

    def now_s(self):
        return self.passed_s

    def utc_s(self):
        return START_S + self.passed_s

    async def sleep(self, seconds):
        self.passed_s += seconds
