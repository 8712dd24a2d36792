"""Two executors want the same idle pods of a real API server; nodes are played.

In each wave there are fewer idle pods than launches, some of them of a template that is not in
force any more, and both executors are handed their launches in the same moment. Who got what is
read from two watches of a client of its own.
"""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from tradewind import metrics
from tradewind.client.errors import ApiError
from tradewind.clock import SystemClock
from tradewind.dispatch.engine import Engine
from tradewind.dispatch.hooks import Hooks
from tradewind.dispatch.pool.spec import PoolSpec
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import TaskFacts
from tradewind.pods import labels
from tradewind.testing.builders import a_launch, base_ended, base_running, settings
from tradewind.testing.recorded_metrics import RecordedMetrics
from tradewind.watch.reflector import Reflector

POOL = PoolSpec(name="race", size=1, max_age_s=3600)
AT_ONCE = 40
STATUS_PATCH = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Result:
    launches: int
    warm: int
    double_launches: list
    """Launches that more than one pod ever had."""
    double_pods: list
    """Pods that more than one launch ever had."""
    stale: list
    """Pods that a launch claimed though their template was not in force any more."""
    lost_claims: int
    unfinished: int
    took_s: float


class Race:
    def __init__(self, connect, namespace, template):
        self._cluster = connect()
        self._connect = connect
        self._namespace = namespace
        self._template = template
        self._rows = {}
        self._outcomes = []
        self._pods_of = defaultdict(set)
        self._launches_of = defaultdict(set)
        self._templates = {}
        self._played = set()
        self._tasks = set()
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._measured = [RecordedMetrics(), RecordedMetrics()]
        self._number = 0
        self._settings = settings(
            namespace=namespace,
            pod_template_file=str(template),
            delivery="boarding",
            boarding_url="http://api/tradewind/v1/board",
            warm_pools='{"race": 1}',
            max_starting_pods="10000",
        )
        self._idle_renderer = self._renderer("")
        self.use_image(0)

    def use_image(self, number):
        base = f"{{name: base, image: 'w:{number}'}}"
        # Without admission of ServiceAccounts nobody fills in the default one.
        spec = f"{{serviceAccountName: default, containers: [{base}]}}"
        self._template.write_text(f"kind: Pod\nspec: {spec}")

    async def run(self, *, waves, idle, launches):
        """Return what came of `waves` times as many launches for fewer idle pods."""
        began_s = time.monotonic()
        stale = []
        async with self._engines() as engines:
            for wave in range(waves):
                self.use_image(2 * wave)
                old = (await self._rendered("none"))["metadata"]["labels"][labels.TEMPLATE]
                await self._create_idle(idle // 4)
                self.use_image(2 * wave + 1)
                await self._create_idle(idle - idle // 4)
                await self._until(lambda: all(self._free(e) >= idle for e in engines))
                batch = [a_launch() for _ in range(launches)]
                self._rows |= {
                    one.row_id: TaskFacts(state="success", launch_id=one.launch_id) for one in batch
                }
                for number, launch in enumerate(batch):
                    engines[number % 2].submit(launch)
                done = (wave + 1) * launches
                await self._until(lambda done=done: len(self._outcomes) >= done)
                claimed = (uid for uid, found in self._launches_of.items() if found)
                stale += [uid for uid in claimed if self._templates.get(uid) == old]
                await self._remove_idle()
        return Result(
            launches=waves * launches,
            warm=sum(len(found) for found in self._launches_of.values()),
            double_launches=[key for key, found in self._pods_of.items() if len(found) > 1],
            double_pods=[key for key, found in self._launches_of.items() if len(found) > 1],
            stale=stale,
            lost_claims=sum(int(m.total(metrics.CLAIMS_LOST, pool="race")) for m in self._measured),
            unfinished=waves * launches - len(self._outcomes),
            took_s=time.monotonic() - began_s,
        )

    # -- executors -------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _engines(self):
        reflectors = [self._reflector(s) for s in (labels.LAUNCH_ID, labels.POOL)]
        engines = [self._engine(number) for number in range(2)]
        tasks = [asyncio.create_task(part.run()) for part in (*reflectors, *engines)]
        try:
            for reflector in reflectors:
                await reflector.synced.wait()
            yield engines
        finally:
            for task in (*tasks, *self._tasks):
                task.cancel()
            await asyncio.gather(*tasks, *self._tasks, return_exceptions=True)
            await self._cluster.close()

    def _engine(self, number):
        return Engine(
            self._connect(),
            settings=self._settings,
            renderer=self._renderer(str(number)),
            read_facts=lambda ids: {row_id: self._rows[row_id] for row_id in ids},
            emit=self._outcomes.append,
            clock=SystemClock(),
            # Nobody refills: the waves say what idle pods there are.
            hooks=Hooks(measured=self._measured[number], is_refiller=lambda: False),
        )

    def _renderer(self, scheduler):
        return Renderer(self._settings, airflow_version="3.3.2", scheduler=scheduler)

    def _free(self, engine):
        return sum(engine._dispatcher.pools.picture.free().values())

    # -- nodes -----------------------------------------------------------------------------------

    async def _create_idle(self, count):
        await asyncio.gather(*(self._create_one() for _ in range(count)))

    async def _create_one(self):
        self._number += 1
        name = f"warm-{self._number}"
        manifest = await self._rendered(name)
        async with self._gate:
            await self._cluster.create_pod(self._namespace, manifest)
            await self._set_status(name, base_running())

    async def _rendered(self, name):
        return await self._idle_renderer.render_idle(POOL, name=name)

    async def _remove_idle(self):
        page = await self._cluster.list_pods(
            self._namespace, selector=f"{labels.POOL},!{labels.LAUNCH_ID}", limit=10_000
        )
        for pod in page.items:
            with contextlib.suppress(ApiError):
                await self._cluster.delete_pod(
                    self._namespace, pod.metadata.name, uid=pod.metadata.uid
                )

    def _reflector(self, selector):
        return Reflector(
            self._cluster,
            namespace=self._namespace,
            selector=selector,
            page_size=500,
            clock=SystemClock(),
            on_change=self._saw,
            on_listed=lambda _: None,
        )

    def _saw(self, change):
        pod, uid = change.pod, change.pod.metadata.uid
        launch_id = pod.metadata.labels.get(labels.LAUNCH_ID)
        self._templates[uid] = pod.metadata.labels.get(labels.TEMPLATE)
        if launch_id is None:
            return
        self._pods_of[launch_id].add(uid)
        if labels.POOL in pod.metadata.labels:
            self._launches_of[uid].add(launch_id)
        if uid not in self._played and not change.gone:
            self._played.add(uid)
            task = asyncio.create_task(self._play(pod.metadata.name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _play(self, name):
        with contextlib.suppress(ApiError):
            async with self._gate:
                await self._set_status(name, base_running())
                await self._set_status(name, base_ended(0))

    async def _set_status(self, name, status):
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/status"
        await self._cluster.transport.call(
            "PATCH", path, body={"status": status}, content_type=STATUS_PATCH
        )

    async def _until(self, claim, *, within_s=120):
        async with asyncio.timeout(within_s):
            while not claim():
                await asyncio.sleep(0.05)

    def verdicts(self):
        return Counter(outcome.verdict.name for outcome in self._outcomes)
