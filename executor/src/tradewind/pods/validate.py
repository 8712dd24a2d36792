"""What is wrong with a pod, said before an API server refuses it or a node cannot run it. Pure.

`check` judges any layer of a pod: a template, a profile, an override. `check_whole` judges the
pod that is about to be created. Both expect a document that `schema.conform` has been through.
Not every rule of Kubernetes is here: those whose refusal by the server says too little, and those
that no server checks but that hurt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tradewind.errors import ConfigError
from tradewind.pods import quantities
from tradewind.pods.merge import BASE_CONTAINER, Manifest
from tradewind.pods.schema import refuse_huge

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_ENV_NAME = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*")

_MOST_ENV_BYTES = 128 * 1024 - 1
"""Linux takes no longer `NAME=value`: the container would fail to start (MAX_ARG_STRLEN)."""
_MOST_ANNOTATION_BYTES = 256 * 1024
_LEAST_MEMORY_LIMIT_BYTES = 1024**2
"""No container starts with less; it is `512` or `512m` where `512Mi` was meant."""


def check(manifest: Manifest, *, source: str) -> None:
    """Refuse a layer with a value that cannot work; `source` begins the sentence.

    Raises:
        ConfigError: names the first field that is wrong, and the remedy.

    """
    for problem in _problems(manifest):
        raise ConfigError(f"{source}: {problem}")


def check_whole(manifest: Manifest, *, source: str, namespaces: Sequence[str]) -> None:
    """Refuse a pod that cannot work; `namespaces` are those watched, none for all.

    Raises:
        ConfigError: names the first field that is wrong, and the remedy.

    """
    refuse_huge(manifest, source=source)
    for problem in _whole_problems(manifest, namespaces):
        raise ConfigError(f"{source}: {problem}")


def _whole_problems(manifest: Manifest, namespaces: Sequence[str]) -> Iterator[str]:
    namespace = manifest["metadata"]["namespace"]
    if namespaces and namespace not in namespaces:
        yield (
            f"metadata.namespace is {namespace!r}, which is not watched: choose one of "
            f"{', '.join(namespaces)}, or add it to [tradewind] multi_namespace_mode_namespace_list"
        )
    yield from _problems(manifest)
    yield from _base_problems(manifest)


def _base_problems(manifest: Manifest) -> Iterator[str]:
    found = [c for c in manifest["spec"].get("containers", ()) if c.get("name") == BASE_CONTAINER]
    if not found:
        yield f"spec.containers has no {BASE_CONTAINER!r}: keep the container that runs the task"
        return
    if not found[0].get("image"):
        yield (
            f"the container {BASE_CONTAINER!r} has no image: set one in the pod template, or "
            "[tradewind] worker_container_repository and worker_container_tag"
        )
    if found[0].get("restartPolicy", "Never") != "Never" or found[0].get("restartPolicyRules"):
        yield f"the container {BASE_CONTAINER!r} has a restartPolicy: remove it, a task runs once"


def _problems(manifest: Manifest) -> Iterator[str]:
    yield from _metadata_problems(manifest.get("metadata", {}))
    spec = manifest.get("spec", {})
    for field in ("containers", "initContainers", "volumes"):
        yield from _name_problems(f"spec.{field}", spec.get(field, ()))
    for path, container in _containers(manifest):
        yield from _env_problems(f"{path}.env", container.get("env", ()))
        yield from _resource_problems(f"{path}.resources", container.get("resources", {}))
    yield from _resource_problems("spec.resources", spec.get("resources", {}))
    for index, volume in enumerate(spec.get("volumes", ())):
        limit = volume.get("emptyDir", {}).get("sizeLimit", "0")
        yield from _quantity_problems(f"spec.volumes[{index}].emptyDir.sizeLimit", limit)
    yield from _label_problems("spec.nodeSelector", spec.get("nodeSelector", {}))


def _metadata_problems(metadata: Manifest) -> Iterator[str]:
    yield from _label_problems("metadata.labels", metadata.get("labels", {}))
    annotations = metadata.get("annotations", {})
    for key in annotations:
        if not _LABEL_KEY.fullmatch(key.lower()):  # As the API server does, for annotations alone.
            yield f"metadata.annotations has the key {key!r}: {_KEY_REMEDY}"
    if sum(len(f"{k}{v}".encode()) for k, v in annotations.items()) > _MOST_ANNOTATION_BYTES:
        yield "metadata.annotations are larger than 256 KiB: move large values into a ConfigMap"
    namespace = metadata.get("namespace", "")
    if namespace and not _DNS_LABEL.fullmatch(namespace):
        yield f"metadata.namespace is {namespace!r}: {_NAME_REMEDY}"
    if "resourceVersion" in metadata:
        yield "metadata.resourceVersion belongs to a pod that exists: remove it"


_KEY_REMEDY = "write [prefix/]name of letters, digits, '-', '_' and '.', 63 characters at most"
_NAME_REMEDY = "write lower-case letters, digits and '-', 63 characters at most"


def _label_problems(path: str, labels: dict[str, str]) -> Iterator[str]:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            yield f"{path} has the key {key!r}: {_KEY_REMEDY}"
        if not _LABEL_VALUE.fullmatch(value):
            yield (
                f"{path}.{key} is {_clipped(value)}: write letters, digits, '-', '_' and '.', 63 "
                "characters at most"
            )


def _name_problems(path: str, items: Iterable[Manifest]) -> Iterator[str]:
    names = [item.get("name", "") for item in items]
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{path} has {count} items named {name!r}: give each a name of its own"
        if name and not _DNS_LABEL.fullmatch(name):
            yield f"{path} has the name {_clipped(name)}: {_NAME_REMEDY}"


def _env_problems(path: str, env: Iterable[Manifest]) -> Iterator[str]:
    for index, entry in enumerate(env):
        name = entry.get("name", "")
        if not _ENV_NAME.fullmatch(name):
            yield (
                f"{path}[{index}].name is {_clipped(name)}: write letters, digits, '-', '_' and "
                "'.', no digit first"
            )
        if entry.get("value") and "valueFrom" in entry:
            yield f"{path}[{index}] ({name}) has both value and valueFrom: remove one"
        size = len(name) + len(entry.get("value", "").encode()) + 1
        if size > _MOST_ENV_BYTES:
            yield (
                f"{path}[{index}] ({name}) is {size // 1024} KiB, more than Linux takes for one "
                "variable: mount a ConfigMap instead"
            )


def _resource_problems(path: str, resources: Manifest) -> Iterator[str]:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, value in amounts.items():
            yield from _quantity_problems(f"{path}.{part}.{name}", value)
    # From here on the quantities parse: the caller stops at the first problem.
    for name in sorted(requests.keys() & limits.keys()):
        if quantities.parse(limits[name]) < quantities.parse(requests[name]):
            yield (
                f"{path} requests {requests[name]} of {name} and limits it to {limits[name]}: "
                "raise the limit or lower the request"
            )
    memory = limits.get("memory", "0")
    if 0 < quantities.parse(memory) < _LEAST_MEMORY_LIMIT_BYTES:
        yield (
            f"{path}.limits.memory is {memory!r}, too little for any container: write "
            f"{memory.rstrip('mk')}Mi for mebibytes"
        )


def _quantity_problems(path: str, value: str) -> Iterator[str]:
    try:
        number = quantities.parse(value)
    except ValueError:
        yield f"{path} is {value!r}: write a quantity such as 500m, 2 or 1.5Gi"
        return
    if number < 0:
        yield f"{path} is {value!r}: write a quantity of 0 or more"


def _containers(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    spec: dict[str, Any] = manifest.get("spec", {})
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field, ())):
            yield f"spec.{field}[{index}]", container


def _clipped(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:70]!r}… ({len(text)} characters)"  # noqa: PLR2004
