"""The part of Airflow's REST API that the janitor asks, with rows a test writes down."""

import asyncio
import itertools
from collections import defaultdict

from aiohttp import web
from aiohttp.test_utils import TestServer

ONE = "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}"
LIST = "/api/v2/dags/~/dagRuns/~/taskInstances/list"


class AirflowStub:
    """Task instances of DAG runs, over HTTP; `test_airflow_api_server.py` holds it to Airflow."""

    def __init__(self):
        self._runs = defaultdict(dict)
        """Rows by (task, map index) of a (dag, run)."""
        self.broken = None
        """Answers everything instead, when set; may be a coroutine."""
        self.signs_in = False
        """Whether logins are answered well all the same."""
        app = web.Application()
        app.router.add_post("/auth/token", self._token)
        app.router.add_post(LIST, self._list)
        app.router.add_get(ONE, self._one)
        self.server = TestServer(app)

    @property
    def url(self):
        return str(self.server.make_url("/")).rstrip("/")

    def tell(self, task_id, state, *, row_id, try_number=1, dag_id="etl", run_id="r", map_index=-1):
        self._runs[dag_id, run_id][task_id, map_index] = {
            "id": row_id,
            "dag_id": dag_id,
            "dag_run_id": run_id,
            "task_id": task_id,
            "map_index": map_index,
            "try_number": try_number,
            "state": state,
        }

    async def _token(self, request):
        if self.broken and not self.signs_in:
            return await self._broken()
        return web.json_response({"access_token": "t"})

    async def _broken(self):
        answer = self.broken()
        return await answer if asyncio.iscoroutine(answer) else answer

    async def _list(self, request):
        if self.broken:
            return await self._broken()
        asked = await request.json()
        tasks = set(asked["task_ids"])
        told = [
            row
            for run in itertools.product(asked["dag_ids"], asked["dag_run_ids"])
            for (task, _), row in self._runs.get(run, {}).items()
            if task in tasks
        ]
        told.sort(key=lambda row: row["id"])
        start = asked["page_offset"]
        page = told[start : start + asked["page_limit"]]
        return web.json_response({"task_instances": page, "total_entries": len(told)})

    async def _one(self, request):
        if self.broken:
            return await self._broken()
        dag, run, task, index = (request.match_info[k] for k in ("dag", "run", "task", "index"))
        row = self._runs.get((dag, run), {}).get((task, int(index)))
        if row is not None:
            return web.json_response(row)
        said = (
            f"The Mapped Task Instance with dag_id: `{dag}`, run_id: `{run}`, task_id: `{task}`, "
            f"and map_index: `{index}` was not found"
        )
        return web.json_response({"detail": said}, status=404)
