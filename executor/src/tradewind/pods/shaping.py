"""The choices a deployment offers: profiles, queues, priority classes, memory after an OOM.

Loop thread, or a command's. Files are read again when they change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tradewind.config import Settings
from tradewind.errors import ConfigError
from tradewind.pods import memory, override, profiles, quantities, validate
from tradewind.pods.files import ParsedText
from tradewind.pods.merge import Manifest
from tradewind.pods.profiles import Choice, Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one launch gets of the deployment's choices."""

    queue: Queue
    layers: Sequence[Manifest]
    """Laid over the template in this order."""
    delivery: str
    """What the task, or else its queue, says of how its pod gets its workload; empty if neither."""


class Shaping:
    """The choices of one executor's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._profiles = ParsedText(
            settings.profiles, option="profiles", parse=profiles.parse_profiles
        )
        self._queues = ParsedText(settings.queues, option="queues", parse=profiles.parse_queues)
        self._bands = ParsedText(
            settings.priority_classes, option="priority_classes", parse=profiles.parse_bands
        )

    def check(self) -> None:
        """Read everything and hold it together.

        Raises:
            ConfigError: a file or setting is unusable, or a queue names an unknown profile.

        """
        self._bands.load()
        known = self._profiles.load()
        for name, queue in self.queues().items():
            if queue.profile and queue.profile not in known:
                raise ConfigError(
                    f"[tradewind] queues, queue {name!r}, names the profile {queue.profile!r}: "
                    f"choose one of [tradewind] profiles ({', '.join(sorted(known)) or 'none'})"
                )
            if queue.namespace:
                self._check_namespace(name, queue.namespace)
        self._check_memory()

    def queues(self) -> Mapping[str, Queue]:
        """Return what each queue's tasks get.

        Raises:
            ConfigError: the setting is unusable.

        """
        return self._queues.load()

    def of(self, *, queue: str, priority: int, said: object) -> Shape:
        """Return what a launch gets: the band of its priority, its profile, its own resources.

        Args:
            queue: the task's queue.
            priority: the task's effective priority_weight.
            said: what the task has under `executor_config["tradewind"]`, unjudged.

        Raises:
            ConfigError: a setting or the task's choice is unusable.

        """
        mapped = self.queues().get(queue, Queue())
        choice: Choice = profiles.choice_from(said)
        layers: list[Manifest] = []
        if priority_class := profiles.class_for(self._bands.load(), priority=priority):
            layers.append({"spec": {"priorityClassName": priority_class}})
        if profile := choice.profile or mapped.profile:
            layers.append(profiles.named(self._profiles.load(), profile))
        if choice.resources:
            layers.append(profiles.in_base(resources=choice.resources))
        return Shape(queue=mapped, layers=layers, delivery=choice.delivery or mapped.delivery)

    def override(self, document: Mapping[str, Any], *, pod: Manifest) -> Manifest:
        """Return a task's `pod_override`, ready to be laid over `pod`.

        Raises:
            ConfigError: it is not allowed, or cannot work.

        """
        forbidden = self._settings.forbidden_override_fields
        return override.validated(document, pod=pod, forbidden=forbidden)

    def raised(self, manifest: Manifest, *, oom_kills: int) -> Manifest:
        """Return the pod with more memory when earlier tries were killed for want of it.

        Raises:
            ConfigError: the factor has no usable cap.

        """
        if oom_kills < 1 or self._settings.oom_memory_factor <= 1:
            return manifest
        self._check_memory()
        return memory.raise_after_oom(
            manifest,
            kills=oom_kills,
            factor=self._settings.oom_memory_factor,
            cap=self._settings.oom_memory_cap,
        )

    def check_pod(self, manifest: Manifest, *, source: str) -> None:
        """Refuse a pod that cannot work, or whose end nobody would see.

        Raises:
            ConfigError: names the first field that is wrong, and the remedy.

        """
        validate.check_whole(manifest, source=source, namespaces=self._settings.watched_namespaces)

    def _check_namespace(self, queue: str, namespace: str) -> None:
        watched = self._settings.watched_namespaces
        if watched and namespace not in watched:
            raise ConfigError(
                f"[tradewind] queues, queue {queue!r}, names the namespace {namespace!r}, which is "
                f"not watched: choose one of {', '.join(watched)}, or add it to [tradewind] "
                "multi_namespace_mode_namespace_list"
            )

    def _check_memory(self) -> None:
        if self._settings.oom_memory_factor <= 1:
            return
        try:
            quantities.parse(self._settings.oom_memory_cap)
        except ValueError as error:
            raise ConfigError(
                f"[tradewind] oom_memory_cap is {self._settings.oom_memory_cap!r}: write the most "
                "memory that oom_memory_factor may raise a task to, such as 16Gi"
            ) from error
