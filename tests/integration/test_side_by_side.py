"""The benchmark beside Airflow's KubernetesExecutor runs, and measures what it says; no figure."""

import pytest
import side_by_side
import side_report
from subjects import OURS, SUBJECTS, UPSTREAM

SIZE = side_by_side.Size(
    repeats=1,
    tasks=100,
    shapes=("short-chains",),
    latencies_ms=(20,),
    submitted=40,
    submitted_slowly=10,
    adopted=(520,),
    adoptions=1,
    watched=100,
)


@pytest.mark.timeout(900)  # Seventeen processes import Airflow, some of them with three below.
def test_every_part_is_measured(tmp_path):
    saved = tmp_path / "result.json"
    result = side_by_side.measure(SIZE, save=saved)
    runs = {row["executor"]: row for row in result["shapes"]}
    assert runs.keys() == {OURS, UPSTREAM}
    # Counted by the API server: a run in which pods were not there would be none.
    calls = runs[OURS]["calls_per_task"]
    assert (calls["create"], calls["delete"], calls["get"]) == (1, 1, 0)
    assert runs[UPSTREAM]["calls_per_task"]["create"] == 1
    assert {row["executor"] for row in result["submit"]} == {*SUBJECTS, side_report.API_SERVER}
    assert {row["pods"] for row in result["adoption"]} == {520}
    # Events of each task: created, running, ended, deleted, gone.
    assert min(row["events"] for row in result["watch"]) >= 4 * SIZE.watched
    assert saved.read_text().count("tasks_per_s") == 2
    assert len(side_report.tables(result)) == 5
