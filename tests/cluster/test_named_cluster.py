"""`CLUSTER=current`: the verbs on a cluster that somebody named, and on nothing else.

The cluster of the release under test stands in for a foreign one: under another context name, in a
kubeconfig of its own whose current-context leads nowhere.
"""

import os
import secrets
import subprocess

import pytest
import yaml

from tradewind_tools import kubectl, paths, status
from tradewind_tools.pod_record import POOL, TASK_PODS

NOWHERE = {"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}}
UP_TIMEOUT_S = 600


@pytest.fixture(scope="module")
def kubeconfig(target, tmp_path_factory):
    flags = ("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    config = yaml.safe_load(kubectl.run(target, *flags))
    config["contexts"][0]["name"] = "elsewhere"
    config["clusters"].append(NOWHERE)
    config["contexts"].append({"name": "unrelated", "context": {"cluster": "nowhere"}})
    config["current-context"] = "unrelated"
    file = tmp_path_factory.mktemp("foreign") / "config"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture(scope="module")
def task(target, kubeconfig):
    """Return a function that runs ./task on the named cluster."""
    named = {
        "CLUSTER": "current",
        "KUBECONFIG": str(kubeconfig),
        "CONTEXT": "elsewhere",
        "REGISTRY": target.registry,
        "NAMESPACE": f"named-{secrets.token_hex(3)}",
    }

    def run(*words, **more):
        return subprocess.run(
            [paths.CHECKOUT / "task", *words],
            env=os.environ | named | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=UP_TIMEOUT_S,
        )

    run.namespace = named["NAMESPACE"]
    yield run
    kubectl.run(target, "delete", "namespace", run.namespace, "--ignore-not-found", "--wait=false")


def components(target, namespace):
    """Return the names of the pods that are no task's, nor wait for one."""
    found = kubectl.items(target, "pods", "-n", namespace, "-l", f"!{TASK_PODS},!{POOL}")
    return {item["metadata"]["name"] for item in found}


@pytest.mark.timeout(1800)
def test_up_status_and_down_work_on_the_named_cluster_alone(target, task, kubeconfig):
    before, record = kubeconfig.read_bytes(), status.records(target)[-1]["metadata"]["uid"]
    present = components(target, target.namespace)

    done = task("up")
    assert done.returncode == 0, done.stderr
    assert "tutorial_taskflow_api" in done.stdout
    assert "warm" in done.stdout, done.stdout
    assert "port-forward svc/tradewind-api-server" in done.stdout
    assert "tradewind-scheduler" in str(components(target, task.namespace))

    shown = task("status")
    assert shown.returncode == 0, shown.stdout
    assert "context elsewhere" in shown.stdout

    gone = task("down")
    assert gone.returncode == 0, gone.stderr
    assert not kubectl.items(
        target, "namespaces", "--field-selector", f"metadata.name={task.namespace}"
    )
    # The kubeconfig, the cluster and the release that were there before are as they were.
    assert kubeconfig.read_bytes() == before
    assert status.records(target)[-1]["metadata"]["uid"] == record
    assert components(target, target.namespace) == present


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"CONTEXT": ""}, "CLUSTER=current needs CONTEXT=NAME"),
        ({"CONTEXT": "other"}, "no context 'other': choose one of elsewhere, unrelated"),
        ({"REGISTRY": ""}, "needs REGISTRY=HOST"),
        ({"KUBECONFIG": "/nowhere/config"}, "no kubeconfig file at /nowhere/config"),
        ({"NAMESPACE": "kube-system"}, "'kube-system' of context 'elsewhere' was not made by"),
        ({"NAMESPACE": "No_Name"}, "NAMESPACE=No_Name is no name of a namespace"),
    ],
)
def test_up_refuses_what_is_not_clear_with_a_remedy(task, changed, said):
    done = task("up", **changed)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
