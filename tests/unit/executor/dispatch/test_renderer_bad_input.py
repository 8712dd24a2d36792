"""What people can get wrong, one row each: what happens to that task, and that to no other.

A row with a sentence is refused: a `ConfigError` that names field and remedy. A row without one is
put right, and the task runs. docs/pod-templates.md repeats the table for users.
"""

import functools
import re
import threading
import uuid

import pytest
from bad_inputs import base, env, meta, override, resources
from kubernetes.client import models as k8s

from tradewind import pod_models
from tradewind.dispatch.renderer import Renderer
from tradewind.errors import ConfigError
from tradewind.testing.builders import a_launch, a_task, settings

TEMPLATE = "kind: Pod\nspec: {containers: [{name: base, image: worker}]}"
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@pytest.fixture
def renderer(tmp_path):
    (tmp_path / "pod.yaml").write_text(TEMPLATE)

    def build(*, hook=None, **options):
        return Renderer(
            settings(**({"pod_template_file": str(tmp_path / "pod.yaml")} | options)),
            airflow_version="3.3.2",
            scheduler="7",
            mutate=hook and functools.partial(pod_models.through_hook, hook=hook),
        )

    return build


def with_config(config, **changed):
    """Return a launch as the executor makes it from an `executor_config`."""
    override = functools.partial(pod_models.override_from, config)
    return a_launch(
        **changed,
        render_override=override if pod_models.has_override(config) else None,
        template_path=config.get("pod_template_file"),
        choice=config.get("tradewind"),
    )


REFUSED = [
    pytest.param({"pod_template_file": "/none.yaml"}, "No such file", id="template-missing"),
    pytest.param({"pod_template_file": "/"}, "Is a directory", id="template-directory"),
    pytest.param({"pod_template_file": "pod.yaml"}, "begin it with /", id="template-relative"),
    pytest.param({"pod_template_file": "/a/../b"}, r"use no \.\.", id="template-upwards"),
    pytest.param({"pod_template_file": 7}, "is a int: give an absolute path", id="template-int"),
    pytest.param({"pod_override": "x"}, "is a str: give a kubernetes", id="override-text"),
    pytest.param({"pod_override": {"spec": {}}}, "is a dict: give a", id="override-dict"),
    pytest.param({"KubernetesExecutor": {"image": "x"}}, "of Airflow 1: give", id="legacy-key"),
    pytest.param(
        {"pod_override": k8s.V1Pod(spec={"imagee": "x"})},
        "no field 'spec.imagee'",
        id="unknown-key",
    ),
    pytest.param(
        {"pod_override": k8s.V1Pod(spec="hello")}, "spec is 'hello': give a map", id="spec-text"
    ),
    pytest.param(
        {"pod_override": k8s.V1Pod(spec={"hostname": object()})},
        "cannot be written as a manifest",
        id="no-manifest",
    ),
    pytest.param(
        override(containers=[k8s.V1Container(name="a"), k8s.V1Container(name="b")]),
        "no 'base': name the one",
        id="no-base",
    ),
    pytest.param(
        override(containers=[k8s.V1Container(name="base")] * 2), "2 items named", id="two-bases"
    ),
    pytest.param(meta(namespace="b"), "'b', which is not watched: choose", id="namespace"),
    pytest.param(base(args=[]), "so that the task never runs: remove it", id="no-args"),
    pytest.param(base(args=["true"]), "so that the task never runs: remove it", id="other-args"),
    pytest.param(resources(requests={"cpu": "lots"}), "write a quantity", id="cpu-lots"),
    pytest.param(resources(limits={"memory": "1Q!"}), "write a quantity", id="memory-1Q!"),
    pytest.param(resources(limits={"memory": "-1"}), "of 0 or more", id="memory-negative"),
    pytest.param(
        resources(requests={"cpu": "2"}, limits={"cpu": "1"}), "raise the limit", id="limit-low"
    ),
    pytest.param(env(("MY VAR", "x")), "write letters, digits", id="env-name"),
    pytest.param(env(("A", "x" * 1_500_000)), "move large values", id="env-1.5-MB"),
    pytest.param(env(("A", "x" * 150_000)), "mount a ConfigMap", id="env-150-kB"),
    pytest.param(meta(labels={"a": "b c"}), "write letters, digits", id="label-value"),
    pytest.param(
        override(containers=[k8s.V1Container(name="base"), k8s.V1Container(name="x" * 64)]),
        "63 characters at most",
        id="container-name-64",
    ),
    pytest.param({"tradewind": {"profile": "none"}}, "choose one of", id="profile-unknown"),
    pytest.param({"tradewind": ["small"]}, "give a mapping", id="choice-list"),
]


@pytest.mark.parametrize(("config", "sentence"), REFUSED)
async def test_a_bad_input_fails_its_own_task_with_a_sentence(renderer, config, sentence):
    build = renderer()
    with pytest.raises(ConfigError, match=sentence):
        await build.render(with_config(config), ordinal=0)
    assert await build.render(a_launch(), ordinal=0)


PUT_RIGHT = [
    pytest.param({"pod_override": None}, id="override-none"),
    pytest.param({"pod_override": {}}, id="override-falsy"),
    pytest.param({"pod_override": k8s.V1Pod()}, id="override-empty"),
    pytest.param(override(), id="containers-empty"),
    pytest.param(override(restart_policy="Always"), id="restartPolicy"),
    pytest.param(meta(name="mine"), id="pod-name"),
    pytest.param(meta(name="x" * 64), id="pod-name-64"),
    pytest.param(meta(labels={"airflow-worker": "9", "dag_id": "x"}), id="reserved-labels"),
    pytest.param(meta(annotations={"dag_id": "x"}), id="reserved-annotations"),
    pytest.param(meta(namespace=""), id="namespace-empty"),
]


