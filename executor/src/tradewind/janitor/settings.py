"""The janitor's settings: `TRADEWIND_JANITOR_<NAME>` in the environment, parsed once.

Reads no `airflow.cfg`: the janitor runs where there is none.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tradewind.client.auth import SERVICE_ACCOUNT
from tradewind.errors import ConfigError
from tradewind.janitor.policy import Removal, Rules
from tradewind.pods import labels

PREFIX = "TRADEWIND_JANITOR_"
_LABEL = re.compile(r"[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?", re.ASCII)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting. Times in seconds."""

    namespaces: str = ""
    """Comma-separated; empty is the janitor's own."""
    installation: str = ""
    """`[tradewind] installation` of the Airflow whose pods are judged. Needed."""
    removed: Removal = Removal.NOTHING
    airflow_url: str = ""
    """Base address of Airflow's API server. Needed, unless the installation was removed."""
    airflow_username: str = ""
    airflow_password_file: str = ""
    airflow_token_file: str = ""
    """Instead of name and password: a file that somebody keeps fresh."""
    airflow_ca_file: str = ""
    airflow_timeout_s: float = 10.0
    sweep_interval_s: float = 60.0
    most_deletions: int = 50
    """Of one sweep."""
    dry_run: bool = True
    age_floor_s: float = 300.0
    ended_grace_s: float = 120.0
    pending_grace_s: float = 300.0
    running_grace_s: float = 900.0
    leaving_grace_s: float = 300.0
    keeps_ended: bool = False
    keeps_failed: bool = False
    kept_ttl_s: float = 86_400.0
    reads_nodes: bool = False
    """Whether a ClusterRole lets the janitor read nodes."""
    lease_name: str = "tradewind-janitor"
    lease_namespace: str = ""
    """Empty is the first of `namespaces`."""
    identity: str = ""
    """In the Lease and in Events; empty is the host's name."""
    port: int = 8080
    """Of liveness and metrics; 0 opens none."""
    kubeconfig: str = ""
    """Empty is the ServiceAccount of the pod."""
    context: str = ""
    request_timeout_s: float = 30.0
    log_level: str = "INFO"

    @property
    def watched(self) -> tuple[str, ...]:
        """Return the namespaces."""
        return tuple(name for part in self.namespaces.split(",") if (name := part.strip()))

    @property
    def selector(self) -> str:
        """Return the label selector of the pods that are looked at."""
        return f"{labels.INSTALLATION}={self.installation}"

    @property
    def rules(self) -> Rules:
        """Return what the policy goes by."""
        return Rules(
            installation=self.installation,
            removed=self.removed,
            age_floor_s=self.age_floor_s,
            ended_grace_s=self.ended_grace_s,
            pending_grace_s=self.pending_grace_s,
            running_grace_s=self.running_grace_s,
            leaving_grace_s=self.leaving_grace_s,
            keeps_ended=self.keeps_ended,
            keeps_failed=self.keeps_failed,
            kept_ttl_s=self.kept_ttl_s,
        )


def load(environ: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """Return the settings of the environment; what is `given` and not None wins.

    Raises:
        ConfigError: a setting is unknown, missing or unusable.

    """
    said: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX)
    }
    said |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = msgspec.convert(said, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the settings {PREFIX}… cannot be used: {error}") from error
    return _checked(
        msgspec.structs.replace(
            settings,
            namespaces=settings.namespaces or _own_namespace(),
            identity=settings.identity or socket.gethostname(),
        )
    )


def _checked(settings: Settings) -> Settings:
    """Return the settings when they make sense together."""
    if not _LABEL.fullmatch(settings.installation):
        raise _wrong(
            "installation", settings.installation, "write the [tradewind] installation of Airflow"
        )
    for name in ("sweep_interval_s", "airflow_timeout_s", "request_timeout_s", "most_deletions"):
        if not getattr(settings, name) >= 1:
            raise _wrong(name, getattr(settings, name), "the least value is 1")
    for name in Settings.__struct_fields__:
        is_time = name.endswith(("_grace_s", "_floor_s", "_ttl_s"))
        # Written so that `nan` is refused too.
        if is_time and not getattr(settings, name) >= 0:
            raise _wrong(name, getattr(settings, name), "the least value is 0")
    if not settings.watched:
        raise _wrong("namespaces", settings.namespaces, "name at least one")
    if settings.removed is not Removal.INSTALLATION:
        _check_airflow(settings)
    return settings


def _check_airflow(settings: Settings) -> None:
    parts = urlsplit(settings.airflow_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _wrong("airflow_url", settings.airflow_url, "write http(s)://HOST[:PORT][/PATH]")
    if parts.username or parts.query or parts.fragment:
        raise _wrong("airflow_url", f"{parts.scheme}://…", "leave out name, password and query")
    has_password = settings.airflow_username and settings.airflow_password_file
    if bool(has_password) == bool(settings.airflow_token_file):
        raise ConfigError(
            f"the janitor cannot sign in to Airflow: give {PREFIX}AIRFLOW_USERNAME and "
            f"{PREFIX}AIRFLOW_PASSWORD_FILE, or {PREFIX}AIRFLOW_TOKEN_FILE alone"
        )


def _wrong(name: str, value: object, remedy: str) -> ConfigError:
    return ConfigError(f"{PREFIX}{name.upper()} is {value!r}: {remedy}")


def _own_namespace() -> str:
    try:
        return (Path(SERVICE_ACCOUNT) / "namespace").read_text().strip()
    except OSError:
        return ""
