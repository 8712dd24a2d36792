"""Logs of tasks in a real Loki, read through Airflow's REST API when their pods are gone."""

import json
import os
import time
from pathlib import Path
from urllib.parse import quote

import browser
import pytest
from dag_runs import await_dags, await_ends, until
from evictions import evict
from loki_server import Loki
from second_release import ours

from tradewind.logs import reader
from tradewind.logs.client import LokiClient
from tradewind_tools import kubectl
from tradewind_tools.cluster.layout import NODE_ADDRESS

DAG_FILE = Path(__file__).parent / "dags" / "loki_logs.py"
LINES = 7000
WITHIN_S = 300

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def loki(target, tmp_path_factory):
    if not target.is_local:
        pytest.skip("pods reach a Loki of this machine on the local cluster alone")
    with Loki(tmp_path_factory.mktemp("loki"), address=NODE_ADDRESS) as server:
        yield server


@pytest.fixture(scope="module")
def airflow(target, loki):
    # Pods go at once, so that nothing but Loki has their logs.
    options = {"delete_worker_pods_on_failure": "True"}
    more = {
        "logs": {"loki": {"url": loki.url, "environment": "test"}},
        "airflow": {"config": {"tradewind": options}},
        "janitor": {"airflowLogin": {"create": True}},
    }
    with ours(target, dags=[DAG_FILE], more=more) as connected:
        await_dags(connected, ["logs_killed", "logs_running"])
        yield connected


def pods_of(target, airflow, dag_id):
    return kubectl.items(target, "pods", "-n", airflow.namespace, "-l", f"dag_id={dag_id}")


def names_of(target, airflow, dag_id):
    return [pod["metadata"]["name"] for pod in pods_of(target, airflow, dag_id)]


def start_mapped(airflow):
    """Start the mapped task; return its run once both parts have a try, whose log can be asked."""
    run_id = airflow.trigger("logs_running", conf={})

    def running():
        parts = airflow.task_instances("logs_running", run_id)
        return {part["map_index"] for part in parts if part["state"] == "running"}

    until(lambda: running() == {0, 1}, what="its parts do not run", timeout_s=WITHIN_S)
    return run_id


def log(airflow, dag_id, run_id, *, map_index=-1):
    return list(airflow.log(dag_id, run_id, "work", map_index=map_index, try_number=1))


def numbered(lines, tail):
    """Return the numbers of the lines `line N TAIL`, in the order of the log."""
    # What the executor kept of the pod's output comes last and repeats the log's end.
    kept = [n for n, line in enumerate(lines) if "::group::Last output of the pod" in line]
    lines = lines[: kept[0]] if kept else lines
    texts = [line.partition("line ")[2] for line in lines if tail in line and "line " in line]
    return [int(text.split()[0]) for text in texts]


@pytest.fixture(scope="module")
def killed(target, airflow):
    """Return the run of a task that was killed for memory and whose pod is gone."""
    run_id = airflow.trigger("logs_killed", conf={})
    assert await_ends(airflow, {"logs_killed": run_id}, timeout_s=WITHIN_S) == {
        "logs_killed": "failed"
    }
    until(
        lambda: not pods_of(target, airflow, "logs_killed"),
        what="the pod is still there",
        timeout_s=WITHIN_S,
    )
    return run_id


def test_a_task_that_was_killed_for_memory_and_whose_pod_is_gone_has_its_whole_log(airflow, killed):
    lines = log(airflow, "logs_killed", killed)
    assert numbered(lines, "of a task that eats memory") == list(range(LINES))
    assert any("I eat memory" in line for line in lines)
    assert any("Loki" in line for line in lines)


