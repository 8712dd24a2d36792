"""Pods like one that an executor made, for measurements that need many. Pure."""

import copy

SERVERS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


def clones(pod, *, namespace, count):
    """Return manifests of pods as `pod`, read from an API server, of the tasks 0 to `count`.

    Upstream's executor knows the mapped task of a pod by its annotations.
    """
    model = copy.deepcopy(pod)
    del model["status"]
    for name in SERVERS:
        model["metadata"].pop(name, None)
    model["metadata"]["namespace"] = namespace
    # The server has chosen these and refuses them of others.
    model["spec"].pop("nodeName", None)
    return [_numbered(model, number) for number in range(count)]


def _numbered(model, number):
    metadata = model["metadata"]
    marks = {
        part: metadata.get(part, {}) | {"map_index": str(number)}
        for part in ("labels", "annotations")
    }
    name = f"{metadata['name'][:50]}-{number}"
    return model | {"metadata": metadata | marks | {"name": name}}
