"""What a change does to every environment: rendered before and after, judged, told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tradewind.promotion import helm, policy, rendered, schema
from tradewind.promotion.findings import Finding, Level, RefusedError, UnusableError
from tradewind.promotion.registry import Registry
from tradewind.promotion.releases import Releases
from tradewind.promotion.rendered import Difference

Reviewed = tuple[list[Finding], Difference]


@dataclass(slots=True, kw_only=True)
class Review:
    """One change, with what its renderings need. Renders nothing twice."""

    registry: Registry
    chart: Path | None = None
    """Render this folder on both sides instead of the pinned charts."""
    schemas: str = ""
    """kubeconform's location; empty: no schemas are asked."""
    _charts: dict[str, bytes] = field(default_factory=dict)
    _manifests: dict[tuple[str, ...], str] = field(default_factory=dict)

    def run(self, base: Releases, *, head: Releases) -> dict[str, Reviewed]:
        """Return environment -> findings and difference, in the head's order.

        Raises:
            UnusableError: a malformed file in the head; no helm or kubeconform.
            UnreachableError: the registry does not answer.

        """
        known = self._known(base)
        found: dict[str, Reviewed] = {}
        for name in head.order().names:
            before, notes = self._before(base, name) if name in known else ("", [])
            found[name] = self._judged(head, name, before=before, notes=notes)
        for name in known:
            if name not in found:
                before, notes = self._before(base, name)
                found[name] = (notes, rendered.difference(before, after=""))
        return found

    def _known(self, base: Releases) -> list[str]:
        try:
            return base.order().names
        except UnusableError:
            return []  # Before the environments began, or broken there and repaired here.

    def _before(self, base: Releases, name: str) -> tuple[str, list[Finding]]:
        try:
            return self._render(base, name), []
        except (RefusedError, UnusableError) as error:
            return "", [Finding("before", Level.NOTE, f"nothing to compare with: {error}")]

    def _judged(self, head: Releases, name: str, *, before: str, notes: list[Finding]) -> Reviewed:
        try:
            after = self._render(head, name)
        except RefusedError as error:
            return [*notes, Finding("render", Level.REFUSED, str(error))], Difference("", 0, 0, 0)
        findings = list(notes)
        if after:
            is_pinned = self.chart is None
            findings += policy.judge(after, is_pinned=is_pinned)
            findings += schema.judge(after, location=self.schemas) if self.schemas else []
        return findings, rendered.difference(before, after=after)

    def _render(self, releases: Releases, name: str) -> str:
        pin = releases.pin(name)
        if not (pin or self.chart):
            return ""
        values = releases.values(name)
        key = (name, pin.chart_digest if pin else "", *values)
        if key not in self._manifests:
            chart = self.chart or self._archive(f"{pin.chart}@{pin.chart_digest}" if pin else "")
            self._manifests[key] = helm.template(chart, environment=name, values=values)
        return self._manifests[key]

    def _archive(self, name: str) -> bytes:
        if name not in self._charts:
            self._charts[name] = self.registry.chart(name)
        return self._charts[name]


def refusals(found: Mapping[str, Reviewed]) -> dict[str, list[Finding]]:
    """Return environment -> refusals, of those that have any."""
    refused = {
        name: [finding for finding in findings if finding.level is Level.REFUSED]
        for name, (findings, _) in found.items()
    }
    return {name: findings for name, findings in refused.items() if findings}
