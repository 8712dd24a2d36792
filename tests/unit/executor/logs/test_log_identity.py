"""Which lines of Loki belong to a try."""

import pytest

from tradewind.logs import identity

TRY = "dag_id=etl/run_id=manual__2026-11-27T10:00:00+00:00/task_id=load.x/attempt=2.log"
FIELDS = {
    "run_id": "manual__2026-11-27T10:00:00+00:00",
    "task_id": "load.x",
    "map_index": "-1",
    "try_number": "2",
}


@pytest.mark.parametrize(
    ("path", "dag_id", "component", "fields"),
    [
        (TRY, "etl", "task", FIELDS),
        (f"{TRY}.trigger.7.log", "etl", "triggerer", FIELDS),
        (f"{TRY}.trigger", "etl", "triggerer", FIELDS),
        (
            TRY.replace("/attempt", "/map_index=3/attempt"),
            "etl",
            "task",
            FIELDS | {"map_index": "3"},
        ),
        ("mine/etl/2.log", "", "task", {"log_path": "mine/etl/2.log"}),
        ("mine/etl/2.log.trigger.7.log", "", "triggerer", {"log_path": "mine/etl/2.log"}),
    ],
)
def test_a_logs_path_says_what_it_is(path, dag_id, component, fields):
    found = identity.of(path)
    assert (found.dag_id, found.component, found.metadata) == (dag_id, component, fields)


def test_logs_of_no_task_are_left_alone():
    assert identity.of("dag_processor/2026-11-27/dags-folder/etl.py.log") is None


def test_one_question_finds_the_tasks_and_the_triggerers_part_and_no_other_try():
    logql = identity.of(TRY).query("prod")
    assert logql == identity.of(f"{TRY}.trigger.7.log").query("prod")
    assert logql == (
        '{service_name="airflow", dag_id="etl", env="prod"}'
        ' | run_id="manual__2026-11-27T10:00:00+00:00" | task_id="load.x"'
        ' | map_index="-1" | try_number="2"'
    )


def test_names_cannot_leave_their_quotes():
    logql = identity.of('a"} | b="\\.log').query("")
    assert logql == '{service_name="airflow"} | log_path="a\\"} | b=\\"\\\\.log"'


def test_labels_have_few_values_and_late_lines_a_stream_of_their_own():
    found = identity.of(TRY)
    assert found.labels("") == {"service_name": "airflow", "component": "task", "dag_id": "etl"}
    late = found.labels("prod", is_late=True)
    assert late["env"] == "prod"
    assert late["late"] != identity.of(TRY.replace("=2.log", "=3.log")).labels("", is_late=True)
    assert late == identity.of(TRY).labels("prod", is_late=True)
