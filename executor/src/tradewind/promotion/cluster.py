"""What an environment's cluster runs: Flux's HelmRelease or Argo CD's Application, by kubectl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tradewind.promotion.findings import PromotionError, UnreachableError
from tradewind.promotion.pins import Pin
from tradewind.promotion.programs import run

FLUX = "helmreleases.helm.toolkit.fluxcd.io"
ARGO = "applications.argoproj.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What the engine says about an environment."""

    version: str
    """Of the chart, without what Flux appends; empty when nothing was applied."""
    digest: str
    """Of the chart's manifest; empty where the engine does not say."""
    ready_since: datetime | None
    """None: not ready."""
    state: str
    """One sentence of the engine."""

    def runs(self, pin: Pin) -> bool:
        """Tell whether this is the release of a pin, healthy or not."""
        return self.version == pin.chart_version and self.digest in {"", pin.chart_digest}


def ask(environment: str, *, context: str, engine: str = "flux") -> Applied:
    """Return what the engine in the context's cluster applied last.

    Raises:
        UnreachableError: the cluster does not answer, or has no such object.

    """
    kind, name, namespace = {
        "flux": (FLUX, "tradewind", f"airflow-{environment}"),
        "argocd": (ARGO, f"airflow-{environment}", "argocd"),
    }[engine]
    command = ["kubectl", "--context", context, "--namespace", namespace, "--request-timeout=15s"]
    try:
        found = json.loads(run([*command, "get", kind, name, "--output=json"]))
    except PromotionError as error:
        said = str(error).partition("failed: ")[2] or str(error)
        raise UnreachableError(f"the cluster of {environment} ({context}): {said}") from error
    return parse_flux(found) if engine == "flux" else parse_argo(found)


def parse_flux(document: Mapping[str, Any]) -> Applied:
    """Return what a HelmRelease says of itself."""
    status = document.get("status") or {}
    latest = (status.get("history") or [{}])[0]
    ready = _condition(status)
    generation = (document.get("metadata") or {}).get("generation")
    is_current = status.get("observedGeneration") == generation
    is_ready = ready.get("status") == "True" and is_current
    # helm-controller appends the digest's beginning: 1.4.2+0f3c….
    version = str(latest.get("chartVersion", "")).partition("+")[0]
    return Applied(
        version=version,
        digest=str(latest.get("ociDigest", "")),
        ready_since=_moment(ready.get("lastTransitionTime")) if is_ready else None,
        state=_sentence(ready.get("message"), default="Flux says nothing yet"),
    )


def parse_argo(document: Mapping[str, Any]) -> Applied:
    """Return what an Application says of itself."""
    status = document.get("status") or {}
    health = status.get("health") or {}
    sync = status.get("sync") or {}
    revisions = sync.get("revisions") or [sync.get("revision", "")]
    is_ready = health.get("status") == "Healthy" and sync.get("status") == "Synced"
    since = health.get("lastTransitionTime") or (status.get("operationState") or {}).get(
        "finishedAt"
    )
    words = f"{health.get('status', 'Unknown')}, {sync.get('status', 'Unknown')}"
    return Applied(
        version=str(revisions[0]),
        digest="",
        ready_since=_moment(since) if is_ready else None,
        state=_sentence(health.get("message") or words, default=words),
    )


def _condition(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = status.get("conditions") or []
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _sentence(text: Any, *, default: str) -> str:
    return " ".join(str(text).split())[:300] if text else default
