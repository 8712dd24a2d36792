"""Run upstream's tests twice at once: against upstream, as the control, and against Tradewind.

The output of the control comes first. `--against=upstream` or `--against=tradewind` among the
arguments runs that one alone, with its output as it comes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SUBJECTS = ("upstream", "tradewind")


def command(arguments):
    """Return the command line of one run; the tables of the plugin replace pytest's own lists."""
    pytest = [sys.executable, "-m", "pytest", "-p", "oracle.plugin", "-rfE"]
    return [*pytest, str(HERE), *arguments]


def both(arguments, environment):
    """Run both; return the worse exit code."""
    with tempfile.TemporaryDirectory(prefix="tradewind-oracle-") as folder:
        logs = [Path(folder, subject) for subject in SUBJECTS]
        runs = [
            subprocess.Popen(
                command([f"--against={subject}", *arguments]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log.open("wb"),
                stderr=subprocess.STDOUT,
            )
            for subject, log in zip(SUBJECTS, logs, strict=True)
        ]
        try:
            codes = [_finish(run, log) for run, log in zip(runs, logs, strict=True)]
        finally:
            for run in runs:
                run.terminate()
    return max(codes)


def _finish(run, log):
    code = run.wait()
    sys.stdout.flush()
    sys.stdout.buffer.write(log.read_bytes())
    sys.stdout.flush()
    return code


def main(arguments):
    """Run what the arguments ask for; return the exit code."""
    environment = os.environ | {"PYTHONPATH": str(HERE / "support")}
    if any(argument.startswith("--against") for argument in arguments):
        return subprocess.run(command(arguments), env=environment, check=False).returncode
    return both(arguments, environment)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
