"""What a task's requests and limits should be, from what its pods used. Pure.

The rule, over all measured runs of a task, mapped ones and all tries together:

| | request | limit |
|---|---|---|
| memory | 95th percentile of the peaks, a fifth on top | highest peak, half of it on top |
| memory after a kill for want of it | at least the limit it was killed at | at least twice that |
| CPU | 95th percentile of the cores used, a fifth on top | none: it only slows a task down |

Rounded up in steps that grow with the size, never below what the worker itself needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from tradewind.contract import Measured
from tradewind.pods import quantities

_MI, _GI = 2**20, 2**30

ENOUGH_RUNS = 5
"""Fewer say little about the next one."""
_REQUEST_HEADROOM, _LIMIT_HEADROOM, _CPU_HEADROOM = 1.2, 1.5, 1.2
_AFTER_KILL = 2.0
_LEAST_REQUEST, _LEAST_LIMIT = 256 * _MI, 512 * _MI
"""The worker uses some 120 MiB before a task's code begins, and its child shares most of it."""
_STEPS = ((_GI, 64 * _MI), (4 * _GI, 256 * _MI), (math.inf, _GI))
"""(up to this size, in steps of that)."""
_LEAST_CPU, _CPU_STEP = 0.1, 0.05
_TOO_MUCH, _TOO_LITTLE = 1.3, 0.95
"""Present over proposed: between the two nothing is gained by a change."""


class Verdict(Enum):
    """What to do with the present values."""

    RAISE = "raise"
    """Runs were killed, or are close to it."""
    LOWER = "lower"
    """Nodes hold free what nobody uses."""
    SET = "set"
    """There is no request or no limit."""
    KEEP = "keep"
    WAIT = "wait"
    """Too few runs to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Requests and limits of the base container; None where there is none."""

    memory_request_bytes: int | None = None
    memory_limit_bytes: int | None = None
    cpu_request_s: float | None = None
    """Cores."""

    def resources(self) -> dict[str, dict[str, str]]:
        """Return them as a container's `resources`, ready for a profile or a template."""
        requests, limits = {}, {}
        if self.cpu_request_s is not None:
            requests["cpu"] = f"{round(self.cpu_request_s * 1000)}m"
        if self.memory_request_bytes is not None:
            requests["memory"] = quantities.mebibytes(Decimal(self.memory_request_bytes))
        if self.memory_limit_bytes is not None:
            limits["memory"] = quantities.mebibytes(Decimal(self.memory_limit_bytes))
        named = (("requests", requests), ("limits", limits))
        return {name: amounts for name, amounts in named if amounts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a figure is spread over the runs that have it."""

    p50: float
    p95: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread by nearest rank: every figure is one of a real run."""
        if not values:
            return None
        ordered = sorted(values)

        def ranked(share: float) -> float:
            return ordered[math.ceil(share * len(ordered)) - 1]

        return cls(p50=ranked(0.5), p95=ranked(0.95), highest=ordered[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is known of one task and what follows from it."""

    dag_id: str
    task_id: str
    runs: int
    kills: int
    """Runs that were killed for want of memory."""
    memory: Spread | None
    """Peaks in bytes, page cache included."""
    cpu_s: Spread | None
    """Processor seconds of a run."""
    present: Sizes
    """Of the latest run."""
    proposed: Sizes
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Return it as `--json` prints it; the keys are part of docs/advise.md."""
        return {
            "dag_id": self.dag_id,
            "task_id": self.task_id,
            "runs": self.runs,
            "killed_for_memory": self.kills,
            "peak_memory_bytes": _spread(self.memory),
            "cpu_s": _spread(self.cpu_s),
            "present": self.present.resources(),
            "proposed": self.proposed.resources(),
            "verdict": self.verdict.value,
        }


def advise(dag_id: str, task_id: str, runs: Sequence[Measured]) -> Advice:
    """Return the advice for a task; `runs` are its measured launches, oldest first, not empty."""
    peaks = [float(run.peak_memory_bytes) for run in runs if run.peak_memory_bytes is not None]
    memory = Spread.of(peaks)
    latest = runs[-1]
    present = Sizes(
        memory_request_bytes=latest.memory_request_bytes,
        memory_limit_bytes=latest.memory_limit_bytes,
        cpu_request_s=latest.cpu_request_s,
    )
    killed = [run for run in runs if run.killed_for_memory]
    proposed = _propose(memory, killed, _cores(runs))
    return Advice(
        dag_id=dag_id,
        task_id=task_id,
        runs=len(runs),
        kills=len(killed),
        memory=memory,
        cpu_s=Spread.of([run.cpu_s for run in runs if run.cpu_s is not None]),
        present=present,
        proposed=proposed,
        verdict=_verdict(present, proposed, runs=len(runs), killed=killed),
    )


def _propose(memory: Spread | None, killed: Sequence[Measured], cores: Spread | None) -> Sizes:
    ceiling = max((_ceiling(run) for run in killed), default=0)
    if memory is None and not ceiling:
        request = limit = None
    else:
        seen = memory or Spread(p50=0, p95=0, highest=0)
        request = _rounded(max(seen.p95 * _REQUEST_HEADROOM, ceiling, _LEAST_REQUEST))
        limit = _rounded(
            max(seen.highest * _LIMIT_HEADROOM, ceiling * _AFTER_KILL, _LEAST_LIMIT, request)
        )
    return Sizes(
        memory_request_bytes=request,
        memory_limit_bytes=limit,
        cpu_request_s=None if cores is None else _rounded_cores(cores.p95 * _CPU_HEADROOM),
    )


def _ceiling(run: Measured) -> int:
    """Return the memory at which a killed run ended; 0 where neither limit nor peak is known."""
    return run.memory_limit_bytes or run.peak_memory_bytes or 0


def _cores(runs: Sequence[Measured]) -> Spread | None:
    return Spread.of(
        [run.cpu_s / run.duration_s for run in runs if run.cpu_s is not None and run.duration_s]
    )


def _rounded(count: float) -> int:
    step = next(step for size, step in _STEPS if count <= size)
    return math.ceil(count / step) * step


def _rounded_cores(cores: float) -> float:
    return max(_LEAST_CPU, round(math.ceil(round(cores / _CPU_STEP, 6)) * _CPU_STEP, 3))


def _verdict(present: Sizes, proposed: Sizes, *, runs: int, killed: Sequence[Measured]) -> Verdict:
    """Return what to do about memory; CPU is advice only, too little of it kills nothing."""
    pairs = (
        (present.memory_request_bytes, proposed.memory_request_bytes),
        (present.memory_limit_bytes, proposed.memory_limit_bytes),
    )
    ratios = [now / then for now, then in pairs if now is not None and then is not None]
    too_little = any(ratio < _TOO_LITTLE for ratio in ratios)
    if killed and too_little:
        return Verdict.RAISE
    if runs < ENOUGH_RUNS or proposed.memory_request_bytes is None:
        return Verdict.WAIT
    if too_little:
        return Verdict.RAISE
    if len(ratios) < len(pairs):
        return Verdict.SET
    return Verdict.LOWER if any(ratio > _TOO_MUCH for ratio in ratios) else Verdict.KEEP


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {"p50": spread.p50, "p95": spread.p95, "max": spread.highest}
