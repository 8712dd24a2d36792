"""Airflow seam: the plugin that puts the boarding endpoint into Airflow's API server.

Airflow loads it in every process, tasks included, so this module imports next to nothing; what the
endpoint needs is imported when an API server asks for it. It is found by its entry point of the
group `airflow.plugins`: those that providers name are skipped while `[core]
lazy_discover_providers` is on, which is the default.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from tradewind.contract import URL_PREFIX

log = logging.getLogger(__name__)


class TradewindPlugin(AirflowPlugin):
    """Adds `POST /tradewind/v1/board` where tasks are run by Tradewind."""

    name = "tradewind"

    @functools.cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The endpoint's app, in an API-server process; nothing elsewhere, and after an error."""
        if not _serves_the_api():
            return []
        try:
            from tradewind import boarding_server  # noqa: PLC0415 - FastAPI and the database

            app = boarding_server.make_app()
        except Exception:
            # The API server does without the endpoint: pods are then launched by args.
            log.exception("pods cannot get their workloads from this API server")
            return []
        named = {"app": app, "url_prefix": URL_PREFIX, "name": "Tradewind boarding"}
        return [named] if app is not None else []


def _serves_the_api() -> bool:
    """Return whether this process is `airflow api-server`, or a worker process of it.

    Its workers are started with its arguments, whichever server runs them.
    """
    return sys.argv[1:2] == ["api-server"]
