import json
import os
import subprocess
import sys
import time

import pytest

from tradewind_tools import processes
from tradewind_tools.errors import WorkFailedError


@pytest.fixture
def state(tmp_path):
    yield tmp_path
    processes.stop(tmp_path, names=["sleeper", "stubborn", "parent"])


def program(state, *, name="sleeper", command=("sleep", "60"), **environment):
    return processes.Program(name=name, command=command, state=state, environment=environment)


def pid_of(item):
    return json.loads(item.pid_file.read_text())["pid"]


def is_gone(pid):
    return processes.start_ticks(pid) is None


def test_starting_twice_starts_once(state):
    item = program(state)
    assert processes.start(item) is True
    first = pid_of(item)
    assert processes.start(item) is False
    assert pid_of(item) == first
    assert processes.alive(item)


def test_a_changed_command_replaces_the_process(state):
    processes.start(program(state))
    first = pid_of(program(state))
    assert processes.start(program(state, command=("sleep", "61"))) is True
    assert is_gone(first)


def test_a_recycled_pid_is_never_ours(state):
    item = program(state)
    item.pid_file.parent.mkdir(parents=True)
    # This very test's pid, but started at another time: as after a reboot or a wrap-around.
    item.pid_file.write_text(
        json.dumps(
            {
                "pid": os.getpid(),
                "start_ticks": "1",
                "boot_id": processes.boot_id(),
                "fingerprint": item.fingerprint,
            }
        )
    )
    assert processes.recorded(item.pid_file) is None
    assert processes.stop(state, names=["sleeper"]) == []
    assert not item.pid_file.exists()


@pytest.mark.parametrize("content", ["", "12", "{}", "{", '{"pid": 1}'])
def test_a_damaged_pid_file_is_no_process(state, content):
    file = state / "damaged.pid"
    file.write_text(content)
    assert processes.recorded(file) is None


def test_a_process_without_pid_file_is_found_and_stopped(state):
    item = program(state)
    processes.start(item)
    pid = pid_of(item)
    item.pid_file.unlink()  # As if the starter had been killed before it wrote the file.
    assert processes.stop(state, names=["sleeper"]) == ["sleeper"]
    assert is_gone(pid)


def test_another_state_folders_process_is_left_alone(state, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    item = program(other)
    processes.start(item)
    try:
        assert processes.stop(state, names=["sleeper"]) == []
        assert processes.alive(item)
    finally:
        processes.stop(other, names=["sleeper"])


def test_children_that_outlive_their_parent_are_stopped(state):
    code = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    parent = program(state, name="parent", command=(sys.executable, "-c", code))
    processes.start(parent)
    deadline = time.monotonic() + 10
    # Alone is also the parent, before it has a child.
    while len(left := [pid for pid, _ in processes.marked(state)]) != 1 or left[0] == pid_of(
        parent
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert processes.stop(state, names=["parent"]) == ["parent"]
    assert is_gone(left[0])


def test_a_replaced_program_keeps_its_children(state):
    code = (
        "import subprocess, time;"
        "subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    )
    command = (sys.executable, "-c", code)
    processes.start(program(state, name="parent", command=command))
    deadline = time.monotonic() + 10
    while len(before := {pid for pid, _ in processes.marked(state)}) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    main = pid_of(program(state, name="parent"))
    (child,) = before - {main}
    processes.start(program(state, name="parent", command=command, CHANGED="1"))
    assert is_gone(main)
    assert not is_gone(child)


def test_one_that_ignores_the_polite_signal_is_killed(state, monkeypatch):
    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 0.5)
    command = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    item = program(state, name="stubborn", command=command)
    processes.start(item)
    deadline = time.monotonic() + 10
    while "ready" not in item.log_file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = pid_of(item)
    assert processes.stop(state, names=["stubborn"]) == ["stubborn"]
    assert is_gone(pid)


def test_a_program_that_ended_is_reported_with_its_log(state):
    item = program(state, command=("sh", "-c", "echo the reason; exit 3"))
    processes.start(item)
    deadline = time.monotonic() + 10
    while processes.recorded(item.pid_file):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(WorkFailedError, match=r"(?s)sleeper ended.*the reason"):
        processes.check_alive(item)


def test_it_outlives_its_starter_in_a_session_of_its_own(state):
    code = (
        "from pathlib import Path; from tradewind_tools import processes\n"
        "processes.start(processes.Program(name='sleeper', command=('sleep', '60'),"
        f" state=Path({str(state)!r}), environment={{}}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
    item = program(state)
    assert processes.alive(item)
    assert os.getsid(pid_of(item)) == pid_of(item)
