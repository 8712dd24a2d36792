"""Put Tradewind behind the names that upstream's tests import.

Each function here takes upstream's arguments, calls a public function of ours, and hands the
result back in upstream's form. What ours adds to every pod on purpose is taken off again, by
statements that fail when it is no longer there: a translation that translates nothing would hide
a change. Nothing else is smoothed over; tests that fail for a reason stand in `verdicts`.
"""

import re
import uuid

from airflow import __version__, settings
from airflow.providers.cncf.kubernetes import (
    kubernetes_helper_functions,
    pod_generator,
    template_rendering,
)
from airflow.providers.cncf.kubernetes.cli import kubernetes_command
from airflow.providers.cncf.kubernetes.executors import kubernetes_executor

from oracle.executor_shape import KubernetesExecutor
from tradewind import pod_models
from tradewind.client import errors
from tradewind.dispatch import publish_policy
from tradewind.errors import ConfigError
from tradewind.pods import labels, names, template

UPSTREAM = pod_generator.PodGenerator
SUFFIX = re.compile(r"-[0-9a-f]{12}$")
"""What `names` appends to tell launches apart."""
MARKER = {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}


class PodGenerator(UPSTREAM):
    """Upstream's class with its merging, labelling and template reading done by ours."""

    @classmethod
    def construct_pod(  # noqa: PLR0917 - upstream's signature
        cls,
        dag_id,
        task_id,
        pod_id,
        try_number,
        kube_image,
        date,
        args,
        pod_override_object,
        base_worker_pod,
        namespace,
        scheduler_job_id,
        run_id=None,
        map_index=-1,
        *,
        with_mutation_hook=False,
    ):
        task = labels.TaskRef(
            dag_id=dag_id,
            task_id=task_id,
            run_id=run_id or "",
            try_number=try_number,
            map_index=map_index,
        )
        try:
            base = _manifest(base_worker_pod)
            request = a_request(
                task,
                namespace=namespace,
                args=args,
                image=kube_image or "",
                scheduler=scheduler_job_id,
                override=_override(pod_override_object),
            )
            manifest = template.render(base, request)
            if with_mutation_hook:
                hook = settings.pod_mutation_hook
                manifest = template.seal(pod_models.through_hook(manifest, hook=hook), request)
        except ConfigError as error:
            raise kubernetes_executor.PodReconciliationError from error
        _take_off_additions(manifest, request, restart_policy=base["spec"].get("restartPolicy"))
        _give_name(manifest, request, pod_id)
        if not run_id:
            del manifest["metadata"]["labels"]["run_id"]
            del manifest["metadata"]["annotations"]["run_id"]
        if date:
            _add_date(manifest, date)
        return UPSTREAM.deserialize_model_dict(manifest)

    @staticmethod
    def from_obj(obj):
        """Return the override in an `executor_config`, as our executor reads it."""
        if not (obj or {}).get("pod_override"):
            return None
        return UPSTREAM.deserialize_model_dict(pod_models.override_from(obj))

    @staticmethod
    def reconcile_pods(base_pod, client_pod):
        """Return the second laid over the first, as a template and an override are."""
        merged = _merged(_manifest(base_pod), _manifest(client_pod))
        return UPSTREAM.deserialize_model_dict(merged)

    @staticmethod
    def reconcile_specs(base_spec, client_spec):
        """Return the second laid over the first."""
        merged = _merged({"spec": _manifest(base_spec)}, {"spec": _manifest(client_spec)})
        return UPSTREAM.deserialize_model_dict(merged).spec

    @staticmethod
    def reconcile_containers(base_containers, client_containers):
        """Return the second laid over the first."""
        merged = _merged(
            {"spec": {"containers": [_manifest(each) for each in base_containers]}},
            {"spec": {"containers": [_manifest(each) for each in client_containers]}},
        )
        return UPSTREAM.deserialize_model_dict(merged).spec.containers

    @classmethod
    def build_labels_for_k8s_executor_pod(
        cls,
        *,
        dag_id,
        task_id,
        try_number,
        airflow_worker=None,
        map_index=None,
        logical_date=None,
        run_id=None,
        include_version=True,
    ):
        task = labels.TaskRef(
            dag_id=dag_id,
            task_id=task_id,
            run_id=run_id or "",
            try_number=try_number,
            map_index=-1 if map_index is None else map_index,
        )
        request = a_request(task, scheduler=str(airflow_worker))
        found = _labels(request)
        _take_off_own_labels(found, request)
        # Upstream builds selectors from labels, and leaves out what the caller does not know.
        known = {
            "run_id": run_id,
            "airflow-worker": airflow_worker,
            "airflow_version": include_version,
        }
        found = {key: value for key, value in found.items() if known.get(key, True)}
        if logical_date:
            date = pod_generator.datetime_to_label_safe_datestring(logical_date)
            found[pod_generator.get_logical_date_key()] = date
        return found

    @staticmethod
    def deserialize_model_file(path):
        """Return the template as our executor reads it."""
        return UPSTREAM.deserialize_model_dict(template.TemplateFile(str(path or "")).load())


def create_unique_id(dag_id=None, task_id=None, *, unique=True):
    """Return our pod name of a fresh launch, or what stands in it before the launch's suffix."""
    name = names.pod_name(dag_id or "", task_id or "", launch_id=uuid.uuid4(), ordinal=0)
    return name if unique else SUFFIX.sub("", name)


def add_unique_suffix(*, name):
    """Return our pod name for a task of that name."""
    return names.pod_name("", name, launch_id=uuid.uuid4(), ordinal=0)


def should_retry_api(error):
    """Tell whether our dispatcher would repeat a create that met this error."""
    return isinstance(_decision(error, attempt=1), publish_policy.Retry)


