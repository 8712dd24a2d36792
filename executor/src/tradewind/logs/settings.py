"""Where Loki is and how to sign in, from the `[tradewind] loki_…` options."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.errors import ConfigError
from tradewind.option_texts import SECTION, Conf, Texts, number
from tradewind.options.loki import OPTIONS

FLUSH_S = 20.0
MOST_FLUSH_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiSettings:
    """One Loki. Times in seconds."""

    url: str
    """Without a slash at its end; Loki's own paths follow."""
    tenant: str = ""
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    environment: str = ""
    """Value of the label `env`; empty for none."""
    flush_timeout_s: float = FLUSH_S
    grafana_url: str = ""
    """Where people look at Loki; empty for nowhere."""
    grafana_datasource: str = ""


def load(conf: Conf) -> LokiSettings | None:
    """Return where Loki is, or None when logs do not go there.

    Raises:
        ConfigError: an option cannot be used as it is.

    """
    text = Texts(conf, options=OPTIONS)
    url = text["loki_url"].rstrip("/")
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"[{SECTION}] loki_url is {url!r}: write the complete address, such as http://loki:3100"
        )
    if bool(text["loki_username"]) != bool(text["loki_password_file"]):
        raise ConfigError(
            f"[{SECTION}] loki_username and loki_password_file need each other: set both or none"
        )
    if bool(text["grafana_url"]) != bool(text["grafana_datasource"]):
        raise ConfigError(
            f"[{SECTION}] grafana_url and grafana_datasource need each other: set both or none"
        )
    return LokiSettings(
        url=url,
        tenant=text["loki_tenant"],
        username=text["loki_username"],
        password_file=text["loki_password_file"],
        ca_file=text["loki_ca_file"],
        environment=text["loki_environment"],
        flush_timeout_s=number(text, "loki_flush_timeout", float, least=0, most=MOST_FLUSH_S),
        grafana_url=text["grafana_url"],
        grafana_datasource=text["grafana_datasource"],
    )
