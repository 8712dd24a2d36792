import json
import re
import subprocess
import sys
import time

import pytest

from tradewind_tools import pod_record, report
from tradewind_tools.errors import WorkFailedError
from tradewind_tools.pod_record import PodRecorder


def a_pod(uid="u1", *, phase="Pending", node="", version="5", launch="L1", **notes):
    annotations = {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": "1"} | notes
    return {
        "metadata": {
            "uid": uid,
            "name": f"pod-{uid}",
            "resourceVersion": version,
            "labels": {pod_record.TASK_PODS: launch},
            "annotations": annotations,
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase},
    }


def an_event(kind, pod):
    return {"type": kind, "object": pod}


TOO_OLD = an_event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})
FOREVER = "import time; time.sleep(60)"


class Printed(str):
    """What a watch prints."""

    __slots__ = ()

    @classmethod
    def lines(cls, events):
        return cls("".join(json.dumps(event) + "\n" for event in events))


class Refused(str):
    """Why a watch is refused."""

    __slots__ = ()


class FakeCluster:
    """Lists what `listed` holds; each watch is a real child that prints its events and ends."""

    def __init__(self):
        self.listed = []
        self.version = "1"
        self.watches = []
        """Of each watch: its events, `Printed` or `Refused`. Later watches stay silent."""
        self.begun_at = []
        self.children = []

    def run(self, *_):
        metadata = {"resourceVersion": self.version}
        return json.dumps({"metadata": metadata, "items": self.listed})

    def start(self, *arguments):
        self.begun_at.append(re.search(r"resourceVersion=(\w+)", arguments[-1])[1])
        answer = self.watches.pop(0) if self.watches else None
        if answer is None:
            code = FOREVER
        elif isinstance(answer, Refused):
            code = f"import sys; sys.exit({str(answer)!r})"
        else:
            text = answer if isinstance(answer, Printed) else Printed.lines(answer)
            code = f"print({str(text)!r}, end='')"
        pipe = subprocess.PIPE
        child = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True)
        self.children.append(child)
        return child

    def wait_for_watches(self, count):
        deadline = time.monotonic() + 10
        while len(self.children) < count:
            assert time.monotonic() < deadline, f"watches began at {self.begun_at}"
            time.sleep(0.01)


@pytest.fixture
def cluster(monkeypatch):
    fake = FakeCluster()
    monkeypatch.setattr(pod_record.kubectl, "run", fake.run)
    monkeypatch.setattr(pod_record.forward, "start", fake.start)
    monkeypatch.setattr(pod_record, "REPEAT_INTERVAL_S", 0.01)
    return fake


def a_recorder():
    return PodRecorder(None, namespace="tradewind")


def test_a_pod_gathers_phases_node_and_end():
    known = None
    for kind, pod in [
        ("ADDED", a_pod()),
        ("MODIFIED", a_pod(node="node-a")),
        ("MODIFIED", a_pod(node="node-a", phase="Running")),
        ("MODIFIED", a_pod(node="node-a", phase="Succeeded")),
        ("DELETED", a_pod(node="node-a", phase="Succeeded")),
    ]:
        known = pod_record.fold(known, kind=kind, pod=pod)
    assert known.phases == ("Pending", "Running", "Succeeded")
    assert (known.node, known.deleted) == ("node-a", True)


@pytest.mark.parametrize(
    ("notes", "map_index", "try_number"),
    [
        pytest.param({}, -1, 1, id="plain"),
        pytest.param({"map_index": "0", "try_number": "3"}, 0, 3, id="mapped-third-try"),
    ],
)
def test_annotations_say_whose_pod_it_is(notes, map_index, try_number):
    found = pod_record.fold(None, kind="ADDED", pod=a_pod(**notes))
    assert found.launch_id == "L1"
    assert found.key == report.Try(
        dag_id="d", run_id="r", task_id="t", map_index=map_index, try_number=try_number
    )


def test_pods_of_the_list_and_of_the_watch_are_recorded(cluster):
    cluster.listed = [a_pod("u1")]
    cluster.watches = [[an_event("ADDED", a_pod("u2")), an_event("DELETED", a_pod("u2"))]]
    with a_recorder() as recorder:
        cluster.wait_for_watches(2)
    assert [(pod.uid, pod.deleted) for pod in recorder.pods()] == [("u1", False), ("u2", True)]


