"""A kubelet's part without pods: start and end every task pod of a namespace at once.

A process of its own, so that it takes no time from the executor it is measured with. Arguments:
server, token, certificate, namespace.
"""

import asyncio
import ssl
import sys

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.errors import ApiError
from tradewind.client.http import HttpCluster
from tradewind.clock import SystemClock
from tradewind.testing.builders import base_ended, base_running
from tradewind.watch.reflector import Reflector

PATCH = "application/strategic-merge-patch+json"


class Node:
    def __init__(self, cluster, namespace):
        self._cluster = cluster
        self._namespace = namespace
        self._seen = set()
        self._tasks = set()

    def on_change(self, change):
        name = change.pod.metadata.name
        if not change.gone and name not in self._seen:
            self._seen.add(name)
            task = asyncio.create_task(self._play(name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _play(self, name):
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
        for status in (base_running(), base_ended(0)):
            await self._cluster.transport.call(
                "PATCH", f"{path}/status", body={"status": status}, content_type=PATCH
            )


async def main(server, token, certificate, namespace):
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    proof = FixedProof(token=token, ssl_context=context)
    cluster = HttpCluster(
        Credentials(server=server, prover=proof), request_timeout_s=30, silence_s=70
    )
    reflector = Reflector(
        cluster,
        namespace=namespace,
        selector="tradewind/launch-id",
        page_size=500,
        clock=SystemClock(),
        on_change=Node(cluster, namespace).on_change,
        on_listed=lambda _: print("ready", flush=True),
    )
    try:
        await reflector.run()
    except ApiError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
