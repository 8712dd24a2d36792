"""What logs in Loki cost and how fast they are, against a real Loki on the same machine.

`./task bench:logs` prints the figures of docs/logs.md. One process writes, reads and measures, so
that Loki competes for the same processors.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from airflow.sdk._shared.logging.structlog import structlog_processors
from loki_server import Loki

from tradewind.logs import identity, reader
from tradewind.logs.client import LokiClient
from tradewind.logs.settings import LokiSettings
from tradewind.logs.shipper import Shipper
from tradewind.loki_log import LokiLog

PATH = "dag_id=bench/run_id={}/task_id=t/attempt=1.log"
APART = timedelta(microseconds=40)
EVENT = "line {} of a task that says what it does in about as many words as tasks do, row 123456"


def used_mib(field):
    """Return what the kernel says of this process: VmRSS now, VmHWM at most."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if field in line]
    return int(line.split()[1]) / 1024


def sending(settings, folder, file):
    """Send a file that is complete; return how much memory that took. In a process of its own."""
    before_mib = used_mib("VmRSS")
    shipper = Shipper(settings, folder=folder)
    shipper.follow(str(file), offset=0)
    left = shipper.flush(str(file), timeout_s=600)
    return left, used_mib("VmHWM") - before_mib


def fresh(folder, name):
    file = folder / PATH.format(f"{name}-{time.time_ns()}")
    file.parent.mkdir(parents=True)
    return file


def render(count):
    """Return lines as far apart as a supervisor writes them, the first of them now."""
    at = datetime.now(UTC)
    return b"".join(
        b'{"timestamp":"%sZ","level":"info","event":"%s"}\n'
        % ((at + n * APART).strftime("%Y-%m-%dT%H:%M:%S.%f").encode(), EVENT.format(n).encode())
        for n in range(count)
    )


def writing(settings, folder, count):
    """Return the file, and lines a second from its first line to Loki's last answer."""
    file = fresh(folder, "write")
    content = render(count)
    file.write_bytes(b"")
    shipper = Shipper(settings, folder=folder)
    shipper.follow(str(file), offset=0)
    began = time.perf_counter()
    file.write_bytes(content)
    left = shipper.flush(str(file), timeout_s=600)
    return file, (count - left) / (time.perf_counter() - began)


def reading(settings, folder, file):
    """Return lines, and lines a second."""
    logql = identity.of(file.relative_to(folder).as_posix()).query(settings.environment)
    now_ns = time.time_ns()
    began = time.perf_counter()
    lines = reader.read(
        LokiClient(settings), logql, start_ns=now_ns - 3600 * 10**9, end_ns=now_ns + 10**9
    )
    count = sum(1 for _ in lines)
    return count, count / (time.perf_counter() - began)


def visible_s(settings, folder, samples):
    """Return seconds from the write of a line to Loki's first answer with it, sorted."""
    file = fresh(folder, "latency")
    file.write_bytes(b"")
    shipper = Shipper(settings, folder=folder)
    logql = identity.of(file.relative_to(folder).as_posix()).query(settings.environment)
    found = []
    for n in range(samples):
        written = time.perf_counter()
        with file.open("ab") as log:
            log.write(render(1))
        shipper.follow(str(file), offset=0)
        while True:
            now_ns = time.time_ns()
            lines = reader.read(
                LokiClient(settings), logql, start_ns=now_ns - 600 * 10**9, end_ns=now_ns + 10**9
            )
            if lines is not None and sum(1 for _ in lines) > n:
                break
            time.sleep(0.02)
        found.append(time.perf_counter() - written)
        time.sleep(0.37)  # Not in step with the sender.
    return sorted(found)


@contextmanager
def logger(folder, log):
    """Give a logger as Airflow's supervisor makes it, with Loki's processors if there is one."""
    shared, _, final = structlog_processors(json_output=True)
    file = fresh(folder, "cost")
    with file.open("ab") as stream:
        extra = log.processors if log else ()
        yield structlog.wrap_logger(
            structlog.BytesLogger(stream),
            wrapper_class=structlog.make_filtering_bound_logger(0),
            processors=[*shared, *extra, final],
        )
    if log:
        log._shipper._forget(str(file), log._shipper._spools[str(file)])


def cost_us(folder, log, count):
    """Return microseconds that the supervisor needs for one line."""
    with logger(folder, log) as bound:
        began = time.perf_counter()
        for n in range(count):
            bound.info(EVENT, n=n)
        return (time.perf_counter() - began) / count * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "loki").mkdir()
        loki = Loki(folder / "loki").start()
        try:
            settings = loki.settings()
            writing(settings, folder, 1000)  # Connected, compiled, warm.
            used_s = time.process_time()
            file, written = writing(settings, folder, options.lines)
            used_us = (time.process_time() - used_s) / options.lines * 1e6
            print(f"written   {written:10,.0f} lines/s, {used_us:.1f} us of processor time each")
            used_s = time.process_time()
            count, read = reading(settings, folder, file)
            used_us = (time.process_time() - used_s) / count * 1e6
            print(f"read      {read:10,.0f} lines/s, {used_us:.1f} us of processor time each")
            spawning = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawning) as pool:
                left, grown_mib = pool.submit(sending, settings, folder, file).result()
            print(f"memory    {grown_mib:10.1f} MiB for sending it, {left} lines left")
            seen = visible_s(settings, folder, options.samples)
            print(f"visible   {statistics.median(seen):10.2f} s p50, {seen[-1]:.2f} s most")
            away = LokiSettings(url="http://127.0.0.1:9")
            for _ in range(2):  # The second time everything is warm.
                costs = {
                    "without": cost_us(folder, None, 50_000),
                    "with Loki": cost_us(folder, LokiLog(settings, folder=name), 50_000),
                    "Loki away": cost_us(folder, LokiLog(away, folder=name), 50_000),
                }
            for case, cost in costs.items():
                print(f"a line    {cost:10.1f} us in the supervisor, {case}")
        finally:
            loki.stop()


if __name__ == "__main__":
    main()
