"""Credentials from a program: kubectl's exec plugins of `client.authentication.k8s.io`.

Versions v1 and v1beta1. Cloud providers sign in this way (aws, gke-gcloud-auth-plugin, kubelogin).
The program runs as a subprocess beside the loop, one at a time, with a time limit and without a
terminal. Its answer is kept until shortly before it expires, or until the API server refuses it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tradewind.client.errors import CredentialError
from tradewind.client.kubeconfig import Entry
from tradewind.client.tls import KeyPair
from tradewind.errors import ConfigError

log = logging.getLogger(__name__)

_API_VERSIONS = (
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
)
_STDERR_CHARS = 300
_MOST_MARGIN_S = 60.0
_MARGIN_SHARE = 0.2
_RERUN_AFTER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """How to run one plugin."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    api_version: str
    install_hint: str
    origin: str
    """Names the plugin in errors."""
    cluster: Mapping[str, Any] | None = None
    """What the plugin is told of the cluster, or None when it did not ask."""
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a plugin answered."""

    token: str = ""
    pair: KeyPair | None = None
    obtained_s: float = 0.0
    """Wall-clock seconds."""
    expires_s: float = float("inf")

    def is_fresh(self, now_s: float) -> bool:
        """Whether it may still be presented, with a margin for the call itself."""
        margin_s = min(_MOST_MARGIN_S, _MARGIN_SHARE * (self.expires_s - self.obtained_s))
        return now_s < self.expires_s - margin_s


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _Answer(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _Status


def plugin_of(user: Entry, *, cluster: Mapping[str, Any]) -> Plugin:
    """Return the plugin that a kubeconfig's user names.

    Raises:
        ConfigError: its description is malformed, or it needs a terminal.

    """
    spec = Entry(kind="exec of user", name=user.name, file=user.file, values=user.values["exec"])
    command, version = spec.text("command"), spec.text("apiVersion")
    if not command:
        raise ConfigError(f"{spec.field('command')} is missing: name the plugin's program")
    if version not in _API_VERSIONS:
        raise ConfigError(
            f"{spec.field('apiVersion')} is {version!r}: update the plugin to {_API_VERSIONS[0]}"
        )
    if spec.text("interactiveMode") == "Always":
        raise ConfigError(
            f"{spec.field('interactiveMode')} is 'Always', but a scheduler has no terminal: "
            "use a plugin or a flag that signs in without questions"
        )
    # As kubectl: a path with a slash is relative to the kubeconfig, a bare name is found on PATH.
    program = str(spec.file.parent.absolute() / command) if "/" in command else command
    return Plugin(
        command=program,
        args=_texts(spec, "args"),
        env=_environment(spec),
        api_version=version,
        install_hint=spec.text("installHint"),
        origin=f"the exec plugin {command!r} of user {user.name!r} in {str(user.file)!r}",
        cluster=cluster if spec.flag("provideClusterInfo") else None,
    )


def cluster_info(cluster: Entry, *, authority: bytes) -> dict[str, Any]:
    """Return what a plugin with `provideClusterInfo` is told: `spec.cluster` of its question."""
    extensions = cluster.values.get("extensions") or ()
    config = [
        extension.get("extension")
        for extension in extensions
        if extension.get("name") == "client.authentication.k8s.io/exec"
    ]
    said = {
        "server": cluster.text("server"),
        "tls-server-name": cluster.text("tls-server-name"),
        "insecure-skip-tls-verify": cluster.flag("insecure-skip-tls-verify"),
        "certificate-authority-data": base64.b64encode(authority).decode(),
        "proxy-url": cluster.text("proxy-url"),
        "config": config[0] if config else None,
    }
    return {key: value for key, value in said.items() if value}


def _texts(spec: Entry, key: str) -> tuple[str, ...]:
    values = spec.values.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{spec.field(key)} is no list of texts: quote numbers and booleans")
    return tuple(values)


def _environment(spec: Entry) -> dict[str, str]:
    try:
        pairs = {item["name"]: item["value"] for item in spec.values.get("env") or ()}
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{spec.field('env')} is no list of `name` and `value`") from error
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise ConfigError(f"{spec.field('env')} has a value that is no text: quote it")
    return pairs


class PluginCredentials:
    """The plugin's current credential. Loop thread only."""

    def __init__(self, plugin: Plugin, *, wall_s: Callable[[], float] = time.time) -> None:
        self._plugin = plugin
        self._wall_s = wall_s
        self._credential: Credential | None = None
        self._failure: CredentialError | None = None
        self._failed_s = float("-inf")
        # One run serves everybody: after a 401 dozens of calls ask at once.
        self._lock = asyncio.Lock()

    async def current(self) -> Credential:
        """Return a credential that is fresh, running the plugin when there is none.

        A plugin that fails while its last credential still lives is tried again later.

        Raises:
            CredentialError: the plugin failed, for at most five seconds without another try.

        """
        async with self._lock:
            now_s = self._wall_s()
            kept = self._credential
            if kept is not None and kept.is_fresh(now_s):
                return kept
            if self._failure is None or abs(now_s - self._failed_s) > _RERUN_AFTER_S:
                await self._renew()
            kept = self._credential
            if kept is not None and now_s < kept.expires_s:
                return kept
            raise self._failure or CredentialError(
                f"{self._plugin.origin} gave a credential that has expired already: compare the "
                "clocks of this host and of whoever issued it"
            )

    def forget(self) -> None:
        """Drop the credential, unless it is so young that another one would be no better."""
        kept = self._credential
        if kept is not None and abs(self._wall_s() - kept.obtained_s) > _RERUN_AFTER_S:
            self._credential = None

    async def _renew(self) -> None:
        try:
            output = await _run(self._plugin)
            self._credential = read_answer(self._plugin, output, now_s=self._wall_s())
            self._failure = None
        except CredentialError as error:
            self._failure, self._failed_s = error, self._wall_s()
            if self._credential is not None:  # Otherwise the caller tells.
                log.warning("the last credential serves while it lives: %s", error)


