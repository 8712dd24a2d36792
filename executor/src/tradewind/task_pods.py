"""Airflow seam: look at the pods of one task instance, over a connection of its own.

For API servers and command lines, which have no started executor: each call opens a connection,
asks, and closes it, within a bound.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from tradewind._compat import launch_id_of, task_ref
from tradewind.client.connect import connect
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.config import Settings
from tradewind.errors import TradewindError
from tradewind.pods import labels

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

_MOST_S = 20.0
"""Bound of one visit; a web request waits for it."""
_MOST_PODS = 50

_Found = TypeVar("_Found")


def selectors_of(ti: TaskInstance, *, try_number: int) -> list[str]:
    """Return label selectors for the pods of that try, the most precise first.

    The launch id is known of the present try alone. The labels of the try find its pods too, and
    those that upstream's executor launched.
    """
    task = replace(task_ref(ti), try_number=try_number)
    by_labels = labels.selector(labels.of_task(task))
    if task.map_index < 0:
        by_labels += ",!map_index"
    launch_id = launch_id_of(ti.external_executor_id) if try_number == ti.try_number else None
    by_launch = [] if launch_id is None else [f"{labels.LAUNCH_ID}={launch_id}"]
    return [*by_launch, by_labels]


def namespaces_of(ti: TaskInstance, settings: Settings) -> tuple[str, ...]:
    """Return where its pods may be: what the executor watches, and where its override puts them."""
    watched = settings.watched_namespaces or ("",)
    own = _override_namespace(ti)
    return watched if not own or own in watched or watched == ("",) else (*watched, own)


async def find(cluster: Cluster, namespaces: Sequence[str], selectors: Sequence[str]) -> list[Pod]:
    """Return the pods of the first selector that finds any, oldest first.

    Raises:
        ClusterError: the API server refused or did not answer.

    """
    for selector in selectors:
        pods: list[Pod] = []
        for namespace in namespaces:
            page = await cluster.list_pods(namespace, selector=selector, limit=_MOST_PODS)
            pods.extend(page.items)
        if pods:
            return sorted(pods, key=_age)
    return []


def visit(settings: Settings, ask: Callable[[Cluster], Coroutine[Any, Any, _Found]]) -> _Found:
    """Return what `ask` finds on a connection that is opened and closed around it. Any thread.

    Raises:
        TradewindError: no credentials, no answer, a refusal, or no end within 20 s.

    """

    async def session() -> _Found:
        cluster = connect(settings)
        try:
            async with asyncio.timeout(_MOST_S):
                return await ask(cluster)
        except TimeoutError as error:
            raise TradewindError(
                f"the API server did not answer within {_MOST_S:.0f} s: check its load and the "
                "network between"
            ) from error
        finally:
            await cluster.close()

    return _in_thread(session())


def _in_thread(coroutine: Coroutine[Any, Any, _Found]) -> _Found:
    """Run the coroutine on a thread of its own: the caller's may have a running loop."""
    result: list[_Found] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            failure.append(error)

    thread = threading.Thread(target=run, name="tradewind-visit")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _override_namespace(ti: TaskInstance) -> str:
    executor_config = getattr(ti, "executor_config", None)
    if not isinstance(executor_config, dict):
        return ""
    metadata = getattr(executor_config.get("pod_override"), "metadata", None)
    return str(getattr(metadata, "namespace", None) or "")


def _age(pod: Pod) -> tuple[str, int]:
    return pod.metadata.creation_timestamp or "", labels.ordinal_of(pod.metadata.labels)
