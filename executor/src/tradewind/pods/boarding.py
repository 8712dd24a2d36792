"""What a pod needs to fetch its workload itself, and the hash of what it is made of. Pure.

Such a pod holds no workload and no secret: the worker presents a token of the pod's own
ServiceAccount, which the kubelet projects into it and which is worth nothing elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind import __version__, contract
from tradewind.pods import labels
from tradewind.pods.merge import BASE_CONTAINER, Manifest

WORKER = ("python", "-m", "tradewind.worker")
"""Arguments of the task's container, not its command: an image's entrypoint may wrap them."""
TOKEN_VOLUME = "tradewind-token"  # noqa: S105 - the name of a volume

READY_PROBE: Manifest = {
    "exec": {"command": ["test", "-e", contract.READY_FILE]},
    # As long as imports take on a node at rest: a probe that fails leaves an event.
    "initialDelaySeconds": 2,
    "periodSeconds": 1,
    # Never: the kubelet would kill a pod that a launch may have claimed already.
    "failureThreshold": 2**31 - 1,
}
"""Startup probe of idle pods. It ends once it has passed, so that waiting costs nothing."""

_FOLDER, _FILE = posixpath.split(contract.TOKEN_FILE)
_OF_ONE_LAUNCH = frozenset({contract.ENV_TEMPLATE, contract.ENV_BUDGET, contract.ENV_READY_FILE})
"""Variables that differ between a pod that waits and one that was made for a launch."""
_RESERVED_ENV = _OF_ONE_LAUNCH | {
    contract.ENV_URL,
    contract.ENV_TOKEN_FILE,
    contract.ENV_HOLD,
    contract.ENV_TERMINATION_FILE,
}
_HASH_CHARS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Boarding:
    """How the pods of one executor board."""

    url: str
    """Complete address of the endpoint, as pods reach it."""
    audience: str
    hold_s: float
    budget_s: float
    """How long a pod made for one launch tries; the executor replaces it afterwards."""
    token_life_s: int


def fitted(manifest: Manifest, boarding: Boarding, *, airflow_version: str, idle: bool) -> Manifest:
    """Return the pod with worker's environment, token and hash, and nothing else under their names.

    Done again after a mutation hook, like the seal: nothing here can be changed, arguments aside.
    `idle` pods have no launch, so they wait without end.
    """
    spec = manifest["spec"]
    containers = [_container(one, boarding, idle=idle) for one in spec["containers"]]
    volumes = [one for one in spec.get("volumes") or () if one.get("name") != TOKEN_VOLUME]
    ready = {
        **manifest,
        # Unless the template says otherwise: a task has no business with the Kubernetes API.
        "spec": {"automountServiceAccountToken": False}
        | spec
        | {"containers": containers, "volumes": [*volumes, _volume(boarding)]}
        | _without_token(spec),
    }
    return _marked(ready, template_hash(ready, airflow_version=airflow_version))


def template_hash(manifest: Manifest, *, airflow_version: str) -> str:
    """Return the hash of what a pod is made of: all of it but what belongs to one launch.

    Pods of one hash can stand in for each other. The versions count too, because an idle pod has
    imported its code before it knows its launch.
    """
    metadata = manifest["metadata"]
    general = {name: value for name, value in metadata.items() if name != "name"}
    general["labels"] = _unreserved(metadata.get("labels"), labels.RESERVED | {labels.INSTALLATION})
    general["annotations"] = _unreserved(metadata.get("annotations"), labels.RESERVED_ANNOTATIONS)
    spec = manifest["spec"]
    made_of = {
        "protocol": contract.PROTOCOL,
        "executor": __version__,
        "airflow": airflow_version,
        "metadata": general,
        "spec": spec | {"containers": [_general(one) for one in spec["containers"]]},
    }
    text = json.dumps(made_of, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]


def hash_of(pod_labels: Mapping[str, str]) -> str:
    """Return the hash a pod was rendered with, or "" when its workload is in its spec."""
    return pod_labels.get(labels.TEMPLATE, "")


def _container(container: Manifest, boarding: Boarding, *, idle: bool) -> Manifest:
    mounts = [one for one in container.get("volumeMounts") or () if not _is_tokens(one)]
    if container.get("name") != BASE_CONTAINER:
        return container | ({"volumeMounts": mounts} if "volumeMounts" in container else {})
    said = [one for one in container.get("env") or () if one.get("name") not in _RESERVED_ENV]
    env = {
        contract.ENV_URL: boarding.url,
        contract.ENV_TOKEN_FILE: contract.TOKEN_FILE,
        contract.ENV_HOLD: f"{boarding.hold_s:g}",
    }
    if idle:
        env[contract.ENV_READY_FILE] = contract.READY_FILE
    else:
        env[contract.ENV_BUDGET] = f"{boarding.budget_s:g}"
    farewell = container.get("terminationMessagePath") or contract.TERMINATION_FILE
    if farewell != contract.TERMINATION_FILE:
        env[contract.ENV_TERMINATION_FILE] = farewell
    mount = {"name": TOKEN_VOLUME, "mountPath": _FOLDER, "readOnly": True}
    ours = {
        "args": container.get("args") or list(WORKER),
        "env": [*said, *({"name": name, "value": value} for name, value in env.items())],
        "volumeMounts": [*mounts, mount],
    }
    if idle and not container.get("startupProbe"):
        ours["startupProbe"] = READY_PROBE
    return container | ours


def _volume(boarding: Boarding) -> Manifest:
    token = {
        "audience": boarding.audience,
        "expirationSeconds": boarding.token_life_s,
        "path": _FILE,
    }
    return {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}


def _without_token(spec: Manifest) -> Manifest:
    """Return the init containers without the token: only the worker has a use for it."""
    if not spec.get("initContainers"):
        return {}
    return {
        "initContainers": [
            one
            | (
                {"volumeMounts": [m for m in one["volumeMounts"] if not _is_tokens(m)]}
                if one.get("volumeMounts")
                else {}
            )
            for one in spec["initContainers"]
        ]
    }


def _is_tokens(mount: Mapping[str, Any]) -> bool:
    path = str(mount.get("mountPath") or "").rstrip("/")
    return mount.get("name") == TOKEN_VOLUME or path == _FOLDER


def _marked(manifest: Manifest, digest: str) -> Manifest:
    """Return the pod with its hash, for the worker to present and the endpoint to compare."""
    spec, metadata = manifest["spec"], manifest["metadata"]
    variable = {"name": contract.ENV_TEMPLATE, "value": digest}
    containers = [
        one | {"env": [*one["env"], variable]} if one.get("name") == BASE_CONTAINER else one
        for one in spec["containers"]
    ]
    marks = (metadata.get("labels") or {}) | {labels.TEMPLATE: digest}
    return manifest | {
        "metadata": metadata | {"labels": marks},
        "spec": spec | {"containers": containers},
    }


def _general(container: Manifest) -> Manifest:
    if container.get("name") != BASE_CONTAINER:
        return container
    env = [one for one in container.get("env") or () if one.get("name") not in _OF_ONE_LAUNCH]
    general = container | {"env": env}
    if general.get("startupProbe") == READY_PROBE:
        del general["startupProbe"]
    return general


def _unreserved(said: Mapping[str, str] | None, reserved: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in (said or {}).items() if name not in reserved}
