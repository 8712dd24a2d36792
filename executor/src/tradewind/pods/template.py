"""Pod templates: files with the pod that every task pod starts from."""

from __future__ import annotations

from typing import Any

from tradewind.errors import ConfigError
from tradewind.pods import validate
from tradewind.pods.files import ParsedFile
from tradewind.pods.merge import BASE_CONTAINER, Manifest
from tradewind.pods.schema import conform, refuse_huge

__all__ = ["BASE_CONTAINER", "Manifest", "TemplateFile", "validated"]


class TemplateFile:
    """A pod template, parsed and judged once and again when the file changes. Loop thread only."""

    def __init__(self, path: str) -> None:
        self._file = ParsedFile(path, title="pod template", parse=validated) if path else None

    def load(self) -> Manifest:
        """Return the template, its base container first; callers must not change it.

        Raises:
            ConfigError: the file cannot be read or is unusable; the sentence names the first
                thing to mend.

        """
        if self._file is None:
            raise ConfigError("[tradewind] pod_template_file is not set: give the path of a pod")
        return self._file.load()


def validated(document: Any, source: str) -> Manifest:
    """Return `document` as a usable pod template; `source` begins the sentence of an error.

    Raises:
        ConfigError: it is not usable.

    """
    refuse_huge(document, source=source)
    if not isinstance(document, dict) or document.get("kind", "Pod") != "Pod":
        raise ConfigError(f"{source} is no Pod: begin it with `kind: Pod`")
    template: Manifest = conform(document, source=source)
    if "spec" not in template:
        raise ConfigError(f"{source} has no `spec`: add one with a container")
    containers = template["spec"].get("containers")
    if not containers:
        raise ConfigError(
            f"{source} has no `spec.containers`: add one named {BASE_CONTAINER!r} to it"
        )
    template["spec"]["containers"] = _base_first(containers, source=source)
    validate.check(template, source=source)
    return template


def _base_first(containers: list[Manifest], *, source: str) -> list[Manifest]:
    """Return the containers with the task's in front, where hooks and upstream look for it."""
    if len(containers) == 1:
        return [{**containers[0], "name": BASE_CONTAINER}]
    base = [container for container in containers if container.get("name") == BASE_CONTAINER]
    others = [container for container in containers if container.get("name") != BASE_CONTAINER]
    if not base:
        names = ", ".join(repr(container.get("name", "")) for container in containers)
        raise ConfigError(
            f"{source}: spec.containers has {names} and no {BASE_CONTAINER!r}: name the one that "
            f"runs the task {BASE_CONTAINER!r}"
        )
    return base + others
