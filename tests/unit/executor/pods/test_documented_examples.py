"""The examples of docs/pod-templates.md are parsed, rendered and held to Kubernetes' schemas."""

import re
from pathlib import Path

import kubernetes_validate
import pytest

from tradewind.dispatch.renderer import Renderer
from tradewind.testing.builders import a_launch, settings

PAGE = Path(__file__).parents[4] / "docs/pod-templates.md"
PROFILES = ["small", "large-memory", "gpu", "spread", "spot", "kueue"]
OLDEST_AND_NEWEST = ["1.30", "1.36"]


@pytest.fixture
def renderer(tmp_path):
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (tmp_path / name).write_text(text)
    queues = (tmp_path / "queues.yaml").read_text()
    (tmp_path / "queues.yaml").write_text(queues.replace("/opt/airflow/gpu", f"{tmp_path}/gpu"))
    (tmp_path / "gpu.yaml").write_text((tmp_path / "pod_template.yaml").read_text())
    chosen = settings(
        pod_template_file=str(tmp_path / "pod_template.yaml"),
        multi_namespace_mode="True",
        **{
            name: str(tmp_path / f"{name}.yaml")
            for name in ("profiles", "queues", "priority_classes")
        },
    )
    return Renderer(chosen, airflow_version="3.3.2", scheduler="7")


def test_check_passes(renderer):
    renderer.check()


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
@pytest.mark.parametrize("profile", PROFILES)
async def test_a_profile_makes_a_pod_of_kubernetes(renderer, profile, version):
    manifest = await renderer.render(a_launch(choice={"profile": profile}), ordinal=0)
    kubernetes_validate.validate(manifest, version, strict=True)


async def test_no_profile_is_left_out(renderer):
    assert sorted(renderer._shaping._profiles.load()) == sorted(PROFILES)


async def test_a_queue_and_a_priority_choose(renderer):
    manifest = await renderer.render(a_launch(queue="heavy", priority=50), ordinal=0)
    assert manifest["metadata"]["namespace"] == "airflow-heavy"
    assert manifest["spec"]["nodeSelector"] == {"node.example.com/pool": "large-memory"}
    assert manifest["spec"]["priorityClassName"] == "airflow-default"
