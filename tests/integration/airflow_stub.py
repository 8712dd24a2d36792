"""The part of Airflow's REST API that the janitor asks, with rows a test writes down."""

import asyncio

from aiohttp import web
from aiohttp.test_utils import TestServer


class AirflowStub:
    """Task instances by (dag, run, task, map index), over HTTP."""

    def __init__(self):
        self.rows = {}
        self.broken = None
        """Answers everything instead, when set; may be a coroutine."""
        self.signs_in = False
        """Whether logins are answered well all the same."""
        app = web.Application()
        app.router.add_post("/auth/token", self._token)
        app.router.add_post("/api/v2/dags/~/dagRuns/~/taskInstances/list", self._list)
        one = "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}"
        app.router.add_get(one, self._one)
        self.server = TestServer(app)

    @property
    def url(self):
        return str(self.server.make_url("/")).rstrip("/")

    def tell(self, task_id, state, *, row_id, try_number=1):
        self.rows["etl", "r", task_id, -1] = {
            "id": row_id,
            "dag_id": "etl",
            "dag_run_id": "r",
            "task_id": task_id,
            "map_index": -1,
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
        told = [
            row
            for row in self.rows.values()
            if row["dag_id"] in asked["dag_ids"] and row["task_id"] in asked["task_ids"]
        ]
        return web.json_response({"task_instances": told, "total_entries": len(told)})

    async def _one(self, request):
        if self.broken:
            return await self._broken()
        dag, run, task, index = (request.match_info[k] for k in ("dag", "run", "task", "index"))
        row = self.rows.get((dag, run, task, int(index)))
        if row is not None:
            return web.json_response(row)
        said = (
            f"The Mapped Task Instance with dag_id: `{dag}`, run_id: `{run}`, task_id: `{task}`, "
            f"and map_index: `{index}` was not found"
        )
        return web.json_response({"detail": said}, status=404)
