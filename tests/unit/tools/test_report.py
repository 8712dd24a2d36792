import json

import pytest
from rich.console import Console

from tradewind_tools import report


def an_instance(**more):
    return {
        "dag_id": "tutorial",
        "dag_run_id": "manual__1",
        "task_id": "extract",
        "map_index": -1,
        "try_number": 1,
        "hostname": "",
        "queued_when": "2026-01-01T00:00:00Z",
        "start_date": "2026-01-01T00:00:02.500000Z",
        "duration": 1.25,
        "state": "success",
    } | more


def a_place(pod="pod-1", node="node-a", start=""):
    return report.Place(pod=pod, node=node, start=start)


def a_run(*tasks, state="success"):
    return report.Run(dag="tutorial", run="manual__1", state=state, duration_s=4.0, tasks=tasks)


def shown(run):
    console = Console(width=180)
    with console.capture() as capture:
        console.print(report.table(run))
    return capture.get()


def test_a_row_says_where_and_how_long():
    instance = an_instance()
    (row,) = report.rows([instance], places={report.key_of(instance): [a_place()]})
    assert row == report.TaskRow(
        dag="tutorial",
        task="extract",
        map_index=-1,
        try_number=1,
        places=(a_place(),),
        queued_to_start_s=2.5,
        duration_s=1.25,
        state="success",
    )


def test_pods_are_told_apart_by_map_index_and_try():
    instances = [
        an_instance(map_index=index, try_number=number) for index in (0, 1) for number in (1, 2)
    ]
    places = {report.key_of(item): [a_place(f"pod-{n}")] for n, item in enumerate(instances)}
    found = report.rows(instances, places=places)
    assert [(row.label, row.try_number, row.places[0].pod) for row in found] == [
        ("extract[0]", 1, "pod-0"),
        ("extract[0]", 2, "pod-1"),
        ("extract[1]", 1, "pod-2"),
        ("extract[1]", 2, "pod-3"),
    ]


def test_an_unrecorded_pod_is_the_workers_host_without_a_node():
    (row,) = report.rows([an_instance(hostname="pod-9")], places={})
    assert row.places == (a_place("pod-9", ""),)


def test_rows_follow_the_start_and_what_never_started_comes_last():
    instances = [
        an_instance(task_id="never", start_date=None, queued_when=None, duration=None),
        an_instance(task_id="late", start_date="2026-01-01T00:00:09.000001Z"),
        an_instance(task_id="early", start_date="2026-01-01T00:00:09Z"),
    ]
    assert [row.task for row in report.rows(instances, places={})] == ["early", "late", "never"]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:01.5Z", 1.5, id="later"),
        pytest.param(None, "2026-01-01T00:00:01Z", None, id="never-queued"),
        pytest.param("2026-01-01T00:00:01Z", None, None, id="never-started"),
        pytest.param("2026-01-01T00:00:05Z", "2026-01-01T00:00:01Z", None, id="queued-again"),
    ],
)
def test_seconds_between_timestamps(begin, end, expected):
    assert report.seconds_between(begin, end) == expected


def test_the_table_holds_every_fact():
    instance = an_instance(map_index=2)
    rows = report.rows([instance], places={report.key_of(instance): [a_place(start="warm")]})
    text = shown(a_run(*rows))
    for word in ("tutorial", "manual__1", "extract[2]", "pod-1", "warm", "node-a", "2.50", "1.25"):
        assert word in text


def test_a_deferred_try_shows_both_pods():
    instance = an_instance()
    places = {report.key_of(instance): [a_place("pod-1"), a_place("pod-2")]}
    text = shown(a_run(*report.rows([instance], places=places)))
    assert "pod-1" in text
    assert "pod-2" in text


def test_square_brackets_of_users_are_not_markup():
    text = shown(a_run(*report.rows([an_instance(task_id="[red]x")], places={})))
    assert "[red]x" in text


def test_json_carries_the_same_facts():
    instance = an_instance(map_index=2)
    rows = report.rows([instance], places={report.key_of(instance): [a_place()]})
    found = json.loads(json.dumps(report.document(a_run(*rows, state="failed"))))
    assert found["state"] == "failed"
    assert found["tasks"][0] == {
        "dag": "tutorial",
        "task": "extract",
        "map_index": 2,
        "try_number": 1,
        "places": [{"pod": "pod-1", "node": "node-a", "start": ""}],
        "queued_to_start_s": 2.5,
        "duration_s": 1.25,
        "state": "success",
    }


def test_summary_counts_states_and_calls_none_waiting():
    states = [an_instance(state=None), an_instance(), an_instance()]
    assert report.summary(states) == "2 success, 1 waiting"
