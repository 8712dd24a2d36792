"""Releases as `./task release` makes them, but of a version that a test says."""

import time

from tradewind.promotion.pins import Pin
from tradewind_tools import builder, command, publish, registry
from tradewind_tools.publish import Plan

COMMIT = "0" * 40
BUILD_TIMEOUT_S = 300


class Releases:
    """Charts in a repository of their own, with the images of this checkout."""

    def __init__(self, target, images):
        self._target = target
        self._chosen = {item.image.folder: item for item in images}
        self._charts = f"{target.registry}/flux-{time.time_ns():x}"

    def push(self, version, *, image="", is_rebuilt=False):
        """Package the chart and push it; return its pin.

        `image` is the folder of another image that this release takes for Airflow's by mistake;
        `is_rebuilt`: Airflow's image is another than before, so that its pods are replaced.
        """
        target = self._target
        plan = Plan(version=version, commit=COMMIT, registry=target.registry)
        values = publish.baked_images(plan, list(self._chosen.values()))
        if image:
            place = self._place("airflow", of=values)
            place |= {"repository": self._repository(image), "digest": self._chosen[image].digest}
        if is_rebuilt:
            self._place("airflow", of=values)["digest"] = self._rebuilt(version)
        place = Plan(version=version, commit=COMMIT, registry=self._charts)
        return Pin(
            chart=f"oci://{self._charts}/{place.repository}",
            chart_version=version,
            chart_digest=publish.push_chart(place, values),
            app_version=version,
            git_commit=COMMIT,
            database_revision="aaa",
            images={
                name: f"{target.registry}/{self._repository(name)}@{self._digest(name, of=values)}"
                for name in self._chosen
            },
        )

    def _repository(self, name):
        return self._chosen[name].image.repository

    def _place(self, name, *, of):
        return of[self._chosen[name].image.chart_values]

    def _digest(self, name, *, of):
        """Return what a pin says: of the image by that name, whatever the chart was told."""
        place = self._place(name, of=of)
        is_own = place["repository"] == self._repository(name)
        return place["digest"] if is_own else self._chosen[name].digest

    def _rebuilt(self, version):
        """Push Airflow's image with another label, as a build of another commit is; its digest."""
        own, chosen = builder.ensure(), self._chosen["airflow"]
        name = f"{self._target.registry}/{chosen.image.repository}"
        tag = f"flux-{time.time_ns():x}"
        command.run(
            [*own.docker, "build", "--quiet", "--tag", f"{name}:{tag}", "-"],
            text_input=f"FROM {name}@{chosen.digest}\nLABEL release={version}\n",
            timeout_s=BUILD_TIMEOUT_S,
        )
        command.run([*own.docker, "push", "--quiet", f"{name}:{tag}"], timeout_s=BUILD_TIMEOUT_S)
        return registry.digest(self._target.registry, repository=chosen.image.repository, tag=tag)
