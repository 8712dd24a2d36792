"""No option of upstream's section is left out silently."""

from argparse import Namespace

import pytest
from airflow.providers.cncf.kubernetes.get_provider_info import get_provider_info

from tradewind import cli, config
from tradewind.doctor import checks
from tradewind.doctor.findings import State
from tradewind.executor import TradewindExecutor
from tradewind.options import OPTIONS
from tradewind.options.upstream import UNREAD
from tradewind.testing.builders import DictConf

UPSTREAM = "kubernetes_executor"
THEIRS = get_provider_info()["config"][UPSTREAM]["options"]


def test_every_option_of_upstream_is_read_or_told_of():
    read = {option.fallback for option in OPTIONS if option.fallback}
    unread = {option.name for option in UNREAD}
    assert read | unread == set(THEIRS)
    assert not read & unread


def test_upstreams_defaults_are_what_its_provider_publishes():
    ours = {option.name: option.default for option in UNREAD}
    ours |= {
        option.fallback: option.upstream_default for option in OPTIONS if option.upstream_default
    }
    assert ours == {name: THEIRS[name]["default"] for name in ours}


def test_a_deployment_that_set_nothing_is_told_nothing():
    published = {
        (UPSTREAM, name): option["default"]
        for name, option in THEIRS.items()
        if option["default"] is not None
    }
    assert config.unread(DictConf(published)) == []


@pytest.mark.parametrize("option", UNREAD, ids=lambda option: option.name)
def test_an_option_that_changes_nothing_is_named_with_what_stands_in(option):
    (sentence,) = config.unread(DictConf({(UPSTREAM, option.name): "set by a user"}))
    assert sentence == f"[{UPSTREAM}] {option.name} is not read: {option.instead}"


@pytest.fixture
def batches(monkeypatch):
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE", "16")


@pytest.mark.usefixtures("template", "batches")
def test_the_check_tells_of_it(capsys):
    cli.check_settings(Namespace(section="tradewind"))
    assert "worker_pods_creation_batch_size is not read: pods are" in capsys.readouterr().out


def test_the_doctor_warns_of_it():
    (found,) = checks.unread(["[a] b is not read: c"])
    assert (found.state, found.found) == (State.WARN, "[a] b is not read: c")


@pytest.mark.usefixtures("template", "batches")
def test_the_scheduler_logs_it_as_it_starts(capsys, monkeypatch):
    executor = TradewindExecutor()
    monkeypatch.setattr(executor._loop, "start", lambda: None)
    executor.start()
    assert "worker_pods_creation_batch_size is not read" in capsys.readouterr().out
