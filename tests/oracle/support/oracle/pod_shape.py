"""Our rendering of pods under the name and the methods of upstream's `PodGenerator`."""

from airflow import settings
from airflow.providers.cncf.kubernetes import pod_generator
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import PodReconciliationError

from oracle import additions
from tradewind import pod_models
from tradewind.errors import ConfigError
from tradewind.pods import labels, manifest, override, template
from tradewind.pods.merge import merge

UPSTREAM = pod_generator.PodGenerator


class PodRefusedError(PodReconciliationError, ConfigError):
    """What upstream raises for a pod that cannot be made, and what ours does."""


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
        base = _manifest(base_worker_pod)
        try:
            request = additions.a_request(
                task,
                namespace=namespace,
                args=args,
                image=kube_image or "",
                scheduler=scheduler_job_id,
            )
            over = _override(pod_override_object)
            pod = _render(base, request, over, with_mutation_hook=with_mutation_hook)
        except ConfigError as error:
            raise PodRefusedError(str(error)) from error
        additions.take_off(pod, request, template=base)
        additions.give_name(pod, request, pod_id)
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
        return UPSTREAM.deserialize_model_dict(merge(_manifest(base_pod), _manifest(client_pod)))

    @staticmethod
    def reconcile_specs(base_spec, client_spec):
        """Return the second laid over the first."""
        merged = merge({"spec": _manifest(base_spec)}, {"spec": _manifest(client_spec)})
        return UPSTREAM.deserialize_model_dict(merged).spec

    @staticmethod
    def reconcile_containers(base_containers, client_containers):
        """Return the second laid over the first."""
        merged = merge(
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
        with additions.mended(path or "") as mended:
            return UPSTREAM.deserialize_model_dict(template.TemplateFile(mended).load())


def _render(base, request, over, *, with_mutation_hook):
    base = template.validated(base, "the template")
    layer = override.validated(over, pod=base, forbidden=())
    pod = manifest.seal(manifest.render(base, request, layers=[layer]), request)
    if not with_mutation_hook:
        return pod
    mutated = pod_models.through_hook(pod, hook=settings.pod_mutation_hook)
    return manifest.seal(mutated, request)


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


def _override(pod):
    return {} if pod is None else pod_models.override_from({"pod_override": pod})
