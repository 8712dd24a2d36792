"""The audit policy of the local cluster, at a real API server: bodies of pods, and of no token."""

import json

import pytest
import yaml
from issued_tokens import Issuer
from kube_apiserver import ApiServer, connect

from tradewind_tools.cluster import audit


@pytest.fixture
async def issuer(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(audit.policy()))
    flags = audit.flags(policy_file=str(policy), log_file=str(tmp_path / "audit.log"))
    server = ApiServer(tmp_path, flags=flags)
    server.start()
    cluster = connect(server)
    yield Issuer(cluster, "default")
    await cluster.close()
    server.stop()


async def test_bodies_of_pods_are_recorded_and_no_token_is(issuer, tmp_path):
    await issuer.account("worker")
    pod = await issuer.pod("cold", annotations={"note": "as it was created"})
    token = await issuer.token(pod=pod)
    await issuer.cluster.patch_pod(
        "default", "cold", {"metadata": {"labels": {"note": "as-it-was-claimed"}}}
    )
    text = (tmp_path / "audit.log").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    bodies = {
        item["verb"]: json.dumps(item["requestObject"])
        for item in records
        if item.get("objectRef", {}).get("resource") == "pods" and "requestObject" in item
    }
    assert "as it was created" in bodies["create"]
    assert "as-it-was-claimed" in bodies["patch"]
    (asked,) = (i for i in records if i.get("objectRef", {}).get("subresource") == "token")
    assert (asked["level"], "responseObject" in asked) == ("Metadata", False)
    assert token not in text
    assert "eyJ" not in text
