"""A real Loki on loopback that can be stopped and started again, with its data or without.

Its program takes half an hour to build. Tests with it are skipped, saying so, until
`./task test:loki` has built it once.
"""

import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from tradewind.logs.settings import LokiSettings
from tradewind_tools import ports, programs

READY_WITHIN_S = 120


def _program():
    named = os.environ.get("LOKI")
    if named:
        return named
    built = programs.load("loki").target / "loki"
    if not built.is_file():
        pytest.skip("Loki is not built: run `./task test:loki`, which builds it in half an hour")
    return built


class Loki:
    """One process with its data below `folder`; `limits` are those of its limits_config.

    `with` starts it and stops it, however often it was stopped and started in between.
    """

    def __init__(self, folder, *, auth=False, address="127.0.0.1", **limits):
        self.folder = Path(folder)
        self.address = address
        self.port, self._grpc_port = ports.free(2)
        self._limits = limits
        self._auth = auth
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    @property
    def pid(self):
        return self._process.pid

    def settings(self, **options):
        return LokiSettings(**({"url": self.url, "environment": "test"} | options))

    def start(self):
        program = _program()
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "loki.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        with (self.folder / "loki.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), f"-config.file={config}"], stdout=log, stderr=log
            )
        self._wait()
        return self

    def stop(self, *, hard=False):
        """End it: gently, so that what it took is kept, or `hard`, as when its node dies."""
        if self._process is None:
            return
        (self._process.kill if hard else self._process.terminate)()
        self._process.wait(timeout=60)
        self._process = None

    def _wait(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/ready", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            assert self._process.poll() is None, (self.folder / "loki.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "Loki is not ready"
            time.sleep(0.2)

    def _config(self):
        data = self.folder / "data"
        return {
            "auth_enabled": self._auth,
            "analytics": {"reporting_enabled": False},
            "server": {
                "http_listen_address": self.address,
                "http_listen_port": self.port,
                "grpc_listen_address": "127.0.0.1",
                "grpc_listen_port": self._grpc_port,
                "log_level": "warn",
            },
            "common": {
                "instance_addr": "127.0.0.1",
                "path_prefix": str(data),
                "replication_factor": 1,
                "ring": {"kvstore": {"store": "inmemory"}},
                "storage": {
                    "filesystem": {
                        "chunks_directory": str(data / "chunks"),
                        "rules_directory": str(data / "rules"),
                    }
                },
            },
            "ingester": {
                # Else it is ready a quarter of a minute later.
                "lifecycler": {"min_ready_duration": "0s", "join_after": "0s"},
                "wal": {"enabled": True, "dir": str(data / "wal")},
            },
            "schema_config": {
                "configs": [
                    {
                        "from": "2020-10-24",
                        "store": "tsdb",
                        "object_store": "filesystem",
                        "schema": "v13",
                        "index": {"prefix": "index_", "period": "24h"},
                    }
                ]
            },
            "limits_config": {
                "allow_structured_metadata": True,
                "volume_enabled": True,
                "ingestion_rate_mb": 200,
                "ingestion_burst_size_mb": 400,
                "per_stream_rate_limit": "200MB",
                "per_stream_rate_limit_burst": "400MB",
            }
            | self._limits,
        }


@pytest.fixture(scope="module")
def loki(tmp_path_factory):
    with Loki(tmp_path_factory.mktemp("loki")) as server:
        yield server
