import pytest
from rich.console import Console

from tradewind_tools import release, runs
from tradewind_tools.errors import ToolError


def an_instance(**more):
    return {
        "task_id": "extract",
        "map_index": -1,
        "hostname": "pod-1",
        "queued_when": "2026-01-01T00:00:00Z",
        "start_date": "2026-01-01T00:00:02.500000Z",
        "duration": 1.25,
        "state": "success",
    } | more


def test_a_row_names_pod_node_and_seconds():
    row = runs.task_row(an_instance(), nodes={"pod-1": "node-a"})
    assert row == runs.TaskRow(
        task="extract",
        pod="pod-1",
        node="node-a",
        queued_to_start_s=2.5,
        duration_s=1.25,
        state="success",
    )


def test_a_mapped_task_shows_its_index_and_a_skipped_one_has_no_pod():
    skipped = an_instance(
        map_index=3, hostname="", queued_when=None, start_date=None, duration=None, state="skipped"
    )
    row = runs.task_row(skipped, nodes={})
    assert (row.task, row.pod, row.node, row.queued_to_start_s) == ("extract[3]", "", "", None)


def test_table_shows_every_task():
    row = runs.task_row(an_instance(), nodes={"pod-1": "node-a"})
    finished = runs.Run(dag="tutorial", run="manual__1", state="success", tasks=[row])
    console = Console(width=160)
    with console.capture() as capture:
        console.print(runs.table(finished))
    for word in ("tutorial", "manual__1", "extract", "pod-1", "node-a", "2.50", "1.25", "success"):
        assert word in capture.get()


def test_summary_counts_states_and_calls_none_waiting():
    states = [an_instance(state=None), an_instance(), an_instance()]
    assert runs.summary(states) == "2 success, 1 waiting"


@pytest.mark.parametrize(
    ("dag_id", "expected"),
    [
        pytest.param("tutorail", "did you mean tutorial", id="typo"),
        pytest.param("zzz", "2 DAGs are known", id="nothing-close"),
    ],
)
def test_unknown_dag_offers_close_names(dag_id, expected):
    assert expected in runs.unknown_dag(dag_id, known=["tutorial", "example"], broken=[])


def test_unknown_dag_mentions_files_that_do_not_parse():
    assert "do not parse: bad.py" in runs.unknown_dag("x", known=[], broken=["bad.py"])


@pytest.mark.parametrize("text", ["{", "[]", "3", ""])
def test_conf_must_be_a_json_object(text):
    with pytest.raises(ToolError, match="--conf"):
        runs.parse_conf(text)


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        pytest.param("Deployment", {"replicas": 2}, {"readyReplicas": 1}, (1, 2), id="half"),
        pytest.param("StatefulSet", {"replicas": 1}, {}, (0, 1), id="not-yet"),
        pytest.param("Job", {"completions": 1}, {"succeeded": 1}, (1, 1), id="job-done"),
        pytest.param("Deployment", {"replicas": 0}, {}, (0, 0), id="scaled-to-nothing"),
    ],
)
def test_readiness_of_workloads(kind, spec, status, expected):
    item = {
        "kind": kind,
        "metadata": {"name": "x", "labels": {"app.kubernetes.io/component": "scheduler"}},
        "spec": spec,
        "status": status,
    }
    found = release.parse_workload(item)
    assert (found.ready, found.wanted) == expected
    assert found.is_ready is (expected[0] >= expected[1])
