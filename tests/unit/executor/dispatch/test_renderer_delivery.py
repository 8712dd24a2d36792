"""Which pods carry their workload in their arguments, and which fetch it."""

import functools
import json

import pytest
from kubernetes.client import models as k8s

from tradewind import pod_models
from tradewind.dispatch.pool.spec import parse
from tradewind.dispatch.renderer import Coordinator, Renderer
from tradewind.errors import ConfigError
from tradewind.pods import boarding
from tradewind.testing.builders import a_launch, a_task, settings

TEMPLATE = 'kind: Pod\nspec: {containers: [{name: base, image: "worker:1"}]}'
URL = "http://api:8080/tradewind/v1/board"


@pytest.fixture
def renderer(tmp_path):
    (tmp_path / "pod.yaml").write_text(TEMPLATE)

    def build(*, answers=True, hook=None, coordinator_of=None, **options):
        extra = {} if coordinator_of is None else {"coordinator_of": coordinator_of}
        mutate = hook and functools.partial(pod_models.through_hook, hook=hook)
        given = {"pod_template_file": str(tmp_path / "pod.yaml"), "boarding_url": URL}
        return Renderer(
            settings(**(given | options)),
            airflow_version="3.3.2",
            scheduler="7",
            mutate=mutate,
            endpoint_answers=lambda: answers,
            **extra,
        )

    return build


def a_pool(**said):
    return parse({"warm": {"size": 1} | said}, "warm_pools", max_age_s=60)["warm"]


def overriding(**base):
    pod = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", **base)]))
    return functools.partial(pod_models.override_from, {"pod_override": pod})


def base_of(manifest):
    return manifest["spec"]["containers"][0]


def hash_of(manifest):
    return boarding.hash_of(manifest["metadata"]["labels"])


def delivery_of(manifest):
    return "boarding" if hash_of(manifest) else "args"


@pytest.mark.parametrize(
    ("setting", "answers", "asked", "expected"),
    [
        ("auto", False, None, "args"),
        ("auto", True, None, "boarding"),
        ("auto", True, "args", "args"),
        ("auto", False, "boarding", "boarding"),
        ("args", True, None, "args"),
        ("args", True, "boarding", "boarding"),
        ("boarding", False, None, "boarding"),
        ("boarding", True, "args", "args"),
    ],
)
async def test_setting_endpoint_and_task_decide(renderer, setting, answers, asked, expected):
    build = renderer(answers=answers, delivery=setting)
    launch = a_launch(choice={"delivery": asked} if asked else None)
    assert delivery_of(await build.render(launch, ordinal=0)) == expected


OTHER_IMAGE = {"render_override": overriding(image="theirs:3")}
OTHER_COMMAND = {"render_override": overriding(command=["nice"])}


@pytest.mark.parametrize(
    ("changed", "setting", "expected"),
    [
        pytest.param(OTHER_IMAGE, "auto", "args", id="image-auto"),
        pytest.param(OTHER_COMMAND, "auto", "args", id="command-auto"),
        pytest.param(OTHER_IMAGE, "boarding", "boarding", id="image-boarding"),
        pytest.param(
            OTHER_IMAGE | {"choice": {"delivery": "boarding"}}, "auto", "boarding", id="image-asked"
        ),
        pytest.param(
            {"render_override": overriding(image="worker:1", env=[])}, "auto", "boarding", id="same"
        ),
        pytest.param({"queue": "java"}, "auto", "args", id="coordinator"),
        pytest.param({"queue": "own"}, "auto", "args", id="template-of-the-queue"),
        pytest.param({"queue": "built-on-ours"}, "auto", "boarding", id="queue-says-it-boards"),
        pytest.param({"choice": {"profile": "gpu"}}, "auto", "args", id="image-of-the-profile"),
    ],
)
async def test_a_pod_whose_image_may_lack_the_worker_boards_only_when_told(
    renderer, tmp_path, changed, setting, expected
):
    (tmp_path / "own.yaml").write_text(TEMPLATE.replace("worker:1", "own:1"))
    own = {"pod_template_file": str(tmp_path / "own.yaml")}
    build = renderer(
        delivery=setting,
        queues=json.dumps({"own": own, "built-on-ours": own | {"delivery": "boarding"}}),
        profiles='{"gpu": {"image": "gpu:1"}}',
        coordinator_of=lambda queue: Coordinator(image="java:17" if queue == "java" else ""),
    )
    manifest = await build.render(a_launch(**changed), ordinal=0)
    assert delivery_of(manifest) == expected


async def test_the_configured_image_is_the_deployments_own(renderer):
    build = renderer(worker_container_repository="mirror/worker", worker_container_tag="2")
    assert delivery_of(await build.render(a_launch(), ordinal=0)) == "boarding"


