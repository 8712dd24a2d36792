"""What was measured, from Airflow's own log table to the advice on it."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from airflow.cli import cli_parser
from airflow.models.log import Log
from airflow.utils.session import create_session

from tradewind import task_history
from tradewind.contract import EVENT_MEASURED, Measured

pytestmark = pytest.mark.usefixtures("database")

MI = 2**20
NOW = datetime.now(UTC)


def a_row(dag_id, *, task_id="load", event=EVENT_MEASURED, days_ago=0, peak_mi=300, **columns):
    measured = Measured(
        pod="p",
        temperature="cold",
        peak_memory_bytes=peak_mi * MI,
        memory_request_bytes=256 * MI,
        memory_limit_bytes=512 * MI,
        cpu_s=30.0,
        duration_s=60.0,
    )
    row = Log(
        event=event,
        dag_id=dag_id,
        task_id=task_id,
        run_id="manual__1",
        **{"extra": measured.encode()} | columns,
    )
    row.dttm = NOW - timedelta(days=days_ago)
    with create_session() as session:
        session.add(row)


@pytest.fixture
def dag_id():
    return f"dag_{uuid.uuid4().hex[:8]}"


def peaks(dag_id, *, days=7):
    found = task_history.measured_launches(dag_id, since=NOW - timedelta(days=days))
    return {
        key: [measured.peak_memory_bytes // MI for measured in runs] for key, runs in found.items()
    }


def test_launches_of_a_task_stand_together_oldest_first(dag_id):
    a_row(dag_id, peak_mi=2, days_ago=1, map_index=3, try_number=2)
    a_row(dag_id, peak_mi=3, map_index=4)
    a_row(dag_id, peak_mi=1, days_ago=2)
    a_row(dag_id, peak_mi=9, task_id="other")
    a_row(f"{dag_id}_other", peak_mi=9)
    assert peaks(dag_id) == {(dag_id, "load"): [1, 2, 3], (dag_id, "other"): [9]}


def test_without_a_dag_all_are_read(dag_id):
    a_row(dag_id)
    a_row(f"{dag_id}_other")
    # Other tests' launches stand in the same database, some without a measured peak.
    found = task_history.measured_launches(None, since=NOW - timedelta(days=7))
    assert {(dag_id, "load"), (f"{dag_id}_other", "load")} <= found.keys()


def test_what_is_old_or_no_measurement_is_left_out(dag_id):
    a_row(dag_id, days_ago=8)
    a_row(dag_id, event="pod failed")
    a_row(dag_id, extra="no JSON")
    a_row(dag_id, extra=None)
    a_row(dag_id, extra=json.dumps({"pod": "p", "temperature": "cold", "of a later release": 1}))
    ((measured,),) = task_history.measured_launches(dag_id, since=NOW - timedelta(days=7)).values()
    assert measured == Measured(pod="p", temperature="cold")


def test_the_command_advises_on_what_the_log_table_holds(dag_id, capsys):
    for _ in range(5):
        a_row(dag_id, peak_mi=500)
    args = cli_parser.get_parser().parse_args(["tradewind", "advise", dag_id, "--json"])
    args.func(args)
    (advice,) = json.loads(capsys.readouterr().out)
    assert (advice["task_id"], advice["runs"], advice["verdict"]) == ("load", 5, "raise")
    assert advice["proposed"] == {
        "requests": {"cpu": "600m", "memory": "640Mi"},
        "limits": {"memory": "768Mi"},
    }
