import pytest

from tradewind import config
from tradewind.errors import ConfigError
from tradewind.testing.builders import DictConf, settings


def test_defaults_are_usable():
    defaults = settings()
    assert defaults.namespace == "default"
    assert defaults.watched_namespaces == ("default",)
    assert defaults.in_cluster
    assert defaults.delete_pods
    assert not defaults.delete_failed_pods
    assert defaults.image == ""
    assert defaults.create_concurrency == 64
    assert defaults.launch_budget_s == 900.0
    assert defaults.relaunch_limit == 3
    assert defaults.watch_silence_s > 60


def test_an_option_falls_back_to_upstreams_section():
    conf = DictConf({("kubernetes_executor", "namespace"): "old"})
    assert config.load(conf).namespace == "old"


def test_our_own_section_wins_over_upstreams():
    conf = DictConf(
        {("kubernetes_executor", "namespace"): "old", ("tradewind", "namespace"): "default"}
    )
    assert config.load(conf).namespace == "default"


@pytest.mark.parametrize(
    ("mode", "listed", "expected"),
    [
        pytest.param("False", "a,b", ("home",), id="single-ignores-the-list"),
        pytest.param("True", "", (), id="no-list-means-cluster-wide"),
        pytest.param("True", " a , b,", ("a", "b", "home"), id="own-namespace-is-added"),
        pytest.param("True", "home,a", ("home", "a"), id="own-namespace-once"),
    ],
)
def test_watched_namespaces(mode, listed, expected):
    loaded = settings(
        namespace="home",
        multi_namespace_mode=mode,
        multi_namespace_mode_namespace_list=listed,
    )
    assert loaded.watched_namespaces == expected


def test_image_needs_repository_and_tag():
    assert settings(worker_container_repository="r").image == ""
    both = settings(worker_container_repository="r", worker_container_tag="1")
    assert both.image == "r:1"


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        pytest.param("in_cluster", "maybe", "write True or False", id="no-boolean"),
        pytest.param("create_concurrency", "many", "write a integer", id="no-number"),
        pytest.param("create_concurrency", "0", "least value is 1", id="too-small"),
        pytest.param("delivery", "warm", "choose one of auto, boarding, args", id="no-choice"),
        pytest.param("boarding_url", "api:8080", "write the complete address", id="no-address"),
        pytest.param("boarding_token_ttl", "60", "least value is 600", id="less-than-kubernetes"),
        pytest.param("watch_silence", "30", "least value is 61", id="shorter-than-bookmarks"),
        pytest.param("boarding_hold", "80", "greatest value is 50", id="longer-than-proxies-wait"),
        pytest.param("workload_token_ttl", "600", "greatest value is 120", id="long-lived-token"),
        pytest.param(
            "boarding_verify", "never", "choose one of jwks, token_review", id="no-such-way"
        ),
        pytest.param("boarding_service_accounts", "a:b:c", "write NAMESPACE:NAME", id="no-account"),
    ],
)
def test_a_bad_value_is_named_with_its_remedy(option, value, remedy):
    with pytest.raises(ConfigError, match=remedy) as caught:
        settings(**{option: value})
    assert option in str(caught.value)
    assert value in str(caught.value)


@pytest.mark.parametrize(
    ("api", "given", "expected"),
    [
        ("http://api:8080/execution/", "", "http://api:8080/tradewind/v1/board"),
        ("https://a.example/af/execution", "", "https://a.example/af/tradewind/v1/board"),
        ("http://api:8080/execution/", "http://b/x", "http://b/x"),
        ("", "", ""),
    ],
    ids=["beside-the-execution-api", "below-a-path", "given", "unknown"],
)
def test_where_pods_board(api, given, expected):
    conf = {("core", "execution_api_server_url"): api, ("tradewind", "boarding_url"): given}
    assert config.load(DictConf(conf)).boarding_url == expected


def test_boarding_without_an_address_is_refused():
    with pytest.raises(ConfigError, match="nothing tells where: set"):
        settings(delivery="boarding")


def test_who_may_board_is_read_as_a_list():
    listed = settings(boarding_service_accounts=" tasks:worker, *:etl ")
    assert listed.boarding_service_accounts == ("tasks:worker", "*:etl")
    assert settings().boarding_service_accounts == ()


def test_the_audience_is_never_empty():
    assert settings(boarding_audience="").boarding_audience == "tradewind"
    assert settings(boarding_audience="airflow").boarding_audience == "airflow"
