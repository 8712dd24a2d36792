"""How many events of a watch a client takes in a second: this executor's, and upstream's.

Both read the same recorded events, through their own client and with what they do of each before
anything is decided: this executor's reflector, and Airflow's watcher, which makes a model of each.
Arguments: `tradewind` or `upstream`, a file with the events as an API server sent them (lines).
"""

import asyncio
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from kubernetes import client, watch

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.http import HttpCluster
from tradewind.clock import SystemClock
from tradewind.watch.reflector import Reflector

GIVE_UP_S = 120


class Server:
    """Answers each watch with the recorded events, as fast as they are read; a list is empty."""

    def __init__(self, events):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                watches = "watch=" in self.path
                body = events if watches else EMPTY
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()


EMPTY = json.dumps(
    {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
).encode()


def ours(url, last):
    """Return the seconds until the event with the version `last` was told."""

    async def read():
        cluster = HttpCluster(
            Credentials(server=url, prover=FixedProof()), request_timeout_s=30, silence_s=70
        )
        done = asyncio.Event()

        def on_change(change):
            if change.pod.metadata.resource_version == last:
                done.set()

        reflector = Reflector(
            cluster,
            namespace="bench",
            selector="kubernetes_executor",
            page_size=500,
            clock=SystemClock(),
            on_change=on_change,
            on_listed=lambda _: None,
        )
        began_s = time.perf_counter()
        running = asyncio.create_task(reflector.run())
        async with asyncio.timeout(GIVE_UP_S):
            await done.wait()
        took_s = time.perf_counter() - began_s
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cluster.close()
        return took_s

    return asyncio.run(read())


def upstreams(url, last):
    """Return the same of Airflow's watcher."""
    configuration = client.Configuration(host=url)
    api = client.CoreV1Api(client.ApiClient(configuration))
    began_s = time.perf_counter()
    stream = watch.Watch().stream(api.list_namespaced_pod, "bench", resource_version="1")
    for event in stream:
        # What Airflow's watcher reads of each.
        pod = event["object"]
        _ = pod.metadata.name, pod.metadata.annotations["dag_id"], pod.status.phase
        if pod.metadata.resource_version == last:
            return time.perf_counter() - began_s
    raise EOFError(f"no event has version {last}")


def main(who, file):
    events = Path(file).read_bytes()
    lines = events.splitlines()
    last = json.loads(lines[-1])["object"]["metadata"]["resourceVersion"]
    with Server(events) as server:
        took_s = {"tradewind": ours, "upstream": upstreams}[who](server.url, last)
    print(json.dumps({"events": len(lines), "per_s": len(lines) / took_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
