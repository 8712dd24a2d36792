"""Where Loki is and how to sign in, from the `[tradewind] loki_…` options."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.errors import ConfigError
from tradewind.option_texts import SECTION, Conf, set_text
from tradewind.options.loki import OPTIONS

FLUSH_S = 20.0


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


def load(conf: Conf) -> LokiSettings | None:
    """Return where Loki is, or None when logs do not go there.

    Raises:
        ConfigError: an option cannot be used as it is.

    """
    text = {option.name: set_text(conf, SECTION, option.name) or "" for option in OPTIONS}
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
    return LokiSettings(
        url=url,
        tenant=text["loki_tenant"],
        username=text["loki_username"],
        password_file=text["loki_password_file"],
        ca_file=text["loki_ca_file"],
        environment=text["loki_environment"],
        flush_timeout_s=_seconds(text["loki_flush_timeout"]),
    )


def _seconds(text: str) -> float:
    try:
        value = float(text or FLUSH_S)
    except ValueError as error:
        raise ConfigError(
            f"[{SECTION}] loki_flush_timeout is {text!r}: write a number of seconds"
        ) from error
    if not 0 <= value < float("inf"):
        raise ConfigError(f"[{SECTION}] loki_flush_timeout is {text}: the least value is 0")
    return value
