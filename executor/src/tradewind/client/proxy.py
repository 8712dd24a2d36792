"""Whether calls to the API server go through a proxy, and which. Pure.

The same answers as kubectl: `proxy-url` of the kubeconfig wins, then HTTPS_PROXY or HTTP_PROXY,
unless NO_PROXY names the server. Networks such as 10.0.0.0/8 count in NO_PROXY: clusters behind a
company's proxy list their service network there, and Python's own reader does not know them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from tradewind.errors import ConfigError


def choose(server: str, *, configured: str, origin: str, environ: Mapping[str, str]) -> str:
    """Return the proxy's URL for `server`, empty for none.

    `configured` is the kubeconfig's `proxy-url`, `origin` names it in errors.

    Raises:
        ConfigError: the proxy is none that can be used.

    """
    if configured:
        return _usable(configured, origin=origin)
    target = urlsplit(server)
    for name in (f"{target.scheme}_proxy", f"{target.scheme.upper()}_PROXY"):
        if environ.get(name) and not _excepted(server, environ):
            found = environ[name]
            return _usable(found if "://" in found else f"http://{found}", origin=name)
    return ""


def _usable(url: str, *, origin: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        # Without what stands before the @: that may be a password.
        raise ConfigError(
            f"{origin} is '…{url.rpartition('@')[2]}': write http://HOST:PORT or https://HOST:PORT"
        )
    return url


def _excepted(server: str, environ: Mapping[str, str]) -> bool:
    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port
    if host == "localhost" or _is_loopback(host):
        return True
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    rules = (rule.strip().lower() for rule in listed.split(","))
    return any(_matches(rule, host, port) for rule in rules if rule)


def _matches(rule: str, host: str, port: int | None) -> bool:
    if rule == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            pass  # No network: compared as text below.
    name, colon, wanted = rule.rpartition(":")
    if colon and wanted.isdigit():
        if wanted != str(port):
            return False
        rule = name
    rule = rule.removeprefix("*").lstrip(".").strip("[]")
    return host == rule or (address is None and host.endswith(f".{rule}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_loopback