async def test_without_a_template_of_the_executors_own_the_tasks_goes_by_args(renderer, tmp_path):
    build = renderer(pod_template_file="")
    launch = a_launch(template_path=str(tmp_path / "pod.yaml"))
    assert delivery_of(await build.render(launch, ordinal=0)) == "args"


async def test_a_hook_sees_a_boarding_pod_as_it_is_and_may_mirror_its_image(renderer):
    seen = []

    def hook(pod):
        seen.append(pod.spec.containers[0].args)
        pod.spec.containers[0].image = "mirror/worker:1"
        pod.spec.volumes = []

    manifest = await renderer(hook=hook).render(a_launch(), ordinal=0)
    assert seen == [["python", "-m", "tradewind.worker"]]
    assert base_of(manifest)["image"] == "mirror/worker:1"
    assert [one["name"] for one in manifest["spec"]["volumes"]] == ["tradewind-token"]


async def test_no_token_is_minted_for_a_pod_that_boards(renderer):
    def never():
        raise AssertionError("minted")

    manifest = await renderer().render(a_launch(render_args=never), ordinal=0)
    assert base_of(manifest)["args"] == ["python", "-m", "tradewind.worker"]


@pytest.mark.parametrize("said", ["warm", "auto", ["args"], 7])
async def test_a_bad_delivery_of_a_task_is_named(renderer, said):
    with pytest.raises(ConfigError, match=r"delivery is .*: choose 'args' or 'boarding'"):
        await renderer().render(a_launch(choice={"delivery": said}), ordinal=0)


async def test_a_bad_delivery_of_a_queue_is_named(renderer):
    build = renderer(queues='{"big": {"delivery": "warm"}}')
    with pytest.raises(ConfigError, match=r"queues, queue 'big': delivery is 'warm'"):
        await build.render(a_launch(queue="big"), ordinal=0)


async def test_a_task_cannot_board_where_nothing_tells_the_address(renderer):
    build = renderer(boarding_url="", answers=False)
    assert delivery_of(await build.render(a_launch(), ordinal=0)) == "args"
    with pytest.raises(ConfigError, match="nothing tells where pods board"):
        await build.render(a_launch(choice={"delivery": "boarding"}), ordinal=0)


async def test_an_idle_pod_has_the_hash_of_the_launches_it_can_take(renderer):
    profiles = '{"big": {"resources": {"limits": {"memory": "4Gi"}}}}'
    build = renderer(profiles=profiles, queues='{"q": {"profile": "big"}}')
    plain = hash_of(await build.render_idle(a_pool(), name="warm-1"))
    big = hash_of(await build.render_idle(a_pool(profile="big"), name="warm-2"))
    by_queue = hash_of(await build.render_idle(a_pool(queue="q"), name="warm-3"))
    assert plain != big == by_queue
    assert hash_of(await build.render(a_launch(), ordinal=0)) == plain
    assert hash_of(await build.render(a_launch(queue="q"), ordinal=0)) == big


@pytest.mark.parametrize(
    ("override", "same"),
    [({"image": "worker:1"}, True), ({"resources": {"limits": {"memory": "1Gi"}}}, False)],
    ids=["changes-nothing", "changes-something"],
)
async def test_an_override_keeps_the_hash_only_when_it_changes_nothing(renderer, override, same):
    build = renderer()
    idle = await build.render_idle(a_pool(), name="warm-1")
    launched = await build.render(a_launch(render_override=overriding(**override)), ordinal=0)
    assert (hash_of(launched) == hash_of(idle)) is same


async def test_the_class_of_idle_pods_is_no_part_of_their_hash(renderer):
    build = renderer(priority_classes='{"5": "urgent"}')
    low = await build.render_idle(a_pool(priority_class="idle"), name="warm-1")
    assert low["spec"]["priorityClassName"] == "idle"
    assert hash_of(low) == hash_of(await build.render(a_launch(), ordinal=0))
    urgent = await build.render_idle(a_pool(priority_weight=5), name="warm-2")
    assert hash_of(urgent) == hash_of(await build.render(a_launch(priority=5), ordinal=0))


async def test_a_hook_goes_over_idle_pods_too(renderer):
    def hook(pod):
        special = pod.metadata.labels.get("dag_id") == "special"
        pod.spec.node_selector = {"disk": "nvme" if special else "ssd"}

    build = renderer(hook=hook)
    idle = await build.render_idle(a_pool(), name="warm-1")
    plain = await build.render(a_launch(), ordinal=0)
    special = await build.render(a_launch(task=a_task(dag_id="special")), ordinal=0)
    assert idle["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert hash_of(plain) == hash_of(idle) != hash_of(special)
