"""How a workload's end becomes the pod's: exit code, and what the farewell says. Pure.

A table of who may have run the task. As long as Airflow has not agreed to start it here, no user
code ran: the executor replaces the pod, or the launch has passed to somebody else. Once it has
agreed, the pod ends as it does with Airflow's own worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from tradewind.contract import EXIT_DONE, EXIT_NOT_STARTED, Ended

_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130
"""As the shell says of SIGINT."""


class Start(Enum):
    """How far the start of the task came."""

    NOT_ASKED = auto()
    """The worker had not yet told Airflow that it starts the task."""
    REFUSED = auto()
    """Airflow did not agree, or could not be reached."""
    AGREED = auto()
    NEEDS_NONE = auto()
    """Callbacks and connection tests begin without asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the pod ends."""

    exit_code: int
    ended: Ended
    reason: str = ""
    is_upstreams: bool = False
    """The error is the workload's own: it is shown as Airflow's worker shows it."""


def of(error: BaseException | None, *, start: Start) -> Ending:
    """Return the ending of a workload whose supervisor returned, or raised `error`."""
    if error is None:
        return Ending(exit_code=EXIT_DONE, ended="ran")
    match start:
        case Start.AGREED | Start.NEEDS_NONE:
            return Ending(exit_code=_exit_code(error), ended="ran", is_upstreams=True)
        case Start.REFUSED:
            return _of_refusal(error)
        case Start.NOT_ASKED:
            return Ending(
                exit_code=EXIT_NOT_STARTED,
                ended="not_started",
                reason=f"the task could not be prepared: {_words(error)}",
                is_upstreams=True,
            )


def _of_refusal(error: BaseException) -> Ending:
    # The SDK raises an error of its own for a task that runs elsewhere, and keeps the answer in it.
    refusal = error if hasattr(error, "response") else error.__cause__ or error
    status = getattr(getattr(refusal, "response", None), "status_code", None)
    detail = getattr(refusal, "detail", None)
    said = detail if isinstance(detail, dict) else {}
    if status == HTTPStatus.CONFLICT and said.get("reason") == "invalid_state":
        state = said.get("previous_state") or "none"
        return _superseded(f"the task instance is {state}, no longer queued")
    if status == HTTPStatus.NOT_FOUND and said.get("reason") == "not_found":
        return _superseded("the task instance does not exist any more")
    answer = f"{status}: {detail or refusal}" if status else _words(error)
    return Ending(
        exit_code=EXIT_NOT_STARTED,
        ended="not_started",
        reason=f"Airflow's API server did not start the task: {answer}",
        is_upstreams=True,
    )


def _superseded(reason: str) -> Ending:
    return Ending(exit_code=EXIT_DONE, ended="superseded", reason=reason)


def _words(error: BaseException) -> str:
    """Return kind and first line: what follows may quote what was being read."""
    first, _, _ = str(error).partition("\n")
    return f"{type(error).__name__}: {first}"


def _exit_code(error: BaseException) -> int:
    match error:
        case SystemExit(code=None):
            return EXIT_DONE
        case SystemExit(code=int(code)):
            return code
        case KeyboardInterrupt():
            return _EXIT_INTERRUPTED
        case _:
            return _EXIT_FAILED
