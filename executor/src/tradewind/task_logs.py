"""Airflow seam: the live log of a running task, read from its pod.

The API server calls this on its own threads, without a started executor, so each call opens and
closes a connection of its own. Never raises: a missing pod is a sentence in the log view.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tradewind._compat import launch_id_of
from tradewind.client.connect import connect
from tradewind.config import Settings
from tradewind.errors import TradewindError
from tradewind.pods import labels
from tradewind.pods.template import BASE_CONTAINER

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance


def tail(ti: TaskInstance, *, try_number: int, settings: Settings) -> tuple[list[str], list[str]]:
    """Return messages and the last lines of the task's container."""
    launch_id = launch_id_of(ti.external_executor_id)
    if launch_id is None or try_number != ti.try_number:
        return [], []
    try:
        name, text = _in_thread(_read(launch_id, settings))
    except (TradewindError, OSError) as error:
        return [f"Cannot read the live log of the task's pod: {error}"], []
    if not name:
        return [f"No pod of launch {launch_id} exists any more; its log went with it"], []
    return [f"Live log of pod {name}, last {settings.running_log_lines} lines"], [text]


async def _read(launch_id: UUID, settings: Settings) -> tuple[str, str]:
    """Return the pod's name and log, or two empty texts when there is no pod."""
    cluster = connect(settings)
    try:
        for namespace in settings.watched_namespaces or ("",):
            page = await cluster.list_pods(
                namespace, selector=f"{labels.LAUNCH_ID}={launch_id}", limit=10
            )
            if page.items:
                pod = page.items[-1].metadata
                text = await cluster.read_log(
                    pod.namespace,
                    pod.name,
                    container=BASE_CONTAINER,
                    tail_lines=settings.running_log_lines,
                )
                return pod.name, text
        return "", ""
    finally:
        await cluster.close()


def _in_thread(coroutine: Any) -> tuple[str, str]:
    """Run the coroutine on a thread of its own: the caller's may have a running loop."""
    result: list[tuple[str, str]] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            failure.append(error)

    thread = threading.Thread(target=run, name="tradewind-log")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]
