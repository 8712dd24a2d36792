"""Create pods as fast as one client can, knowing nothing of Airflow: what an API server takes.

Arguments: server, token, certificate, a file with manifests (JSON, a list), calls at once.
"""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import uvloop

from tradewind.testing.trust import trusting

PATH = "{}/api/v1/namespaces/{}/pods"


async def main(server, token, certificate, manifests, at_once):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=at_once, ssl=trusting(certificate))
    waiting = iter(manifests)

    async def create(session):
        for manifest in waiting:
            path = PATH.format(server, manifest["metadata"]["namespace"])
            async with session.post(path, data=json.dumps(manifest).encode()) as answer:
                if answer.status >= 300:
                    sys.exit(f"{answer.status} {await answer.text()}")

    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await asyncio.gather(*(create(session) for _ in range(at_once)))


if __name__ == "__main__":
    server, token, certificate, file, at_once = sys.argv[1:]
    manifests = json.loads(Path(file).read_text())
    uvloop.run(main(server, token, certificate, manifests, int(at_once)))
