"""Ask the local cluster's API server, with the admin's certificate."""

import ssl
from typing import Any

import httpx

from tradewind_tools.cluster.layout import API_URL, NODE_NAME, Layout

TIMEOUT_S = 5.0
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def client(layout: Layout) -> httpx.Client:
    """Return a client; raises OSError while the certificates are not there."""
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    # Proxy variables are for the outside world.
    return httpx.Client(base_url=API_URL, verify=context, timeout=TIMEOUT_S, trust_env=False)


def is_ready(layout: Layout) -> bool:
    """Tell whether the API server answers that it is ready."""
    return _get(layout, "/readyz") is not None


def node_is_ready(layout: Layout) -> bool:
    """Tell whether a pod could run: the node is Ready, and pods have an account to run as."""
    node = _get(layout, f"/api/v1/nodes/{NODE_NAME}")
    if node is None or _get(layout, DEFAULT_ACCOUNT) is None:
        return False
    conditions = node.json().get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def released_volumes(layout: Layout) -> list[dict[str, Any]]:
    """Return the volumes whose claim was deleted."""
    answer = _get(layout, "/api/v1/persistentvolumes")
    found: list[dict[str, Any]] = answer.json()["items"] if answer else []
    return [item for item in found if item.get("status", {}).get("phase") == "Released"]


def _get(layout: Layout, path: str) -> httpx.Response | None:
    try:
        with client(layout) as http:
            answer = http.get(path)
    except (httpx.TransportError, OSError):
        return None
    return answer if answer.is_success else None
