"""The worker and Airflow's own Execution API: what the task instance's row says in the end."""

from collections import deque

import pytest
from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from execution_api import serving
from scheduler_side import a_row, set_state
from worker_pod import airflow, pod, token_file

from tradewind.executor import TradewindExecutor
from tradewind.testing.fake_airflow import endpoint_says

__all__ = ["airflow", "pod", "token_file"]

DAG = """
from airflow.sdk import DAG, task

with DAG({dag_id!r}, schedule=None):

    @task
    def work():
        {body}

    work()
"""


@pytest.fixture(scope="module")
def execution_url(database):
    with serving() as url:
        yield url


@pytest.fixture
def launch(airflow, pod, execution_url, tmp_path):
    """Return a function that hands a task instance to a pod which boards."""
    generator = TradewindExecutor().jwt_generator

    def start(ti, body="return 42"):
        folder = tmp_path / "dags"
        folder.mkdir(exist_ok=True)
        (folder / "d.py").write_text(DAG.format(dag_id=ti.dag_id, body=body))
        workload = ExecuteTask(
            ti=TaskInstanceDTO.model_validate(ti, from_attributes=True),
            dag_rel_path="d.py",
            token=ExecuteTask.generate_token(str(ti.id), generator),
            log_path="work.log",
            bundle_info=BundleInfo(name="dags-folder"),
        )
        said = workload.model_dump(mode="json")
        airflow.boarding = deque([endpoint_says(200, said)])
        return pod(AIRFLOW__CORE__EXECUTION_API_SERVER_URL=execution_url)

    return start


def state_of(ti):
    with create_session() as session:
        return session.get(TaskInstance, ti.id).state


@pytest.mark.parametrize(
    ("body", "state"),
    [("return 42", TaskInstanceState.SUCCESS), ("raise ValueError", TaskInstanceState.FAILED)],
)
def test_a_boarded_task_runs_and_its_row_tells_how_it_ended(launch, body, state):
    ti = a_row()
    ended = launch(ti, body)
    assert ended.ended(within_s=100) == 0, ended.printed
    assert state_of(ti) == state
    assert ended.farewell.ended == "ran"


@pytest.mark.parametrize(
    "state",
    [TaskInstanceState.RUNNING, TaskInstanceState.SUCCESS, TaskInstanceState.SCHEDULED, None],
)
def test_a_launch_that_passed_to_somebody_else_leaves_the_row_alone(launch, state):
    ti = a_row()
    set_state(ti, state)
    ended = launch(ti)
    assert ended.ended(within_s=100) == 0, ended.printed
    assert state_of(ti) == state
    assert ended.farewell.ended == "superseded"
    assert f"is {state.value if state else 'none'}, no longer queued" in ended.farewell.reason


def test_a_task_instance_that_is_gone_ends_its_pod_well(launch):
    ti = a_row()
    with create_session() as session:
        session.delete(session.get(TaskInstance, ti.id))
    ended = launch(ti)
    assert ended.ended(within_s=100) == 0, ended.printed
    assert ended.farewell.reason == "the task instance does not exist any more"
