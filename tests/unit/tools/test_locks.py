import signal
import subprocess
import sys

from tradewind_tools import locks

HOLD = """
import sys, time
from pathlib import Path
from tradewind_tools import locks
with locks.exclusive(Path(sys.argv[1]), waiting_for="the test"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(path, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_second_process_says_what_it_waits_for_and_then_goes_on(tmp_path):
    first = hold(tmp_path / "lock", 60)
    assert first.stdout.readline() == "held\n"
    second = hold(tmp_path / "lock", 0)
    said = second.stderr.readline()
    assert "waiting for another process to finish the test" in said
    first.terminate()
    first.communicate(timeout=20)
    out, _ = second.communicate(timeout=20)
    assert out == "held\n"


def test_lock_of_a_killed_process_is_free(tmp_path):
    holder = hold(tmp_path / "lock", 60)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=20)
    with locks.exclusive(tmp_path / "lock", waiting_for="nothing"):
        assert (tmp_path / "lock").exists()
