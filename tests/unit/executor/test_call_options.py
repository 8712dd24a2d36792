"""Options of calls, as users of Airflow's KubernetesExecutor have them."""

import pytest

from tradewind import config
from tradewind.call_options import Keepalive
from tradewind.errors import ConfigError
from tradewind.testing.builders import DictConf, settings

UPSTREAM = "kubernetes_executor"


def moved(**options):
    """Return the settings of a deployment that kept upstream's section."""
    return config.load(DictConf({(UPSTREAM, name): value for name, value in options.items()}))


@pytest.mark.parametrize(
    ("arguments", "connect_s", "request_s"),
    [
        pytest.param("", 10.0, 30.0, id="none"),
        pytest.param("{}", 10.0, 30.0, id="empty"),
        pytest.param('{"_request_timeout": null}', 10.0, 30.0, id="no-timeout"),
        pytest.param('{"_request_timeout": 60}', 10.0, 60.0, id="one-for-the-whole-call"),
        pytest.param('{"_request_timeout": [3, 50.5]}', 3.0, 53.5, id="to-connect-and-to-answer"),
    ],
)
def test_the_timeouts_of_request_arguments_are_taken(arguments, connect_s, request_s):
    loaded = moved(kube_client_request_args=arguments)
    assert (loaded.connect_timeout_s, loaded.request_timeout_s) == (connect_s, request_s)


def test_our_own_request_timeout_wins_over_the_arguments():
    conf = {
        (UPSTREAM, "kube_client_request_args"): '{"_request_timeout": [3, 60]}',
        ("tradewind", "request_timeout"): "20",
    }
    loaded = config.load(DictConf(conf))
    assert (loaded.connect_timeout_s, loaded.request_timeout_s) == (3.0, 20.0)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        pytest.param("", {}, id="none"),
        pytest.param('{"grace_period_seconds": 0}', {"gracePeriodSeconds": 0}, id="grace"),
        pytest.param(
            '{"propagation_policy": "Foreground", "grace_period_seconds": 5}',
            {"propagationPolicy": "Foreground", "gracePeriodSeconds": 5},
            id="both",
        ),
    ],
)
def test_delete_options_become_kubernetes_fields(arguments, fields):
    assert moved(delete_option_kwargs=arguments).delete_options == fields


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        pytest.param("kube_client_request_args", "{", "write an object on one line", id="no-json"),
        pytest.param("kube_client_request_args", "[1]", "JSON list: write an object", id="list"),
        pytest.param(
            "kube_client_request_args",
            '{"pretty": "true"}',
            "'pretty': take it out, only _request_timeout",
            id="argument-that-means-nothing",
        ),
        pytest.param(
            "kube_client_request_args",
            '{"_request_timeout": [1, 2, 3]}',
            "write seconds above 0, or a list",
            id="three-timeouts",
        ),
        pytest.param(
            "kube_client_request_args",
            '{"_request_timeout": true}',
            "write seconds above 0",
            id="boolean-timeout",
        ),
        pytest.param("delete_option_kwargs", "5", "JSON int: write an object", id="number"),
        pytest.param(
            "delete_option_kwargs",
            '{"preconditions": {}, "dry_run": "All"}',
            "'dry_run', 'preconditions': take it out",
            id="what-would-delete-nothing",
        ),
        pytest.param(
            "delete_option_kwargs",
            '{"grace_period_seconds": "10"}',
            "write whole seconds",
            id="text-for-seconds",
        ),
        pytest.param(
            "delete_option_kwargs",
            '{"propagation_policy": "Quickly"}',
            "choose one of Background, Foreground, Orphan",
            id="no-such-policy",
        ),
        pytest.param("tcp_keep_idle", "0", "the least value is 1", id="probe-without-pause"),
        pytest.param(
            "async_client_factory", "a.b", "is set without client_factory", id="half-of-a-pair"
        ),
    ],
)
def test_what_cannot_be_passed_on_is_refused_where_it_stands(option, value, remedy):
    with pytest.raises(ConfigError, match=remedy) as caught:
        moved(**{option: value})
    assert f"[{UPSTREAM}] {option}" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, Keepalive(idle_s=30, interval_s=10, probes=3), id="ours"),
        pytest.param(
            {"tcp_keep_idle": "120", "tcp_keep_intvl": "30", "tcp_keep_cnt": "6"},
            Keepalive(),
            id="upstreams-defaults-say-nothing",
        ),
        pytest.param(
            {"tcp_keep_idle": "60", "tcp_keep_intvl": "5", "tcp_keep_cnt": "2"},
            Keepalive(idle_s=60, interval_s=5, probes=2),
            id="what-users-set",
        ),
        pytest.param({"enable_tcp_keepalive": "False"}, None, id="off"),
    ],
)
def test_keepalive_follows_upstreams_options(options, expected):
    assert moved(**options).keepalive == expected


@pytest.mark.parametrize(
    ("option", "value", "setting", "expected"),
    [
        pytest.param("pod_creation_max_concurrency", "40", "create_concurrency", 40, id="creates"),
        pytest.param("pod_creation_max_concurrency", "0", "create_concurrency", 64, id="no-limit"),
        pytest.param("pod_launch_failure_retries", "5", "relaunch_limit", 5, id="relaunches"),
        pytest.param("pod_launch_failure_retries", "1", "relaunch_limit", 3, id="default"),
    ],
)
def test_options_of_another_name_are_read_too(option, value, setting, expected):
    assert getattr(moved(**{option: value}), setting) == expected


def test_a_factory_of_both_clients_signs_in_by_the_plain_one():
    both = moved(client_factory="a.sync", async_client_factory="a.asynchronous")
    assert both.client_factory == "a.sync"
    assert settings().client_factory == ""
