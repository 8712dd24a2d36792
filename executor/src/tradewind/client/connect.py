"""From settings to a cluster. Reads files, opens no connection yet."""

from __future__ import annotations

from tradewind.client import auth, factory
from tradewind.client.http import HttpCluster
from tradewind.client.identity import HttpIdentities, Identities
from tradewind.client.inspection import HttpInspection, Inspection
from tradewind.client.protocol import Cluster
from tradewind.client.transport import Transport
from tradewind.config import Settings
from tradewind.metrics import UNMEASURED, Metrics


def connect(settings: Settings, *, measured: Metrics = UNMEASURED) -> Cluster:
    """Return the cluster the settings name; its calls are counted in `measured`.

    Raises:
        ConfigError: the credentials are missing or unusable.

    """
    return _cluster(settings, measured)


def connect_with_identities(
    settings: Settings, *, measured: Metrics = UNMEASURED
) -> tuple[Cluster, Identities]:
    """Return the cluster, and what it says of tokens over the same connections.

    Raises:
        ConfigError: the credentials are missing or unusable.

    """
    cluster = _cluster(settings, measured)
    return cluster, HttpIdentities(cluster.transport)


def inspect(settings: Settings) -> Inspection:
    """Return what asks the cluster of the settings for its limits.

    Raises:
        ConfigError: the credentials are missing or unusable.

    """
    return HttpInspection(
        Transport(
            credentials(settings),
            request_timeout_s=settings.request_timeout_s,
            connect_timeout_s=settings.connect_timeout_s,
            keepalive=settings.keepalive,
        )
    )


def _cluster(settings: Settings, measured: Metrics) -> HttpCluster:
    return HttpCluster(
        credentials(settings),
        request_timeout_s=settings.request_timeout_s,
        silence_s=settings.watch_silence_s,
        connect_timeout_s=settings.connect_timeout_s,
        keepalive=settings.keepalive,
        delete_options=settings.delete_options,
        measured=measured,
    )


def credentials(settings: Settings) -> auth.Credentials:
    """Return what the settings sign in with.

    Raises:
        ConfigError: it is missing or unusable.

    """
    if settings.client_factory:
        return factory.credentials(settings.client_factory)
    if settings.in_cluster:
        return auth.in_cluster(verify_ssl=settings.verify_ssl, ca_file=settings.ssl_ca_cert)
    return auth.from_kubeconfig(
        settings.config_file,
        context=settings.cluster_context,
        verify_ssl=settings.verify_ssl,
        ca_file=settings.ssl_ca_cert,
    )
