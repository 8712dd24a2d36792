"""What waiting pods cost an API server: processor time of one process that holds their requests.

A real kube-apiserver and etcd on loopback, bound tokens that it issued, a real `airflow api-server`
with the rights that the chart gives it, and clients that ask again as the worker does. Prints a
table, or JSON.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

import aiohttp
from issued_tokens import Issuer
from kube_apiserver import ApiServer, connect
from rich.console import Console
from rich.table import Table
from serving_airflow import Airflow

NAMESPACE = "default"
AT_ONCE = 16
TICKS = os.sysconf("SC_CLK_TCK")


async def issue(server, count):
    """Return a token for each of `count` idle pods."""
    cluster = connect(server)
    issuer = Issuer(cluster, NAMESPACE)
    await issuer.account("worker")
    labels = {"tradewind/installation": Airflow.INSTALLATION, "tradewind/pool": "default"}
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number):
        async with turn:
            pod = await issuer.pod(f"idle-{number}", labels=labels)
            return await issuer.token(pod=pod, seconds=3600)

    tokens = await asyncio.gather(*(one(number) for number in range(count)))
    await cluster.close()
    return tokens


async def poll(session, url, token, hold_s, tally):
    """Ask again and again, as an idle pod's worker does."""
    body = {"protocol": 1, "template": "", "worker": "bench", "hold": hold_s}
    while True:
        async with session.post(
            url, json=body, headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            await answer.read()
            tally[answer.status] = tally.get(answer.status, 0) + 1
            if answer.status != 204:
                await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def polling(airflow, tokens, hold_s):
    """Let all pods ask, their first requests spread over one hold."""
    tally = {}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def late(number, token):
            await asyncio.sleep(hold_s * number / len(tokens))
            await poll(session, f"{airflow.url}/tradewind/v1/board", token, hold_s, tally)

        tasks = [asyncio.create_task(late(*pair)) for pair in enumerate(tokens)]
        try:
            await asyncio.sleep(hold_s * 1.5)
            yield tally
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def spent_s(pid):
    """Return the processor seconds of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def share(pid, seconds):
    """Return the share of a core that the process takes."""
    before, began = spent_s(pid), time.monotonic()
    await asyncio.sleep(seconds)
    return (spent_s(pid) - before) / (time.monotonic() - began)


def reference_ms():
    """Return the processor time of a fixed piece of work: what this machine is worth just now."""
    began = time.process_time()
    for _ in range(2_000):
        json.loads(json.dumps({"numbers": list(range(50)), "text": "x" * 200}))
    return 1000 * (time.process_time() - began)


async def measure(airflow, tokens, options):
    pid = airflow.pid
    alone, small = await share(pid, options.seconds / 2), resident_mb(pid)
    async with polling(airflow, tokens, options.hold) as tally:
        before = dict(tally)
        held = await share(pid, options.seconds)
        reference = reference_ms()
        asked = {status: tally[status] - before.get(status, 0) for status in tally}
        grown = resident_mb(pid) - small
    return {
        "pods": len(tokens),
        "hold_s": options.hold,
        "idle_percent": 100 * alone,
        "held_percent": 100 * held,
        "answers": asked,
        "ms_per_poll": 1000 * (held - alone) * options.seconds / max(1, sum(asked.values())),
        "memory_mb": grown,
        "reference_ms": reference,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=500)
    parser.add_argument("--hold", type=float, default=25)
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ApiServer(folder)
        server.start()
        try:
            tokens = asyncio.run(issue(server, options.pods))
            with Airflow(folder, server, namespace=NAMESPACE) as airflow:
                figures = asyncio.run(measure(airflow, tokens, options))
        finally:
            server.stop()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}" if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
