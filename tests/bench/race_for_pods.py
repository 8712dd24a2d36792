"""Two executors at one real API server claim thousands of idle pods: none twice, none stale.

    PYTHONPATH=tests/integration KUBE_APISERVER=… ETCD=… python tests/bench/race_for_pods.py

kubelets are played. Exits with 1 when a claim was double or stale. Prints a table, or JSON.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from claim_race import Race
from kube_apiserver import ApiServer, connect
from rich.console import Console
from rich.table import Table

NAMESPACE = "default"


async def race(server, folder, options):
    found = Race(lambda: connect(server), NAMESPACE, folder / "pod.yaml")
    waves = -(-options.claims // options.wave)
    # A quarter of each wave's idle pods is of an old template and must stay behind.
    idle = options.wave * 4 // 3 + 1
    return await found.run(waves=waves, idle=idle, launches=options.wave + options.wave // 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=5000)
    parser.add_argument("--wave", type=int, default=250)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = ApiServer(Path(name))
        try:
            server.start()
            result = asyncio.run(race(server, Path(name), options))
        finally:
            server.stop()
    if options.json:
        print(json.dumps(dataclasses.asdict(result), indent=2))
    else:
        table = Table("launches", "claims won", "claims lost", "double", "stale", "s")
        double = len(result.double_launches) + len(result.double_pods)
        figures = (result.launches, result.warm, result.lost_claims, double, len(result.stale))
        table.add_row(*map(str, figures), f"{result.took_s:.0f}")
        Console().print(table)
    if result.double_launches or result.double_pods or result.stale or result.unfinished:
        sys.exit(1)


if __name__ == "__main__":
    main()
