import json

import pytest
from airflow.sdk.execution_time import coordinator

from tradewind import _compat
from tradewind.dispatch.renderer import Coordinator

JAVA = {
    "classpath": "not.imported.JavaCoordinator",
    "extra": {
        "pod_template_file": "/templates/java.yaml",
        "worker_container_repository": "java",
        "worker_container_tag": "17",
    },
}


@pytest.fixture
def sdk(monkeypatch):
    def configure(**options):
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__SDK__{name.upper()}", json.dumps(value))
        coordinator.reset_coordinator_manager()

    yield configure
    coordinator.reset_coordinator_manager()


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param(
            JAVA["extra"],
            Coordinator(template_path="/templates/java.yaml", image="java:17"),
            id="template-and-image",
        ),
        pytest.param({"worker_container_tag": "17"}, Coordinator(), id="half-an-image-is-none"),
        pytest.param({}, Coordinator(), id="says-nothing"),
        pytest.param(None, Coordinator(), id="no-extra"),
    ],
)
def test_a_queues_coordinator_says_template_and_image(sdk, extra, expected):
    sdk(coordinators={"java": JAVA | {"extra": extra}}, queue_to_coordinator={"jvm": "java"})
    assert _compat.coordinator_of("jvm") == expected


def test_other_queues_have_none(sdk):
    sdk(coordinators={"java": JAVA}, queue_to_coordinator={"jvm": "java"})
    assert _compat.coordinator_of("default") == Coordinator()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"queue_to_coordinator": {"jvm": "missing"}}, id="unknown-coordinator"),
        pytest.param({"coordinators": {"java": {}}}, id="no-classpath"),
    ],
)
def test_malformed_settings_say_nothing_with_a_warning(sdk, caplog, options):
    sdk(**options)
    assert _compat.coordinator_of("jvm") == Coordinator()
    assert "ignoring the coordinator of queue 'jvm'" in caplog.text