@pytest.mark.parametrize("config", PUT_RIGHT)
async def test_a_harmless_input_changes_nothing(renderer, config):
    build, same = renderer(), {"launch_id": uuid.uuid4(), "row_id": uuid.uuid4()}
    expected = await build.render(a_launch(**same), ordinal=0)
    assert await build.render(with_config(config, **same), ordinal=0) == expected


PASSED_ON = [
    pytest.param(
        override(volumes=[k8s.V1Volume(name="h", host_path=k8s.V1HostPathVolumeSource(path="/"))]),
        "spec.volumes.hostPath",
        id="hostPath",
    ),
    pytest.param(
        base(security_context=k8s.V1SecurityContext(privileged=True)),
        "spec.containers.securityContext.privileged",
        id="privileged",
    ),
    pytest.param(
        override(service_account_name="other"), "spec.serviceAccountName", id="serviceAccountName"
    ),
]


@pytest.mark.parametrize(("config", "path"), PASSED_ON)
async def test_what_is_the_clusters_policy_passes_unless_it_is_forbidden(renderer, config, path):
    assert await renderer().render(with_config(config), ordinal=0)
    with pytest.raises(ConfigError, match=f"{path} is forbidden here .* remove it"):
        await renderer(forbidden_override_fields=path).render(with_config(config), ordinal=0)


async def test_two_hundred_variables_are_fine(renderer):
    many = env(*((f"V{n}", str(n)) for n in range(200)))
    manifest = await renderer().render(with_config(many), ordinal=0)
    assert len(manifest["spec"]["containers"][0]["env"]) == 201


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"dag_id": "d" * 250, "task_id": "t" * 250}, id="250-characters"),
        pytest.param({"dag_id": "___", "task_id": "..."}, id="punctuation"),
        pytest.param({"dag_id": "даг", "task_id": "задача"}, id="cyrillic"),
        pytest.param({"dag_id": "日本語", "task_id": "タスク"}, id="japanese"),
        pytest.param({"run_id": "r" * 400}, id="run-id-of-400"),
        pytest.param({"map_index": 10**6}, id="map-index-of-a-million"),
    ],
)
async def test_every_identifier_makes_a_pod_that_servers_take(renderer, changed):
    launch = a_launch(task=a_task(**changed))
    metadata = (await renderer().render(launch, ordinal=0))["metadata"]
    assert DNS_LABEL.fullmatch(metadata["name"])
    for value in metadata["labels"].values():
        assert LABEL_VALUE.fullmatch(value)
    assert metadata["annotations"].items() >= {k: str(v) for k, v in changed.items()}.items()


async def test_two_tasks_whose_names_look_alike_have_two_pods(renderer):
    build = renderer()
    tasks = (a_task(dag_id="a.b", task_id="c"), a_task(dag_id="a", task_id="b-c"))
    manifests = [await build.render(a_launch(task=task), ordinal=0) for task in tasks]
    assert len({manifest["metadata"]["name"] for manifest in manifests}) == 2


def _raise(pod):
    raise KeyError(pod.metadata.labels["dag_id"])


def _empty(pod):
    pod.spec.containers = []


def _rename(pod):
    pod.spec.containers[0].name = "main"


def _move(pod):
    pod.metadata.namespace = "elsewhere"


def _disarm(pod):
    pod.spec.containers[0].args = None


def _strip(pod):
    pod.spec.containers[0].image = None


def _mislabel(pod):
    pod.metadata.labels["team"] = "not a label"


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        pytest.param(_raise, r"hook failed \(KeyError: 'etl'\): correct it", id="raises"),
        pytest.param(_empty, "has no 'base': keep the container", id="removes-the-container"),
        pytest.param(_rename, "has no 'base': keep the container", id="renames-the-container"),
        pytest.param(_move, "after pod_mutation_hook: .*'elsewhere', which is not", id="moves"),
        pytest.param(_disarm, "has no args: keep them", id="removes-the-workload"),
        pytest.param(_strip, "'base' has no image: set one", id="removes-the-image"),
        pytest.param(_mislabel, "labels.team is 'not a label': write", id="bad-label"),
    ],
)
async def test_a_bad_hook_fails_the_task_with_a_sentence(renderer, hook, sentence):
    with pytest.raises(ConfigError, match=sentence):
        await renderer(hook=hook).render(a_launch(), ordinal=0)


async def test_a_hook_that_hangs_fails_the_task_and_not_the_next(renderer):
    release = threading.Event()

    def hook(pod):
        if pod.metadata.labels["dag_id"] == "slow":
            release.wait()

    build = renderer(hook=hook, pod_mutation_hook_timeout="0.5")
    with pytest.raises(ConfigError, match=r"did not end within 0.5 s: make it quicker, or raise"):
        await build.render(a_launch(task=a_task(dag_id="slow")), ordinal=0)
    try:
        assert await build.render(a_launch(), ordinal=0)
    finally:
        release.set()


async def test_a_hook_changes_the_pod_and_its_answer_is_ignored(renderer):
    def hook(pod):
        pod.spec.node_selector = {"a": "1"}
        return "ignored"

    manifest = await renderer(hook=hook).render(a_launch(), ordinal=0)
    assert manifest["spec"]["nodeSelector"] == {"a": "1"}
