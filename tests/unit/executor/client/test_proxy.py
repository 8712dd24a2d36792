import pytest

from tradewind.client import proxy
from tradewind.errors import ConfigError

PROXY = "http://proxy:3128"


def chosen(server="https://10.96.0.1:443", *, configured="", **environ):
    return proxy.choose(server, configured=configured, origin="proxy-url", environ=environ)


def test_without_a_proxy_calls_go_straight():
    assert chosen() == ""


def test_the_kubeconfigs_proxy_wins_even_over_exceptions():
    assert chosen(configured=PROXY, HTTPS_PROXY="http://other:1", NO_PROXY="*") == PROXY


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"HTTPS_PROXY": PROXY}, PROXY, id="upper-case"),
        pytest.param({"https_proxy": PROXY, "HTTPS_PROXY": "http://x:1"}, PROXY, id="lower-first"),
        pytest.param({"HTTPS_PROXY": "proxy:3128"}, PROXY, id="scheme-left-out"),
        pytest.param({"HTTP_PROXY": PROXY}, "", id="http-is-for-http-servers"),
        pytest.param({"HTTPS_PROXY": ""}, "", id="empty-is-none"),
    ],
)
def test_the_environments_proxy(environ, expected):
    assert chosen(**environ) == expected


@pytest.mark.parametrize(
    ("server", "exceptions", "straight"),
    [
        pytest.param("https://10.96.0.1:443", "10.0.0.0/8", True, id="network"),
        pytest.param("https://11.0.0.1:443", "10.0.0.0/8", False, id="other-network"),
        pytest.param("https://10.96.0.1:443", "10.96.0.1", True, id="address"),
        pytest.param("https://[fd00::1]:6443", "fd00::/8", True, id="network-of-ipv6"),
        pytest.param("https://10.96.0.1:443", "96.0.1", False, id="no-suffix-of-addresses"),
        pytest.param("https://api.corp:443", ".corp", True, id="domain-with-dot"),
        pytest.param("https://api.corp:443", "corp", True, id="domain"),
        pytest.param("https://api.corp:443", "*.corp", True, id="wildcard-domain"),
        pytest.param("https://apicorp:443", "corp", False, id="no-suffix-inside-a-label"),
        pytest.param("https://API.corp:443", "api.Corp", True, id="case"),
        pytest.param("https://api.corp:443", "api.corp:443", True, id="same-port"),
        pytest.param("https://api.corp:443", "api.corp:6443", False, id="other-port"),
        pytest.param("https://10.96.0.1:443", "10.96.0.1:443", True, id="address-with-port"),
        pytest.param("https://api.corp:443", " , x , api.corp ", True, id="spaces"),
        pytest.param("https://api.corp:443", "*", True, id="everything"),
        pytest.param("https://localhost:6443", "", True, id="localhost-never"),
        pytest.param("https://127.0.0.1:6443", "", True, id="loopback-never"),
    ],
)
def test_no_proxy_as_kubectl_reads_it(server, exceptions, straight):
    assert chosen(server, HTTPS_PROXY=PROXY, NO_PROXY=exceptions) == ("" if straight else PROXY)


@pytest.mark.parametrize(
    "url",
    ["socks5://u:secret@proxy:1080", "ftp://proxy", "http://", "http://p:port", "http://[::1"],
)
def test_an_unusable_proxy_is_named_without_its_password(url):
    with pytest.raises(ConfigError, match="write http://HOST:PORT or https://HOST:PORT") as caught:
        chosen(configured=url)
    assert "secret" not in str(caught.value)
    assert "proxy-url" in str(caught.value)
