"""Every object of every scenario of the chart, judged by a real API server without being stored.

The level "restricted" judges pods alone; Deployments are accepted with a warning. So the pods are
sent too, those of tasks included.
"""

import asyncio
import functools
import os
import secrets
import subprocess
from pathlib import Path

import pytest
import yaml
from rendered import CASES, CHART, CUSTOM, LOADER, pods

from tradewind.client.errors import ApiError

PLURALS = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
PLURALS["ValidatingAdmissionPolicy"] = "validatingadmissionpolicies"
CLUSTER_WIDE = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


@functools.cache
def rendered(case, namespace):
    helm = os.environ.get("HELM4", "")
    assert Path(helm).is_file(), f"HELM4 is {helm!r}: run `./task test:integration`"
    command = [helm, "template", "tradewind", str(CHART), f"--namespace={namespace}"]
    command += [f"--values={CASES[case]}", "--kube-version=1.36.0", "--api-versions=v1/Secret"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, LOADER) if document]


def path_of(document):
    version, kind = document["apiVersion"], document["kind"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    if kind in CLUSTER_WIDE:
        return f"{root}/{plural}"
    return f"{root}/namespaces/{document['metadata']['namespace']}/{plural}"


async def create(cluster, document, *, stored=False):
    words = "fieldValidation=Strict" + ("" if stored else "&dryRun=All")
    return await cluster._call("POST", f"{path_of(document)}?{words}", body=document)


def as_pod(component, template, namespace):
    metadata = template["metadata"] | {"name": f"{component}-pod", "namespace": namespace}
    spec = template["spec"]
    mounted = {m["name"] for c in spec["containers"] for m in c["volumeMounts"]}
    if "data" in mounted - {volume["name"] for volume in spec["volumes"]}:
        # What the StatefulSet's claim template becomes.
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}
        spec = spec | {"volumes": [*spec["volumes"], volume]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
async def restricted(real_cluster):
    """Return a function that creates namespaces which enforce the level "restricted"."""

    async def create_namespaces(names):
        level = {"pod-security.kubernetes.io/enforce": "restricted"}
        for name in names:
            body = {"apiVersion": "v1", "kind": "Namespace"}
            body["metadata"] = {"name": name, "labels": level}
            try:
                await real_cluster._call("POST", "/api/v1/namespaces", body=body)
            except ApiError as error:
                if error.status != 409:
                    raise

    return create_namespaces


@pytest.mark.parametrize("case", CASES)
async def test_an_api_server_accepts_every_object_and_every_pod(real_cluster, restricted, case):
    namespace = f"chart-{secrets.token_hex(4)}"
    documents = [d for d in rendered(case, namespace) if d["kind"] not in CUSTOM]
    namespaces = {d["metadata"].get("namespace") for d in documents} - {None}
    await restricted(sorted(namespaces))
    for document in documents:
        await create(real_cluster, document)
    found = list(pods(documents))
    assert {"api-server", "scheduler", "migrate"} <= {component for component, _ in found}
    for component, template in found:
        await create(real_cluster, as_pod(component, template, namespace))


async def test_the_namespace_refuses_what_is_not_restricted(real_cluster, restricted):
    namespace = f"chart-{secrets.token_hex(4)}"
    await restricted([namespace])
    task = next(t for c, t in pods(rendered("default", namespace)) if c == "task")
    spec = task["spec"] | {"securityContext": {}}
    with pytest.raises(ApiError, match="runAsNonRoot"):
        await create(real_cluster, as_pod("task", task | {"spec": spec}, namespace))


def base(task, **changes):
    (container,) = task["spec"]["containers"]
    return {"containers": [container | changes]}


BREAKS = {
    "runs as ServiceAccount tradewind-task and no other": lambda task: {
        "serviceAccountName": "tradewind-scheduler"
    },
    "mounts no hostPath volume": lambda task: {
        "volumes": [*task["spec"]["volumes"], {"name": "node", "hostPath": {"path": "/"}}]
    },
    "shares no namespace of its node": lambda task: {"hostNetwork": True},
    "is privileged or may become so": lambda task: base(
        task, securityContext={"allowPrivilegeEscalation": True}
    ),
    "has a memory limit": lambda task: base(task, resources={}),
    "begins with one of tradewind/, registry.example.com/": lambda task: base(task, image="x:1"),
    "at most 8Gi of memory": lambda task: base(task, resources={"limits": {"memory": "9Gi"}}),
}


async def test_the_policy_for_task_pods_refuses_each_thing_with_its_sentence(real_cluster, node):
    namespace = f"policy-{secrets.token_hex(4)}"
    await node.create_namespace(namespace)
    documents = rendered("task-shapes", namespace)
    policies = [d for d in documents if d["kind"] in CLUSTER_WIDE]
    assert len(policies) == 2
    for document in policies:
        await create(real_cluster, document, stored=True)
    task = next(t for c, t in pods(documents) if c == "task")
    try:
        await in_force(real_cluster, task, namespace)
        await create(real_cluster, as_pod("task", task, namespace))
        for sentence, change in BREAKS.items():
            broken = task | {"spec": task["spec"] | change(task)}
            with pytest.raises(ApiError, match=sentence.replace(".", r"\.")):
                await create(real_cluster, as_pod("task", broken, namespace))
        other = task | {"metadata": {"labels": {"app": "other"}}}
        spec = task["spec"] | BREAKS["mounts no hostPath volume"](task)
        await create(real_cluster, as_pod("other", other | {"spec": spec}, namespace))
    finally:
        for document in policies:
            path = f"{path_of(document)}/{document['metadata']['name']}"
            await real_cluster._call("DELETE", path)


async def in_force(cluster, task, namespace):
    """A policy counts some moments after it was stored."""
    broken = task | {"spec": task["spec"] | BREAKS["mounts no hostPath volume"](task)}
    for _ in range(100):
        try:
            await create(cluster, as_pod("task", broken, namespace))
        except ApiError:
            return
        await asyncio.sleep(0.2)
    pytest.fail("the policy is not in force after 20 s")
