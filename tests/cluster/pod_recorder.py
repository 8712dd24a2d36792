"""Everything the API server said about task pods while a block ran, through kubectl's watch."""

import json
import threading
import time
from collections import defaultdict
from contextlib import contextmanager

from tradewind_tools import kubectl


class PodRecorder:
    """Pods by uid, with the labels and annotations they were created with."""

    def __init__(self):
        self.pods = {}
        self.deleted = set()

    def feed(self, event):
        metadata = event["object"]["metadata"]
        self.pods.setdefault(metadata["uid"], metadata)
        if event["type"] == "DELETED":
            self.deleted.add(metadata["uid"])

    def by_launch(self, run_ids):
        """Return launch id -> pods, of the runs alone."""
        found = defaultdict(list)
        for metadata in self.pods.values():
            if metadata["annotations"]["run_id"] in run_ids:
                found[metadata["labels"]["tradewind/launch-id"]].append(metadata)
        return found

    def by_task(self, run_ids):
        """Return (dag, run, task, map index) -> pods, of the runs alone."""
        found = defaultdict(list)
        for metadata in self.pods.values():
            notes = metadata["annotations"]
            if notes["run_id"] in run_ids:
                index = int(notes.get("map_index", -1))
                key = (notes["dag_id"], notes["run_id"], notes["task_id"], index)
                found[key].append(metadata)
        return found

    def left(self, run_ids):
        """Return the names of the runs' pods that were not deleted."""
        return [
            metadata["name"]
            for uid, metadata in self.pods.items()
            if uid not in self.deleted and metadata["annotations"]["run_id"] in run_ids
        ]


@contextmanager
def recording(target, namespace):
    recorder = PodRecorder()
    flags = ["-l", "tradewind/launch-id", "--watch", "--output-watch-events", "-o", "json"]
    child = kubectl.background(target, "-n", namespace, "get", "pods", *flags)
    reader = threading.Thread(target=_read, args=(child.stdout, recorder), daemon=True)
    reader.start()
    time.sleep(1)
    try:
        yield recorder
        assert child.poll() is None, "the watch broke, the record is not complete"
        assert reader.is_alive(), "an event could not be read, the record is not complete"
    finally:
        child.terminate()
        child.wait()
        reader.join()


def _read(lines, recorder):
    # One event a line; each run's DELETED events are what test_no_pod_is_left stands on.
    for line in lines:
        recorder.feed(json.loads(line))
