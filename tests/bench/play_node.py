"""A kubelet's and a worker's part without pods: start every task pod, let its task succeed, end it.

With `hold` for a sixth argument tasks begin and do not end.

A process of its own, so that it takes no time from the executor it is measured with. Arguments:
server, token, certificate, namespace, SQLite file with the rows of the tasks.
"""

import asyncio
import sqlite3
import sys

import uvloop

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.errors import ApiError
from tradewind.client.http import HttpCluster
from tradewind.clock import SystemClock
from tradewind.testing.builders import base_ended, base_running
from tradewind.testing.trust import trusting
from tradewind.watch.reflector import Reflector

PATCH = "application/strategic-merge-patch+json"
EVERY_S = 0.01
"""Between two transactions: what every task waits for, whichever executor it has."""
# All of the index: by less, each update would read the rows of every earlier measurement.
BECOME = """
UPDATE task_instance SET state = ?
WHERE dag_id = ? AND task_id = ? AND run_id = ? AND map_index = ?
"""


class Rows:
    """Task instances of mapped tasks; many at once change their state in one transaction."""

    def __init__(self, file):
        self._database = sqlite3.connect(file, timeout=60)
        self._database.execute("PRAGMA synchronous=NORMAL")  # No wait for the disk.
        self._waiting = []

    async def become(self, state, annotations):
        """Set the state of the row that the pod's annotations name; return once it is written."""
        written = asyncio.get_running_loop().create_future()
        names = ("dag_id", "task_id", "run_id", "map_index")
        row = (state, *(annotations[name] for name in names))
        self._waiting.append((row, written))
        await written

    async def run(self):
        while True:
            await asyncio.sleep(EVERY_S)
            waiting, self._waiting = self._waiting, []
            with self._database:
                self._database.executemany(
                    BECOME,
                    [row for row, _ in waiting],
                )
            for _, written in waiting:
                written.set_result(None)


class Node:
    def __init__(self, cluster, namespace, rows, *, holds):
        self._cluster = cluster
        self._namespace = namespace
        self._rows = rows
        self._holds = holds
        self._seen = set()
        self._tasks = set()

    def on_change(self, change):
        metadata = change.pod.metadata
        if not change.gone and metadata.name not in self._seen:
            self._seen.add(metadata.name)
            task = asyncio.create_task(self._play(metadata))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _play(self, metadata):
        await self._set(metadata.name, base_running())
        if self._holds:
            await self._rows.become("running", metadata.annotations)
            return
        await self._rows.become("success", metadata.annotations)
        await self._set(metadata.name, base_ended(0))

    async def _set(self, name, status):
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/status"
        await self._cluster.transport.call(
            "PATCH", path, body={"status": status}, content_type=PATCH
        )


async def main(server, token, certificate, namespace, database, what=""):
    proof = FixedProof(token=token, ssl_context=trusting(certificate))
    cluster = HttpCluster(
        Credentials(server=server, prover=proof), request_timeout_s=30, silence_s=70
    )
    rows = Rows(database)
    reflector = Reflector(
        cluster,
        namespace=namespace,
        # Upstream's label; both executors set it.
        selector="kubernetes_executor",
        page_size=500,
        clock=SystemClock(),
        on_change=Node(cluster, namespace, rows, holds=what == "hold").on_change,
        on_listed=lambda _: print("ready", flush=True),
    )
    try:
        await asyncio.gather(reflector.run(), rows.run())
    except ApiError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
