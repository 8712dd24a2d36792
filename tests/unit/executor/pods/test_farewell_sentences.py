"""What a person reads of a pod in which our worker ran."""

import pytest

from tradewind.contract import Farewell
from tradewind.pods import diagnosis, labels
from tradewind.pods.causes import Kind
from tradewind.testing.builders import a_pod, base_ended

GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def a_boarded_pod(message, *, exit_code=0, going=False, **terminated):
    status = base_ended(exit_code, message=message, **terminated)
    return a_pod(status=status, labels={labels.TEMPLATE: "abc"}, **(GOING if going else {}))


def farewell(ended, reason=""):
    return Farewell(ended=ended, reason=reason).encode()


@pytest.mark.parametrize(
    ("message", "end", "kind", "facts"),
    [
        pytest.param(
            farewell("superseded", "state is running"),
            {},
            Kind.SUPERSEDED,
            "its task was not its own any more: state is running;",
            id="superseded",
        ),
        pytest.param(
            farewell("not_started", "connection refused"),
            {"exit_code": 75},
            Kind.NOT_STARTED,
            "its worker ended before the task began: connection refused;",
            id="not-started",
        ),
        pytest.param(
            "", {"exit_code": 75}, Kind.NOT_STARTED, "before the task began;", id="by-exit-code"
        ),
        pytest.param(
            farewell("not_started", "told to stop"),
            {"going": True},
            Kind.DELETED,
            "deleted from outside before its task began: container base ended with exit code 0: "
            "told to stop;",
            id="deleted-while-it-waited",
        ),
        pytest.param(
            farewell("ran"),
            {},
            Kind.NO_RESULT,
            "exit code 0, but its task never reported a result",
            id="no-result",
        ),
        pytest.param(
            farewell("ran"),
            {"exit_code": 137, "reason": "OOMKilled"},
            Kind.OOM_KILLED,
            "OOMKilled",
            id="out-of-memory",
        ),
        pytest.param(
            farewell("ran"), {"exit_code": 1}, Kind.EXIT_CODE, "exit code 1;", id="crashed"
        ),
    ],
)
def test_a_farewell_is_told_in_words(message, end, kind, facts):
    cause = diagnosis.explain(a_boarded_pod(message, **end))
    assert cause.kind is kind
    assert facts in cause.sentence
    assert "{" not in cause.sentence
