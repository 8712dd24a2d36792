"""A real StatsD exporter with the chart's mapping, and a real Prometheus that reads it.

Where they are not built, tests with them are skipped, saying so: `./task test:integration` builds
them, in minutes.
"""

import contextlib
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml
from metric_queries import MAPPING, NAMESPACE, alerts

from tradewind_tools import ports, programs

READY_WITHIN_S = 60
SCRAPE_EVERY_S = 1


def program(variable, *, name, binary):
    found = os.environ.get(variable) or programs.load(name).target / binary
    if not Path(found).is_file():
        pytest.skip(f"{binary} is not built: run `./task test:metrics`, which builds it")
    return str(found)


class Monitoring:
    """Exporter and Prometheus as two processes; `namespace` is a label of all that is read."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.statsd_port, self._exporter_port, self._port = ports.free(3)
        self._processes = []

    def start(self):
        exporter = program("STATSD_EXPORTER", name="statsd-exporter", binary="statsd_exporter")
        prometheus = program("PROMETHEUS", name="prometheus", binary="prometheus")
        self._run(
            exporter,
            f"--statsd.mapping-config={MAPPING}",
            f"--statsd.listen-udp=127.0.0.1:{self.statsd_port}",
            "--statsd.listen-tcp=",
            f"--web.listen-address=127.0.0.1:{self._exporter_port}",
        )
        config = self.folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        self._run(
            prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        )
        self._wait(self._exporter_port)
        self._wait(self._port)
        return self

    def stop(self):
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(timeout=60)

    def ask(self, query):
        """Return the samples of an instant query as (labels, value)."""
        answer = self.get("/api/v1/query", query=query)
        return [(one["metric"], float(one["value"][1])) for one in answer["result"]]

    def value(self, query):
        """Return the one value of a query, or None while there is none."""
        found = self.ask(query)
        return found[0][1] if len(found) == 1 else None

    def get(self, path, **words):
        url = f"http://127.0.0.1:{self._port}{path}?{urllib.parse.urlencode(words)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]

    def _config(self):
        rules = self.folder / "rules.yaml"
        rules.write_text(yaml.safe_dump({"groups": [{"name": "tradewind", "rules": alerts()}]}))
        every = f"{SCRAPE_EVERY_S}s"
        target = {
            # What the Prometheus operator adds to what a ServiceMonitor names.
            "labels": {"namespace": NAMESPACE, "job": "tradewind-metrics"},
            "targets": [f"127.0.0.1:{self._exporter_port}"],
        }
        return {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "tradewind", "static_configs": [target]}],
        }

    def _run(self, *command):
        log = (self.folder / f"{Path(command[0]).name}.log").open("ab")
        with log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _wait(self, port):
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            with contextlib.suppress(OSError):
                url = f"http://127.0.0.1:{port}/-/ready"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            ended = [process.args[0] for process in self._processes if process.poll() is not None]
            assert not ended, "\n".join(log.read_text() for log in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, f"nothing is ready on port {port}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory):
    rig = Monitoring(tmp_path_factory.mktemp("monitoring"))
    try:
        yield rig.start()
    finally:
        rig.stop()
