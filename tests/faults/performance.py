"""One script on the stage: its DAG is run, its disturbances strike, and all is written down."""

import asyncio
import contextlib
import sys
import time

import psycopg2
from gather import Sampler, audited
from node import Node
from stage import NAMESPACE, SCHEDULERS, Journal

from tradewind.client.errors import ApiError, ClusterError
from tradewind.clock import SystemClock
from tradewind.watch.reflector import Reflector

RETRIES = 2
STARTS_WITHIN_S = 180
SETTLES_WITHIN_S = 90
"""After the last fault; beyond it the history is checked as it is."""
QUIET_S = 3
LOOKS_EVERY_S = 0.25
SELECTOR = "kubernetes_executor"
ENDED = frozenset({"success", "failed"})
LIVING = """
SELECT count(*), count(*) FILTER (WHERE latest_heartbeat < now() - interval '4 seconds')
FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'
"""
ABANDON = (
    "UPDATE dag_run SET state = 'failed' WHERE dag_id = %s",
    "UPDATE task_instance SET state = 'failed' WHERE dag_id = %s",
)


class Performance:
    """One play of one script; `on_progress` is told how many tasks have ended."""

    def __init__(self, stage, script, *, on_progress):
        self._stage = stage
        self._script = script
        self._on_progress = on_progress
        self._dag_id = f"{script.name}-{int(time.time())}"
        self._began_s = 0.0

    async def play(self):
        """Play the script; return the records of its history, in no order."""
        stage, script = self._stage, self._script
        await self._bring_up()
        stage.journal = Journal()
        sampler = Sampler(connect=stage.database, dag_id=self._dag_id, tell=stage.tell)
        node = Node(
            stage.cluster,
            namespace=NAMESPACE,
            airflow_url=stage.airflow.url,
            script=script,
            dag_id=self._dag_id,
            tell=stage.tell,
        )
        with sampler:
            async with node.open(), self._watching(node):
                await asyncio.to_thread(stage.make_rows, self._dag_id, script, retries=RETRIES)
                self._begin()
                is_settled = await self._suffer(sampler)
                stage.tell("cluster", "pods", names=await self._pods())
        stage.tell("run", "over")
        return await self._come_down(is_settled)

    async def _bring_up(self):
        """Have the schedulers there that the script needs, and no other counted as alive."""
        stage = self._stage
        wanted = SCHEDULERS[: self._script.schedulers]
        stage.gauges.running.clear()
        until_s = time.monotonic() + STARTS_WITHIN_S
        for name in wanted:
            if not stage.programs[name].is_alive():
                stage.programs[name].start()
        while set(wanted) - stage.gauges.running.keys() or self._has_dead(len(wanted)):
            for name in wanted:
                if not stage.programs[name].is_alive() or time.monotonic() > until_s:
                    log = (stage.folder / f"{name}.log").read_text(errors="replace")
                    sys.exit(f"the {name} does not come up:\n{log[-3000:]}")
            await asyncio.sleep(LOOKS_EVERY_S)

    def _has_dead(self, wanted):
        """Tell whether a scheduler that was killed still counts as alive with Airflow."""
        with contextlib.closing(self._stage.database()) as database:
            cursor = database.cursor()
            cursor.execute(LIVING)
            living, silent = cursor.fetchone()
        return living > wanted or silent > 0

    def _begin(self):
        self._began_s = time.time()
        self._stage.tell("run", "begin", script=self._script.to_json())
        for proxy in self._stage.proxies.values():
            proxy.play(self._script, began_s=self._began_s)

    async def _suffer(self, sampler):
        """Strike as the script says until all is over; return whether it came to rest."""
        blows = [asyncio.create_task(self._strike(blow)) for blow in self._script.disturbances]
        guard = asyncio.create_task(self._guard())
        try:
            is_settled = await self._settle(sampler)
            await asyncio.gather(*blows)
        finally:
            guard.cancel()
        return is_settled

    async def _strike(self, blow):
        """Kill or stop a program, and bring it back."""
        await asyncio.sleep(max(0.0, self._began_s + blow.at_s - time.time()))
        program = self._stage.programs[blow.target]
        if not program.is_alive():
            return  # It ended by itself a moment ago; that the script was not played is seen.
        if blow.blow == "kill":
            program.kill()
        else:
            program.stop()
        kinds = {"kill": ("killed", "started"), "stop": ("stopped", "went-on")}[blow.blow]
        self._stage.tell("program", kinds[0], name=blow.target)
        await asyncio.sleep(blow.for_s)
        await asyncio.to_thread(program.start if blow.blow == "kill" else program.go_on)
        self._stage.tell("program", kinds[1], name=blow.target)

    async def _guard(self):
        """Write down what ended by itself, and start it again as its controller would."""
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            for name, program in self._stage.programs.items():
                code = program.ended_by_itself()
                if code is not None:
                    self._stage.tell("program", "exited", name=name, code=code)
                    await asyncio.to_thread(program.start)

    async def _settle(self, sampler):
        """Wait until all has ended, and a moment more; tell when the last fault is over."""
        healed_s = self._began_s + self._script.last_fault_s
        is_healed, quiet_since_s = False, None
        while time.time() < healed_s + SETTLES_WITHIN_S:
            await asyncio.sleep(LOOKS_EVERY_S)
            now_s = time.time()
            if not is_healed and now_s >= healed_s:
                self._stage.tell("run", "healed")
                is_healed = True
            ended = sum(state in ENDED for state in sampler.states.values())
            self._on_progress(ended)
            is_quiet = ended >= self._script.tasks and not any(self._stage.gauges.running.values())
            if not (is_healed and is_quiet and not await self._pods()):
                quiet_since_s = None
            elif quiet_since_s is None:
                quiet_since_s = now_s
            elif now_s - quiet_since_s >= QUIET_S:
                return True
        return False

    async def _pods(self):
        """Return the names of the pods there are; a placeholder where nobody answers."""
        try:
            page = await self._stage.cluster.list_pods(NAMESPACE, selector=SELECTOR, limit=5000)
        except ClusterError as error:
            return [f"(unknown: {error})"]
        return [pod.metadata.name for pod in page.items]

    async def _come_down(self, is_settled):
        """Return the records; leave nothing that another script would meet."""
        stage = self._stage
        for proxy in stage.proxies.values():
            proxy.play(None, began_s=self._began_s)
        audited_calls = await asyncio.to_thread(audited, stage.audit_log, from_s=self._began_s)
        records = [*stage.journal.records, *audited_calls, *stage.logs.secrets()]
        stage.programs["other-scheduler"].kill()
        if not is_settled:
            await self._abandon()
        return records

    async def _abandon(self):
        """Give up the tasks and pods of a script that came to no end."""
        with contextlib.closing(self._stage.database()) as database:
            for statement in ABANDON:
                with contextlib.suppress(psycopg2.Error):
                    database.cursor().execute(statement, (self._dag_id,))
        page = await self._stage.cluster.list_pods(NAMESPACE, selector=SELECTOR, limit=5000)
        for pod in page.items:
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.metadata.name}"
            with contextlib.suppress(ApiError):
                await self._stage.cluster.transport.call(
                    "DELETE", path, body={"gracePeriodSeconds": 0}
                )

    @contextlib.asynccontextmanager
    async def _watching(self, node):
        reflector = Reflector(
            self._stage.cluster,
            namespace=NAMESPACE,
            selector=SELECTOR,
            page_size=500,
            clock=SystemClock(),
            on_change=node.on_change,
            on_listed=lambda _: None,
        )
        running = asyncio.create_task(reflector.run())
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                await reflector.synced.wait()
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
