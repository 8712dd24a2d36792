"""Airflow seam: from the start of the process to its end.

Airflow is imported where it is used: the order of imports, freezing and boarding is the point.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tradewind import contract
from tradewind.contract import EXIT_NOT_STARTED, Farewell
from tradewind.errors import ConfigError, TradewindError
from tradewind.worker import boarding, cgroup, endings, preload
from tradewind.worker.answers import End
from tradewind.worker.departure import Departure
from tradewind.worker.endings import Ending
from tradewind.worker.endpoint import Endpoint

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload

    from tradewind.worker.sdk import Watch

log = logging.getLogger("tradewind.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The workload as it arrived."""

    workload: bytes = field(repr=False)
    delivered_s: float
    """Seconds since the epoch."""
    cpu_s: float | None
    """What the container had used until then."""


def main(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> NoReturn:
    """Run one workload and end the process. Main thread of a process of its own."""
    given = _given(_parse(arguments))
    departure = Departure(
        termination_file=Path(
            environment.get(contract.ENV_TERMINATION_FILE) or contract.TERMINATION_FILE
        ),
        is_claimed=given is not None or contract.ENV_BUDGET in environment,
    )
    departure.leave_on_sigterm()
    watch = _prepare(environment, departure)
    delivery = given or _board(environment, departure)
    ending = _run(delivery.workload, watch)
    departure.say(_farewell(ending, delivery, watch))
    departure.go(ending.exit_code)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tradewind.worker",
        description="Run one workload of Airflow: the one given, or else the one that this pod "
        "gets from the boarding endpoint.",
    )
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--json-path", help="File with the workload as JSON")
    given.add_argument("--json-string", help="The workload as JSON")
    return parser.parse_args(arguments)


def _given(options: argparse.Namespace) -> Delivery | None:
    """Return the workload of the arguments; it arrived together with the container."""
    if options.json_path is not None:
        workload = Path(options.json_path).read_bytes()
    elif options.json_string is not None:
        workload = options.json_string.encode()
    else:
        return None
    return Delivery(workload=workload, delivered_s=time.time(), cpu_s=0.0)


def _prepare(environment: Mapping[str, str], departure: Departure) -> Watch:
    """Load everything that needs no workload, and freeze it: a fork shares what nobody touches."""
    more = [name.strip() for name in environment.get(contract.ENV_PRELOAD, "").split(",")]
    troubles = preload.load(filter(None, more))
    from tradewind.worker import sdk  # noqa: PLC0415 - its imports are what `load` has loaded

    asking_s = _asking_s(environment, departure, default=sdk.ASKING_S)
    watch = sdk.Watch(on_ask=departure.leave_sigterm_to_airflow, asking_s=asking_s)
    watch.attach()
    if not sdk.end_without_tail():
        troubles.append("Airflow's supervisor is not the one known: pods may end 5 s late")
    for trouble in filter(None, (*troubles, preload.threads())):
        log.warning(trouble)
    gc.collect()
    gc.freeze()
    gc.enable()
    return watch


def _asking_s(environment: Mapping[str, str], departure: Departure, *, default: float) -> float:
    """Return how long a start is asked for, or end the process."""
    try:
        given = boarding.seconds(environment, contract.ENV_ASKING)
    except ConfigError as error:
        _leave(departure, EXIT_NOT_STARTED, Farewell(ended="not_started", reason=str(error)))
    return default if given is None else given


def _board(environment: Mapping[str, str], departure: Departure) -> Delivery:
    """Return the workload that the endpoint hands over, or end the process."""
    try:
        settings = boarding.Settings.of(environment)
    except ConfigError as error:
        _leave(departure, EXIT_NOT_STARTED, Farewell(ended="not_started", reason=str(error)))
    endpoint = Endpoint(
        url=settings.url,
        token_file=settings.token_file,
        template=settings.template,
        worker=boarding.WORKER,
        tls=preload.tls_context,
    )
    _tell_ready(environment.get(contract.ENV_READY_FILE))
    log.info("waiting for a workload from %s", settings.url)
    said = boarding.board(endpoint, settings, tell=log.warning, rng=random.SystemRandom())
    if isinstance(said, End):
        _leave(departure, said.exit_code, Farewell(ended=said.ended, reason=said.reason))
    delivery = Delivery(workload=said.workload, delivered_s=time.time(), cpu_s=cgroup.cpu_s())
    endpoint.close()
    return delivery


def _tell_ready(file: str | None) -> None:
    """Let the startup probe of an idle pod pass; others have none."""
    if not file:
        return
    try:
        Path(file).touch()
    except OSError as error:
        log.warning("this pod stays unready until it has a task: %s", error)


def _leave(departure: Departure, exit_code: int, farewell: Farewell) -> NoReturn:
    log.warning("no workload runs in this pod: %s", farewell.reason)
    departure.say(farewell)
    departure.go(exit_code)


def _run(payload: bytes, watch: Watch) -> Ending:
    """Run the workload as Airflow's own worker does, and return how the pod ends."""
    from airflow.executors.workloads import ExecuteTask  # noqa: PLC0415 - after `load`
    from airflow.sdk.execution_time.execute_workload import execute_workload  # noqa: PLC0415

    try:
        workload = _decode(payload)
        if not isinstance(workload, ExecuteTask):
            watch.begins_unasked()
        execute_workload(workload)
    except BaseException as error:  # noqa: BLE001 - also what ends an interpreter
        ending = endings.of(error, start=watch.start)
        if ending.is_upstreams:
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            log.warning("the workload does not run in this pod: %s", ending.reason)
        return ending
    return endings.of(None, start=watch.start)


def _decode(payload: bytes) -> ExecutorWorkload:
    """Return the workload.

    Raises:
        TradewindError: it is none; the sentence quotes nothing of it, for it holds a token.

    """
    from airflow.executors.workloads import ExecutorWorkload  # noqa: PLC0415 - after `load`
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    try:
        return TypeAdapter(ExecutorWorkload).validate_json(payload)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, one['loc'])) or 'all of it'} ({one['type']})"
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    raise TradewindError(
        f"the workload is not one that Airflow here can run: {', '.join(wrong)}: let scheduler, "
        "API server and worker run the same version of Airflow"
    )


def _farewell(ending: Ending, delivery: Delivery, watch: Watch) -> Farewell:
    cpu_s = cgroup.cpu_s()
    if cpu_s is not None:
        cpu_s = None if delivery.cpu_s is None else round(cpu_s - delivery.cpu_s, 3)
    return Farewell(
        ended=ending.ended,
        reason=ending.reason,
        delivered_s=delivery.delivered_s,
        run_s=watch.run_s,
        user_code_s=watch.user_code_s,
        ended_s=time.time(),
        peak_memory_bytes=cgroup.peak_memory_bytes(),
        cpu_s=cpu_s,
        oom_kills=cgroup.oom_kills(),
    )
