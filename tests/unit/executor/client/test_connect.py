import json

import pytest
import yaml

from tradewind.client import connect
from tradewind.client.http import HttpCluster
from tradewind.client.inspection import HttpInspection
from tradewind.errors import ConfigError
from tradewind.metrics import API_REQUESTS
from tradewind.testing.builders import settings
from tradewind.testing.recorded_metrics import RecordedMetrics


@pytest.fixture
def kubeconfig(tmp_path):
    """Return a function that writes a kubeconfig for a server and returns settings of it."""

    def write(server, **options):
        document = {
            "contexts": [{"name": "dev", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        return settings(
            in_cluster="False",
            config_file=str(tmp_path / "config"),
            cluster_context="dev",
            **options,
        )

    return write


async def test_settings_become_a_cluster_that_counts_its_calls(kubeconfig, serve, answer):
    raw = await serve(answer(200, b'{"items": []}'))
    recorded = RecordedMetrics()
    cluster = connect.connect(kubeconfig(raw.url), measured=recorded)
    assert isinstance(cluster, HttpCluster)
    await cluster.list_pods("a", selector="x", limit=1)
    await cluster.close()
    assert recorded.total(API_REQUESTS, verb="list", status_class="2xx") == 1


async def test_settings_become_an_inspection(kubeconfig, serve, answer):
    raw = await serve(answer(200, b'{"gitVersion": "v1.36.3"}'))
    inspection = connect.inspect(kubeconfig(raw.url))
    assert isinstance(inspection, HttpInspection)
    assert await inspection.version() == "v1.36.3"
    await inspection.close()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        pytest.param("", {"propagationPolicy": "Background"}, id="none"),
        pytest.param(
            '{"grace_period_seconds": 7}',
            {"propagationPolicy": "Background", "gracePeriodSeconds": 7},
            id="grace",
        ),
        pytest.param(
            '{"propagation_policy": "Orphan"}', {"propagationPolicy": "Orphan"}, id="policy"
        ),
    ],
)
async def test_deletes_bear_the_options_and_spare_every_other_pod(
    kubeconfig, serve, answer, option, expected
):
    raw = await serve(answer(200, b"{}"))
    cluster = connect.connect(kubeconfig(raw.url, delete_option_kwargs=option))
    await cluster.delete_pod("a", "p", uid="u")
    await cluster.close()
    (body,) = map(json.loads, raw.bodies)
    always = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u"}}
    assert body == always | expected


@pytest.mark.parametrize("way", [connect.connect, connect.inspect], ids=["cluster", "doctor"])
async def test_timeouts_and_keepalive_reach_every_connection(kubeconfig, way):
    named = kubeconfig(
        "http://127.0.0.1:1",
        kube_client_request_args='{"_request_timeout": [3, 4]}',
        enable_tcp_keepalive="False",
    )
    made = way(named)
    transport = made.transport if way is connect.connect else made._transport
    assert (transport._connect_timeout_s, transport._request_timeout_s) == (3.0, 7.0)
    assert transport._keepalive is None
    await made.close()


def test_outside_a_pod_in_cluster_settings_are_refused(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigError, match="in_cluster is True but"):
        connect.connect(settings())


def test_a_bundle_that_is_not_there_names_its_option(kubeconfig, tmp_path):
    named = kubeconfig("https://api")
    broken = settings(
        in_cluster="False",
        config_file=named.config_file,
        cluster_context="dev",
        ssl_ca_cert=str(tmp_path / "none"),
    )
    with pytest.raises(ConfigError, match=r"\[tradewind\] ssl_ca_cert is .*cannot be read"):
        connect.connect(broken)
