"""Our rendering of pods under the name and the methods of upstream's `PodGenerator`."""

import tempfile
from pathlib import Path

from airflow import settings
from airflow.providers.cncf.kubernetes import pod_generator
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import PodReconciliationError

from oracle import additions
from tradewind import pod_models
from tradewind.errors import ConfigError
from tradewind.pods import labels, manifest, template, validate
from tradewind.pods import override as overrides
from tradewind.pods.merge import BASE_CONTAINER, merge
from tradewind.pods.schema import conform

UPSTREAM = pod_generator.PodGenerator
TYPO, MENDED = "hostNetwork: False,", "hostNetwork: true"
"""Upstream's own template files hold this text for a boolean, which its model takes for true."""
LEGAL = {"test_namespace": "test-namespace", "new_namespace": "new-namespace"}
"""Namespaces of upstream's tests, which no cluster could have and ours refuses."""


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
        request = additions.a_request(
            task,
            namespace=LEGAL.get(namespace, namespace),
            args=args,
            image=kube_image or "",
            scheduler=scheduler_job_id,
        )
        try:
            base = template.validated(_manifest(base_worker_pod), "the pod template")
            pod = _rendered(base, request, override=pod_override_object)
            if with_mutation_hook:
                pod = _through_hook(pod, request)
        except ConfigError as error:
            raise PodReconciliationError from error
        additions.take_off(pod, request, template=base)
        additions.give_name(pod, request, pod_id)
        _rename_namespace(pod, {legal: theirs for theirs, legal in LEGAL.items()})
        _say_what_upstream_was_told(pod["metadata"], run_id=run_id, date=date)
        return UPSTREAM.deserialize_model_dict(pod)

    @staticmethod
    def from_obj(obj):
        """Return the override in an `executor_config`, as our executor reads it."""
        if not (obj or {}).get("pod_override"):
            return None
        return UPSTREAM.deserialize_model_dict(pod_models.override_from(obj))

    @staticmethod
    def reconcile_pods(base_pod, client_pod):
        """Return the second laid over the first, as a template and an override are."""
        return UPSTREAM.deserialize_model_dict(_merged(_manifest(base_pod), _manifest(client_pod)))

    @staticmethod
    def reconcile_specs(base_spec, client_spec):
        """Return the second laid over the first."""
        pods = [{"spec": _manifest(spec)} for spec in (base_spec, client_spec)]
        return UPSTREAM.deserialize_model_dict(_merged(*pods)).spec

    @staticmethod
    def reconcile_containers(base_containers, client_containers):
        """Return the second laid over the first."""
        sides = (base_containers, client_containers)
        pods = [{"spec": {"containers": [_manifest(one) for one in side]}} for side in sides]
        return UPSTREAM.deserialize_model_dict(_merged(*pods)).spec.containers

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
        request = additions.a_request(task, scheduler=str(airflow_worker))
        found = additions.labels_of(request)
        additions.take_off_labels(found, request)
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
        file = Path(path or "")
        if not file.is_file() or TYPO not in file.read_text():
            return UPSTREAM.deserialize_model_dict(template.TemplateFile(str(path or "")).load())
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as mended:
            mended.write(file.read_text().replace(TYPO, MENDED))
            mended.flush()
            return UPSTREAM.deserialize_model_dict(template.TemplateFile(mended.name).load())


def _rendered(base, request, *, override):
    """Return the sealed pod, by the steps that the executor's renderer takes."""
    pod = manifest.render(base, request)
    if override is not None:
        document = pod_models.override_from({"pod_override": override})
        _rename_namespace(document, LEGAL)
        layer = overrides.validated(document, pod=pod, forbidden=())
        pod = manifest.render(base, request, layers=[layer])
    pod = manifest.seal(pod, request)
    validate.check_whole(pod, source="the pod", namespaces=())
    return pod


def _rename_namespace(pod, names):
    metadata = pod.get("metadata") or {}
    if metadata.get("namespace") in names:
        metadata["namespace"] = names[metadata["namespace"]]


def _through_hook(pod, request):
    mutated = pod_models.through_hook(pod, hook=settings.pod_mutation_hook)
    return manifest.seal(conform(mutated, source="the pod after the hook"), request)


def _merged(base, over):
    """Return the merge; upstream takes the first containers of both for the task's, by place."""
    sides = [_with_base(base), _with_base(over)]
    merged = merge(*sides)
    names = [first["name"] for side in (over, base) for first in _containers(side)[:1]]
    for container in _containers(merged)[:1]:
        container["name"] = names[0]
    return merged


def _with_base(pod):
    named = [{**one, "name": BASE_CONTAINER} for one in _containers(pod)[:1]]
    rest = _containers(pod)[1:]
    return {**pod, "spec": {**(pod.get("spec") or {}), "containers": [*named, *rest]}}


def _containers(pod):
    return (pod.get("spec") or {}).get("containers") or []


def _say_what_upstream_was_told(metadata, *, run_id, date):
    """Take off a run that upstream was not told, add a logical date that ours is never told.

    `construct_pod` can still write a date; no executor passes it in Airflow 3.
    """
    if not run_id:
        del metadata["labels"]["run_id"], metadata["annotations"]["run_id"]
    if date:
        key = pod_generator.get_logical_date_key()
        metadata["labels"][key] = pod_generator.datetime_to_label_safe_datestring(date)
        metadata["annotations"][key] = date.isoformat()


def _manifest(model):
    return {} if model is None else UPSTREAM.serialize_pod(model)
