import httpx
import pytest
from airflow.sdk.api.client import ServerResponseError
from airflow.sdk.exceptions import TaskAlreadyRunningError

from tradewind.worker import endings
from tradewind.worker.endings import Ending, Start


def refused(status, **detail):
    """Return the error as the SDK raises it, read from an answer of Airflow's server."""
    request = httpx.Request("PATCH", "http://airflow/execution/task-instances/1/run")
    response = httpx.Response(
        status,
        json={"detail": detail or "Not Found"},
        headers={"content-type": "application/json"},
        request=request,
    )
    return ServerResponseError.from_response(response)


def runs_elsewhere():
    error = TaskAlreadyRunningError("Task instance 1 is already running")
    error.__cause__ = refused(409, reason="invalid_state", previous_state="running")
    return error


def bad_gateway():
    request = httpx.Request("PATCH", "http://airflow/run")
    response = httpx.Response(502, text="<html>", request=request)
    return httpx.HTTPStatusError("502 Bad Gateway", request=request, response=response)


@pytest.mark.parametrize(
    ("error", "start", "exit_code", "ended"),
    [
        pytest.param(None, Start.AGREED, 0, "ran", id="the-supervisor-returned"),
        pytest.param(None, Start.NEEDS_NONE, 0, "ran", id="a-callback-returned"),
        # Somebody else has, or had, this launch.
        pytest.param(runs_elsewhere(), Start.REFUSED, 0, "superseded", id="a-twin-runs-it"),
        *(
            pytest.param(
                refused(409, reason="invalid_state", previous_state=state),
                Start.REFUSED,
                0,
                "superseded",
                id=f"it-is-{state}",
            )
            for state in ("success", "failed", "scheduled", "up_for_retry", "deferred", None)
        ),
        pytest.param(refused(404, reason="not_found"), Start.REFUSED, 0, "superseded", id="gone"),
        # Nobody has it: another pod shall try.
        pytest.param(refused(404), Start.REFUSED, 75, "not_started", id="a-wrong-address"),
        pytest.param(refused(409, reason="x"), Start.REFUSED, 75, "not_started", id="other-409"),
        pytest.param(refused(403, reason="x"), Start.REFUSED, 75, "not_started", id="old-token"),
        pytest.param(refused(500, reason="x"), Start.REFUSED, 75, "not_started", id="500"),
        pytest.param(bad_gateway(), Start.REFUSED, 75, "not_started", id="502-of-an-ingress"),
        pytest.param(
            httpx.ConnectError("refused"), Start.REFUSED, 75, "not_started", id="unreachable"
        ),
        pytest.param(OSError("disk"), Start.NOT_ASKED, 75, "not_started", id="before-asking"),
        # User code may have run: as with Airflow's own worker.
        pytest.param(OSError("disk"), Start.AGREED, 1, "ran", id="an-error-after-it-began"),
        pytest.param(refused(500, reason="x"), Start.AGREED, 1, "ran", id="result-not-taken"),
        pytest.param(RuntimeError("1"), Start.NEEDS_NONE, 1, "ran", id="a-callback-failed"),
        pytest.param(SystemExit(3), Start.AGREED, 3, "ran", id="an-exit-with-a-code"),
        pytest.param(SystemExit(), Start.AGREED, 0, "ran", id="an-exit-without-a-code"),
        pytest.param(KeyboardInterrupt(), Start.AGREED, 130, "ran", id="interrupted"),
    ],
)
def test_how_the_pod_ends(error, start, exit_code, ended):
    ending = endings.of(error, start=start)
    assert (ending.exit_code, ending.ended) == (exit_code, ended)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (runs_elsewhere(), "the task instance is running, no longer queued"),
        (refused(404, reason="not_found"), "the task instance does not exist any more"),
        (
            httpx.ConnectError("refused"),
            "Airflow's API server did not start the task: ConnectError: refused",
        ),
        (bad_gateway(), "Airflow's API server did not start the task: 502: 502 Bad Gateway"),
    ],
)
def test_a_pod_that_ran_nothing_says_why(error, reason):
    assert endings.of(error, start=Start.REFUSED).reason == reason


def test_what_follows_the_first_line_of_an_error_is_not_told():
    # Pydantic quotes its input there, and that may hold a token.
    error = ValueError("1 validation error\ntoken\n  input_value='eyJ'")
    ending = endings.of(error, start=Start.NOT_ASKED)
    assert ending.reason == "the task could not be prepared: ValueError: 1 validation error"


def test_an_orderly_hand_over_is_no_error_to_show():
    assert endings.of(runs_elsewhere(), start=Start.REFUSED) == Ending(
        exit_code=0, ended="superseded", reason="the task instance is running, no longer queued"
    )
