"""What a pod is handed from Airflow's own rows: what Airflow itself makes of them, at one read."""

import contextlib
import json
import uuid

import jwt
import pytest
from airflow import settings
from airflow.executors.workloads import ExecuteCallback, ExecuteTask, TestConnection
from airflow.models.callback import CallbackFetchMethod, ExecutorCallback
from airflow.models.connection_test import ConnectionTestRequest
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.definitions.callback import SyncCallback
from airflow.utils.helpers import log_filename_template_renderer
from airflow.utils.session import create_session
from airflow.utils.state import CallbackState
from scheduler_side import a_row, set_state
from sqlalchemy import delete, event

from tradewind import boarding_server, open_launches
from tradewind.boarding.endpoint import Closed
from tradewind.boarding.standing import Claimed
from tradewind.executor import TradewindExecutor


@pytest.fixture(scope="module", autouse=True)
def migrated(database):
    """Every test needs Airflow's tables."""


@pytest.fixture
def mint():
    executor = TradewindExecutor()
    return lambda subject, life_s: boarding_server._mint(executor, subject, life_s)


@pytest.fixture
def take(mint):
    def take(claim, **more):
        return open_launches.take(claim, mint=mint, token_ttl_s=120, **more)

    return take


def claim_of(ti, **changed):
    values = {
        "kind": "task",
        "launch_id": uuid.UUID(ti.external_executor_id),
        "row_id": ti.id,
        "claimed_s": None,
    }
    return Claimed(**(values | changed))


def claims_in(workload):
    return jwt.decode(workload["token"], options={"verify_signature": False})


