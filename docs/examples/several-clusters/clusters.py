"""An executor for each further cluster: on the PYTHONPATH of every component, or a plugin."""

from tradewind.executor import TradewindExecutor


class GpuCluster(TradewindExecutor):
    """Runs tasks in the cluster that `[gpu_cluster]` names."""

    section = "gpu_cluster"
