"""What people can get wrong, by the rows of docs/bad-input.md. Data of the tests beside it."""

from kubernetes.client import models as k8s

from tradewind.client import refusals

BASE = "{name: base, image: worker}"

TEMPLATES = {
    "template-no-yaml": "kind: Pod\nspec: [",
    "template-spec-text": "kind: Pod\nspec: hello",
    "template-list": "- a\n- b",
    "template-empty": "",
    "template-no-spec": "kind: Pod",
    "template-no-container": "kind: Pod\nspec: {containers: []}",
    "template-unknown-field": f"kind: Pod\nspec: {{contaners: [{BASE}]}}",
    "template-two-bases": f"kind: Pod\nspec: {{containers: [{BASE}, {BASE}]}}",
}
"""Text of a task's own pod template."""


def override(*, metadata=None, containers=(), **spec):
    pod = k8s.V1Pod(metadata=metadata, spec=k8s.V1PodSpec(containers=list(containers), **spec))
    return {"pod_override": pod}


def base(**fields):
    return override(containers=[k8s.V1Container(name="base", **fields)])


def resources(**parts):
    return base(resources=k8s.V1ResourceRequirements(**parts))


def meta(**fields):
    return override(metadata=k8s.V1ObjectMeta(**fields))


def env(*entries):
    return base(env=[k8s.V1EnvVar(name=name, value=value) for name, value in entries])


CONFIGS = {
    "template-missing": {"pod_template_file": "/none.yaml"},
    "template-directory": {"pod_template_file": "/"},
    "template-relative": {"pod_template_file": "pod.yaml"},
    "template-upwards": {"pod_template_file": "/a/../pod.yaml"},
    "cpu-no-quantity": resources(requests={"cpu": "lots"}),
    "memory-no-quantity": resources(limits={"memory": "1Q!"}),
    "memory-negative": resources(limits={"memory": "-1Gi"}),
    "limit-below-request": resources(requests={"cpu": "2"}, limits={"cpu": "1"}),
    "override-text": {"pod_override": "small"},
    "override-dict": {"pod_override": {"spec": {}}},
    "override-no-base": override(containers=[k8s.V1Container(name="a"), k8s.V1Container(name="b")]),
    "override-unknown-key": {"pod_override": k8s.V1Pod(spec={"imagee": "x"})},
    "override-two-bases": override(containers=[k8s.V1Container(name="base")] * 2),
    "override-namespace": meta(namespace="elsewhere"),
    "override-host-path": override(
        volumes=[k8s.V1Volume(name="h", host_path=k8s.V1HostPathVolumeSource(path="/"))]
    ),
    "override-privileged": base(security_context=k8s.V1SecurityContext(privileged=True)),
    "override-account": override(service_account_name="other"),
    "override-no-args": base(args=[]),
    "env-1.5-MB": env(*((f"V{n}", "x" * 100_000) for n in range(15))),
    "env-name-with-spaces": env(("MY VAR", "x")),
    "label-value": meta(labels={"team": "not a label"}),
    "container-name-64": override(
        containers=[k8s.V1Container(name="base"), k8s.V1Container(name="x" * 64)]
    ),
}
"""`executor_config` that no pod can come of."""

FORBIDDEN = (
    "spec.volumes.hostPath, spec.containers.securityContext.privileged, spec.serviceAccountName"
)

BODIES = {
    "answer-html": b"<html><head><title>502 Bad Gateway</title></head></html>",
    "answer-list": b"[1, 2]",
    "answer-null": b"null",
    "answer-1-MB": b"x" * 1_000_000,
    "answer-no-utf-8": b"\xff\xfe\x00bad",
}
"""What stands in the place of the API server's Status, under a status that is final."""


def answer(row):
    """Return the error of a create that was answered so."""
    return refusals.from_answer(422, reason="Unprocessable Entity", payload=BODIES[row])


def _raise(pod):
    raise KeyError("team")


def _remove(pod):
    pod.spec.containers = []


def _disarm(pod):
    pod.spec.containers[0].args = None


HOOKS = {
    "hook-raises": _raise,
    "hook-removes-base": _remove,
    "hook-removes-args": _disarm,
}

TASKS = {
    "ids-of-250": {"dag_id": "d" * 250, "task_id": "t" * 250},
    "ids-of-punctuation": {"dag_id": "___", "task_id": "..."},
    "ids-cyrillic": {"dag_id": "даг", "task_id": "задача"},
    "ids-japanese": {"dag_id": "日本語", "task_id": "タスク"},
    "run-id-of-400": {"run_id": "r" * 400},
    "map-index-of-a-million": {"map_index": 10**6},
    "ids-of-one-slug": {"dag_id": "etl", "task_id": "go-od"},
}
"""Identifiers of a task that runs all the same."""

HARMLESS = {
    "override-empty": {"pod_override": k8s.V1Pod()},
    "override-no-container": override(),
    "override-restart-policy": override(restart_policy="Always"),
    "override-reserved": meta(
        labels={"airflow-worker": "9", "dag_id": "x"}, annotations={"dag_id": "x"}
    ),
    "override-name-64": meta(name="x" * 64),
    "env-of-200": env(*((f"V{n}", str(n)) for n in range(200))),
}
"""`executor_config` that is put right, or was never wrong."""
