"""docs/bad-input.md, row by row, through the executor: that task alone, and the scheduler goes on.

What the page says a user reads is compared with what is reported.
"""

import ast
import functools
import re
import threading
from pathlib import Path

import bad_inputs as rows
import pytest
from airflow.utils.state import TaskInstanceState

from tradewind import _compat

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def table(title):
    """Return {row: cells after it} of the table under a heading of the page."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if re.match(r"\| `", line)]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first.strip("` "): rest for first, *rest in cells}


REFUSED, PUT_RIGHT, ELSEWHERE = table("Refused"), table("Put right"), table("Judged elsewhere")


def refused(*tables):
    """Parametrize over the rows of these tables, with what the page says a user reads."""
    found = [row for one in tables for row in one]
    return pytest.mark.parametrize(
        ("row", "reads"), [pytest.param(row, REFUSED[row][-1], id=row) for row in found]
    )


def pattern(reads):
    """Return the expression for a sentence of the page, where … stands for anything."""
    return ".*".join(re.escape(part) for part in reads.strip("`").split("…"))


def test_the_page_has_exactly_the_rows_that_are_tried():
    tried = {*rows.TEMPLATES, *rows.CONFIGS, *rows.BODIES, *rows.HOOKS, "hook-hangs"}
    assert set(REFUSED) == tried
    assert set(PUT_RIGHT) == {*rows.TASKS, *rows.HARMLESS, "hook-shares", "hook-answers"}


@functools.cache
def functions_of(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("row", ELSEWHERE)
def test_a_test_that_the_page_names_exists(row):
    for node_id in re.findall(r"`([^`]+::[^`]+)`", ELSEWHERE[row][-1]):
        path, _, function = node_id.partition("::")
        assert function in functions_of(path)


@pytest.fixture
def judged(scheduler):
    """Return a function that runs a bad task beside a good one and returns what is reported."""

    def run(**bad):
        good = scheduler.a_task(task_id="good")
        wrong = scheduler.a_task(**{"task_id": "bad"} | bad)
        with scheduler.started() as executor:
            scheduler.queue(wrong)
            scheduler.until(lambda: executor.event_buffer)
            ((key, (state, info)),) = executor.get_event_buffer().items()
            assert (key, state) == (wrong.key, TaskInstanceState.FAILED)
            scheduler.queue(good)
            name = scheduler.pod()
            scheduler.set_state(good, "success")
            scheduler.ends(name)
            scheduler.until(lambda: good.key not in executor.running)
            assert scheduler.events() == {good.key: TaskInstanceState.SUCCESS}
            assert not executor.running
        return info

    return run


@refused(rows.TEMPLATES)
def test_a_bad_template_fails_its_own_task_with_a_sentence(judged, tmp_path, row, reads):
    path = tmp_path / "own.yaml"
    path.write_text(rows.TEMPLATES[row])
    assert re.search(pattern(reads), judged(executor_config={"pod_template_file": str(path)}))


@pytest.fixture
def forbidding(monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__FORBIDDEN_OVERRIDE_FIELDS", rows.FORBIDDEN)


@pytest.mark.usefixtures("forbidding")
@refused(rows.CONFIGS)
def test_a_bad_executor_config_fails_its_own_task_with_a_sentence(judged, row, reads):
    assert re.search(pattern(reads), judged(executor_config=rows.CONFIGS[row]))


@refused(rows.BODIES)
def test_an_answer_that_is_no_status_fails_its_own_task_with_a_sentence(
    judged, scheduler, row, reads
):
    scheduler.cluster.fail("create", rows.answer(row))
    assert re.search(pattern(reads), judged())


@pytest.fixture
def hooked(monkeypatch):
    """Return a function that installs a pod_mutation_hook which acts on the bad task alone."""

    def install(hook):
        def only_bad(pod):
            if pod.metadata.annotations["task_id"] == "bad":
                hook(pod)

        monkeypatch.setattr(_compat, "mutation_hook", lambda: only_bad)

    return install


@refused(rows.HOOKS)
def test_a_bad_hook_fails_its_own_task_with_a_sentence(hooked, judged, row, reads):
    hooked(rows.HOOKS[row])
    assert re.search(pattern(reads), judged())


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__POD_MUTATION_HOOK_TIMEOUT", "0.1")


@pytest.mark.usefixtures("impatient")
def test_a_hook_that_hangs_fails_its_own_task_with_a_sentence(hooked, judged):
    release = threading.Event()
    hooked(lambda _: release.wait())
    try:
        assert re.search(pattern(REFUSED["hook-hangs"][-1]), judged())
    finally:
        release.set()


@pytest.fixture
def runs(scheduler):
    """Return a function that runs a task beside a good one to its end and returns its pod."""

    def run(**odd):
        good, task = scheduler.a_task(task_id="good"), scheduler.a_task(**odd)
        with scheduler.started() as executor:
            for workload in (good, task):
                scheduler.queue(workload)
            scheduler.pod(1)
            pods = [scheduler.raw(name) for name in scheduler.cluster.names()]
            for workload in (good, task):
                scheduler.set_state(workload, "success")
            for pod in pods:
                scheduler.ends(pod["metadata"]["name"])
            scheduler.until(lambda: not executor.running)
            assert set(scheduler.events()) == {good.key, task.key}
        assert len(pods) == 2
        launches = [pod["metadata"]["labels"]["tradewind/launch-id"] for pod in pods]
        return pods[launches.index(task.ti.external_executor_id)]

    return run


@pytest.mark.parametrize("row", rows.TASKS)
def test_a_task_of_any_identifier_runs_in_a_pod_that_servers_take(runs, row):
    metadata = runs(**rows.TASKS[row])["metadata"]
    assert DNS_LABEL.fullmatch(metadata["name"])
    assert all(len(value) <= 63 for value in metadata["labels"].values())
    said = {name: str(value) for name, value in rows.TASKS[row].items()}
    assert metadata["annotations"].items() >= said.items()


@pytest.mark.parametrize("row", rows.HARMLESS)
def test_what_is_put_right_runs_as_ours(runs, row):
    pod = runs(task_id="odd", executor_config=rows.HARMLESS[row])
    assert pod["metadata"]["name"].startswith("etl-odd-")
    assert pod["metadata"]["labels"]["airflow-worker"] == "7"
    assert pod["metadata"]["labels"]["dag_id"] == pod["metadata"]["annotations"]["dag_id"] == "etl"
    assert pod["spec"]["restartPolicy"] == "Never"


def test_what_a_hook_changes_reaches_no_other_pod(monkeypatch, runs, scheduler):
    def share(pod):
        pod.spec.containers[0].env.append({"name": "MORE", "value": "1"})

    monkeypatch.setattr(_compat, "mutation_hook", lambda: share)
    runs(task_id="odd")
    for name in scheduler.cluster.names():
        env = scheduler.raw(name)["spec"]["containers"][0]["env"]
        assert [entry["name"] for entry in env].count("MORE") == 1


def test_what_a_hook_answers_is_ignored(hooked, runs):
    hooked(lambda _: "another pod")
    assert runs(task_id="bad")["spec"]["containers"][0]["image"] == "worker"
