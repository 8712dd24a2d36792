"""Airflow seam: everything a task needs that does not depend on the task, loaded beforehand.

The forked child imports nothing but the DAG file then (a test holds that), and shares the loaded
pages. What fails here is told and left: Airflow meets it again, where it belongs to a task.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_MODULES = (
    "airflow.dag_processing.bundles.manager",
    "airflow.dag_processing.dagbag",
    "airflow.executors.base_executor",
    "airflow.executors.workloads",
    "airflow.sdk",
    "airflow.sdk.execution_time.callback_supervisor",
    "airflow.sdk.execution_time.connection_test_supervisor",
    "airflow.sdk.execution_time.execute_workload",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    # What supervisor and child import late, by themselves:
    "_strptime",
    "airflow.sdk._shared.logging.factory",
    "airflow.sdk._shared.logging.remote",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.retry_policy",
    "airflow.version",
    "jinja2.ext",
)
_WHERE_INSTALLED = (
    "airflow.providers.standard.operators.bash",
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.python",
    "setproctitle",
)


def load(more: Iterable[str] = ()) -> list[str]:
    """Import, configure and cache what every task needs. Main thread; never raises.

    Returns a sentence for each thing that could not be loaded. `more` are modules of the user's.
    """
    steps: list[tuple[str, Callable[[], Any]]] = [
        (f"module {name}", functools.partial(importlib.import_module, name))
        for name in (*_MODULES, *more)
    ]
    steps += [
        ("operators", _import_installed),
        ("logging", configure_logging),
        ("the configured classes", _import_configured),
        ("host and user name", _find_out_who_this_is),
        ("the TLS context", tls_context),
    ]
    return list(_troubles(steps))


def threads() -> str:
    """Return a sentence about threads that a plugin or module has begun, or nothing."""
    names = sorted(thread.name for thread in threading.enumerate()[1:])
    if not names:
        return ""
    return (
        f"threads run before the task's process is forked, which has none of them: {names}: start "
        "them when they are used, not when a plugin or module is imported"
    )


def configure_logging() -> None:
    """Write JSON lines to stdout, as `execute_workload` asks for again later."""
    from airflow.sdk.log import configure_logging as configure  # noqa: PLC0415 - loaded by `load`

    configure(output=sys.stdout.buffer, json_output=True)


def tls_context() -> ssl.SSLContext:
    """Return the context with which the SDK trusts the API server; it builds one per process."""
    from airflow.executors.base_executor import get_execution_api_server_url  # noqa: PLC0415
    from airflow.sdk.api import client  # noqa: PLC0415

    client.Client(base_url=get_execution_api_server_url(), token="").close()
    context: ssl.SSLContext = client.Client._get_ssl_context_cached(  # noqa: SLF001 - the same one
        client.API_SSL_CA_FILE_PATH, client.API_SSL_CERT_PATH
    )
    return context


def _import_installed() -> None:
    for name in _WHERE_INSTALLED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)


def _import_configured() -> None:
    """Import the classes that Airflow's configuration names for every task."""
    from airflow.sdk.configuration import conf  # noqa: PLC0415

    bundles: list[dict[str, Any]] = conf.getjson("dag_processor", "dag_bundle_config_list")
    names = [bundle["classpath"] for bundle in bundles]
    names += [
        conf.get(section, option, fallback="")
        for section, option in (("workers", "secrets_backend"), ("secrets", "backend"))
    ]
    for name in filter(None, names):
        importlib.import_module(name.rpartition(".")[0])


def _find_out_who_this_is() -> None:
    """Look up host and user name, which the SDK remembers: the first asks a name server."""
    from airflow.sdk.api.client import get_hostname, getuser  # noqa: PLC0415

    get_hostname()
    getuser()


def _troubles(steps: Iterable[tuple[str, Callable[[], Any]]]) -> Iterator[str]:
    for what, step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - users' modules raise what they like
            yield f"cannot load {what} beforehand: {type(error).__name__}: {error}"
