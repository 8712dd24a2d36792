"""The executors that are compared, each with the settings that it is compared with. Pure."""

from dataclasses import dataclass

KUBERNETES_EXECUTOR = (
    "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor"
)
OURS, UPSTREAM, UPSTREAM_ASYNC = (
    "Tradewind",
    "KubernetesExecutor",
    "KubernetesExecutor, async",
)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An executor with settings."""

    path: str
    section: str
    options: dict[str, str]

    def settings(self, **more):
        """Return environment variables that configure it so."""
        named = {
            f"AIRFLOW__{self.section}__{name}": value
            for name, value in (more | self.options).items()
        }
        return named | {"AIRFLOW__CORE__EXECUTOR": self.path}


SUBJECTS = {
    OURS: Subject(
        path="tradewind.executor.TradewindExecutor",
        section="TRADEWIND",
        # Figures of the executor, not of how many starts it allows the nodes at once; no node
        # is there for the pods, so no pod can fetch its workload.
        options={
            "MAX_STARTING_PODS": "100000",
            "MAX_PENDING_PODS": "100000",
            "DELIVERY": "args",
        },
    ),
    # Its default is one pod a heartbeat; with sixteen it waits for the heartbeat less often.
    UPSTREAM: Subject(
        path=KUBERNETES_EXECUTOR,
        section="KUBERNETES_EXECUTOR",
        options={"WORKER_PODS_CREATION_BATCH_SIZE": "16"},
    ),
    UPSTREAM_ASYNC: Subject(
        path=KUBERNETES_EXECUTOR,
        section="KUBERNETES_EXECUTOR",
        options={"ASYNC_POD_CREATION": "True", "WORKER_PODS_CREATION_BATCH_SIZE": "16"},
    ),
}
