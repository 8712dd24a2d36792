"""One sweep by hand: a list instead of a watch, and the result for people or programs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from tradewind.client.paging import pages
from tradewind.janitor import view
from tradewind.janitor.app import Janitor
from tradewind.janitor.policy import Action
from tradewind.janitor.settings import Settings
from tradewind.janitor.sweep import Finding, Outcome, Report
from tradewind.janitor.view import PodView

_LOOK_EVERY_S = 30.0
_PAGE = 500
_WIDTH = 200
_STYLES = {Outcome.DELETED: "red", Outcome.DRY_RUN: "red", Outcome.FAILED: "bold red"}


async def sweep(settings: Settings, *, tells_all: bool, wait_s: float) -> Report:
    """Look at all pods once, or for up to `wait_s` seconds until nothing waits to be deleted.

    Raises:
        ClusterError: the pods cannot be listed.

    """
    janitor = Janitor(settings)
    janitor.sweep.tells_all = tells_all
    until_s = janitor.clock.now_s() + wait_s
    gone: list[Finding] = []
    try:
        while True:
            if not settings.dry_run and not await janitor.lead():
                return Report(failure=f"{janitor.leadership.holder} holds the Lease and sweeps")
            report = await janitor.sweep.run(await _listed(janitor))
            gone += [found for found in report.findings if found.outcome is Outcome.DELETED]
            waits = any(_is_unfinished(found) for found in report.findings)
            if report.failure or not waits or janitor.clock.now_s() >= until_s:
                report.findings = gone + [
                    found for found in report.findings if found.outcome is not Outcome.DELETED
                ]
                return report
            await asyncio.sleep(min(_LOOK_EVERY_S, wait_s))
    finally:
        await janitor.close()


async def _listed(janitor: Janitor) -> list[PodView]:
    return [
        view.of(pod)
        for namespace in janitor.settings.watched
        async for page in pages(
            janitor.kube.cluster,
            namespace,
            selector=janitor.settings.selector,
            page_size=_PAGE,
        )
        for pod in page.items
    ]


def _is_unfinished(finding: Finding) -> bool:
    return finding.verdict.action is Action.WAIT or finding.outcome is Outcome.CAPPED


def as_dict(report: Report, *, dry_run: bool) -> dict[str, Any]:
    """Return the report as `--json` prints it; the keys are part of docs/janitor.md."""
    return {
        "dry_run": dry_run,
        "failure": report.failure,
        "reasons": {reason.value: count for reason, count in sorted(report.reasons.items())},
        "pods": [_pod_as_dict(finding) for finding in _in_order(report.findings)],
    }


def _pod_as_dict(finding: Finding) -> dict[str, Any]:
    pod, verdict, task = finding.pod, finding.verdict, finding.pod.task
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        "stage": pod.stage.value,
        "dag_id": task.dag_id if task else None,
        "task_id": task.task_id if task else None,
        "run_id": task.run_id if task else None,
        "try_number": task.try_number if task else None,
        "map_index": task.map_index if task else None,
        "action": verdict.action.value,
        "reason": verdict.reason.value,
        "why": verdict.sentence,
        "due_in_s": verdict.due_in_s,
        "outcome": finding.outcome.value,
        "error": finding.error,
    }


def show(report: Report) -> None:
    """Print the report as a table and a line that counts."""
    console = Console()
    if not console.is_terminal:
        # 80 otherwise, as with `kubectl exec` and in pipes: names of pods would be cut off.
        console.width = _WIDTH
    if report.findings:
        names = (Column(name, overflow="fold") for name in ("pod", "task"))
        table = Table(*names, "state", "verdict", "why")
        for finding in _in_order(report.findings):
            table.add_row(*_cells(finding))
        console.print(table)
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(report.reasons.items()))
    console.print(Text(f"{report.reasons.total()} pods: {counts or 'none'}"))


def _cells(finding: Finding) -> tuple[Text, ...]:
    pod, verdict, task = finding.pod, finding.verdict, finding.pod.task
    name = f"{task.dag_id}.{task.task_id} try {task.try_number}" if task else "-"
    why = f"{verdict.sentence}\n{finding.error}".strip()
    # Text, not markup: names and sentences may hold brackets.
    return (
        Text(f"{pod.namespace}/{pod.name}"),
        Text(name),
        Text(pod.stage.value),
        Text(_verdict(finding), style=_STYLES.get(finding.outcome, "")),
        Text(why),
    )


def _verdict(finding: Finding) -> str:
    verdict = finding.verdict
    match finding.outcome:
        case Outcome.STAYS if verdict.action is Action.WAIT:
            return f"{verdict.reason}: goes in {verdict.due_in_s:.0f} s"
        case Outcome.STAYS:
            return f"{verdict.reason}: {verdict.action}"
        case Outcome.DRY_RUN:
            return f"{verdict.reason}: would {verdict.action}"
        case outcome:
            return f"{verdict.reason}: {outcome}"


def _in_order(findings: Sequence[Finding]) -> list[Finding]:
    order = list(Action)
    return sorted(
        findings,
        key=lambda found: (
            -order.index(found.verdict.action),
            found.pod.namespace,
            found.pod.name,
        ),
    )
