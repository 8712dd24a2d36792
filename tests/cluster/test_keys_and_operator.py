"""A release with keys of its own, whose tasks may make pods: the operator works, keys change."""

import json
import os
from pathlib import Path

import pytest
import yaml
from airflow.api_fastapi.auth.tokens import key_to_jwk_dict
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dag_runs import await_dags, await_ends, until
from rollouts import await_rollouts
from second_release import changed, ours

from tradewind_tools import images, kubectl

DAGS = Path(__file__).parent / "dags"
READ = """
from airflow.models import Connection
print(Connection.get_connection_from_secrets("kept").password)
"""
OPERATOR_POD = "kubernetes_pod_operator=True"
STARTED_WITHIN_S = 240
ROLLED_OUT_WITHIN_S = 300
COMPONENTS = [f"tradewind-{name}" for name in ("api-server", "scheduler", "dag-processor")]


class Keys:
    """What the release's Secret holds; it is part of the release, so that an upgrade changes it."""

    def __init__(self):
        self.jwt = Ed25519PrivateKey.generate()
        self.trusted = [self.jwt]
        self.fernet = [Fernet.generate_key().decode()]

    def values(self):
        pem = self.jwt.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        trusted = {"keys": [key_to_jwk_dict(key.public_key()) for key in self.trusted]}
        data = {
            "fernet-key": ",".join(self.fernet),
            "jwt-private-key.pem": pem.decode(),
            "jwks.json": json.dumps(trusted),
        }
        metadata = {"name": "keys"}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
        named = ("fernetKey", "jwtPrivateKey", "jwtTrustedKeys")
        return {
            # They are made together with the release, which is after the chart looks for them.
            "secrets": {name: {"existingSecret": "keys"} for name in named}
            | {"checkExisting": False},
            "extraObjects": [secret],
        }


@pytest.fixture(scope="module")
def keys():
    return Keys()


@pytest.fixture(scope="module")
def airflow(target, keys):
    more = keys.values() | {"executor": {"podOperator": {"enabled": True}}}
    dags = [DAGS / "own_pod.py", DAGS / "steady.py"]
    with ours(target, dags=dags, more=more) as connected:
        await_dags(connected, ["own_pod", "steady"])
        yield connected


def change(target, airflow, keys):
    """Upgrade to the keys as they now are, and restart what reads them, as the table says."""
    changed(target, helm=os.environ["HELM3"], namespace=airflow.namespace, more=keys.values())
    kubectl.run(target, "-n", airflow.namespace, "rollout", "restart", "deployment", *COMPONENTS)

    await_rollouts(target, *COMPONENTS, namespace=airflow.namespace, timeout_s=ROLLED_OUT_WITHIN_S)


def states(airflow, run_id):
    return {
        item["map_index"]: (item["state"], item["try_number"])
        for item in airflow.task_instances("steady", run_id)
        if item["task_id"] == "work"
    }


def start_tasks(airflow, count):
    run_id = airflow.trigger("steady", conf={"tasks": count})
    running = dict.fromkeys(range(count), ("running", 1))

    def found():
        return states(airflow, run_id)

    until(lambda: found() == running, what=found, timeout_s=STARTED_WITHIN_S)
    return run_id


@pytest.mark.timeout(900)
def test_a_kubernetes_pod_operator_makes_its_pod_with_its_resources(target, airflow):
    image = yaml.safe_load(images.values_file(target).read_text())["image"]
    reference = f"{image['registry']}/{image['repository']}@{image['digest']}"
    run_id = airflow.trigger("own_pod", conf={"image": reference})
    ended = await_ends(airflow, {"own_pod": run_id}, timeout_s=400)
    assert ended == {"own_pod": "success"}
    said = kubectl.run(target, "-n", airflow.namespace, "logs", "-l", OPERATOR_POD)
    assert "said in a pod of the operator" in said
    [pod] = kubectl.items(target, "pods", "-n", airflow.namespace, "-l", OPERATOR_POD)
    assert pod["status"]["phase"] == "Succeeded"
    [container] = pod["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "20m", "memory": "48Mi"},
        "limits": {"memory": "96Mi"},
    }


@pytest.mark.timeout(1500)
def test_keys_change_under_running_tasks(target, airflow, keys):
    airflow.post(
        "connections", {"connection_id": "kept", "conn_type": "http", "password": "kept-secret"}
    )
    of_old_key = start_tasks(airflow, 2)

    old, new = keys.jwt, Ed25519PrivateKey.generate()
    keys.trusted = [old, new]
    keys.fernet = [Fernet.generate_key().decode(), *keys.fernet]
    change(target, airflow, keys)
    keys.jwt = new
    change(target, airflow, keys)
    of_new_key = start_tasks(airflow, 1)
    rotate = ("exec", "deployment/tradewind-api-server", "--", "airflow", "rotate-fernet-key")
    kubectl.run(target, "-n", airflow.namespace, *rotate)
    assert states(airflow, of_old_key) == dict.fromkeys(range(2), ("running", 1))

    # They ask for a variable all the time, which needs their token.
    airflow.post("variables", {"key": "may_end", "value": "yes"})
    for run_id, count in ((of_old_key, 2), (of_new_key, 1)):
        assert await_ends(airflow, {"steady": run_id}, timeout_s=300) == {"steady": "success"}
        assert states(airflow, run_id) == dict.fromkeys(range(count), ("success", 1))

    # Without the old keys everything that was encrypted can still be read.
    keys.trusted, keys.fernet = [new], keys.fernet[:1]
    change(target, airflow, keys)
    read = ("exec", "deployment/tradewind-api-server", "--", "python", "-c", READ)
    assert "kept-secret" in kubectl.run(target, "-n", airflow.namespace, *read)
