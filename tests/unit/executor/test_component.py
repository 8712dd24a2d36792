"""A program whose output goes to Loki behaves as without it: output, signals, exit code."""

import os
import subprocess
import sys

import pytest

from tradewind import component
from tradewind.component import EnvironmentConf, Lines

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there."""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts `component` with a Python program."""
    started = []

    def start(program, *, loki=NOWHERE):
        environment = os.environ | {
            "TMPDIR": str(tmp_path),
            "AIRFLOW__TRADEWIND__LOKI_URL": loki,
            "AIRFLOW__TRADEWIND__LOKI_FLUSH_TIMEOUT": "0",
        }
        command = [sys.executable, "-m", "tradewind.component", "scheduler"]
        process = subprocess.Popen(
            [*command, sys.executable, "-u", "-c", program],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_output_and_exit_code_are_the_programs_while_loki_is_away(start):
    written = b"a\n\xff\xfe\nno end"
    program = f"import sys; sys.stdout.buffer.write({written!r}); sys.exit(7)"
    process = start(program)
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == (written, 7)
    assert b"3 lines of this output are not in Loki" in err


def test_a_signal_is_handed_on_and_the_program_decides(start):
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked to end'), sys.exit(3)))\n"
        "print('ready')\n"
        "time.sleep(60)\n"
    )
    process = start(program)
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == (b"asked to end\n", 3)


def test_a_program_that_a_signal_ended_is_told_as_shells_do(start):
    process = start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    process.communicate(timeout=60)
    assert process.returncode == 128 + 9


def test_a_child_that_outlives_the_program_holds_nobody_up(start):
    program = "import subprocess; subprocess.Popen(['sleep', '60']); print('done')"
    process = start(program)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == (b"done\n", 0)


def test_a_wrong_setting_is_a_sentence_and_the_program_runs(start):
    process = start("print('runs')", loki="loki:3100")
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == (b"runs\n", 0)
    assert b"output of scheduler does not go to Loki: [tradewind] loki_url is 'loki:3100'" in err


def test_without_a_command_it_says_how_it_is_called(capsys):
    assert component.main(["scheduler"]) == 2
    assert "NAME COMMAND" in capsys.readouterr().err


def test_options_are_read_from_the_variables_that_airflow_reads():
    conf = EnvironmentConf({"AIRFLOW__TRADEWIND__LOKI_TENANT": "a"})
    assert conf.has_option("tradewind", "loki_tenant")
    assert conf.get("tradewind", "loki_tenant") == "a"
    assert not conf.has_option("tradewind", "loki_url")


def test_bytes_become_lines_however_they_come():
    seen = []
    lines = Lines(seen.append)
    for data in (b"on", b"e\ntwo\n\nth", b"ree"):
        lines.feed(data)
    lines.end()
    assert seen == [b"one", b"two", b"", b"three"]


def test_a_line_without_end_is_cut():
    seen = []
    lines = Lines(seen.append)
    lines.feed(b"x" * (2 * component.LINE_BYTES + 5))
    assert [len(line) for line in seen] == [component.LINE_BYTES] * 2
    lines.end()
    assert len(seen[-1]) == 5
