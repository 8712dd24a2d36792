"""From settings to a cluster. Reads files, opens no connection yet."""

from __future__ import annotations

from tradewind.client import auth
from tradewind.client.http import HttpCluster
from tradewind.client.protocol import Cluster
from tradewind.config import Settings


def connect(settings: Settings) -> Cluster:
    """Return the cluster the settings name.

    Raises:
        ConfigError: the credentials are missing or unusable.

    """
    return HttpCluster(
        _credentials(settings),
        request_timeout_s=settings.request_timeout_s,
        silence_s=settings.watch_silence_s,
    )


def _credentials(settings: Settings) -> auth.Credentials:
    if settings.in_cluster:
        return auth.in_cluster(verify_ssl=settings.verify_ssl, ca_file=settings.ssl_ca_cert)
    return auth.from_kubeconfig(
        settings.config_file,
        context=settings.cluster_context,
        verify_ssl=settings.verify_ssl,
        ca_file=settings.ssl_ca_cert,
    )
