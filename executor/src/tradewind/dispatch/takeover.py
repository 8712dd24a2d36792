"""Take over pods that upstream's KubernetesExecutor launched. Loop thread only.

Such a pod has no launch id, so it is found by the annotations that upstream writes and given the
label; from then on the watch shows it like one of our own. Nothing else about it is changed, so
that upstream could have it back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.pods import labels, state
from tradewind.pods.labels import TaskRef

log = logging.getLogger(__name__)

SELECTOR = f"{labels.UPSTREAM}=True,!{labels.LAUNCH_ID},airflow_executor_done!=True"
"""Task pods that no launch id marks as ours, without those upstream is done with."""
_AT_ONCE = 16


async def take_over(
    cluster: Cluster,
    wanted: Mapping[TaskRef, UUID],
    *,
    namespaces: Sequence[str],
    page_size: int,
) -> dict[str, Pod]:
    """Label the pods of the wanted tries and return them by launch id.

    Tries without such a pod are left out, and so are those whose pod cannot be read or labelled:
    never raises `ClusterError`.
    """
    if not wanted:
        return {}
    try:
        found = [
            pod
            for namespace in namespaces
            for pod in await _list(cluster, namespace, page_size=page_size)
        ]
    except ClusterError as error:
        log.warning("cannot look for pods of Airflow's KubernetesExecutor: %s", error)
        return {}
    chosen = choose(found, wanted)
    gate = asyncio.Semaphore(_AT_ONCE)
    labelled = await asyncio.gather(
        *(_label(cluster, pod, launch_id, gate=gate) for launch_id, pod in chosen.items())
    )
    return {pod.metadata.labels[labels.LAUNCH_ID]: pod for pod in labelled if pod is not None}


def choose(pods: Sequence[Pod], wanted: Mapping[TaskRef, UUID]) -> dict[UUID, Pod]:
    """Return one pod for each wanted try that has any.

    Upstream may have launched several for one try: one that has not ended goes first, then the
    youngest.
    """
    chosen: dict[UUID, Pod] = {}
    for pod in sorted(pods, key=_preference):
        task = labels.task_of(pod.metadata.annotations)
        if task is not None and task in wanted:
            chosen[wanted[task]] = pod
    return chosen


def _preference(pod: Pod) -> tuple[bool, str]:
    return not state.of(pod).has_ended, pod.metadata.creation_timestamp or ""


async def _list(cluster: Cluster, namespace: str, *, page_size: int) -> list[Pod]:
    pods: list[Pod] = []
    resume = ""
    while True:
        page = await cluster.list_pods(namespace, selector=SELECTOR, limit=page_size, resume=resume)
        pods.extend(page.items)
        resume = page.metadata.resume
        if not resume:
            return pods


async def _label(
    cluster: Cluster, pod: Pod, launch_id: UUID, *, gate: asyncio.Semaphore
) -> Pod | None:
    metadata = pod.metadata
    # With the uid the server refuses a pod that has taken the name meanwhile.
    patch = {
        "metadata": {"uid": metadata.uid, "labels": {labels.LAUNCH_ID: str(launch_id)}},
    }
    async with gate:
        try:
            return await cluster.patch_pod(metadata.namespace, metadata.name, patch)
        except ClusterError as error:
            log.warning("cannot take over pod %s/%s: %s", metadata.namespace, metadata.name, error)
            return None