class WaitRetryAfterOrExponential:
    """Upstream's waiting rule, as an object that is called with the state of the retries."""

    def __call__(self, retry_state):
        """Return the seconds that our dispatcher would wait."""
        attempt = getattr(retry_state, "attempt_number", 1)
        return wait_s(retry_state.outcome.exception(), attempt=attempt)


def wait_s(error, *, attempt):
    """Return the seconds our dispatcher waits after the `attempt`-th failed create (from 1)."""
    return _decision(error, attempt=attempt).after_s


def _decision(error, *, attempt):
    status = getattr(error, "status", None)
    if status is None:
        ours = errors.ConnectionLostError(str(error))
    else:
        after = (error.headers or {}).get("Retry-After")
        text = getattr(error, "body", None) or ""
        ours = errors.ApiError(status, message=text, retry_after_s=after and float(after))
    return publish_policy.decide_create(ours, attempt=attempt, elapsed_s=0, budget_s=900)


def a_request(task, *, namespace="default", args=(), image="", scheduler="1", override=None):
    """Return the request for the first pod of a fresh launch."""
    return template.PodRequest(
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


def install():
    """Replace upstream's functions, before any of its tests is imported."""
    for module in (pod_generator, template_rendering, kubernetes_command):
        module.PodGenerator = PodGenerator
    for module in (kubernetes_helper_functions, template_rendering, kubernetes_command):
        module.create_unique_id = create_unique_id
    kubernetes_helper_functions.add_unique_suffix = add_unique_suffix
    kubernetes_helper_functions._should_retry_api = should_retry_api
    kubernetes_helper_functions.WaitRetryAfterOrExponential = WaitRetryAfterOrExponential
    pod_generator.make_safe_label_value = labels.safe_value
    kubernetes_executor.KubernetesExecutor = KubernetesExecutor


def _manifest(model):
    return {} if model is None else UPSTREAM.serialize_pod(model)


def _override(pod):
    return {} if pod is None else pod_models.override_from({"pod_override": pod})


def _take_off_additions(manifest, request, *, restart_policy):
    """Remove what ours gives every pod and upstream gives none."""
    _take_off_own_labels(manifest["metadata"]["labels"], request)
    assert manifest["spec"]["restartPolicy"] == "Never"
    if not restart_policy:
        del manifest["spec"]["restartPolicy"]


def _take_off_own_labels(found, request):
    assert found.pop(labels.LAUNCH_ID) == str(request.launch_id)
    assert found.pop(labels.ORDINAL) == str(request.ordinal)


def _give_name(manifest, request, name):
    """Replace our name by the one upstream was told to use; ours takes no such argument."""
    task = request.task
    ours = names.pod_name(
        task.dag_id, task.task_id, launch_id=request.launch_id, ordinal=request.ordinal
    )
    assert manifest["metadata"].pop("name") == ours
    if name is not None:
        manifest["metadata"]["name"] = name if len(name) <= names.MAX_CHARS else ours


def _add_date(manifest, date):
    """Add the logical date that `construct_pod` can still write; no executor passes it in 3.x."""
    key = pod_generator.get_logical_date_key()
    manifest["metadata"]["labels"][key] = pod_generator.datetime_to_label_safe_datestring(date)
    manifest["metadata"]["annotations"][key] = date.isoformat()


def _merged(base, over):
    """Return what `render` makes of a template and an override, without what a launch adds."""
    base = {"metadata": {}, **base}
    base["spec"] = {"containers": [], **(base.get("spec") or {})}
    over_containers = (over.get("spec") or {}).get("containers") or []
    firsts = [*over_containers[:1], *base["spec"]["containers"][:1]]
    if not base["spec"]["containers"]:
        base["spec"]["containers"] = [{"name": "invented"}]
    has_image = any(first.get("image") for first in firsts)
    task = labels.TaskRef(dag_id="d", task_id="t", run_id="r", try_number=1)
    request = a_request(task, image="" if has_image else "invented", override=over)
    merged = template.render(base, request)
    _take_off_additions(merged, request, restart_policy=base["spec"].get("restartPolicy"))
    _take_off_launch(merged, request, sides=(over.get("metadata") or {}, base["metadata"]))
    if firsts:
        _take_off_base_container(merged["spec"]["containers"][0], firsts)
    else:
        del merged["spec"]["containers"][0]
    return merged


def _take_off_launch(merged, request, *, sides):
    """Remove the task's metadata; name and namespace become the override's or the template's."""
    metadata = merged["metadata"]
    for key in _labels(request).keys() - {labels.LAUNCH_ID, labels.ORDINAL}:
        del metadata["labels"][key]
    for key in labels.annotations_for_task(request.task):
        del metadata["annotations"][key]
    _give_name(merged, request, next((side["name"] for side in sides if "name" in side), None))
    assert metadata.pop("namespace") in {
        request.namespace,
        *(side.get("namespace") for side in sides),
    }
    for side in reversed(sides):
        if "namespace" in side:
            metadata["namespace"] = side["namespace"]
    for key in ("labels", "annotations"):
        if not metadata[key]:
            del metadata[key]


def _labels(request):
    return labels.for_task(
        request.task,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
        airflow_version=request.airflow_version,
        scheduler=request.scheduler,
    )


def _take_off_base_container(container, firsts):
    """Undo the launch's own layer of the base container, which upstream's mergers do not know."""
    container["env"].remove(MARKER)
    if not container["env"]:
        del container["env"]
    assert container.pop("name") == template.BASE_CONTAINER
    if container.get("image") == "invented":
        del container["image"]
    if not container["args"]:
        del container["args"]
    for first in reversed(firsts):
        container.update({key: first[key] for key in ("name", "args") if key in first})
