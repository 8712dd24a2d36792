"""Wait until Deployments run what they say."""

from dag_runs import until

from tradewind_tools import kubectl


def await_rollouts(target, *names, namespace, timeout_s):
    """Wait until the Deployments of those names have all their replicas of the present template."""
    words = [f"deployment/{name}" for name in names]

    def late():
        found = kubectl.items(target, *words, "-n", namespace)
        return [item["metadata"]["name"] for item in found if not _is_rolled_out(item)]

    until(lambda: not late(), what=lambda: f"not ready: {late()}", timeout_s=timeout_s, every_s=2)


def _is_rolled_out(deployment):
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    return (
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == wanted
        and status.get("availableReplicas") == wanted
        and status.get("replicas") == wanted
    )
