"""Delete pods that nobody needs any more, by age: what `airflow kubernetes cleanup-pods` does.

For deployments without the janitor, run by hand or from a CronJob. The rule is upstream's, and so
are its limits: age alone decides, so a task that waits long for a node loses its pod.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.paging import pods_of
from tradewind.client.protocol import Cluster
from tradewind.pods import labels

LEAST_PENDING_MINUTES = 5
"""Pods younger than this may just be waiting for their node."""
SELECTORS = ("dag_id,task_id,try_number,airflow_version", labels.LAUNCH_ID)
"""Upstream's choice, which includes pods of the KubernetesPodOperator, and pods of callbacks."""

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """From which age on a pod goes."""

    pending_minutes: int
    completed_minutes: int
    """0 deletes at once."""


def reason_to_go(pod: Pod, ages: Ages, *, now: datetime) -> str:
    """Return why the pod is deleted, or an empty text when it stays. Pure."""
    phase = pod.status.phase
    has_ended = phase in {"Succeeded", "Failed"} or pod.status.reason == "Evicted"
    if has_ended and now - _ended_at(pod, now) >= timedelta(minutes=ages.completed_minutes):
        return f"{phase} {pod.status.reason}".strip()
    pending = timedelta(minutes=max(ages.pending_minutes, LEAST_PENDING_MINUTES))
    if phase == "Pending" and now - _created_at(pod, now) > pending:
        return f"Pending for more than {pending.total_seconds() / 60:.0f} minutes"
    return ""


async def sweep(
    cluster: Cluster,
    namespaces: Sequence[str],
    ages: Ages,
    *,
    now: datetime,
    tell: Callable[[str], None],
) -> int:
    """Delete what is due and return how many pods went; `tell` gets a line for each.

    Raises:
        ClusterError: the pods cannot be listed.

    """
    deleted = 0
    for pod in await _all(cluster, namespaces):
        reason = reason_to_go(pod, ages, now=now)
        if not reason:
            continue
        metadata = pod.metadata
        name = f"{metadata.namespace}/{metadata.name}"
        try:
            await cluster.delete_pod(metadata.namespace, metadata.name, uid=metadata.uid)
        except ClusterError as error:
            tell(f"cannot delete pod {name}: {error}")
        else:
            deleted += 1
            tell(f"deleted pod {name}: {reason}")
    return deleted


async def _all(cluster: Cluster, namespaces: Sequence[str]) -> list[Pod]:
    """Return each pod once, though both selectors may find it."""
    pods: dict[str, Pod] = {}
    for selector in SELECTORS:
        found = await pods_of(cluster, selector=selector, namespaces=namespaces, page_size=_PAGE)
        pods.update((pod.metadata.uid, pod) for pod in found)
    return list(pods.values())


def _ended_at(pod: Pod, now: datetime) -> datetime:
    """Return when the last container ended; without a time of it, when the pod was created."""
    statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
    ends = [status.state.terminated for status in statuses if status.state.terminated is not None]
    times = [end.finished_at for end in ends if end.finished_at]
    return datetime.fromisoformat(max(times)) if times else _created_at(pod, now)


def _created_at(pod: Pod, now: datetime) -> datetime:
    """Return when the pod was created; one that does not say so is taken for new."""
    created = pod.metadata.creation_timestamp
    return datetime.fromisoformat(created) if created else now
