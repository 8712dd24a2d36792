"""From a launch to a manifest: template, choices, override and mutation hook together.

Loop thread; user code (the hook, model conversion of an override) runs on threads of its own and
for a bounded time, so that a slow hook slows its own launch alone.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike, fspath

from tradewind.config import Settings
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.pool.spec import PoolSpec
from tradewind.errors import ConfigError
from tradewind.pods import delivery, running_limit
from tradewind.pods import manifest as pod
from tradewind.pods.boarding import Boarding
from tradewind.pods.manifest import IdleRequest, PodRequest, Request
from tradewind.pods.merge import Manifest
from tradewind.pods.override import SOURCE as OVERRIDE
from tradewind.pods.schema import conform
from tradewind.pods.shaping import Shape, Shaping
from tradewind.pods.template import TemplateFile
from tradewind.user_code import UserCode

HOOK = "pod_mutation_hook"

_MOST_TEMPLATES = 256
"""Kept parsed. Tasks name them, so there is no saying how many there may be."""

Mutate = Callable[[Manifest], Manifest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinator:
    """What Airflow's `[sdk] coordinators` says of the pods of a queue; empty says nothing."""

    template_path: str = ""
    image: str = ""


CoordinatorOf = Callable[[str], Coordinator]
"""From the name of a queue; runs as user code, for it imports parts of Airflow."""


def _no_coordinator(_: str) -> Coordinator:
    return Coordinator()