def test_airflows_interface_shows_that_log_to_its_end(airflow, killed, tmp_path):
    if browser.program() is None:
        pytest.skip("no chromium here: `apt-get install chromium` brings it")
    address = f"{airflow._url()}/dags/logs_killed/runs/{quote(killed)}/tasks/work"
    airflow.dag_ids()
    with browser.page(tmp_path) as page:
        page.open(address, cookies={"_token": airflow._token})
        until(lambda: f"line {LINES - 1} of" in _scrolled(page), what=page.text, timeout_s=120)
        shown = page.text()
        page.picture(os.environ.get("SCREENSHOT") or tmp_path / "log.png")
    assert "I eat memory" in shown


def _scrolled(page):
    """Return the page's text with every list of lines at its end: only what is seen is there."""
    page.evaluate(
        "document.querySelectorAll('*').forEach(e => { if (e.scrollHeight > e.clientHeight + 50)"
        " e.scrollTop = e.scrollHeight })"
    )
    return page.text()


def test_a_task_whose_pod_was_evicted_has_its_whole_log(target, airflow):
    run_id = start_mapped(airflow)

    def shown():
        return numbered(log(airflow, "logs_running", run_id, map_index=0), "of part 0")

    until(lambda: len(shown()) == LINES, what="its lines come", timeout_s=WITHIN_S)
    (pod,) = [
        pod
        for pod in pods_of(target, airflow, "logs_running")
        if pod["metadata"]["annotations"].get("map_index") == "0"
    ]
    name = pod["metadata"]["name"]
    evict(target, airflow, name)
    until(
        lambda: name not in names_of(target, airflow, "logs_running"),
        what="the evicted pod is still there",
        timeout_s=WITHIN_S,
    )
    until(
        lambda: airflow.run_state("logs_running", run_id) == "failed",
        what="the run does not end",
        timeout_s=WITHIN_S,
    )
    lines = log(airflow, "logs_running", run_id, map_index=0)
    assert numbered(lines, "of part 0") == list(range(LINES))
    assert any("pod failed" in line and "vict" in line for line in lines), lines[-20:]


@pytest.mark.parametrize(
    ("component", "said"),
    [
        pytest.param("scheduler", "Starting the scheduler", id="scheduler"),
        pytest.param("dag-processor", "Processing files using", id="dag-processor"),
        pytest.param("api-server", "Uvicorn running", id="api-server"),
        pytest.param("janitor", "leading", id="janitor"),
    ],
)
def test_what_components_print_is_in_loki(airflow, loki, component, said):
    """Printed when they started, so that reading tells of the whole way."""
    assert airflow.namespace
    logql = f'{{service_name="airflow", component="{component}", env="test"}}'

    def found():
        now_ns = time.time_ns()
        lines = reader.read(
            LokiClient(loki.settings()), logql, start_ns=now_ns - 3600 * 10**9, end_ns=now_ns
        )
        return [json.loads(line).get("event", "") for line in lines or ()]

    until(
        lambda: any(said in event for event in found()),
        what=lambda: f"{said!r} is not in {found()[:20]}",
        timeout_s=60,
    )


def test_a_running_mapped_tasks_lines_are_each_shown_once(airflow):
    run_id = start_mapped(airflow)
    for part in (0, 1):
        tail = f"of part {part}"

        def shown(part=part, tail=tail):
            return numbered(log(airflow, "logs_running", run_id, map_index=part), tail)

        until(lambda shown=shown: len(shown()) >= LINES, what="its lines come", timeout_s=WITHIN_S)
        assert shown() == list(range(LINES))
    assert airflow.run_state("logs_running", run_id) == "running"


def test_a_loki_that_is_away_is_said_first_and_the_live_pod_is_shown(airflow, loki):
    run_id = start_mapped(airflow)
    until(
        lambda: numbered(log(airflow, "logs_running", run_id, map_index=0), "of part 0"),
        what="its lines come",
        timeout_s=WITHIN_S,
    )
    loki.stop()
    try:
        lines = log(airflow, "logs_running", run_id, map_index=0)
    finally:
        loki.start()
    said = [n for n, line in enumerate(lines) if "The stored log cannot be read now" in line]
    written = [n for n, line in enumerate(lines) if "of part 0" in line]
    assert said
    assert written
    assert said[0] < written[0]
