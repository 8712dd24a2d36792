"""Airflow seam: judge what a task says of its pod when its DAG is parsed.

In `airflow_local_settings.py`: `from tradewind.policies import task_policy`. A DAG with a task that
cannot run then shows an import error at once, instead of a failed task at night. What depends on
files of the scheduler (templates, profiles) is judged when the pod is made.
"""

from __future__ import annotations

from typing import Any

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.executors.base_executor import ExecutorConf

from tradewind import config, pod_models
from tradewind.errors import ConfigError
from tradewind.pods import override, profiles
from tradewind.pods.merge import Manifest


def task_policy(task: Any) -> None:
    """Refuse a task whose `executor_config` cannot make a pod.

    Raises:
        AirflowClusterPolicyViolation: names task, field and remedy.

    """
    try:
        _judge(task.executor_config or {})
    except ConfigError as error:
        raise AirflowClusterPolicyViolation(f"task {task.task_id!r}: {error}") from error


def _judge(executor_config: dict[str, Any]) -> None:
    profiles.choice_from(executor_config.get("tradewind"))
    if pod_models.has_override(executor_config):
        document = pod_models.override_from(executor_config)
        forbidden = config.load(ExecutorConf()).forbidden_override_fields
        override.validated(document, pod=_any_pod(document), forbidden=forbidden)


def _any_pod(document: Manifest) -> Manifest:
    """Return a pod that has the override's containers: the template is not known here."""
    spec = document.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    return {"spec": {"containers": [c for c in containers or () if isinstance(c, dict)]}}
