"""What executor, boarding endpoint and worker agree on. They share this module and nothing else.

A pod gets its workload in one of two ways. By *args* it stands in the pod's spec, as with
upstream's executor. By *boarding* the spec holds no workload and no secret: the worker presents its
projected ServiceAccount token to the endpoint, which finds the launch by the pod. The words below
are the wire format between releases of worker and server, so they change only with `PROTOCOL`.

Imports nothing of Tradewind or Airflow: the worker loads it before anything else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

PROTOCOL = 1
"""Version of request, answers and environment; a server refuses others with 426."""

URL_PREFIX = "/tradewind"
"""Where the plugin mounts its app in the Airflow API server."""
BOARD_PATH = "/v1/board"
"""Below the prefix; POST."""
HEALTH_PATH = "/v1/health"
"""Below the prefix; GET. JSON with `protocol` and `status`; Airflow's interface answers any other
address with a page, so that the content type tells whether the plugin is there."""
AUDIENCE = "tradewind"
"""Of the projected token, unless `[tradewind] boarding_audience` says another."""
SERVER_TIME = "Tradewind-Server-Time"
"""Header of every answer: seconds since the epoch, by the server's clock."""

ENV_URL = "TRADEWIND_BOARD_URL"
"""Complete address of the endpoint."""
ENV_TOKEN_FILE = "TRADEWIND_TOKEN_FILE"  # noqa: S105 - the name of a variable
ENV_TEMPLATE = "TRADEWIND_TEMPLATE"
"""Hash of what the pod was rendered from; the endpoint compares it with the pod's own label."""
ENV_BUDGET = "TRADEWIND_BOARD_BUDGET"
"""Seconds a pod that was made for one launch tries to board; absent in idle pods, which wait."""
ENV_HOLD = "TRADEWIND_BOARD_HOLD"
"""Seconds the endpoint may hold a request of an idle pod; it takes up to a fifth more, so that
pods do not ask in waves."""

TOKEN_FILE = "/var/run/secrets/tradewind/token"  # noqa: S105 - a path
ENV_TERMINATION_FILE = "TRADEWIND_TERMINATION_FILE"
"""Where the farewell goes when the container's `terminationMessagePath` is another than the
default; the template's author sets both."""
ENV_PRELOAD = "TRADEWIND_PRELOAD"
"""Modules of the user's, separated by commas, that the worker imports before it boards."""
ENV_ASKING = "TRADEWIND_START_BUDGET"
"""Seconds the worker goes on asking whether its task may start while Airflow does not answer."""
ENV_READY_FILE = "TRADEWIND_READY_FILE"
"""Where an idle pod's worker makes a file once it has imported everything."""
READY_FILE = "/tmp/tradewind-ready"  # noqa: S108 - of the pod alone; a foreign one costs pace only
"""That file: the startup probe of idle pods looks for it."""
TERMINATION_FILE = "/dev/termination-log"
"""Kubernetes' default `terminationMessagePath`; at most 4,096 bytes of it are kept."""

EXIT_DONE = 0
"""The supervisor returned: Airflow knows the result. Also of a pod whose launch is not its own any
more, which the farewell tells apart."""
EXIT_NOT_STARTED = 75
"""No user code ran; the executor replaces the pod and no retry is used (sysexits' EX_TEMPFAIL)."""

Ended = Literal["ran", "superseded", "not_started"]

_REASON_CHARS = 300
"""As JSON a character takes up to 12 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """What a worker leaves in its termination message. Times in seconds since the epoch."""

    ended: Ended
    reason: str = ""
    """One sentence where the workload did not run."""
    delivered_s: float | None = None
    """When the workload arrived in the pod."""
    run_s: float | None = None
    """When the worker asked Airflow to start the task."""
    user_code_s: float | None = None
    """When the task's own code began."""
    ended_s: float | None = None
    """When the workload had ended in the pod."""
    peak_memory_bytes: int | None = None
    """Of the container, by its cgroup; None where the node does not tell."""
    cpu_s: float | None = None
    """Processor time since the workload arrived, by the cgroup."""
    oom_kills: int | None = None
    """How many of the container's processes were killed for want of memory; the task's own may be
    one while the worker lives to tell."""

    def encode(self) -> str:
        """Return the message, without what is not known; ASCII, short enough to be kept whole."""
        said = asdict(self) | {"reason": self.reason[:_REASON_CHARS]}
        known = {name: value for name, value in said.items() if value not in {None, ""}}
        return json.dumps({"tradewind": PROTOCOL, **known}, separators=(",", ":"))

    @classmethod
    def decode(cls, message: str) -> Self | None:
        """Return what a worker left, or None for anything that none of ours wrote."""
        try:
            said: Any = json.loads(message)
        except ValueError:
            return None
        if not isinstance(said, dict) or said.get("tradewind") != PROTOCOL:
            return None
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in said.items() if name in known})
        except TypeError:
            return None


EVENT_MEASURED = "pod measured"
"""Event of the audit log row that every launch leaves when its worker said farewell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`extra` of that row, as JSON. Milliseconds count from the row's QUEUED."""

    pod: str
    temperature: Literal["warm", "cold"]
    claimed_ms: int | None = None
    """The pod was created for the launch, or an idle one claimed."""
    delivered_ms: int | None = None
    run_ms: int | None = None
    user_code_ms: int | None = None
    duration_s: float | None = None
    """From the workload's arrival to its end; `cpu_s` is of the same time."""
    peak_memory_bytes: int | None = None
    cpu_s: float | None = None
    memory_request_bytes: int | None = None
    memory_limit_bytes: int | None = None
    cpu_request_s: float | None = None
    """Cores."""
    killed_for_memory: bool = False
    miss: str = ""
    """Why a cold launch got no idle pod although there are pools; see docs/warm-pools.md."""

    def encode(self) -> str:
        """Return the text of the row, without what is not known."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return json.dumps(known)

    @classmethod
    def decode(cls, text: str) -> Self | None:
        """Return what a row tells, or None for a text that is no measurement."""
        try:
            said: Any = json.loads(text)
            known = {field.name for field in fields(cls)}
            return cls(**{name: value for name, value in said.items() if name in known})
        except (ValueError, TypeError, AttributeError):
            return None
