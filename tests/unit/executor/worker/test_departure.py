import json
import os
import signal

import pytest

from tradewind.contract import Farewell
from tradewind.worker.departure import Departure


def test_a_farewell_replaces_what_was_there(tmp_path):
    path = tmp_path / "termination-log"
    path.write_text("x" * 9000)
    said = Farewell(ended="ran", cpu_s=0.5)
    Departure(termination_file=path, is_claimed=False).say(said)
    assert Farewell.decode(path.read_text()) == said


def test_a_container_without_a_termination_message_goes_without(tmp_path):
    path = tmp_path / "termination-log"
    Departure(termination_file=path, is_claimed=False).say(Farewell(ended="ran"))
    assert not path.exists()


@pytest.mark.parametrize("reason", ["x" * 9000, "💥" * 9000, "\x00" * 9000])
def test_a_farewell_is_short_enough_to_be_kept_whole(reason):
    moment = 1_795_756_415.8347058
    said = Farewell(
        ended="not_started",
        reason=reason,
        delivered_s=moment,
        run_s=moment,
        user_code_s=moment,
        ended_s=moment,
        peak_memory_bytes=2**63,
        cpu_s=moment,
        oom_kills=2**31,
    )
    assert len(said.encode()) <= 4096
    assert json.loads(said.encode())["reason"] == reason[:300]


def in_a_child(act):
    """Return the exit code of a forked process that does this."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(("is_claimed", "exit_code"), [(False, 0), (True, 75)])
def test_sigterm_ends_a_pod_without_a_workload_at_once(tmp_path, is_claimed, exit_code):
    path = tmp_path / "termination-log"
    path.touch()

    def act():
        departure = Departure(termination_file=path, is_claimed=is_claimed)
        departure.leave_on_sigterm()
        os.kill(os.getpid(), signal.SIGTERM)

    assert in_a_child(act) == exit_code
    farewell = Farewell.decode(path.read_text())
    assert (farewell.ended, farewell.reason) == (
        "not_started",
        "ended by SIGTERM before a task began",
    )


def test_once_a_task_begins_sigterm_is_airflows(tmp_path):
    def act():
        departure = Departure(termination_file=tmp_path / "t", is_claimed=True)
        departure.leave_on_sigterm()
        departure.leave_sigterm_to_airflow()
        os.kill(os.getpid(), signal.SIGTERM)

    assert in_a_child(act) == -signal.SIGTERM


def test_a_process_forked_a_moment_ago_says_no_farewell(tmp_path):
    path = tmp_path / "termination-log"
    path.touch()

    def act():
        Departure(termination_file=path, is_claimed=True).leave_on_sigterm()
        os._exit(in_a_child(lambda: os.kill(os.getpid(), signal.SIGTERM)))

    assert in_a_child(act) == 128 + signal.SIGTERM
    assert path.read_text() == ""


def test_what_others_registered_for_the_end_happens_and_what_is_printed_is_written(tmp_path):
    reading, writing = os.pipe()

    def act():
        import atexit  # noqa: PLC0415 - of the child
        import sys  # noqa: PLC0415

        atexit._clear()
        sys.stdout = os.fdopen(writing, "w")
        atexit.register(print, "flushed")
        Departure(termination_file=tmp_path / "t", is_claimed=True).go(7)

    assert in_a_child(act) == 7
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "flushed\n"
