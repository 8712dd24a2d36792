"""Options of `[kubernetes_executor]` that are not read, and what does their work here.

Together with the fallbacks of the other tables these are all that upstream has: a test compares
them with its provider.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """One option whose setting changes nothing."""

    name: str
    default: str
    """Upstream's own, which its provider publishes as if users had set it."""
    instead: str
    """The second half of a sentence."""


UNREAD: tuple[Unread, ...] = (
    Unread(
        name="api_client_retry_configuration",
        default="",
        instead="calls are repeated by time, for [tradewind] launch_budget seconds; deletes until "
        "they work",
    ),
    Unread(
        name="logs_task_metadata",
        default="False",
        instead="annotations and workloads are never logged",
    ),
    Unread(
        name="worker_pod_pending_fatal_container_state_reasons",
        default="CreateContainerConfigError,ErrImagePull,CreateContainerError,ImageInspectError,"
        "InvalidImageName",
        instead="what can never work fails at once, and [tradewind] pending_limits says how long "
        "other reasons may last",
    ),
    Unread(
        name="worker_pods_creation_batch_size",
        default="1",
        instead="pods are created at any time, [tradewind] create_concurrency at once",
    ),
    Unread(
        name="async_pod_creation",
        default="False",
        instead="pods are always created concurrently, [tradewind] create_concurrency at once",
    ),
    Unread(
        name="task_publish_max_retries",
        default="0",
        instead="creates are repeated by time, for [tradewind] launch_budget seconds, and a full "
        "quota is waited for",
    ),
    Unread(
        name="pod_launch_failure_excluded_container_reasons",
        default="Error",
        instead="a pod is replaced whenever its task did not begin, [tradewind] relaunch_limit "
        "times",
    ),
)
