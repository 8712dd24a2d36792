"""Take over pods that upstream's KubernetesExecutor launched. Loop thread only.

Such a pod has no launch id, so it is found by the annotations that upstream writes and given the
label; from then on the watch shows it like one of our own. Every adopted pod, theirs or ours, also
gets the number of the scheduler that follows it now, as upstream's adoption does: upstream looks
for a task's pod by that number, so it could have every pod back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.paging import pods_of
from tradewind.client.protocol import Cluster
from tradewind.pods import labels, state
from tradewind.pods.labels import TaskRef

log = logging.getLogger(__name__)

SELECTOR = f"{labels.UPSTREAM}=True,!{labels.LAUNCH_ID},airflow_executor_done!=True"
"""Task pods that no launch id marks as ours, without those upstream is done with."""
_WORKER = "airflow-worker"
_AT_ONCE = 16


def by_launch(pods: Sequence[Pod]) -> dict[str, Pod]:
    """Return the newest pod of each launch, by launch id; every pod has one."""
    ordered = sorted(pods, key=lambda pod: labels.ordinal_of(pod.metadata.labels))
    return {pod.metadata.labels[labels.LAUNCH_ID]: pod for pod in ordered}


async def look_up(
    cluster: Cluster,
    launches: Mapping[UUID, TaskRef | None],
    *,
    namespaces: Sequence[str],
    page_size: int,
    scheduler: str = "",
) -> dict[str, Pod]:
    """Return every launch's newest pod by a list of now, those taken over from upstream included.

    Args:
        cluster: where to look.
        launches: those to take over a pod of upstream's for when they have none, with their try.
        namespaces: where to look there; "" for all.
        page_size: pods in one page of a list.
        scheduler: written on pods that are taken over.

    Raises:
        ClusterError: the list could not be read.

    """
    found = by_launch(
        await pods_of(
            cluster, selector=labels.LAUNCH_ID, namespaces=namespaces, page_size=page_size
        )
    )
    wanted = {
        task: launch_id
        for launch_id, task in launches.items()
        if task is not None and str(launch_id) not in found
    }
    return found | await take_over(
        cluster, wanted, namespaces=namespaces, page_size=page_size, scheduler=scheduler
    )


async def take_over(
    cluster: Cluster,
    wanted: Mapping[TaskRef, UUID],
    *,
    namespaces: Sequence[str],
    page_size: int,
    scheduler: str = "",
) -> dict[str, Pod]:
    """Label the pods of the wanted tries for `scheduler` and return them by launch id.

    Tries without such a pod are left out, and so are those whose pod cannot be read or labelled:
    never raises `ClusterError`.
    """
    if not wanted:
        return {}
    try:
        found = await pods_of(
            cluster, selector=SELECTOR, namespaces=namespaces, page_size=page_size
        )
    except ClusterError as error:
        log.warning("cannot look for pods of Airflow's KubernetesExecutor: %s", error)
        return {}
    worker = {_WORKER: labels.safe_value(scheduler)} if scheduler else {}
    labelled = await _label_all(
        cluster,
        [
            (pod, {labels.LAUNCH_ID: str(launch_id)} | worker)
            for launch_id, pod in choose(found, wanted).items()
        ],
    )
    return {pod.metadata.labels[labels.LAUNCH_ID]: pod for pod in labelled}


async def sign(cluster: Cluster, pods: Sequence[Pod], *, scheduler: str) -> None:
    """Write on adopted pods of ours who follows them now. Never raises `ClusterError`.

    A no-op without a number, as in an executor that no scheduler started.
    """
    if not scheduler:
        return
    worker = labels.safe_value(scheduler)
    unsigned = [pod for pod in pods if pod.metadata.labels.get(_WORKER) != worker]
    await _label_all(cluster, [(pod, {_WORKER: worker}) for pod in unsigned])


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


async def _label_all(
    cluster: Cluster, changes: Sequence[tuple[Pod, Mapping[str, str]]]
) -> list[Pod]:
    """Return the pods that could be labelled."""
    waiting, labelled = iter(changes), list[Pod]()

    async def work() -> None:
        for pod, values in waiting:
            metadata = pod.metadata
            # With the uid the server refuses a pod that has taken the name meanwhile.
            patch = {"metadata": {"uid": metadata.uid, "labels": dict(values)}}
            try:
                answer = await cluster.patch_pod(metadata.namespace, metadata.name, patch)
            except ClusterError as error:
                name = f"{metadata.namespace}/{metadata.name}"
                log.warning("cannot label adopted pod %s: %s", name, error)
            else:
                labelled.append(answer)

    # Not one task for each: ten thousand of them would stop the loop and take 40 MB.
    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return labelled
