"""What a launch of ours adds to a pod, and how it is taken off again.

Upstream's tests compare whole pods. Every statement here fails when there is nothing to take off: a
translation that translates nothing would hide a change.
"""

import uuid

from airflow import __version__

from tradewind.pods import labels, names
from tradewind.pods.manifest import PodRequest


def a_request(task, *, namespace="default", args=(), image="", scheduler="1"):
    """Return the request for the first pod of a fresh launch."""
    return PodRequest(
        task=task,
        launch_id=uuid.uuid4(),
        row_id=uuid.uuid4(),
        ordinal=0,
        namespace=namespace,
        args=list(args),
        image=image,
        airflow_version=__version__,
        scheduler=scheduler,
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
    assert manifest["metadata"]["annotations"].pop(labels.ROW_ID) == str(request.row_id)
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
