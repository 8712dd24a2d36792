import copy
import json
from dataclasses import replace
from uuid import UUID

import pytest

from tradewind import contract
from tradewind.pods import boarding, labels, manifest
from tradewind.pods.boarding import Boarding
from tradewind.pods.manifest import IdleRequest, PodRequest
from tradewind.testing.builders import a_task

TEMPLATE = {
    "metadata": {"labels": {"team": "data"}},
    "spec": {
        "containers": [
            {
                "name": "base",
                "image": "worker:1",
                "volumeMounts": [{"name": "t", "mountPath": "/t"}],
            },
            {"name": "sidecar", "image": "proxy:1"},
        ],
        "volumes": [{"name": "t", "emptyDir": {}}],
    },
}
BOARDING = Boarding(
    url="http://api:8080/tradewind/v1/board",
    audience="tradewind",
    hold_s=25.0,
    budget_s=300.0,
    token_life_s=3600,
)
LAUNCH = PodRequest(
    task=a_task(),
    launch_id=UUID(int=1),
    row_id=UUID(int=2),
    ordinal=0,
    namespace="tasks",
    image="",
    airflow_version="3.3.2",
    scheduler="7",
    boarding=BOARDING,
    claimed_at_s=1700000000.1234,
)
IDLE = IdleRequest(
    pool="default",
    name="warm-1",
    namespace="tasks",
    image="",
    airflow_version="3.3.2",
    installation="here",
    boarding=BOARDING,
)


def rendered(request, *layers, template=TEMPLATE):
    return manifest.seal(manifest.render(template, request, layers=layers), request)


def base_of(pod):
    return next(one for one in pod["spec"]["containers"] if one["name"] == "base")


def env_of(pod):
    return {one["name"]: one.get("value") for one in base_of(pod)["env"]}


def hash_of(pod):
    return boarding.hash_of(pod["metadata"]["labels"])


def in_base(**fields):
    return {"spec": {"containers": [{"name": "base", **fields}]}}


def test_the_pod_of_a_launch_knows_where_to_ask_and_nothing_of_its_workload():
    pod = rendered(LAUNCH)
    assert base_of(pod)["args"] == ["python", "-m", "tradewind.worker"]
    env = env_of(pod)
    assert env.pop("AIRFLOW_IS_K8S_EXECUTOR_POD") == "True"
    assert env == {
        contract.ENV_URL: "http://api:8080/tradewind/v1/board",
        contract.ENV_TOKEN_FILE: "/var/run/secrets/tradewind/token",
        contract.ENV_HOLD: "25",
        contract.ENV_BUDGET: "300",
        contract.ENV_TEMPLATE: hash_of(pod),
    }


