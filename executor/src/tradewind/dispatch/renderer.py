"""From a launch to a manifest: the template file, the override and the mutation hook together.

Loop thread; user code (the hook, model conversion of an override) runs on a worker thread, so that
a slow hook slows its own launch alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tradewind.dispatch.ledger import Launch
from tradewind.errors import ConfigError
from tradewind.pods import template
from tradewind.pods.template import Manifest, PodRequest, TemplateFile

Mutate = Callable[[Manifest], Manifest]


class Renderer:
    """Renders pods for one executor."""

    def __init__(
        self,
        *,
        template_path: str,
        namespace: str,
        image: str,
        airflow_version: str,
        scheduler: str,
        mutate: Mutate | None = None,
    ) -> None:
        self._template_path = template_path
        self._templates: dict[str, TemplateFile] = {}
        self._namespace = namespace
        self._image = image
        self._airflow_version = airflow_version
        self._scheduler = scheduler
        self._mutate = mutate

    async def render(self, launch: Launch, *, ordinal: int) -> Manifest:
        """Return the manifest of the launch's pod.

        Raises:
            ConfigError: the template, the override or the mutation hook is unusable.

        """
        path = launch.template_path or self._template_path
        base = self._templates.setdefault(path, TemplateFile(path)).load()
        request = PodRequest(
            task=launch.task,
            launch_id=launch.launch_id,
            ordinal=ordinal,
            namespace=self._namespace,
            args=launch.render_args(),
            image=self._image,
            airflow_version=self._airflow_version,
            scheduler=self._scheduler,
            override=await _override(launch),
        )
        manifest = template.render(base, request)
        if self._mutate is None:
            return manifest
        try:
            mutated = await asyncio.to_thread(self._mutate, manifest)
        except Exception as error:
            raise ConfigError(
                f"pod_mutation_hook failed: {type(error).__name__}: {error}"
            ) from error
        return template.seal(mutated, request)


async def _override(launch: Launch) -> dict[str, Any]:
    if launch.render_override is None:
        return {}
    return dict(await asyncio.to_thread(launch.render_override))