def read_answer(plugin: Plugin, output: bytes, *, now_s: float) -> Credential:
    """Return the credential in a plugin's output.

    Raises:
        CredentialError: the output holds none.

    """
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except msgspec.DecodeError as error:
        raise CredentialError(
            f"{plugin.origin} printed no ExecCredential ({error}): run it by hand and look"
        ) from error
    if answer.api_version != plugin.api_version or answer.kind != "ExecCredential":
        raise CredentialError(
            f"{plugin.origin} answered with {answer.kind} of {answer.api_version}: set its "
            f"apiVersion to what the plugin speaks, it is {plugin.api_version}"
        )
    status = answer.status
    certificate, key = status.client_certificate_data, status.client_key_data
    pair = KeyPair(certificate.encode(), key.encode()) if certificate and key else None
    if not status.token and pair is None:
        raise CredentialError(
            f"{plugin.origin} gave neither a token nor a certificate with its key: "
            "run it by hand and look"
        )
    expiry = status.expiration_timestamp
    return Credential(
        token=status.token or "",
        pair=pair,
        obtained_s=now_s,
        expires_s=expiry.timestamp() if expiry else float("inf"),
    )


async def _run(plugin: Plugin) -> bytes:
    """Return what the plugin printed.

    Raises:
        CredentialError: it is missing, failed, or took too long.

    """
    process = await _start(plugin)
    try:
        async with asyncio.timeout(plugin.timeout_s):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise CredentialError(
            f"{plugin.origin} did not answer within {plugin.timeout_s:.0f} s: run it by hand and "
            "see whether it waits for input or for the network"
        ) from error
    finally:
        await _end(process)
    if process.returncode:
        said = " ".join(errors.decode(errors="replace").split())
        if len(said) > _STDERR_CHARS:
            said = f"…{said[-_STDERR_CHARS:]}"  # A program's last words tell most.
        raise CredentialError(
            f"{plugin.origin} failed with exit code {process.returncode}: "
            f"{said or 'it said nothing; run it by hand'}"
        )
    return output


async def _start(plugin: Plugin) -> asyncio.subprocess.Process:
    """Start the plugin with the question in its environment, in a session of its own."""
    spec = {"interactive": False} | ({"cluster": plugin.cluster} if plugin.cluster else {})
    question = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    try:
        return await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            env={**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(question)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        hint = " ".join(plugin.install_hint.split()) or "install it where the scheduler runs"
        raise CredentialError(f"{plugin.origin} cannot be run ({error}): {hint}") from error


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the plugin and what it started, unless it has ended by itself."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
