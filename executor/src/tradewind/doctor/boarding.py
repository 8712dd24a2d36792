"""Whether pods can fetch their workload: endpoint, audience, clock. Pure."""

from __future__ import annotations

from tradewind.client.transport import MOST_SKEW_S
from tradewind.dispatch.endpoint_policy import Standing
from tradewind.doctor.findings import Finding, fail, ok, warn

BOARDING = "boarding"
CLOCK = "clock"

_STEADY_S = 1.0


def judge(standing: Standing | None, *, delivery: str, audience: str) -> list[Finding]:
    """Return what the endpoint's standing means for this deployment.

    Args:
        standing: how it answers; None where nothing tells its address, or nothing uses it.
        delivery: `[tradewind] delivery`.
        audience: of the tokens that pods get.

    """
    if delivery == "args":
        said = "[tradewind] delivery is args: workloads and their tokens stand in the pods' specs"
        return [ok(BOARDING, said)]
    if standing is None:
        remedy = "set [core] execution_api_server_url or [tradewind] boarding_url"
        return [warn(BOARDING, f"nothing tells where pods board, {_BY_ARGS}", remedy)]
    if not standing.answers:
        if delivery == "boarding":
            return [fail(BOARDING, standing.found, standing.remedy)]
        return [warn(BOARDING, f"{standing.found}, {_BY_ARGS}", standing.remedy)]
    return [*_audience(standing, audience), *_clock(standing)]


_BY_ARGS = "so workloads and their tokens stand in the pods' specs"


def _audience(standing: Standing, audience: str) -> list[Finding]:
    if standing.audience in {"", audience}:
        return [ok(BOARDING, standing.found)]
    found = (
        f"pods present tokens of audience {audience!r}, the API server takes those of "
        f"{standing.audience!r}"
    )
    remedy = "set [tradewind] boarding_audience alike for scheduler and API server"
    return [fail(BOARDING, found, remedy)]


def _clock(standing: Standing) -> list[Finding]:
    skew_s = standing.skew_s
    if skew_s is None or abs(skew_s) <= _STEADY_S:
        return [ok(CLOCK, f"agrees with Airflow's API server's within {_STEADY_S:.0f} s")]
    word = "ahead of" if skew_s > 0 else "behind"
    said = f"this host is {abs(skew_s):.1f} s {word} Airflow's API server"
    remedy = "synchronise the clocks of all nodes, for instance with chrony"
    if abs(skew_s) > MOST_SKEW_S:
        lost = "tokens of tasks whose workload stands in the arguments are refused"
        return [warn(CLOCK, f"{said}: {lost}", remedy)]
    return [warn(CLOCK, f"{said}: timings of launches are off by as much", remedy)]