def test_the_token_is_projected_for_the_worker_alone():
    pod = rendered(LAUNCH)
    token = {"audience": "tradewind", "expirationSeconds": 3600, "path": "token"}
    assert pod["spec"]["volumes"] == [
        {"name": "t", "emptyDir": {}},
        {"name": "tradewind-token", "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    assert base_of(pod)["volumeMounts"] == [
        {"name": "t", "mountPath": "/t"},
        {"name": "tradewind-token", "mountPath": "/var/run/secrets/tradewind", "readOnly": True},
    ]
    assert pod["spec"]["containers"][1] == {"name": "sidecar", "image": "proxy:1"}


def test_a_pod_has_no_rights_in_kubernetes_unless_its_template_says_so():
    assert rendered(LAUNCH)["spec"]["automountServiceAccountToken"] is False
    said = rendered(LAUNCH, {"spec": {"automountServiceAccountToken": True}})
    assert said["spec"]["automountServiceAccountToken"] is True


def test_the_endpoint_finds_launch_and_row_on_the_pod():
    metadata = rendered(LAUNCH)["metadata"]
    assert metadata["labels"][labels.LAUNCH_ID] == str(UUID(int=1))
    assert metadata["annotations"][labels.ROW_ID] == str(UUID(int=2))
    assert metadata["annotations"][labels.CLAIMED_AT] == "1700000000.123"


def test_a_pod_with_its_workload_in_its_arguments_is_left_as_it_was():
    pod = rendered(replace(LAUNCH, boarding=None, args=["run"]))
    assert base_of(pod)["args"] == ["run"]
    assert "tradewind" not in json.dumps(pod["spec"])
    assert hash_of(pod) == ""
    assert labels.CLAIMED_AT not in pod["metadata"]["annotations"]
    assert pod["metadata"]["annotations"][labels.ROW_ID] == str(UUID(int=2))


STOLEN = {"name": "tradewind-token", "mountPath": "/elsewhere"}


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(in_base(env=[{"name": contract.ENV_URL, "value": "http://evil"}]), id="url"),
        pytest.param(in_base(env=[{"name": contract.ENV_BUDGET, "value": "1"}]), id="budget"),
        pytest.param(in_base(env=[{"name": contract.ENV_TEMPLATE, "value": "1"}]), id="hash"),
        pytest.param(in_base(volumeMounts=[STOLEN]), id="mount"),
        pytest.param(
            in_base(volumeMounts=[{"name": "t", "mountPath": "/var/run/secrets/tradewind/"}]),
            id="folder",
        ),
        pytest.param(
            in_base(env=[{"name": contract.ENV_TERMINATION_FILE, "value": "/tmp/x"}]), id="farewell"
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "tradewind-token", "emptyDir": {}}]}}, id="volume"
        ),
        pytest.param({"metadata": {"labels": {labels.TEMPLATE: "x"}}}, id="label-of-hash"),
        pytest.param({"metadata": {"labels": {labels.POOL: "x"}}}, id="label-of-pool"),
        pytest.param({"metadata": {"labels": {labels.DRAINING: "true"}}}, id="label-of-drain"),
        pytest.param({"metadata": {"annotations": {labels.ROW_ID: "x"}}}, id="row"),
        pytest.param({"metadata": {"annotations": {labels.CLAIMED_AT: "x"}}}, id="claim"),
    ],
)
def test_what_boarding_needs_cannot_be_changed(layer):
    assert rendered(LAUNCH, layer) == rendered(LAUNCH)


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_no_other_container_gets_the_token(field):
    theirs = {"name": "other", "image": "x", "volumeMounts": [STOLEN]}
    pod = rendered(LAUNCH, {"spec": {field: [theirs]}})
    other = next(one for one in pod["spec"][field] if one["name"] == "other")
    assert other["volumeMounts"] == []


def test_sealing_again_after_a_hook_changes_nothing():
    pod = rendered(LAUNCH)
    assert manifest.seal(copy.deepcopy(pod), LAUNCH) == pod
    assert manifest.seal(copy.deepcopy(rendered(IDLE)), IDLE) == rendered(IDLE)


def test_the_seal_mends_what_a_hook_removed():
    pod = rendered(LAUNCH)
    base_of(pod).pop("args")
    base_of(pod)["env"].clear()
    base_of(pod)["volumeMounts"].clear()
    pod["spec"]["volumes"].clear()
    mended = manifest.seal(pod, LAUNCH)
    assert base_of(mended)["args"] == ["python", "-m", "tradewind.worker"]
    assert env_of(mended)[contract.ENV_TEMPLATE] == hash_of(mended)
    assert [one["name"] for one in mended["spec"]["volumes"]] == ["tradewind-token"]


def test_the_worker_says_farewell_where_the_kubelet_reads_it():
    env = env_of(rendered(LAUNCH, in_base(terminationMessagePath="/tmp/farewell")))
    assert env[contract.ENV_TERMINATION_FILE] == "/tmp/farewell"
    plain = env_of(rendered(LAUNCH, in_base(terminationMessagePath=contract.TERMINATION_FILE)))
    assert contract.ENV_TERMINATION_FILE not in plain


def test_a_hook_may_wrap_the_worker():
    pod = rendered(LAUNCH)
    base_of(pod)["args"] = ["nice", *base_of(pod)["args"]]
    assert base_of(manifest.seal(pod, LAUNCH))["args"][:2] == ["nice", "python"]