@contextlib.contextmanager
def statements():
    """Collect the SQL that runs meanwhile."""
    seen = []

    def note(_, __, statement, *___):
        seen.append(statement)

    event.listen(settings.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(settings.engine, "before_cursor_execute", note)


def made_by_airflow(model, row_id, make):
    with create_session() as session:
        return json.loads(make(session.get(model, row_id)).model_dump_json())


def test_a_task_gets_what_airflow_itself_would_give(take):
    ti = a_row()
    set_state(ti, "queued", queue="gpu", priority_weight=7, pool_slots=2)
    workload = json.loads(take(claim_of(ti)))
    theirs = made_by_airflow(TaskInstance, ti.id, ExecuteTask.make)
    assert workload | {"token": ""} == theirs
    assert workload["ti"]["queue"] == "gpu"
    assert workload["bundle_info"] == {"name": "tests", "version": None}


def test_its_token_is_for_that_task_and_for_two_minutes(take):
    ti = a_row()
    claims = claims_in(json.loads(take(claim_of(ti))))
    assert (claims["sub"], claims["scope"]) == (str(ti.id), "workload")
    assert claims["exp"] - claims["iat"] == 120


def test_each_hand_over_mints_another_token(take):
    claim = claim_of(a_row())
    first, second = (json.loads(take(claim))["token"] for _ in range(2))
    assert first != second


def test_one_read_is_enough(take):
    claim = claim_of(a_row())
    take(claim)
    with statements() as seen:
        take(claim)
    assert len(seen) == 1
    assert "WHERE task_instance.id = " in seen[0]
    assert "executor_config" not in seen[0]


def test_one_read_is_enough_to_refuse(take):
    ti = a_row(state="running")
    with statements() as seen:
        assert take(claim_of(ti)) == Closed(state="running")
    assert len(seen) == 1


@pytest.mark.parametrize("state", ["running", "success", "deferred", "up_for_retry", None])
def test_a_task_that_is_not_queued_is_given_to_nobody(take, state):
    ti = a_row()
    set_state(ti, state)
    assert take(claim_of(ti)) == Closed(state=state)


def test_a_task_that_was_queued_again_is_not_given_to_the_pod_of_its_earlier_launch(take):
    ti = a_row()
    set_state(ti, "queued", external_executor_id=str(uuid.uuid4()))
    assert take(claim_of(ti)) == Closed(state="queued")


def test_a_row_that_is_gone_is_given_to_nobody(take):
    assert take(claim_of(a_row(), row_id=uuid.uuid4())) == Closed(state=None)


@pytest.mark.parametrize("external", [None, "celery-task-1"], ids=["none", "of-another-executor"])
def test_a_row_without_a_launch_id_is_launched_under_its_own(take, external):
    ti = a_row()
    claim = claim_of(ti, launch_id=ti.id)
    set_state(ti, "queued", external_executor_id=external)
    assert json.loads(take(claim))["ti"]["id"] == str(ti.id)
    assert take(claim_of(ti, launch_id=uuid.uuid4())) == Closed(state="queued")


def test_sentry_reaches_the_worker(take):
    workload = json.loads(take(claim_of(a_row()), sentry_integration="my.Sentry"))
    assert workload["sentry_integration"] == "my.Sentry"


def test_a_log_path_of_the_users_own_may_name_anything_of_the_task(take, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW__LOGGING__LOG_FILENAME_TEMPLATE",
        "{{ ti.dag_run.run_type }}/{{ ti.operator }}/{{ ti.task_id }}.log",
    )
    log_filename_template_renderer.cache_clear()
    try:
        workload = json.loads(take(claim_of(a_row())))
    finally:
        log_filename_template_renderer.cache_clear()
    assert workload["log_path"] == "manual/_PythonDecoratedOperator/work.log"


# -- callbacks and connection tests ---------------------------------------------------------------


def a_callback(state=CallbackState.QUEUED):
    ti = a_row()
    with create_session() as session:
        run_id = session.get(TaskInstance, ti.id).dag_run.id
        callback = ExecutorCallback(
            SyncCallback("alerts.page_somebody", {"who": "me"}),
            fetch_method=CallbackFetchMethod.IMPORT_PATH,
        )
        callback.data |= {"dag_run_id": run_id, "dag_id": ti.dag_id}
        callback.state = state
        session.add(callback)
        session.flush()
        return callback.id


def own_claim(kind, row_id):
    return Claimed(kind=kind, launch_id=row_id, row_id=row_id, claimed_s=None)


def of_callback(callback):
    from airflow.models.dagrun import DagRun  # noqa: PLC0415

    with create_session() as session:
        run = session.get(DagRun, callback.data["dag_run_id"])
        return ExecuteCallback.make(callback, run)


@pytest.mark.parametrize("state", [CallbackState.QUEUED, CallbackState.RUNNING])
def test_a_callback_gets_what_airflow_itself_would_give(take, state):
    callback_id = a_callback(state)
    workload = json.loads(take(own_claim("callback", callback_id)))
    theirs = made_by_airflow(ExecutorCallback, callback_id, of_callback)
    assert workload | {"token": ""} == theirs
    assert claims_in(workload)["sub"] == str(callback_id)


@pytest.mark.parametrize("state", [CallbackState.SUCCESS, CallbackState.FAILED])
def test_a_callback_that_ended_is_given_to_nobody(take, state):
    claim = own_claim("callback", a_callback(state))
    assert take(claim) == Closed(state=state)


@pytest.fixture(autouse=True)
def _no_connection_test_is_left(database):
    """Schedulers of later tests hand out whatever is pending in the one database of the run."""
    yield
    with create_session() as session:
        session.execute(delete(ConnectionTestRequest))


def a_connection_test(state="queued"):
    with create_session() as session:
        request = ConnectionTestRequest(
            connection_id=f"c-{uuid.uuid4().hex[:6]}", conn_type="http", queue="q"
        )
        request.state = state
        session.add(request)
        session.flush()
        return request.id


def test_a_connection_test_gets_what_airflow_itself_would_give(take):
    test_id = a_connection_test()
    workload = json.loads(take(own_claim("connection-test", test_id)))

    def make(row):
        return TestConnection.make(
            connection_test_id=row.id, connection_id=row.connection_id, timeout=60, queue="q"
        )

    assert workload | {"token": ""} == made_by_airflow(ConnectionTestRequest, test_id, make)


def test_a_connection_tests_token_outlives_the_test(take):
    claims = claims_in(json.loads(take(own_claim("connection-test", a_connection_test()))))
    assert claims["exp"] - claims["iat"] == 120 + 60


@pytest.mark.parametrize("state", ["running", "success", "failed", "pending"])
def test_a_connection_test_that_has_begun_is_given_to_nobody(take, state):
    claim = own_claim("connection-test", a_connection_test(state))
    assert take(claim) == Closed(state=state)


@pytest.mark.parametrize("kind", ["callback", "connection-test"])
def test_other_workloads_that_are_gone_are_given_to_nobody(take, kind):
    assert take(own_claim(kind, uuid.uuid4())) == Closed(state=None)
