"""Clones are what an API server takes as new pods of other tasks."""

from clones import clones

POD = {
    "metadata": {
        "name": "bench-work-1",
        "namespace": "first",
        "uid": "u",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{}],
        "labels": {"map_index": "9", "dag_id": "bench"},
        "annotations": {"map_index": "9", "run_id": "r"},
    },
    "spec": {"containers": [{"name": "base"}], "nodeName": "n"},
    "status": {"phase": "Pending"},
}


def test_what_the_server_chose_is_left_out():
    [clone] = clones(POD, namespace="second", count=1)
    assert clone["metadata"] == {
        "name": "bench-work-1-0",
        "namespace": "second",
        "labels": {"map_index": "0", "dag_id": "bench"},
        "annotations": {"map_index": "0", "run_id": "r"},
    }
    assert clone["spec"] == {"containers": [{"name": "base"}]}
    assert "status" not in clone


def test_each_is_a_pod_of_its_own_and_the_model_stays():
    names = [clone["metadata"]["name"] for clone in clones(POD, namespace="n", count=3)]
    assert len(set(names)) == 3
    assert POD["metadata"]["labels"]["map_index"] == "9"
