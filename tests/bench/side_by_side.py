"""This executor beside Airflow's KubernetesExecutor, in one run on the same real API server.

What an executor costs its scheduler and how fast it is: tasks from queued to ended in four shapes,
submission at several API latencies, adoption of a dead scheduler's pods, events of a watch, memory.
Both have processes of their own and take turns, so that a slow moment of the machine hits both.
kube-apiserver and etcd are real; kubelets and workers are played, so that tasks take no time and
the figures are the executor's. Prints tables, or JSON; the result is saved after each step.
"""

import argparse
import json
import os
import platform
import signal
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import measures
import shapes
import side_report
from bars import picture
from rich.console import Console
from rich.progress import Progress
from rig import rig
from subjects import OURS, SUBJECTS, UPSTREAM

from tradewind_tools import tables

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "performance.md"
RESULT = ROOT / "docs" / "benchmarks" / "side-by-side.json"
PICTURES = ROOT / "docs" / "images"
DISTRIBUTIONS = ("apache-airflow", "apache-airflow-providers-cncf-kubernetes", "kubernetes")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of it."""

    repeats: int
    tasks: int
    """In each shape."""
    shapes: tuple[str, ...] = tuple(shapes.all_of(100))
    latencies_ms: tuple[int, ...]
    submitted: int
    submitted_slowly: int
    """The same of upstream's executor, whose rate does not depend on how many there are."""
    adopted: tuple[int, ...]
    adoptions: int
    watched: int
    """Tasks whose events are recorded, five for each."""


SIZES = {
    "full": Size(
        repeats=3,
        tasks=1000,
        latencies_ms=(0, 20, 50, 150),
        submitted=2000,
        submitted_slowly=100,
        adopted=(1000, 10_000),
        adoptions=3,
        watched=1000,
    ),
    "small": Size(
        repeats=1,
        tasks=100,
        latencies_ms=(0, 50),
        submitted=200,
        submitted_slowly=20,
        adopted=(600,),
        adoptions=1,
        watched=100,
    ),
}


def steps(size):
    """Yield each step: part of the result, words for people, function of the rig."""
    for name in (OURS, UPSTREAM):
        yield "constructed", name, lambda on, name=name: [measures.constructed(on, name)]
    for _ in range(size.repeats):
        for shape in size.shapes:
            for name in (OURS, UPSTREAM):
                yield "shapes", f"{shape}, {name}", _end_to_end(name, shape, size.tasks)
    for _ in range(size.repeats):
        for latency_ms in size.latencies_ms:
            yield "submit", f"{latency_ms} ms, API server", _ceiling(latency_ms, size.submitted)
            for name in SUBJECTS:
                count = size.submitted if name == OURS else size.submitted_slowly
                yield "submit", f"{latency_ms} ms, {name}", _submit(name, latency_ms, count)
    yield "watch", "events", lambda on: _watch(on, size)
    for pods in size.adopted:
        for name in (OURS, UPSTREAM):
            yield "adoption", f"{pods} pods, {name}", _adoption(name, pods, size.adoptions)


def _end_to_end(name, shape, tasks):
    return lambda on: [measures.end_to_end(on, name, shape=shape, tasks=tasks)]


def _ceiling(latency_ms, pods):
    return lambda on: [measures.ceiling(on, latency_ms=latency_ms, pods=pods)]


def _submit(name, latency_ms, count):
    return lambda on: [measures.submit_rate(on, name, latency_ms=latency_ms, tasks=count)]


def _adoption(name, pods, repeats):
    return lambda on: measures.adoption(on, name, pods=pods, repeats=repeats)


def _watch(on, size):
    file = measures.record_events(on, tasks=size.watched)
    return [
        measures.watch_rate(name, who, file)
        for _ in range(size.repeats)
        for name, who in ((OURS, "tradewind"), (UPSTREAM, "upstream"))
    ]


def measure(size, *, save=None, only=(), earlier=None):
    """Return the result; each row is written to `save` as soon as it is there.

    Parts that are not measured are those of an `earlier` result, if there is one.
    """
    todo = [step for step in steps(size) if not only or step[0] in only]
    result = (earlier or {}) | {"machine": machine(), "size": asdict(size)}
    result = {part: rows for part, rows in result.items() if part not in {step[0] for step in todo}}
    result.setdefault("load", []).append(os.getloadavg()[0])
    with Progress(console=Console(stderr=True)) as progress, rig() as on:
        shown = progress.add_task("", total=len(todo))
        for part, words, function in todo:
            progress.update(shown, description=f"{part}: {words}")
            result.setdefault(part, []).extend(function(on))
            result["load"].append(os.getloadavg()[0])
            progress.advance(shown)
            if save:
                save.write_text(json.dumps(result, indent=1) + "\n")
    return result


def machine():
    """Return what the figures depend on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in DISTRIBUTIONS},
        "date": time.strftime("%Y-%m-%d"),
    }


def write_docs(result):
    """Write the result, the pictures and the tables that docs/performance.md has of it."""
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, groups in side_report.pictures(result).items():
        (PICTURES / f"{name}.svg").write_text(picture(**groups))
    for table in side_report.tables(result):
        tables.write(DOCUMENT, table.markdown())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full", help="full takes most of an hour")
    parser.add_argument("--only", action="append", help="a part, as `shapes`; may be repeated")
    parser.add_argument("--save", type=Path, help="JSON file, written after each step")
    parser.add_argument("--from", dest="saved", type=Path, help="show a saved result instead")
    parser.add_argument("--earlier", type=Path, help="a saved result for the parts left out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md's tables")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.saved:
        result = json.loads(options.saved.read_text())
    else:
        earlier = json.loads(options.earlier.read_text()) if options.earlier else None
        chosen = {"save": options.save, "only": options.only, "earlier": earlier}
        result = measure(SIZES[options.size], **chosen)
    if options.docs:
        write_docs(result)
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        side_report.show(result)


if __name__ == "__main__":
    sys.exit(main())
