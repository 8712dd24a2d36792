"""The janitor as a process of its own, that can be killed, read and asked for its metrics."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from tradewind.janitor.settings import PREFIX
from tradewind_tools import ports


class JanitorProcess:
    """What it prints is in a file, as JSON lines."""

    def __init__(self, settings, output):
        self._output = output
        (self.port,) = ports.free(1)
        told = settings | {"port": self.port}
        environment = {PREFIX + name.upper(): str(value) for name, value in told.items()}
        command = [sys.executable, "-m", "tradewind.program", "janitor", "run"]
        with output.open("ab") as stream:
            self._process = subprocess.Popen(
                command, env=os.environ | environment, stdout=stream, stderr=stream
            )

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)

    def said(self):
        """Return the events of its log lines; what is no JSON line fails."""
        lines = self._output.read_text().splitlines()
        return [json.loads(line)["event"] for line in lines]

    def count(self, name, **labels):
        """Return a counter of its metrics page; 0 where it is not there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            page = answer.read().decode()
        marks = ",".join(f'{key}="{value}"' for key, value in labels.items())
        found = re.search(rf"^{name}\{{{marks}\}} (\S+)", page, re.MULTILINE)
        return float(found[1]) if found else 0.0


@pytest.fixture
def start(rig, tmp_path):
    """Return a function that starts a janitor of these settings."""
    started = []

    def start(**changed):
        process = JanitorProcess(rig.given(**changed), tmp_path / f"janitor-{len(started)}.log")
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
