"""From settings to the two servers that are asked. Reads files, opens no connection yet."""

from __future__ import annotations

import ssl
from pathlib import Path

from tradewind.client import auth
from tradewind.client.auth import Credentials
from tradewind.client.files import FollowedFile
from tradewind.client.http import HttpCluster
from tradewind.client.tls import TlsContexts, Trust
from tradewind.janitor.airflow_api import AirflowApi, Login
from tradewind.janitor.kube import HttpKube
from tradewind.janitor.settings import PREFIX, Settings
from tradewind.metrics import UNMEASURED, Metrics

_SILENCE_S = 70.0


def credentials(settings: Settings) -> Credentials:
    """Return what the API server is shown.

    Raises:
        ConfigError: it is missing or unusable.

    """
    if settings.kubeconfig or settings.context:
        return auth.from_kubeconfig(
            settings.kubeconfig, context=settings.context, verify_ssl=True, ca_file=""
        )
    return auth.in_cluster(verify_ssl=True, ca_file="")


def kube(settings: Settings, *, measured: Metrics = UNMEASURED) -> HttpKube:
    """Return the API server of the settings.

    Raises:
        ConfigError: the credentials are missing or unusable.

    """
    return HttpKube(
        HttpCluster(
            credentials(settings),
            request_timeout_s=settings.request_timeout_s,
            silence_s=_SILENCE_S,
            measured=measured,
        )
    )


def airflow(settings: Settings) -> AirflowApi:
    """Return the Airflow of the settings."""
    tls = None
    if settings.airflow_ca_file:
        bundle = _file(settings.airflow_ca_file, "airflow_ca_file")
        contexts = TlsContexts(Trust(authority=bundle.read, origin=bundle.what))

        def tls() -> ssl.SSLContext:
            return contexts.current(None, origin=bundle.what)

    login = Login(
        username=settings.airflow_username,
        password=_optional(settings.airflow_password_file, "airflow_password_file"),
        token=_optional(settings.airflow_token_file, "airflow_token_file"),
    )
    return AirflowApi(
        settings.airflow_url, login=login, timeout_s=settings.airflow_timeout_s, tls=tls
    )


def _optional(path: str, name: str) -> FollowedFile | None:
    return _file(path, name) if path else None


def _file(path: str, name: str) -> FollowedFile:
    return FollowedFile(Path(path), what=PREFIX + name.upper())
