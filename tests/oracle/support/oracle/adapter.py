"""Put Tradewind behind the names that upstream's tests import.

Each function here takes upstream's arguments, calls a public function of ours, and hands the
result back in upstream's form; `pod_shape` and `executor_shape` do so for its two classes. Nothing
is smoothed over on the way but what `additions` names: tests that fail for a reason stand in
`verdicts`.
"""

import re
import uuid

from airflow.providers.cncf.kubernetes import (
    kubernetes_helper_functions,
    pod_generator,
    template_rendering,
)
from airflow.providers.cncf.kubernetes.cli import kubernetes_command
from airflow.providers.cncf.kubernetes.executors import kubernetes_executor

from oracle.executor_shape import KubernetesExecutor
from oracle.pod_shape import PodGenerator
from tradewind.client import errors
from tradewind.dispatch import publish_policy
from tradewind.pods import labels, names

SUFFIX = re.compile(r"-[0-9a-f]{12}$")
"""What `names` appends to tell launches apart."""


def create_unique_id(dag_id=None, task_id=None, *, unique=True):
    """Return our pod name of a fresh launch, or what stands in it before the launch's suffix."""
    name = names.pod_name(dag_id or "", task_id or "", launch_id=uuid.uuid4(), ordinal=0)
    return name if unique else SUFFIX.sub("", name)


def add_unique_suffix(*, name):
    """Return our pod name for a task of that name."""
    return names.pod_name("", name, launch_id=uuid.uuid4(), ordinal=0)


def should_retry_api(error):
    """Tell whether our dispatcher would repeat a create that met this error."""
    decision = _decision(error, attempt=1)
    return isinstance(decision, publish_policy.Retry | publish_policy.Park)


class WaitRetryAfterOrExponential:
    """Upstream's waiting rule, as an object that is called with the state of the retries."""

    def __call__(self, retry_state):
        """Return the seconds that our dispatcher would wait."""
        attempt = getattr(retry_state, "attempt_number", 1)
        return wait_s(retry_state.outcome.exception(), attempt=attempt)


def wait_s(error, *, attempt):
    """Return the seconds our dispatcher waits after the `attempt`-th failed create (from 1).

    A parked launch waits for room, however long; 0 stands for that.
    """
    return getattr(_decision(error, attempt=attempt), "after_s", 0)


def _decision(error, *, attempt):
    status = getattr(error, "status", None)
    if status is None:
        ours = errors.ConnectionLostError(str(error))
    else:
        after = (error.headers or {}).get("Retry-After")
        text = getattr(error, "body", None) or ""
        ours = errors.ApiError(status, message=text, retry_after_s=after and float(after))
    return publish_policy.decide_create(ours, attempt=attempt, troubled_s=0, budget_s=900)


def install():
    """Replace upstream's functions, before any of its tests is imported."""
    for module in (pod_generator, template_rendering, kubernetes_command):
        module.PodGenerator = PodGenerator
    for module in (kubernetes_helper_functions, template_rendering, kubernetes_command):
        module.create_unique_id = create_unique_id
    kubernetes_helper_functions.add_unique_suffix = add_unique_suffix
    kubernetes_helper_functions._should_retry_api = should_retry_api
    kubernetes_helper_functions.WaitRetryAfterOrExponential = WaitRetryAfterOrExponential
    pod_generator.make_safe_label_value = labels.safe_value
    kubernetes_executor.KubernetesExecutor = KubernetesExecutor
