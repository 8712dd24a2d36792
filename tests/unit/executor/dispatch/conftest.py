"""Everything in this folder runs in virtual time: waits of minutes pass at once."""

import asyncio
import contextlib

import pytest

from tradewind.dispatch.engine import Engine
from tradewind.dispatch.hooks import Hooks, wait
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import TaskFacts
from tradewind.metrics import UNMEASURED
from tradewind.testing import virtual_time
from tradewind.testing.builders import base_ended, settings
from tradewind.testing.faulty_cluster import FaultyCluster

NAMESPACE = "default"


def pytest_asyncio_loop_factories():
    return {"virtual": virtual_time.VirtualLoop}


@pytest.fixture
def clock():
    return virtual_time.VirtualClock()


@pytest.fixture
def eventually():
    return virtual_time.eventually


class World:
    """An engine over a fake cluster, with task instances the test writes."""

    def __init__(self, tmp_path, clock, eventually, delivery):
        self._delivery = {"delivery": delivery, "boarding_url": "http://api/tradewind/v1/board"}
        self.cluster = FaultyCluster()
        self.outcomes = []
        self.rows = {}
        self.reads = 0
        self.events = []
        self.endpoint = None
        self.stray_rows = {}
        self.judge = wait
        self.measured = UNMEASURED
        self.endpoint = None
        self.eventually = eventually
        self._template = tmp_path / "pod.yaml"
        self._template.write_text("kind: Pod\nspec: {containers: [{name: base, image: w}]}")
        self.clock = clock

    def engine(self, *, mutate=None, **options):
        return Engine(
            self.cluster,
            settings=settings(**(self._delivery | options)),
            renderer=self.renderer(mutate, **options),
            read_facts=lambda row_ids: self.read(row_ids),  # noqa: PLW0108 - tests replace it
            emit=self.outcomes.append,
            clock=self.clock,
            hooks=Hooks(
                endpoint=self.endpoint,
                measured=self.measured,
                on_event=lambda kind, launch, sentence: self.events.append(
                    (kind, launch, sentence)
                ),
                judge_pending=lambda pod, for_s: self.judge(pod, for_s),  # noqa: PLW0108 - same
                read_strays=self._read_strays,
            ),
        )

    def renderer(self, mutate=None, **options):
        said = self._delivery | options
        chosen = settings(pod_template_file=str(self._template), **said)
        return Renderer(chosen, airflow_version="3.3.2", scheduler="7", mutate=mutate)

    @contextlib.asynccontextmanager
    async def running(self, **options):
        engine = self.engine(**options)
        task = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def row(self, launch, state, *, launch_id=None):
        self.rows[launch.row_id] = TaskFacts(state=state, launch_id=launch_id or launch.launch_id)

    def read(self, row_ids):
        self.reads += 1
        return {row_id: self.rows[row_id] for row_id in row_ids if row_id in self.rows}

    async def pod(self, number=0):
        await self.eventually(lambda: len(self.cluster.names()) > number)
        return self.cluster.names()[number]

    async def end(self, name, exit_code=0):
        await self.cluster.set_status(NAMESPACE, name, base_ended(exit_code))

    async def outcome(self):
        await self.eventually(lambda: self.outcomes)
        return self.outcomes[-1]

    async def created(self, launch):
        """Wait for the launch's pod and return its name."""
        await self.eventually(lambda: self.names_of(launch))
        return self.names_of(launch)[-1]

    def names_of(self, launch):
        return [
            name
            for name in self.cluster.names()
            if self.label(name, "tradewind/launch-id") == str(launch.launch_id)
        ]

    def label(self, name, label):
        namespace = next(where for where, pod in self.cluster._pods if pod == name)
        return self.cluster.raw(namespace, name)["metadata"].get("labels", {}).get(label)

    def told(self, kind):
        return [sentence for what, _, sentence in self.events if what == kind]

    def verdicts(self):
        return [outcome.verdict for outcome in self.outcomes]

    def _read_strays(self, strays):
        return {
            s.launch_id: self.stray_rows[s.launch_id]
            for s in strays
            if s.launch_id in self.stray_rows
        }


@pytest.fixture
def delivery(request):
    """How pods get their workload; a module whose claims hold both ways parametrizes it."""
    return getattr(request, "param", "args")


@pytest.fixture
def world(tmp_path, clock, eventually, delivery):
    return World(tmp_path, clock, eventually, delivery)
