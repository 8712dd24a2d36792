"""Tells about deletions: a log line with the end of the task's own log, and an Event. Loop thread.

Nothing here may keep a pod from going: whatever cannot be saved or told is said in the log line.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from loguru import logger

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.janitor.kube import Kube
from tradewind.janitor.policy import Action, Verdict
from tradewind.janitor.sweep import Finding, Outcome
from tradewind.pods import labels, state
from tradewind.pods.template import BASE_CONTAINER

DELETED = "OrphanDeleted"
STUCK = "OrphanStuck"
COMPONENT = "tradewind-janitor"
_TAIL_LINES = 50
_TAIL_CHARS = 4_000
_TAIL_WITHIN_S = 5.0
"""A kubelet that is gone answers only after the API server's own long patience."""
_MESSAGE_CHARS = 1_000
_MOST_TOLD = 10_000


class TellingRecorder:
    """Implements `sweep.Recorder`."""

    def __init__(
        self, kube: Kube, *, identity: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._kube = kube
        self._identity = identity
        self._now = now
        self._told: dict[tuple[str, str, str], None] = {}
        """What was said once about a pod and need not be said at every sweep; oldest first."""

    async def before(self, pod: Pod, verdict: Verdict) -> str:
        """Return the last lines of the task's log, as much as can be had within seconds."""
        if verdict.action is Action.FORCE or not state.has_started(pod):
            return ""
        try:
            async with asyncio.timeout(_TAIL_WITHIN_S):
                tail = await self._kube.read_log(
                    pod.metadata.namespace,
                    pod.metadata.name,
                    container=BASE_CONTAINER,
                    tail_lines=_TAIL_LINES,
                )
        except (ClusterError, TimeoutError) as error:
            return f"(the log cannot be read: {error or 'no answer in time'})"
        return tail[-_TAIL_CHARS:]

    async def deleted(self, pod: Pod, verdict: Verdict, *, log_tail: str) -> None:
        """Write the line and the Event of a deletion."""
        end = state.ended(pod)
        logger.bind(
            **_identity(pod),
            reason=verdict.reason.value,
            forced=verdict.action is Action.FORCE,
            exit_code=end.exit_code if end else None,
            log_tail=log_tail,
        ).info("deleted pod: {}", verdict.sentence)
        await self._post(pod.metadata, DELETED, "Normal", verdict.sentence)

    async def found(self, finding: Finding) -> None:
        """Tell once about a pod that waits for its end, needs a person or could not be deleted."""
        pod, verdict = finding.pod, finding.verdict
        key = (pod.uid, verdict.reason, finding.outcome)
        if key in self._told:
            return
        self._told[key] = None
        if len(self._told) > _MOST_TOLD:
            del self._told[next(iter(self._told))]
        line = logger.bind(
            namespace=pod.namespace,
            pod=pod.name,
            reason=verdict.reason.value,
            outcome=finding.outcome.value,
        )
        if verdict.action is Action.REPORT:
            line.warning("pod needs a person: {}", verdict.sentence)
            await self._post(pod, STUCK, "Warning", verdict.sentence)
        elif verdict.action is Action.WAIT:
            line.info("pod goes in {:.0f} s: {}", verdict.due_in_s, verdict.sentence)
        elif finding.outcome in {Outcome.FAILED, Outcome.UNCONFIRMED}:
            line.warning("pod stays for now: {} ({})", finding.error, verdict.sentence)
        else:
            line.info("pod would go ({}): {}", finding.outcome, verdict.sentence)

    async def _post(self, about: Any, reason: str, kind: str, message: str) -> None:
        """Create an Event about a pod; `about` has its namespace, name and uid."""
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about.name[:200]}.{secrets.token_hex(8)}",
                "namespace": about.namespace,
            },
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
            "reason": reason,
            "message": message[:_MESSAGE_CHARS],
            "type": kind,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._identity[:128],
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._kube.post_event(about.namespace, event)
        except ApiError as error:
            logger.debug("no Event about pod {}: {}", about.name, error)
        except ClusterError as error:
            logger.warning("no Event about pod {}: {}", about.name, error)


def _identity(pod: Pod) -> dict[str, Any]:
    """Return whose pod it was, as fields of a log line."""
    metadata = pod.metadata
    task = labels.task_of(metadata.annotations)
    known: dict[str, Any] = {
        "namespace": metadata.namespace,
        "pod": metadata.name,
        "uid": metadata.uid,
        "launch_id": metadata.labels.get(labels.LAUNCH_ID, ""),
        "node": pod.spec.node_name,
    }
    if task is not None:
        known |= {
            "dag_id": task.dag_id,
            "task_id": task.task_id,
            "run_id": task.run_id,
            "try_number": task.try_number,
            "map_index": task.map_index,
        }
    return known