class Renderer:
    """Renders pods for one executor."""

    def __init__(
        self,
        settings: Settings,
        *,
        airflow_version: str,
        scheduler: str,
        mutate: Mutate | None = None,
        coordinator_of: CoordinatorOf = _no_coordinator,
        endpoint_answers: Callable[[], bool] = lambda: False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._shaping = Shaping(settings)
        self._user_code = UserCode(
            timeout_s=settings.user_code_timeout_s,
            remedy="make it quicker, or raise [tradewind] pod_mutation_hook_timeout",
        )
        self._templates: dict[str, TemplateFile] = {}
        self._airflow_version = airflow_version
        self._scheduler = scheduler
        self._mutate = mutate
        self._coordinator_of = coordinator_of
        self._coordinators: dict[str, Coordinator] = {}
        self._endpoint_answers = endpoint_answers
        self._wall_clock = wall_clock

    def boards(self) -> bool:
        """Whether pods can fetch their workload now, as pods of warm pools must."""
        said = self._settings.delivery
        return said == "boarding" or (said == "auto" and self._endpoint_answers())

    async def render(self, launch: Launch, *, ordinal: int) -> Manifest:
        """Return the manifest of the launch's pod.

        Raises:
            ConfigError: the template, a choice, the override or the mutation hook is unusable.

        """
        shape = self._shaping.of(queue=launch.queue, priority=launch.priority, said=launch.choice)
        coordinator = await self._coordinator(launch.queue)
        template = self._template(launch.template_path, shape, coordinator)
        request = self._request(launch, ordinal=ordinal, shape=shape, coordinator=coordinator)
        manifest = pod.render(template, request, layers=shape.layers)
        if launch.render_override is not None:
            document = await self._user_code.run(launch.render_override, title=OVERRIDE)
            override = self._shaping.override(document, pod=manifest)
            manifest = pod.render(template, request, layers=[*shape.layers, override])
        manifest = self._shaping.raised(manifest, oom_kills=launch.oom_kills)
        way = delivery.choose(
            setting=self._settings.delivery,
            asked=shape.delivery,
            answers=self._endpoint_answers(),
            keeps_worker=self._keeps_worker(manifest),
        )
        if way == "boarding":
            sealed = await self._sealed(manifest, replace(request, boarding=self._boarding()))
        else:
            sealed = await self._sealed(pod.with_args(manifest, launch.render_args()), request)
        return self._limited(sealed, launch)

    def _limited(self, manifest: Manifest, launch: Launch) -> Manifest:
        """Return the pod with the limit of its run: last, for it is no part of the pod's hash."""
        if not self._settings.running_limit:
            return manifest
        margin_s = self._settings.running_limit_margin_s
        return running_limit.limited(manifest, timeout_s=launch.timeout_s, margin_s=margin_s)

    async def render_idle(self, pool: PoolSpec, *, name: str) -> Manifest:
        """Return the manifest of a pod of a warm pool, which waits for a launch of its hash.

        It is made as the pod of a launch that says what the pool says; only the pool's
        `priority_class` is not part of the hash.

        Raises:
            ConfigError: the template, a choice or the mutation hook is unusable, or nothing tells
                where pods board.

        """
        choice = {"profile": pool.profile}
        shape = self._shaping.of(queue=pool.queue, priority=pool.priority_weight, said=choice)
        coordinator = await self._coordinator(pool.queue)
        template = self._template(pool.pod_template_file, shape, coordinator)
        request = IdleRequest(
            pool=pool.name,
            name=name,
            namespace=shape.queue.namespace or self._settings.namespace,
            image=coordinator.image or self._settings.image,
            airflow_version=self._airflow_version,
            installation=self._settings.installation,
            boarding=self._boarding(),
        )
        manifest = pod.render(template, request, layers=shape.layers)
        sealed = await self._sealed(manifest, request)
        if pool.priority_class:
            sealed["spec"]["priorityClassName"] = pool.priority_class
        return sealed

    def check(self) -> None:
        """Judge what the deployment offers: its templates, profiles, queues and classes.

        Raises:
            ConfigError: one of them is unusable.

        """
        self._shaping.check()
        own = [queue.pod_template_file for queue in self._shaping.queues().values()]
        for path in (self._settings.pod_template_file, *filter(None, own)):
            TemplateFile(path).load()

    async def _coordinator(self, queue: str) -> Coordinator:
        if queue and queue not in self._coordinators:
            # Once per queue: Airflow itself reads these settings once per process.
            ask = functools.partial(self._coordinator_of, queue)
            title = f"the [sdk] coordinator of queue {queue!r}"
            self._coordinators[queue] = await self._user_code.run(ask, title=title)
        return self._coordinators.get(queue, Coordinator())

    def _template(self, said: object, shape: Shape, coordinator: Coordinator) -> Manifest:
        # A coordinator's template is the only one its worker runs in, so it wins, as upstream.
        path = (
            coordinator.template_path
            or _path(said)
            or shape.queue.pod_template_file
            or self._settings.pod_template_file
        )
        return self._loaded(path)

    def _loaded(self, path: str) -> Manifest:
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        return self._templates.setdefault(path, TemplateFile(path)).load()

    def _request(
        self, launch: Launch, *, ordinal: int, shape: Shape, coordinator: Coordinator
    ) -> PodRequest:
        return PodRequest(
            task=launch.task,
            launch_id=launch.launch_id,
            row_id=launch.row_id,
            ordinal=ordinal,
            namespace=shape.queue.namespace or self._settings.namespace,
            image=coordinator.image or self._settings.image,
            airflow_version=self._airflow_version,
            scheduler=self._scheduler,
            installation=self._settings.installation,
            claimed_at_s=self._wall_clock(),
        )

    def _keeps_worker(self, manifest: Manifest) -> bool:
        try:
            own = self._loaded(self._settings.pod_template_file)
        except ConfigError:
            return False  # Only tasks with a template of their own run here.
        return delivery.keeps_worker(manifest, of=own, image=self._settings.image)

    def _boarding(self) -> Boarding:
        settings = self._settings
        if not settings.boarding_url:
            raise ConfigError(
                "nothing tells where pods board: set [core] execution_api_server_url or "
                "[tradewind] boarding_url"
            )
        return Boarding(
            url=settings.boarding_url,
            audience=settings.boarding_audience,
            hold_s=settings.boarding_hold_s,
            budget_s=settings.boarding_budget_s,
            token_life_s=settings.boarding_token_ttl_s,
        )

    async def _sealed(self, manifest: Manifest, request: Request) -> Manifest:
        """Return the pod as it is created: sealed, judged, through the hook and sealed again."""
        manifest = pod.seal(manifest, request)
        self._shaping.check_pod(manifest, source="the pod")
        if self._mutate is None:
            return manifest
        mutated = await self._user_code.run(functools.partial(self._mutate, manifest), title=HOOK)
        source = f"the pod after {HOOK}"
        sealed = pod.seal(conform(mutated, source=source), request)
        self._shaping.check_pod(sealed, source=source)
        if pod.has_arguments(manifest) and not pod.has_arguments(sealed):
            raise ConfigError(f"{source} has no args: keep them, they are the task's workload")
        return sealed


def _path(said: object) -> str:
    """Return the `pod_template_file` of a task's `executor_config`, which may hold anything."""
    if said is None or isinstance(said, str | PathLike):
        return str(fspath(said or ""))
    raise ConfigError(
        f"pod_template_file in executor_config is a {type(said).__name__}: give an absolute path"
    )
