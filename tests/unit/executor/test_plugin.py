"""The plugin as Airflow loads it: in every process, and of use in one kind only."""

import importlib.metadata
import logging
import subprocess
import sys

import pytest
from airflow import plugins_manager
from airflow.executors import executor_loader
from fastapi import FastAPI

from tradewind import boarding_server
from tradewind.plugin import TradewindPlugin


@pytest.fixture
def api_server(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["airflow", "api-server", "--port", "8080"])


def test_airflow_finds_it():
    (point,) = importlib.metadata.entry_points(group="airflow.plugins", name="tradewind")
    assert point.load() is TradewindPlugin
    assert plugins_manager.is_valid_plugin(TradewindPlugin)


@pytest.mark.parametrize(
    "argv",
    [
        ["airflow", "scheduler"],
        ["airflow", "plugins"],
        ["python", "-m", "tradewind.worker"],
        ["airflow"],
        [],
    ],
    ids=["scheduler", "command-line", "worker", "nothing", "embedded"],
)
def test_no_other_process_gets_an_app(monkeypatch, argv):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(boarding_server, "make_app", lambda: pytest.fail("it was made"))
    assert TradewindPlugin().fastapi_apps == []


def test_an_api_server_gets_the_app_once(monkeypatch, api_server):
    made = []
    monkeypatch.setattr(boarding_server, "make_app", lambda: made.append(FastAPI()) or made[-1])
    plugin = TradewindPlugin()
    (first,), (second,) = plugin.fastapi_apps, plugin.fastapi_apps
    assert first["app"] is second["app"] is made[0]
    assert (first["url_prefix"], first["name"]) == ("/tradewind", "Tradewind boarding")
    assert len(made) == 1


def test_an_api_server_whose_tasks_run_elsewhere_gets_none(monkeypatch, api_server):
    monkeypatch.setattr(executor_loader, "_executor_names", [])
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    assert TradewindPlugin().fastapi_apps == []


def test_what_goes_wrong_does_not_stop_the_api_server(monkeypatch, api_server, caplog):
    def broken():
        raise ImportError("no module named fastapi")

    monkeypatch.setattr(boarding_server, "make_app", broken)
    with caplog.at_level(logging.ERROR):
        assert TradewindPlugin().fastapi_apps == []
    assert "pods cannot get their workloads from this API server" in caplog.text


def test_loading_it_costs_a_task_nothing():
    # What a worker has loaded anyway, then the plugin: no server, no database, no client.
    script = (
        "import sys, airflow.sdk.plugins_manager; before = set(sys.modules);"
        "import tradewind.plugin; print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.splitlines()[-1].split())
    assert "tradewind.plugin" in loaded
    assert loaded <= {"tradewind", "tradewind.contract", "tradewind.plugin"}
