"""Read a commit's environments: order, pins, values, history. Joins git with the pure parsers."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.promotion import history, order, pins
from tradewind.promotion.findings import UnusableError
from tradewind.promotion.git import Repository
from tradewind.promotion.history import Stay
from tradewind.promotion.order import Order
from tradewind.promotion.pins import Pin


@dataclass(frozen=True, slots=True)
class Releases:
    """The environments as one commit has them."""

    repository: Repository
    commit: str

    def order(self) -> Order:
        """Return the order of this commit; raises UnusableError."""
        return order.parse(self._require(order.PATH))

    def pin(self, name: str) -> Pin | None:
        """Return what an environment pins, None before its first release."""
        path = order.release_path(name)
        return pins.parse(self._require(path), path=path)

    def values(self, name: str) -> list[str]:
        """Return the texts of an environment's values files, the last of which wins."""
        return [self._require(path) for path in order.values_paths(name)]

    def stays(self, name: str) -> list[Stay]:
        """Return which releases were in an environment, newest first."""
        path = order.release_path(name)
        changes = self.repository.history(self.commit, path=path)
        return history.stays(((c.id, c.moment, text) for c, text in changes), path=path)

    def _require(self, path: str) -> str:
        text = self.repository.text(self.commit, path=path)
        if text is None:
            raise UnusableError(
                f"commit {self.commit[:12]} has no {path}: copy an environment's folder whole, and "
                "merge it first"
            )
        return text