def test_the_next_watch_goes_on_after_the_last_change_or_bookmark(cluster):
    bookmark = an_event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    cluster.watches = [[an_event("ADDED", a_pod(version="5"))], [bookmark], []]
    with a_recorder() as recorder:
        cluster.wait_for_watches(4)
    assert cluster.begun_at[:4] == ["1", "5", "9", "9"]
    assert recorder.gaps == 0


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param([TOO_OLD], id="event"),
        pytest.param(Refused("Error from server (Expired): too old"), id="answer"),
    ],
)
def test_lost_changes_are_counted_and_the_list_is_read_again(cluster, refusal):
    cluster.listed = [a_pod("u1")]
    cluster.watches = [refusal]
    with a_recorder() as recorder:
        cluster.listed, cluster.version = [a_pod("u2")], "30"
        cluster.wait_for_watches(2)
    assert recorder.gaps == 1
    assert cluster.begun_at[1] == "30"
    assert {pod.uid: pod.deleted for pod in recorder.pods()} == {"u1": True, "u2": False}


def test_a_cut_line_is_no_gap(cluster):
    whole = json.dumps(an_event("ADDED", a_pod(version="7"))) + "\n"
    cut = json.dumps(an_event("DELETED", a_pod(version="8")))[:40]
    cluster.watches = [Printed(whole + cut)]
    with a_recorder() as recorder:
        cluster.wait_for_watches(2)
    assert cluster.begun_at[1] == "7"
    assert recorder.gaps == 0


def test_a_killed_watch_is_begun_again(cluster):
    with a_recorder() as recorder:
        cluster.wait_for_watches(1)
        cluster.children[0].kill()
        cluster.wait_for_watches(2)
    assert recorder.gaps == 0


def test_what_ended_the_recording_is_raised(cluster):
    cluster.watches = [[an_event("ADDED", a_pod(map_index="many"))]]
    with a_recorder() as recorder:
        recorder._reader.join(10)
        with pytest.raises(ValueError, match="many"):
            recorder.catch_up()


def test_kubectl_has_ended_when_the_block_is_left(cluster):
    with a_recorder():
        cluster.wait_for_watches(1)
        assert cluster.children[0].poll() is None
    assert all(child.poll() is not None for child in cluster.children)


def test_a_watch_that_begins_while_the_block_is_left_ends_too(cluster, monkeypatch):
    begin, recorder = cluster.start, a_recorder()

    def begin_late(*arguments):
        recorder._stopping.wait(10)
        return begin(*arguments)

    monkeypatch.setattr(pod_record.forward, "start", begin_late)
    with recorder:
        pass
    assert [child.poll() is not None for child in cluster.children] == [True]


def test_two_pods_of_a_launch_show(cluster):
    cluster.listed = [a_pod("u1"), a_pod("u2"), a_pod("u3", launch="L2", run_id="other")]
    with a_recorder() as recorder:
        grouped = recorder.by_launch(run_ids=["r"])
    assert {launch: len(pods) for launch, pods in grouped.items()} == {"L1": 2}


def test_places_are_by_try_and_say_how_it_started(cluster):
    cluster.listed = [a_pod("u1", node="node-a"), a_pod("u2", try_number="2")]
    cluster.listed[1]["metadata"]["labels"][pod_record.POOL] = "default"
    with a_recorder() as recorder:
        found = {key.try_number: places for key, places in recorder.places().items()}
    assert found == {
        1: [report.Place(pod="pod-u1", node="node-a", start="cold")],
        2: [report.Place(pod="pod-u2", node="", start="warm")],
    }


def test_a_record_that_lags_behind_a_list_is_an_error(cluster):
    with a_recorder() as recorder:
        recorder.catch_up(timeout_s=0)
        cluster.listed = [a_pod("u1")]
        with pytest.raises(WorkFailedError, match="lags by more than 0 s"):
            recorder.catch_up(timeout_s=0)


def test_pods_that_are_not_deleted_are_named(cluster):
    cluster.listed = [a_pod("u1")]
    with a_recorder() as recorder:
        assert recorder.wait_gone(run_ids=["r"], timeout_s=0) == ["pod-u1"]
        assert recorder.wait_gone(run_ids=["other"], timeout_s=0) == []
