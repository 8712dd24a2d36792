"""Flux's own controllers as programs beside the cluster: a kubeconfig and flags are enough."""

import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from dag_runs import until

from tradewind_tools import forward, kubectl, ports, programs

NAMES = ("source-controller", "kustomize-controller", "helm-controller")
NAMESPACE = "flux-system"
READY_WITHIN_S = 60
GROUP = ".toolkit.fluxcd.io"


def program(name):
    return str(programs.ensure(name)[name])


def definitions(name):
    """Return the folder of the resource definitions that a controller's module brings."""
    return programs.sources(name) / "config" / "crd" / "bases"


@contextmanager
def running(target, folder: Path):
    """Let the three controllers reconcile the target's cluster; nothing of Flux is left behind."""
    (artifacts,) = ports.free(1)
    with ExitStack() as stack:
        # Last of all, when no controller makes anew what is removed.
        stack.callback(remove, target)
        for name in NAMES:
            kubectl.run(target, "apply", "--server-side", "-f", str(definitions(name)))
        kubectl.run(target, "create", "namespace", NAMESPACE)
        for name in NAMES:
            stack.enter_context(_running(target, folder, name, artifacts=artifacts))
        yield


@contextmanager
def _running(target, folder, name, *, artifacts):
    metrics, health = ports.free(2)
    words = [program(name), f"--metrics-addr=127.0.0.1:{metrics}"]
    words += [f"--health-addr=127.0.0.1:{health}"]
    if name == "source-controller":
        address = f"127.0.0.1:{artifacts}"
        storage = folder / "artifacts"
        storage.mkdir()
        words += [f"--storage-path={storage}", f"--storage-addr={address}"]
        words += [f"--storage-adv-addr={address}"]
    if name == "helm-controller":
        words += ["--feature-gates=CancelHealthCheckOnNewRevision=true"]
    environment = kubectl.environment(target) | {"RUNTIME_NAMESPACE": NAMESPACE}
    # Proxy variables are for the outside world; all that they speak to is on this machine.
    environment["NO_PROXY"] = environment["no_proxy"] = "*"
    with (folder / f"{name}.log").open("w") as log:
        child = subprocess.Popen(
            [*forward.dying_with_us(), *words], env=environment, stdout=log, stderr=log
        )
    try:
        _await_health(child, health, folder / f"{name}.log")
        yield child
    finally:
        forward.end(child)


def _await_health(child, port, log):
    def answers():
        assert child.poll() is None, log.read_text()[-2000:]
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    until(answers, what=lambda: log.read_text()[-2000:], timeout_s=READY_WITHIN_S, every_s=0.2)


def remove(target):
    """Take away objects, definitions and the namespace of Flux, whatever they wait for."""
    found = kubectl.items(target, "customresourcedefinitions")
    ours = [item for item in found if item["spec"]["group"].endswith(GROUP)]
    for definition in ours:
        kind = definition["metadata"]["name"]
        for item in kubectl.items(target, kind, "--all-namespaces"):
            words = (kind, item["metadata"]["name"], "-n", item["metadata"]["namespace"])
            patch = '{"metadata":{"finalizers":null}}'
            kubectl.run(target, "patch", *words, "--type=merge", "-p", patch)
    if names := [item["metadata"]["name"] for item in ours]:
        kubectl.run(target, "delete", "customresourcedefinitions", *names, "--wait=false")
    kubectl.run(target, "delete", "namespace", NAMESPACE, "--wait=false", "--ignore-not-found")