def test_an_idle_pod_has_no_task_and_waits_without_end():
    pod = rendered(IDLE)
    assert pod["metadata"] == {
        "name": "warm-1",
        "namespace": "tasks",
        "labels": {
            "team": "data",
            "airflow_version": "3.3.2",
            labels.POOL: "default",
            labels.TEMPLATE: hash_of(pod),
            labels.INSTALLATION: "here",
        },
        "annotations": {},
    }
    assert contract.ENV_BUDGET not in env_of(pod)
    assert pod["spec"]["restartPolicy"] == "Never"


def test_an_idle_pod_is_ready_once_its_worker_says_so_and_others_are_at_once():
    idle, own = rendered(IDLE), rendered(LAUNCH)
    file = env_of(idle)[contract.ENV_READY_FILE]
    assert base_of(idle)["startupProbe"]["exec"]["command"] == ["test", "-e", file]
    assert contract.ENV_READY_FILE not in env_of(own)
    assert "startupProbe" not in base_of(own)


def test_a_startup_probe_of_the_template_stays():
    probe = {"exec": {"command": ["true"]}}
    pods = [rendered(one, in_base(startupProbe=probe)) for one in (IDLE, LAUNCH)]
    assert [base_of(pod)["startupProbe"] for pod in pods] == [probe, probe]
    assert len({hash_of(pod) for pod in pods}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"launch_id": UUID(int=9), "row_id": UUID(int=8)},
        {"ordinal": 2},
        {"task": a_task(dag_id="other", map_index=3)},
        {"task": a_task(kind="callback")},
        {"scheduler": "8"},
        {"installation": "elsewhere"},
        {"claimed_at_s": 0.0},
        {"boarding": replace(BOARDING, budget_s=1.0)},
    ],
    ids=str,
)
def test_an_idle_pod_can_stand_in_for_any_launch_of_its_template(changed):
    assert hash_of(rendered(replace(LAUNCH, **changed))) == hash_of(rendered(IDLE))


@pytest.mark.parametrize(
    ("layer", "changed"),
    [
        pytest.param(in_base(image="other:2"), {}, id="image"),
        pytest.param({}, {"image": "other:2"}, id="configured-image"),
        pytest.param(in_base(resources={"limits": {"memory": "1Gi"}}), {}, id="resources"),
        pytest.param(in_base(env=[{"name": "OWN", "value": "1"}]), {}, id="env"),
        pytest.param({"metadata": {"labels": {"cost": "x"}}}, {}, id="label"),
        pytest.param({"metadata": {"annotations": {"checksum/config": "x"}}}, {}, id="annotation"),
        pytest.param({"metadata": {"namespace": "other"}}, {}, id="namespace"),
        pytest.param({"spec": {"nodeSelector": {"disk": "ssd"}}}, {}, id="spec"),
        pytest.param({}, {"airflow_version": "3.3.3"}, id="airflow"),
        pytest.param({}, {"boarding": replace(BOARDING, audience="x")}, id="audience"),
        pytest.param({}, {"boarding": replace(BOARDING, url="http://x")}, id="url"),
    ],
)
def test_any_other_difference_is_another_hash(layer, changed):
    assert hash_of(rendered(replace(IDLE, **changed), layer)) != hash_of(rendered(IDLE))


def test_another_release_of_the_executor_is_another_hash(monkeypatch):
    before = hash_of(rendered(IDLE))
    monkeypatch.setattr(boarding, "__version__", "99")
    assert hash_of(rendered(IDLE)) != before


def test_another_protocol_is_another_hash(monkeypatch):
    before = hash_of(rendered(IDLE))
    monkeypatch.setattr(contract, "PROTOCOL", 99)
    assert hash_of(rendered(IDLE)) != before


def test_nothing_that_is_given_is_changed_or_shared():
    before = copy.deepcopy(TEMPLATE)
    pod = rendered(LAUNCH)
    pod["spec"]["volumes"].clear()
    base_of(pod)["env"].clear()
    pod["metadata"]["labels"].clear()
    assert before == TEMPLATE
