"""Which lines belong to one try of a task. Pure.

Writer and reader know the try by the path of its log file alone, which Airflow renders from the
same template for both. What the template names as Airflow's own does becomes fields; the log of a
template that is somebody's own is found by the path as a whole.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property

SERVICE = "airflow"
NOT_TASKS = "dag_processor"
"""First folder of logs that belong to no task."""

_OF_TRIGGERER = re.compile(r"\.trigger(\.[^/]*)?$")
_PATH = re.compile(
    r"dag_id=(?P<dag_id>[^/]+)/run_id=(?P<run_id>[^/]+)/task_id=(?P<task_id>[^/]+)/"
    r"(map_index=(?P<map_index>[^/]+)/)?attempt=(?P<try_number>\d+)\.log"
)


@dataclass(frozen=True)
class LogIdentity:
    """What Loki is told about the lines of one log file."""

    dag_id: str
    """Empty where the path does not say."""
    component: str
    """`task` or `triggerer`, which writes a file of its own for a deferred task."""
    fields: tuple[tuple[str, str], ...]
    """Structured metadata of every line; together they name one try."""

    def labels(self, environment: str, *, is_late: bool = False) -> dict[str, str]:
        """Return the labels of the stream: few values each, as Loki wants it.

        Late lines get a stream of their own, in which nobody else's newer lines make them too old.
        """
        given = {
            "service_name": SERVICE,
            "component": self.component,
            "dag_id": self.dag_id,
            "env": environment,
            "late": f"{zlib.crc32(repr(self.fields).encode()):08x}" if is_late else "",
        }
        return {name: value for name, value in given.items() if value}

    @cached_property
    def metadata(self) -> dict[str, str]:
        """Return the structured metadata of every line."""
        return dict(self.fields)

    def query(self, environment: str) -> str:
        """Return the LogQL that selects this try's lines, also the triggerer's part of them."""
        labels = {"service_name": SERVICE, "dag_id": self.dag_id, "env": environment}
        matchers = [f"{name}={_quoted(value)}" for name, value in labels.items() if value]
        filters = [f" | {name}={_quoted(value)}" for name, value in self.fields]
        return "{" + ", ".join(matchers) + "}" + "".join(filters)


def of(relative_path: str) -> LogIdentity | None:
    """Return what the path of a log file, relative to the log folder, says; None of no task."""
    path = _OF_TRIGGERER.sub("", relative_path)
    component = "task" if path == relative_path else "triggerer"
    if path.startswith(f"{NOT_TASKS}/"):
        return None
    found = _PATH.fullmatch(path)
    if found is None:
        return LogIdentity(dag_id="", component=component, fields=(("log_path", path),))
    parts = found.groupdict()
    return LogIdentity(
        dag_id=parts["dag_id"],
        component=component,
        fields=(
            ("run_id", parts["run_id"]),
            ("task_id", parts["task_id"]),
            ("map_index", parts["map_index"] or "-1"),
            ("try_number", parts["try_number"]),
        ),
    )


def _quoted(text: str) -> str:
    # Go's string syntax, of which JSON's is a part.
    return json.dumps(text, ensure_ascii=False)
