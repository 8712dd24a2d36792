"""Our pods are those of upstream's `PodGenerator.construct_pod`, but for the list INTENDED.

Templates and overrides are generated; upstream's pod, changed as the list says, must be ours. Each
entry of the list also has an example that shows both behaviours.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tradewind.pods import labels, manifest, names, override, template
from tradewind.pods.manifest import PodRequest
from tradewind.testing.builders import a_task

LAUNCH = UUID(int=1)
TASK = a_task(map_index=3)
ARGS = ["python", "-m", "worker"]
AIRFLOW = PodGenerator.build_labels_for_k8s_executor_pod(
    dag_id="d", task_id="t", try_number=1, airflow_worker="7"
)["airflow_version"]


def ours(base, over, *, image=""):
    request = PodRequest(
        task=TASK,
        launch_id=LAUNCH,
        row_id=LAUNCH,
        ordinal=0,
        namespace="tasks",
        args=ARGS,
        image=image,
        airflow_version=AIRFLOW,
        scheduler="7",
    )
    start = template.validated(copy.deepcopy(base), "the template")
    layer = override.validated(over, pod=start, forbidden=())
    return manifest.seal(manifest.render(start, request, layers=[layer]), request)


def theirs(base, over, *, image=""):
    pod = PodGenerator.construct_pod(
        dag_id=TASK.dag_id,
        task_id=TASK.task_id,
        run_id=TASK.run_id,
        try_number=TASK.try_number,
        map_index=TASK.map_index,
        date=None,
        pod_id="random-name",
        kube_image=image or None,
        args=ARGS,
        pod_override_object=PodGenerator.deserialize_model_dict(copy.deepcopy(over)),
        base_worker_pod=PodGenerator.deserialize_model_dict(copy.deepcopy(base)),
        namespace="tasks",
        scheduler_job_id="7",
    )
    return PodGenerator.serialize_pod(pod)


# -- the list -------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Difference:
    """One intended difference, as a change of upstream's pod, or of what upstream is given."""

    name: str
    base: dict[str, Any]
    over: dict[str, Any]
    at: str
    """Dotted path in the pod at which the example looks."""
    theirs: Any
    ours: Any
    settle: Callable[[dict, dict, dict], None] | None = None
    """Changes upstream's pod, made of `base` and `over`, to what ours should be."""
    prepare: Callable[[dict, dict], dict] | None = None
    """Returns the override with which upstream does what we do."""


def containers(pod, field="containers"):
    return {c["name"]: c for c in pod.get("spec", {}).get(field, [])}


def all_containers(pod):
    return [*containers(pod).items(), *containers(pod, "initContainers").items()]


def merge_by_name(pod, _base, _over):
    """Keep the last item of one identity, in the place of the first."""
    for _, container in all_containers(pod):
        for field, key in (("env", "name"), ("volumeMounts", "mountPath")):
            keep_last(container, field, lambda item, key=key: item[key])
        keep_last(container, "ports", lambda item: (item["containerPort"], item.get("protocol")))
    keep_last(pod["spec"], "volumes", lambda item: item["name"])


def keep_last(holder, field, identify):
    if field in holder:
        holder[field] = list({identify(item): item for item in holder[field]}.values())


def merge_security_contexts(pod, base, over):
    """Lay the override's fields over the template's, those of `capabilities` too."""
    layers = [(pod["spec"], base.get("spec", {}), over.get("spec", {}))]
    for field in ("containers", "initContainers"):
        below, above = containers(base, field), containers(over, field)
        layers += [
            (container, below.get(name, {}), above.get(name, {}))
            for name, container in containers(pod, field).items()
        ]
    for holder, below, above in layers:
        low, high = below.get("securityContext"), above.get("securityContext")
        if low is not None and high is not None:
            both = {**low, **high}
            if "capabilities" in low and "capabilities" in high:
                both["capabilities"] = {**low["capabilities"], **high["capabilities"]}
            holder["securityContext"] = both


MERGED = {
    *("labels", "annotations", "securityContext"),
    *("containers", "initContainers", "volumes"),
    *("env", "envFrom", "volumeMounts", "ports"),
}


def count_falsy(pod, _base, over):
    """Say 0, False, [] and {} where the override says them, unless the field is merged anyway."""
    say_falsy(pod["metadata"], over.get("metadata", {}))
    say_falsy(pod["spec"], over.get("spec", {}))
    for field in ("containers", "initContainers"):
        for name, container in containers(over, field).items():
            say_falsy(containers(pod, field)[name], container)


def say_falsy(holder, said):
    for field, value in said.items():
        if not value and value != "" and field not in MERGED:
            holder[field] = value


def align_containers(base, over):
    """Put each container of the override at the position of the template's of that name."""
    named = containers(over)
    if not named:
        return over
    known = [container["name"] for container in base["spec"]["containers"]]
    aligned = [named.pop(name, {"name": name}) for name in known] + list(named.values())
    return {**over, "spec": {**over["spec"], "containers": aligned}}


