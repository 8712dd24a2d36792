"""What the rules find, and the errors that end a command, each with the exit code of its class."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from tradewind.errors import TradewindError

EXIT_DONE = 0
EXIT_UNUSABLE = 2
EXIT_REFUSED = 3
EXIT_UNREACHABLE = 4
EXIT_CONFLICT = 5


class PromotionError(TradewindError):
    """Ends the command with its sentence; nothing was pushed."""

    exit_code = EXIT_UNUSABLE

    output: str = ""
    """What a program that failed had printed."""


class UnusableError(PromotionError):
    """A file, an argument, a token or a program is missing or malformed."""


class RefusedError(PromotionError):
    """A rule forbids it."""

    exit_code = EXIT_REFUSED


class UnreachableError(PromotionError):
    """Registry, forge, git remote or cluster do not answer, or answer with a failure."""

    exit_code = EXIT_UNREACHABLE
    retryable = True


class ConflictError(PromotionError):
    """Somebody else changed the same branch meanwhile."""

    exit_code = EXIT_CONFLICT


class Level(enum.Enum):
    """What a finding means for what is asked."""

    OK = "ok"
    NOTE = "note"
    """To be read by a reviewer; hinders nothing."""
    OVERRIDDEN = "overridden"
    """Would be refused, had nobody given a reason."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule and what it says."""

    rule: str
    level: Level
    sentence: str


def refused(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that forbid it."""
    return [finding for finding in findings if finding.level is Level.REFUSED]
