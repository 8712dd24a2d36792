import functools

import pytest
from kubernetes.client import models as k8s

from tradewind import pod_models
from tradewind.dispatch.renderer import Coordinator, Renderer
from tradewind.errors import ConfigError
from tradewind.testing.builders import a_launch, settings

TEMPLATE = """
kind: Pod
spec:
  priorityClassName: from-template
  containers: [{name: base, image: "worker:1", resources: {limits: {memory: 1Gi}}}]
"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "pod.yaml"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture
def renderer(template):
    def build(*, hook=None, coordinator_of=None, **options):
        extra = {} if coordinator_of is None else {"coordinator_of": coordinator_of}
        mutate = hook and functools.partial(pod_models.through_hook, hook=hook)
        chosen = settings(**({"pod_template_file": str(template)} | options))
        return Renderer(chosen, airflow_version="3.3.2", scheduler="7", mutate=mutate, **extra)

    return build


def overriding(**spec):
    pod = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[], **spec))
    return functools.partial(pod_models.override_from, {"pod_override": pod})


def base_of(manifest):
    return manifest["spec"]["containers"][0]


async def test_each_layer_beats_the_one_before_it(renderer):
    bands, profiles = '{"5": "from-band"}', '{"p": {"priorityClassName": "from-profile"}}'
    build = renderer(priority_classes=bands, profiles=profiles)
    seen = []
    for launch in (
        a_launch(priority=1),
        a_launch(priority=5),
        a_launch(priority=5, choice={"profile": "p"}),
        a_launch(
            priority=5,
            choice={"profile": "p"},
            render_override=overriding(priority_class_name="from-override"),
        ),
    ):
        manifest = await build.render(launch, ordinal=0)
        seen.append(manifest["spec"]["priorityClassName"])
    assert seen == ["from-template", "from-band", "from-profile", "from-override"]


async def test_a_queue_chooses_namespace_and_template(renderer, tmp_path):
    (tmp_path / "big.yaml").write_text(TEMPLATE.replace("worker:1", "big:1"))
    queues = f'{{"big": {{"namespace": "heavy", "pod_template_file": "{tmp_path}/big.yaml"}}}}'
    build = renderer(
        queues=queues,
        multi_namespace_mode="True",
        multi_namespace_mode_namespace_list="heavy",
    )
    manifest = await build.render(a_launch(queue="big"), ordinal=0)
    assert base_of(manifest)["image"] == "big:1"
    assert manifest["metadata"]["namespace"] == "heavy"


async def test_a_queue_cannot_choose_a_namespace_that_nobody_watches(renderer):
    build = renderer(queues='{"big": {"namespace": "heavy"}}')
    with pytest.raises(ConfigError, match="'heavy', which is not watched: choose one of default"):
        await build.render(a_launch(queue="big"), ordinal=0)


async def test_a_tasks_own_template_beats_its_queues(renderer, tmp_path):
    (tmp_path / "own.yaml").write_text(TEMPLATE.replace("worker:1", "own:1"))
    build = renderer(queues='{"big": {"pod_template_file": "/none.yaml"}}')
    launch = a_launch(queue="big", template_path=str(tmp_path / "own.yaml"))
    assert base_of(await build.render(launch, ordinal=0))["image"] == "own:1"


async def test_a_coordinators_template_and_image_win(renderer, tmp_path):
    (tmp_path / "java.yaml").write_text(TEMPLATE.replace("from-template", "from-coordinator"))
    java = Coordinator(template_path=str(tmp_path / "java.yaml"), image="java:17")
    build = renderer(
        coordinator_of={"java": java, "default": Coordinator()}.__getitem__,
        worker_container_repository="worker",
        worker_container_tag="2",
    )
    launch = a_launch(queue="java", template_path="/task/asked/for.yaml")
    manifest = await build.render(launch, ordinal=0)
    assert manifest["spec"]["priorityClassName"] == "from-coordinator"
    assert base_of(manifest)["image"] == "java:17"
    other = await build.render(a_launch(queue="default"), ordinal=0)
    assert base_of(other)["image"] == "worker:2"


async def test_a_try_after_an_oom_kill_gets_more_memory_even_than_its_override(renderer):
    build = renderer(oom_memory_factor="2", oom_memory_cap="3Gi")
    limits = []
    for kills in range(3):
        manifest = await build.render(a_launch(oom_kills=kills), ordinal=0)
        limits.append(base_of(manifest)["resources"]["limits"]["memory"])
    assert limits == ["1Gi", "2048Mi", "3Gi"]


async def test_a_hook_sees_the_pods_name_and_labels_and_changes_the_rest(renderer):
    seen = []

    def hook(pod):
        seen.append((pod.metadata.name, pod.metadata.labels["dag_id"]))
        pod.metadata.name = "mine"
        pod.metadata.labels["dag_id"] = "other"
        pod.spec.node_selector = {"disk": "ssd"}

    manifest = await renderer(hook=hook).render(a_launch(), ordinal=0)
    assert seen == [(manifest["metadata"]["name"], "etl")]
    assert manifest["metadata"]["labels"]["dag_id"] == "etl"
    assert manifest["spec"]["nodeSelector"] == {"disk": "ssd"}


async def test_what_a_hook_does_to_one_pod_stays_in_that_pod(renderer):
    def hook(pod):
        pod.spec.containers[0].args.append("more")
        pod.metadata.labels["hooked"] = "yes"
        pod.spec.containers[0].resources.limits["memory"] = "9Gi"

    args = ["run"]
    override = overriding(node_selector={"a": "1"})
    build = renderer(hook=hook)
    for _ in range(2):
        launch = a_launch(render_args=lambda: args, render_override=override)
        manifest = await build.render(launch, ordinal=0)
        assert base_of(manifest)["args"] == ["run", "more"]
    plain = await renderer().render(a_launch(), ordinal=0)
    assert base_of(plain)["resources"] == {"limits": {"memory": "1Gi"}}
    assert args == ["run"]


def test_check_names_a_queue_with_an_unknown_profile(renderer):
    with pytest.raises(ConfigError, match="names the profile 'none'"):
        renderer(queues='{"q": {"profile": "none"}}').check()


def test_check_names_an_unusable_template(renderer):
    with pytest.raises(ConfigError, match=r"cannot read the pod template '/none\.yaml'"):
        renderer(pod_template_file="/none.yaml").check()


def test_check_names_an_unusable_template_of_a_queue(renderer):
    with pytest.raises(ConfigError, match=r"cannot read the pod template '/big\.yaml'"):
        renderer(queues='{"q": {"pod_template_file": "/big.yaml"}}').check()


async def test_templates_that_tasks_name_are_not_kept_without_end(renderer, tmp_path):
    build = renderer()
    for number in range(300):
        with pytest.raises(ConfigError, match="No such file"):
            await build.render(a_launch(template_path=f"{tmp_path}/{number}.yaml"), ordinal=0)
    assert len(build._templates) <= 256


@pytest.mark.parametrize(
    ("options", "timeout_s", "expected"),
    [
        pytest.param({}, 60.0, 1860, id="by-default"),
        pytest.param({"running_limit_margin": "5"}, 60.0, 65, id="with-another-margin"),
        pytest.param({"running_limit": "False"}, 60.0, None, id="off"),
        pytest.param({}, None, None, id="without-a-timeout"),
    ],
)
async def test_a_pod_may_run_as_long_as_its_task_and_a_margin(
    renderer, options, timeout_s, expected
):
    manifest = await renderer(**options).render(a_launch(timeout_s=timeout_s), ordinal=0)
    assert manifest["spec"].get("activeDeadlineSeconds") == expected


async def test_a_limit_of_an_override_or_a_hook_stays(renderer):
    def hook(pod):
        pod.spec.active_deadline_seconds = pod.spec.active_deadline_seconds or 33

    override = overriding(active_deadline_seconds=22)
    launches = [a_launch(timeout_s=60.0, render_override=override), a_launch(timeout_s=60.0)]
    manifests = [await renderer(hook=hook).render(launch, ordinal=0) for launch in launches]
    assert [manifest["spec"]["activeDeadlineSeconds"] for manifest in manifests] == [22, 33]
