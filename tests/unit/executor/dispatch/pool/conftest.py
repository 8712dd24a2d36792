"""Engines with warm pools over a fake cluster whose nodes start pods by themselves."""

import asyncio
import contextlib
import json

import pytest

from tradewind import metrics
from tradewind.client.errors import ApiError
from tradewind.dispatch.engine import Engine
from tradewind.dispatch.hooks import Hooks
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import TaskFacts
from tradewind.testing.builders import base_ended, base_running, settings
from tradewind.testing.faulty_cluster import FaultyCluster
from tradewind.testing.recorded_metrics import RecordedMetrics

NAMESPACE = "default"
TEMPLATE = "kind: Pod\nspec: {{containers: [{{name: base, image: '{image}'}}]}}"


class Schedulers:
    """What several schedulers share: a cluster with nodes, rows, and which of them live."""

    def __init__(self, tmp_path, clock, eventually):
        self.cluster = FaultyCluster()
        self.clock = clock
        self.eventually = eventually
        self.template = tmp_path / "pod.yaml"
        self.use_image("w:1")
        self.pools = tmp_path / "pools.yaml"
        self.rows = {}
        self.outcomes = []
        self.events = []
        self.alive = set()
        self.starts_in_s = 3.0
        self.answers = True
        self.endpoint = None
        self.measured = RecordedMetrics()

    def use_image(self, image):
        self.template.write_text(TEMPLATE.format(image=image))

    def want(self, **pools):
        self.pools.write_text(json.dumps(pools))

    @contextlib.asynccontextmanager
    async def running(self, *, number=1, mutate=None, pools=True, **options):
        """Run one scheduler's engine; the lowest number of those that run refills."""
        said = {
            "delivery": "auto",
            "boarding_url": "http://api/tradewind/v1/board",
            "pod_template_file": str(self.template),
            "warm_pools": str(self.pools) if pools else "",
        }
        chosen = settings(**(said | options))
        engine = Engine(
            self.cluster,
            settings=chosen,
            renderer=Renderer(
                chosen,
                airflow_version="3.3.2",
                scheduler=str(number),
                mutate=mutate,
                endpoint_answers=lambda: self.answers,
                wall_clock=self.clock.utc_s,
            ),
            read_facts=lambda ids: {i: self.rows[i] for i in ids if i in self.rows},
            emit=self.outcomes.append,
            clock=self.clock,
            hooks=Hooks(
                endpoint=self.endpoint,
                measured=self.measured,
                is_refiller=lambda: number == min(self.alive),
                on_event=lambda kind, launch, sentence: self.events.append((kind, sentence)),
            ),
            scheduler=str(number),
        )
        self.alive.add(number)
        tasks = [asyncio.create_task(engine.run()), asyncio.create_task(self._start_pods())]
        try:
            yield engine
        finally:
            self.alive.discard(number)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_pods(self):
        """Be the nodes: a pending pod runs a while after it was first seen."""
        seen = {}
        while True:
            now_s = self.clock.now_s()
            for (namespace, name), pod in list(self.cluster._pods.items()):
                since_s = seen.setdefault(pod["metadata"]["uid"], now_s)
                pending = pod["status"] == {"phase": "Pending"}
                if pending and now_s - since_s >= self.starts_in_s:
                    await self.cluster.set_status(namespace, name, base_running())
            await asyncio.sleep(0.25)

    def labels(self, name):
        namespace = next(where for where, pod in self.cluster._pods if pod == name)
        return self.cluster.raw(namespace, name)["metadata"]["labels"]

    def idle(self, *, running=True):
        """Return the names of pods of pools that have no launch."""
        return [
            name
            for (namespace, name), pod in self.cluster._pods.items()
            if "tradewind/pool" in self.labels(name)
            and "tradewind/launch-id" not in self.labels(name)
            and (not running or pod["status"].get("phase") == "Running")
        ]

    async def filled(self, count):
        await self.eventually(lambda: len(self.idle()) == count)
        return self.idle()

    def claimed(self):
        """Return the names of pods of pools that have a launch."""
        return [
            name
            for _, name in self.cluster._pods
            if {"tradewind/pool", "tradewind/launch-id"} <= self.labels(name).keys()
        ]

    def pods_of(self, launch):
        return [
            name
            for name in self.cluster.names()
            if self.labels(name).get("tradewind/launch-id") == str(launch.launch_id)
        ]

    async def pod_of(self, launch):
        await self.eventually(lambda: self.pods_of(launch))
        return self.pods_of(launch)[-1]

    def row(self, launch, state):
        self.rows[launch.row_id] = TaskFacts(state=state, launch_id=launch.launch_id)

    async def finish(self, launch, *, exit_code=0, state="success"):
        self.row(launch, state)
        await self.cluster.set_status(NAMESPACE, self.pods_of(launch)[-1], base_ended(exit_code))

    def is_warm(self, launch):
        return "tradewind/pool" in self.labels(self.pods_of(launch)[-1])

    def misses(self):
        return {
            reason: count
            for reason in ("no_pool", "empty", "starting", "lost", "refused", "error")
            if (count := self.measured.total(metrics.CLAIMS_MISSED, reason=reason))
        }


CONFLICT = ApiError(409, reason="Conflict", message="the object has been modified")


@pytest.fixture
def schedulers(tmp_path, clock, eventually):
    return Schedulers(tmp_path, clock, eventually)
