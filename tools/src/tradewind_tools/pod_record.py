"""Record which pods a release's tasks had, while they run.

The record is the API server's own word, not the executor's: a list, then every change since that
list, so a pod that lived for a moment is in it too. When a watch ends, as every watch does some
time, the next one goes on after the last change that was seen.
"""

import contextlib
import json
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

from tradewind_tools import forward, kubectl, report
from tradewind_tools.errors import WorkFailedError
from tradewind_tools.target import Target

TASK_PODS = "tradewind/launch-id"
"""Label of the pods of tasks, and of no others."""
POOL = "tradewind/pool"
"""Label of a warm pool's pods: idle ones, and those that a task was given to."""
CATCH_UP_TIMEOUT_S = 10.0
"""For the watch to show what a list shows. Usually it lags by milliseconds."""
POLL_INTERVAL_S = 0.2
REPEAT_INTERVAL_S = 0.5
"""Before a new watch, when the last one ended."""
TOO_OLD = ("too old resource version", "Expired")
"""Words of a server that no longer has the changes since our version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPod:
    """A pod of a task, with everything it went through. Empty texts are not known (yet)."""

    uid: str
    name: str
    launch_id: str
    key: report.Try
    created: str
    """Timestamp of the API server, in whole seconds."""
    is_warm: bool = False
    """Whether it had started before its task was known."""
    node: str = ""
    phases: tuple[str, ...] = ()
    """In order, each once in a row."""
    deleted: bool = False


def fold(known: RecordedPod | None, *, kind: str, pod: Mapping[str, Any]) -> RecordedPod:
    """Return what is known of a pod after one more watch event (ADDED, MODIFIED or DELETED)."""
    found = known or _first_sight(pod)
    phase = pod.get("status", {}).get("phase", "")
    is_news = bool(phase) and found.phases[-1:] != (phase,)
    return replace(
        found,
        node=pod.get("spec", {}).get("nodeName") or found.node,
        phases=(*found.phases, phase) if is_news else found.phases,
        deleted=found.deleted or kind == "DELETED",
    )


class PodRecorder:
    """Records the pods of a namespace that match a selector, while its `with` block runs.

    `pods()` may be called from any thread, also after the block. `gaps` counts how often the record
    may have missed pods, because the API server no longer had the changes since the last one.
    """

    def __init__(self, target: Target, *, namespace: str, selector: str = TASK_PODS) -> None:
        self._target = target
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._selector = selector
        self._lock = threading.Lock()
        self._pods: dict[str, RecordedPod] = {}
        self._version = ""
        self._child: subprocess.Popen[str] | None = None
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self._reader = threading.Thread(target=self._read, name="pod-recorder", daemon=True)
        self.gaps = 0

    def __enter__(self) -> Self:
        self._list()
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with self._lock:
            child = self._child
        if child is not None:
            child.terminate()
        # The thread that started kubectl also collects it.
        self._reader.join()

    def pods(self, *, run_ids: Sequence[str] = ()) -> list[RecordedPod]:
        """Return what is recorded so far, in order of first sight; of the given runs, or of all."""
        with self._lock:
            found = list(self._pods.values())
        return [pod for pod in found if not run_ids or pod.key.run_id in run_ids]

    def by_launch(self, *, run_ids: Sequence[str] = ()) -> dict[str, list[RecordedPod]]:
        """Return launch id -> its pods."""
        grouped = defaultdict(list)
        for pod in self.pods(run_ids=run_ids):
            grouped[pod.launch_id].append(pod)
        return dict(grouped)

    def places(self) -> dict[report.Try, list[report.Place]]:
        """Return where each try ran."""
        grouped = defaultdict(list)
        for pod in self.pods():
            grouped[pod.key].append(_place(pod))
        return dict(grouped)

    def catch_up(self, *, timeout_s: float = CATCH_UP_TIMEOUT_S) -> None:
        """Wait until the record holds everything that a list of now shows, and no more.

        Raises what ended the recording, if anything did.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            if self._failure is not None:
                raise self._failure
            listed = {item["metadata"]["uid"] for item in self._listed()["items"]}
            if listed == {pod.uid for pod in self.pods() if not pod.deleted}:
                return
            if time.monotonic() > deadline_s:
                raise WorkFailedError(
                    f"the watch of {self._path} lags by more than {timeout_s:.0f} s: "
                    f"the API server is overloaded, try again"
                )
            time.sleep(POLL_INTERVAL_S)

    def wait_gone(self, *, run_ids: Sequence[str], timeout_s: float) -> list[str]:
        """Wait until the runs' pods are deleted; return the names of those that are left."""
        deadline_s = time.monotonic() + timeout_s
        while left := [pod.name for pod in self.pods(run_ids=run_ids) if not pod.deleted]:
            if time.monotonic() > deadline_s:
                break
            time.sleep(POLL_INTERVAL_S)
        return left

    def _listed(self) -> dict[str, Any]:
        query = urlencode({"labelSelector": self._selector})
        found: dict[str, Any] = json.loads(
            kubectl.run(self._target, "get", "--raw", f"{self._path}?{query}")
        )
        return found

    def _list(self) -> None:
        answer = self._listed()
        present = {pod["metadata"]["uid"] for pod in answer["items"]}
        with self._lock:
            for pod in answer["items"]:
                self._fold("ADDED", pod)
            for uid, known in self._pods.items():
                if uid not in present:
                    self._pods[uid] = replace(known, deleted=True)
            self._version = answer["metadata"]["resourceVersion"]

    def _read(self) -> None:
        """Watch from the last version on, again and again: servers end every watch some time."""
        try:
            while not self._stopping.is_set():
                # The API server may be away for a while; the version says where to go on.
                with contextlib.suppress(WorkFailedError):
                    if not self._version:
                        self._list()
                    self._watch()
                self._stopping.wait(REPEAT_INTERVAL_S)
        except Exception as error:  # noqa: BLE001 - a thread's end; `catch_up` raises it
            self._failure = error

    def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": self._selector,
            "resourceVersion": self._version,
        }
        child = forward.start(self._target, "get", "--raw", f"{self._path}?{urlencode(query)}")
        with self._lock:
            self._child = child
        try:
            self._follow(child)
        finally:
            forward.end(child)
            errors = _read_rest(child)
        if any(word in errors for word in TOO_OLD):
            self._lose()

    def _follow(self, child: subprocess.Popen[str]) -> None:
        if self._stopping.is_set():
            return  # `__exit__` has ended the child before this one.
        for line in child.stdout or ():
            try:
                event = json.loads(line)
            except ValueError:
                return  # A line that was cut: the connection broke. The next watch repeats it.
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        kind, found = event["type"], event["object"]
        if kind == "ERROR":
            self._lose()
            return
        with self._lock:
            if kind != "BOOKMARK":
                self._fold(kind, found)
            self._version = found["metadata"]["resourceVersion"]

    def _lose(self) -> None:
        """Note that changes since our version are no longer to be had: list again."""
        with self._lock:
            self.gaps += 1
            self._version = ""

    def _fold(self, kind: str, pod: Mapping[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        self._pods[uid] = fold(self._pods.get(uid), kind=kind, pod=pod)


def _place(pod: RecordedPod) -> report.Place:
    return report.Place(pod=pod.name, node=pod.node, start="warm" if pod.is_warm else "cold")


def _read_rest(child: subprocess.Popen[str]) -> str:
    """Return what an ended child said on stderr, and close its pipes."""
    _, errors = child.communicate()
    return errors


def _first_sight(pod: Mapping[str, Any]) -> RecordedPod:
    metadata = pod["metadata"]
    notes = metadata.get("annotations", {})
    return RecordedPod(
        uid=metadata["uid"],
        name=metadata["name"],
        launch_id=metadata.get("labels", {}).get(TASK_PODS, ""),
        key=report.Try(
            dag_id=notes.get("dag_id", ""),
            run_id=notes.get("run_id", ""),
            task_id=notes.get("task_id", ""),
            map_index=int(notes.get("map_index", -1)),
            try_number=int(notes.get("try_number", 0)),
        ),
        created=metadata.get("creationTimestamp", ""),
        is_warm=POOL in metadata.get("labels", {}),
    )