def seal_identity(pod, _base, _over):
    """Name, labels and annotations say whose pod it is, a task runs once, a pod is a v1 Pod."""
    metadata = pod["metadata"]
    theirs = PodGenerator.build_labels_for_k8s_executor_pod(
        dag_id=TASK.dag_id,
        task_id=TASK.task_id,
        run_id=TASK.run_id,
        try_number=TASK.try_number,
        map_index=TASK.map_index,
        airflow_worker="7",
    )
    metadata["labels"] |= theirs | {labels.LAUNCH_ID: str(LAUNCH), labels.ORDINAL: "0"}
    metadata["annotations"] |= {
        "dag_id": TASK.dag_id,
        "task_id": TASK.task_id,
        "run_id": TASK.run_id,
        "try_number": str(TASK.try_number),
        "map_index": str(TASK.map_index),
        labels.ROW_ID: str(LAUNCH),
    }
    metadata["name"] = names.pod_name("etl", "load", launch_id=LAUNCH, ordinal=0)
    pod |= {"apiVersion": "v1", "kind": "Pod"}
    pod["spec"]["restartPolicy"] = "Never"


def a_pod(**base):
    return {"spec": {"containers": [{"name": "base", "image": "w", **base}]}}


INTENDED = [
    Difference(
        name="variables-volumes-mounts-and-ports-are-replaced-by-name",
        base=a_pod(env=[{"name": "A", "value": "1"}]),
        over=a_pod(env=[{"name": "A", "value": "2"}]),
        at="spec.containers.0.env",
        theirs=[
            {"name": "A", "value": "1"},
            {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"},
            {"name": "A", "value": "2"},
        ],
        ours=[
            {"name": "A", "value": "2"},
            {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"},
        ],
        settle=merge_by_name,
    ),
    Difference(
        name="security-contexts-are-merged-field-by-field",
        base={"spec": {**a_pod()["spec"], "securityContext": {"fsGroup": 5, "runAsUser": 5}}},
        over={"spec": {**a_pod()["spec"], "securityContext": {"runAsUser": 6}}},
        at="spec.securityContext",
        theirs={"runAsUser": 6},
        ours={"fsGroup": 5, "runAsUser": 6},
        settle=merge_security_contexts,
    ),
    Difference(
        name="zero-false-and-empty-count",
        base={"spec": {**a_pod()["spec"], "terminationGracePeriodSeconds": 30}},
        over={"spec": {**a_pod()["spec"], "terminationGracePeriodSeconds": 0}},
        at="spec.terminationGracePeriodSeconds",
        theirs=30,
        ours=0,
        settle=count_falsy,
    ),
    Difference(
        name="containers-are-found-by-name",
        base={"spec": {"containers": [{"name": "base", "image": "w"}, {"name": "p"}]}},
        over={"spec": {"containers": [{"name": "p", "image": "proxy"}]}},
        at="spec.containers.0",
        theirs={
            "name": "p",
            "image": "proxy",
            "args": ARGS,
            "env": [{"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}],
        },
        ours={
            "name": "base",
            "image": "w",
            "args": ARGS,
            "env": [{"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}],
        },
        prepare=align_containers,
    ),
    Difference(
        name="identity-and-restart-policy-are-fixed",
        base=a_pod(),
        over={
            "metadata": {"labels": {"dag_id": "other"}},
            "spec": {**a_pod()["spec"], "restartPolicy": "Always"},
        },
        at="spec.restartPolicy",
        theirs="Always",
        ours="Never",
        settle=seal_identity,
    ),
]


def look(pod, path):
    for step in path.split("."):
        pod = pod[int(step)] if step.isdecimal() else pod[step]
    return pod


@pytest.mark.parametrize("difference", INTENDED, ids=lambda difference: difference.name)
def test_an_intended_difference(difference):
    base, over = difference.base, difference.over
    assert look(theirs(base, over), difference.at) == difference.theirs
    assert look(ours(base, over), difference.at) == difference.ours


# -- everything else is equal ---------------------------------------------------------------------

WORDS = st.sampled_from(["a", "b", "c"])
FLAGS = st.booleans()
NUMBERS = st.integers(min_value=0, max_value=3)
TEXTS = st.dictionaries(WORDS, WORDS, max_size=2)
IDENTITY = st.sampled_from(["free", "dag_id", "airflow-worker", "map_index"])


def unique(items, key):
    return st.lists(items, max_size=3, unique_by=lambda item: item[key])


def some_of(**fields):
    """Return a mapping with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


ENV = unique(
    st.one_of(
        st.fixed_dictionaries({"name": WORDS, "value": WORDS}),
        st.fixed_dictionaries(
            {"name": WORDS, "valueFrom": st.just({"secretKeyRef": {"name": "s", "key": "k"}})}
        ),
    ),
    "name",
)
CONTEXT = some_of(
    runAsUser=NUMBERS,
    readOnlyRootFilesystem=FLAGS,
    privileged=FLAGS,
    capabilities=some_of(add=st.lists(WORDS, max_size=2), drop=st.lists(WORDS, max_size=2)),
)
RESOURCES = some_of(requests=st.just({"cpu": "1"}), limits=st.just({"cpu": "2", "memory": "1Gi"}))
CONTAINER_FIELDS = {
    "image": st.sampled_from(["w", "x:1", ""]),
    "command": st.lists(WORDS, max_size=2),
    "workingDir": WORDS,
    "tty": FLAGS,
    "env": ENV,
    "envFrom": st.lists(st.just({"configMapRef": {"name": "m"}}), max_size=2),
    "volumeMounts": unique(
        st.fixed_dictionaries({"name": WORDS, "mountPath": WORDS, "readOnly": FLAGS}), "mountPath"
    ),
    "ports": unique(st.fixed_dictionaries({"containerPort": NUMBERS, "name": WORDS}), "name").map(
        lambda ports: list({port["containerPort"]: port for port in ports}.values())
    ),
    "resources": RESOURCES,
    "securityContext": CONTEXT,
    "livenessProbe": some_of(
        periodSeconds=NUMBERS, exec=st.just({"command": ["true"]}), failureThreshold=NUMBERS
    ),
}
VOLUMES = unique(
    st.one_of(
        st.fixed_dictionaries({"name": WORDS, "emptyDir": some_of(medium=st.just("Memory"))}),
        st.fixed_dictionaries({"name": WORDS, "configMap": st.just({"name": "m"})}),
    ),
    "name",
)
SPEC_FIELDS = {
    "serviceAccountName": WORDS,
    "priorityClassName": WORDS,
    "terminationGracePeriodSeconds": NUMBERS,
    "activeDeadlineSeconds": NUMBERS,
    "hostNetwork": FLAGS,
    "enableServiceLinks": FLAGS,
    "restartPolicy": st.sampled_from(["Always", "Never", "OnFailure"]),
    "nodeSelector": TEXTS,
    "tolerations": st.lists(st.fixed_dictionaries({"key": WORDS}), max_size=2),
    "affinity": some_of(podAntiAffinity=st.just({}), podAffinity=st.just({})),
    "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": WORDS}), max_size=2),
    "hostAliases": st.lists(st.just({"ip": "1.1.1.1", "hostnames": ["a"]}), max_size=1),
    "topologySpreadConstraints": st.lists(
        st.just({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}),
        max_size=1,
    ),
    "volumes": VOLUMES,
    "securityContext": some_of(runAsUser=NUMBERS, fsGroup=NUMBERS, runAsNonRoot=FLAGS),
}
METADATA = some_of(
    name=WORDS,
    labels=st.dictionaries(IDENTITY, WORDS, max_size=2),
    annotations=st.dictionaries(IDENTITY, WORDS, max_size=2),
    finalizers=st.lists(WORDS, max_size=2),
    ownerReferences=st.lists(
        st.just({"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u"}), max_size=1
    ),
)


def container(name):
    return st.fixed_dictionaries({"name": st.just(name)}, optional=CONTAINER_FIELDS)


def listed(names):
    """Return containers of some of the names, in any order."""
    return st.lists(st.sampled_from(names), unique=True, max_size=len(names)).flatmap(
        lambda chosen: st.tuples(*(container(name) for name in chosen)).map(list)
    )


QUICK = (Phase.generate, Phase.target, Phase.shrink)
"""Not `explain`: it traces every line, which takes minutes here."""


@st.composite
def templates(draw):
    spec = draw(some_of(**SPEC_FIELDS, initContainers=listed(["i", "j"])))
    base = draw(container("base"))
    spec["containers"] = [base, *draw(listed(["p", "q"]))]
    return {"metadata": draw(METADATA), "spec": spec}


@st.composite
def overrides(draw):
    spec = draw(some_of(**SPEC_FIELDS, initContainers=listed(["i", "k"])))
    names = draw(st.sampled_from([[], ["base"], ["base", "p"], ["q", "base", "n"]]))
    spec["containers"] = [draw(container(name)) for name in draw(st.permutations(names))]
    metadata = draw(METADATA)
    if draw(FLAGS):
        metadata["namespace"] = "chosen"
    return draw(
        st.sampled_from(
            [{}, {"metadata": metadata}, {"spec": spec}, {"metadata": metadata, "spec": spec}]
        )
    )


@settings(max_examples=100, deadline=None, database=None, derandomize=True, phases=QUICK)
@given(base=templates(), over=overrides(), image=st.sampled_from(["", "configured:1"]))
def test_everything_else_is_equal(base, over, image):
    same = over
    for change in filter(None, (difference.prepare for difference in INTENDED)):
        same = change(base, same)
    expected = theirs(base, same, image=image)
    for change in filter(None, (difference.settle for difference in INTENDED)):
        change(expected, base, over)
    assert ours(base, over, image=image) == expected
