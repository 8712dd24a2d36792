"""`[tradewind] warm_pools` is judged before a scheduler keeps pods by it."""

import json

import pytest

from tradewind.dispatch.pool.check import check
from tradewind.dispatch.renderer import Renderer
from tradewind.errors import ConfigError
from tradewind.testing.builders import settings

URL = "http://api/tradewind/v1/board"
PROFILES = {"small": {"resources": {"requests": {"cpu": "1"}}}, "same": {}}


@pytest.fixture
def judge(tmp_path):
    """Return a coroutine that judges a setting beside a usable template."""
    (tmp_path / "pod.yaml").write_text("kind: Pod\nspec: {containers: [{name: base, image: w}]}")

    async def judge(pools, *, mutate=None, **options):
        said = {
            "pod_template_file": str(tmp_path / "pod.yaml"),
            "boarding_url": URL,
            "profiles": json.dumps(PROFILES),
            "warm_pools": pools if isinstance(pools, str) else json.dumps(pools),
        }
        chosen = settings(**(said | options))
        renderer = Renderer(chosen, airflow_version="3.3.2", scheduler="", mutate=mutate)
        return await check(chosen, renderer)

    return judge


@pytest.mark.parametrize(
    ("pools", "count"),
    [
        pytest.param("", 0, id="none"),
        pytest.param({"default": 3}, 1, id="one"),
        pytest.param({"default": 3, "cpu": {"size": 1, "profile": "small"}}, 2, id="two-shapes"),
    ],
)
async def test_usable_pools_are_counted(judge, pools, count):
    assert await judge(pools) == count


@pytest.mark.parametrize(
    ("pools", "options", "sentence"),
    [
        pytest.param("{", {}, r"warm_pools is no JSON .*: give a JSON object", id="no-json"),
        pytest.param("/none.yaml", {}, r"cannot read the file of .* warm_pools", id="no-file"),
        pytest.param({"a": -1}, {}, r"pool 'a': size is -1: give 0 to", id="negative"),
        pytest.param({"a": {"sise": 1}}, {}, "has the unknown key 'sise'", id="misspelt"),
        pytest.param(
            {"a": {"size": 1, "profile": "none"}}, {}, r"pool 'a': .*choose one of", id="no-profile"
        ),
        pytest.param(
            {"a": {"size": 1, "pod_template_file": "/none.yaml"}},
            {},
            r"pool 'a': cannot read the pod template",
            id="no-template",
        ),
        pytest.param(
            {"a": 1, "b": {"size": 1, "profile": "same"}},
            {},
            "pools 'a' and 'b' have the same pods: remove one",
            id="twins-by-another-name",
        ),
        pytest.param(
            {"a": 1}, {"delivery": "args"}, "delivery is 'args': set delivery to auto", id="no-way"
        ),
        pytest.param(
            {"a": 1}, {"boarding_url": ""}, "pool 'a': nothing tells where pods board", id="nowhere"
        ),
    ],
)
async def test_what_would_keep_no_pods_is_told_with_pool_and_remedy(
    judge, pools, options, sentence
):
    with pytest.raises(ConfigError, match=sentence) as caught:
        await judge(pools, **options)
    assert "[tradewind] warm_pools" in str(caught.value)


async def test_a_hook_that_fails_idle_pods_is_told(judge):
    def hook(pod):
        raise KeyError(pod["metadata"]["labels"]["dag_id"])

    with pytest.raises(ConfigError, match=r"pool 'a': pod_mutation_hook failed \(KeyError"):
        await judge({"a": 1}, mutate=hook)
