"""What a launch of ours adds to a pod, and how it is taken off again.

Upstream's tests compare whole pods, and its merging functions know no launch. Every statement here
fails when there is nothing to take off: a translation that translates nothing would hide a change.
"""

import uuid

from airflow import __version__

from tradewind.pods import labels, names
from tradewind.pods import template as pod_template

MARKER = {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}
INVENTED = "invented"
"""Name and image that a merge of less than whole pods borrows."""
OWN_LABELS = {labels.LAUNCH_ID, labels.ORDINAL}


def a_request(task, *, namespace="default", args=(), image="", scheduler="1", override=None):
    """Return the request for the first pod of a fresh launch."""
    return pod_template.PodRequest(
        task=task,
        launch_id=uuid.uuid4(),
        ordinal=0,
        namespace=namespace,
        args=list(args),
        image=image,
        airflow_version=__version__,
        scheduler=scheduler,
        override=override or {},
    )


def labels_of(request):
    """Return the labels of the request's pod."""
    return labels.for_task(
        request.task,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
        airflow_version=request.airflow_version,
        scheduler=request.scheduler,
    )


def take_off(manifest, request, *, template):
    """Remove what ours gives every pod and upstream gives none."""
    take_off_labels(manifest["metadata"]["labels"], request)
    assert manifest["spec"]["restartPolicy"] == "Never"
    if "restartPolicy" not in template["spec"]:
        del manifest["spec"]["restartPolicy"]


def take_off_labels(found, request):
    """Remove the labels that only our pods have."""
    assert found.pop(labels.LAUNCH_ID) == str(request.launch_id)
    assert found.pop(labels.ORDINAL) == str(request.ordinal)


def give_name(manifest, request, name):
    """Replace our name by a legal one that upstream was told to use; ours takes no such argument.

    None removes it.
    """
    task = request.task
    ours = names.pod_name(
        task.dag_id, task.task_id, launch_id=request.launch_id, ordinal=request.ordinal
    )
    assert manifest["metadata"].pop("name") == ours
    if name is not None:
        manifest["metadata"]["name"] = name if len(name) <= names.MAX_CHARS else ours


def merged(base, over):
    """Return what `render` makes of a template and an override, without what a launch adds.

    Both may be less than whole pods.
    """
    base = {"metadata": {}, **base}
    base["spec"] = {"containers": [], **(base.get("spec") or {})}
    over_containers = (over.get("spec") or {}).get("containers") or []
    firsts = [*over_containers[:1], *base["spec"]["containers"][:1]]
    if not base["spec"]["containers"]:
        base["spec"]["containers"] = [{"name": INVENTED}]
    has_image = any(first.get("image") for first in firsts)
    task = labels.TaskRef(dag_id="d", task_id="t", run_id="r", try_number=1)
    request = a_request(task, image="" if has_image else INVENTED, override=over)
    manifest = pod_template.render(base, request)
    take_off(manifest, request, template=base)
    _take_off_metadata(manifest, request, sides=(over.get("metadata") or {}, base["metadata"]))
    if firsts:
        _take_off_container(manifest["spec"]["containers"][0], firsts)
    else:
        del manifest["spec"]["containers"][0]
    return manifest


def _take_off_metadata(manifest, request, *, sides):
    """Remove the task's metadata; name and namespace become the override's or the template's."""
    metadata = manifest["metadata"]
    for key in labels_of(request).keys() - OWN_LABELS:
        del metadata["labels"][key]
    for key in labels.annotations_for_task(request.task):
        del metadata["annotations"][key]
    give_name(manifest, request, next((side["name"] for side in sides if "name" in side), None))
    namespaces = [side["namespace"] for side in sides if "namespace" in side]
    assert metadata.pop("namespace") in {request.namespace, *namespaces}
    if namespaces:
        metadata["namespace"] = namespaces[0]
    for key in ("labels", "annotations"):
        if not metadata[key]:
            del metadata[key]


def _take_off_container(container, firsts):
    """Undo the launch's layer of the base container; `firsts` are the override's and template's."""
    container["env"].remove(MARKER)
    assert container.pop("name") == pod_template.BASE_CONTAINER
    if container.get("image") == INVENTED:
        del container["image"]
    for key in ("env", "args"):
        if not container[key]:
            del container[key]
    for first in reversed(firsts):
        container.update({key: first[key] for key in ("name", "args") if key in first})
