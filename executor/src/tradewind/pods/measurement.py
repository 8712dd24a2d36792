"""Where the milliseconds of a launch went, and what its container used. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradewind.client.models import Pod, Quantity
from tradewind.contract import Farewell, Measured
from tradewind.pods import labels, quantities, state
from tradewind.pods.template import BASE_CONTAINER

_OUT_OF_MEMORY = "OOMKilled"


def measure(pod: Pod, *, queued_s: float | None, miss: str = "") -> Measured | None:
    """Return what an ended pod tells of its launch, or None when it tells nothing.

    It does when our worker said farewell after its task, or when a process was killed for memory.
    The clocks of scheduler and node are taken as they are: a negative figure is their difference.

    Args:
        pod: the pod, ended.
        queued_s: when the task was queued for this launch, or None when that is not known.
        miss: why it was made for the launch although there are warm pools; empty for none.

    """
    said, end = state.farewell(pod), state.ended(pod)
    killed = (end is not None and end.reason == _OUT_OF_MEMORY) or bool(said and said.oom_kills)
    if not killed and (said is None or said.ended != "ran"):
        return None
    said = said or Farewell(ended="ran")

    def after_ms(moment_s: float | None) -> int | None:
        return None if moment_s is None or queued_s is None else round((moment_s - queued_s) * 1000)

    is_warm = labels.POOL in pod.metadata.labels
    base = state.asked(pod, BASE_CONTAINER)
    requests, limits = (base.resources.requests, base.resources.limits) if base else ({}, {})
    return Measured(
        pod=pod.metadata.name,
        temperature="warm" if is_warm else "cold",
        miss="" if is_warm else miss,
        claimed_ms=after_ms(labels.claimed_at_s(pod.metadata.annotations)),
        delivered_ms=after_ms(said.delivered_s),
        run_ms=after_ms(said.run_s),
        user_code_ms=after_ms(said.user_code_s),
        duration_s=_between(said.delivered_s, said.ended_s),
        peak_memory_bytes=said.peak_memory_bytes,
        cpu_s=said.cpu_s,
        memory_request_bytes=_whole(_amount(requests, "memory")),
        memory_limit_bytes=_whole(_amount(limits, "memory")),
        cpu_request_s=_real(_amount(requests, "cpu")),
        killed_for_memory=killed,
    )


def sentence(measured: Measured) -> str:
    """Return the measurement for a person to read."""
    steps = (
        ("claimed", measured.claimed_ms),
        ("delivered", measured.delivered_ms),
        ("started", measured.run_ms),
        ("user code", measured.user_code_ms),
    )
    missed = f" (warm pools: {measured.miss})" if measured.miss else ""
    parts = [f"{measured.temperature} pod {measured.pod}{missed}"]
    if known := [f"{step} {ms} ms" for step, ms in steps if ms is not None]:
        parts.append(f"{', '.join(known)} after it was queued")
    if measured.peak_memory_bytes is not None:
        peak = quantities.mebibytes(Decimal(measured.peak_memory_bytes))
        parts.append(f"peak memory {peak}{_bounds(measured)}")
    if measured.cpu_s is not None:
        parts.append(f"{measured.cpu_s:.2f} s of CPU")
    if measured.killed_for_memory:
        parts.append("killed for memory")
    return "; ".join(parts)


def _bounds(measured: Measured) -> str:
    said = (("requested", measured.memory_request_bytes), ("limit", measured.memory_limit_bytes))
    known = [f"{word} {quantities.mebibytes(Decimal(count))}" for word, count in said if count]
    return f" ({', '.join(known)})" if known else ""


def _between(begin_s: float | None, end_s: float | None) -> float | None:
    return None if begin_s is None or end_s is None else round(end_s - begin_s, 3)


def _amount(amounts: Mapping[str, Quantity], resource: str) -> Decimal | None:
    try:
        return quantities.parse(str(amounts[resource]))
    except (KeyError, ValueError):
        return None


def _whole(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount)


def _real(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
