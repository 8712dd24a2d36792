"""What a launch's pod depends on, read from Airflow's own tables."""

import uuid
from datetime import timedelta

import pytest
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.utils.session import create_session
from scheduler_side import a_pod, a_row, queue, set_state, started, stored, synced

from tradewind import launch_records
from tradewind._compat import task_ref
from tradewind.pods import diagnosis
from tradewind.pods.labels import TaskRef
from tradewind.testing.builders import a_pod as an_ended_pod
from tradewind.testing.builders import base_ended

pytestmark = pytest.mark.usefixtures("database")

MINUTE = timedelta(minutes=1)


def a_version():
    """Store a DAG whose tasks have timeouts in every way there is; return its version's id."""
    dag_id = f"dag_{uuid.uuid4().hex[:8]}"
    with DAG(dag_id, schedule=None) as dag:
        EmptyOperator(task_id="own", execution_timeout=5 * MINUTE)
        EmptyOperator(task_id="none")
        EmptyOperator(task_id="fractional", execution_timeout=timedelta(seconds=1.5))
        EmptyOperator.partial(task_id="mapped", execution_timeout=7 * MINUTE).expand(doc=["a", "b"])
        EmptyOperator.partial(task_id="mapped_none").expand(doc=["a", "b"])
    with create_session() as session:
        return stored(dag, session).id


EXPECTED = {"own": 300.0, "fractional": 1.5, "mapped": 420.0}


def test_the_timeouts_of_a_dag_are_read_from_what_is_stored():
    assert launch_records.execution_timeouts(a_version()) == EXPECTED


def test_a_compressed_dag_is_read_too(monkeypatch):
    from airflow.models import serialized_dag  # noqa: PLC0415 - its switch is read once

    monkeypatch.setattr(serialized_dag, "_COMPRESS_SERIALIZED_DAGS", True)
    version = a_version()
    with create_session() as session:
        query = session.query(SerializedDagModel).filter_by(dag_version_id=version)
        assert query.one()._data is None
    assert launch_records.execution_timeouts(version) == EXPECTED


def test_a_version_that_is_gone_has_no_timeouts():
    assert launch_records.execution_timeouts(uuid.uuid4()) == {}


def killed(name):
    container = {"name": name, "resources": {"limits": {"memory": "64Mi"}}}
    status = base_ended(137, reason="OOMKilled")
    status["containerStatuses"][0]["name"] = name
    return diagnosis.of(an_ended_pod(spec={"containers": [container]}, status=status))


OOM = killed("base")
NODE_OOM = diagnosis.of(an_ended_pod(status=base_ended(137, reason="OOMKilled")))
CHILD_OOM = diagnosis.of(
    an_ended_pod(
        spec={"containers": [{"name": "base", "resources": {"limits": {"memory": "64Mi"}}}]},
        status=base_ended(0, reason="OOMKilled"),
    )
)
EXIT = diagnosis.of(an_ended_pod(status=base_ended(1, message="it was not OOMKilled")))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], 0, id="nothing-is-known"),
        pytest.param([(1, "pod failed", OOM)], 1, id="one-try-was-killed"),
        pytest.param([(1, "pod failed", OOM), (2, "pod failed", NODE_OOM)], 2, id="two-tries"),
        pytest.param([(1, "pod failed", CHILD_OOM)], 1, id="a-process-of-it-was-killed"),
        pytest.param([(1, "pod failed", OOM)] * 2, 1, id="a-try-told-twice-counts-once"),
        pytest.param([(1, "pod failed", EXIT)], 0, id="failed-otherwise"),
        pytest.param([(1, "pod failed", killed("proxy"))], 0, id="a-sidecar-was-killed"),
        pytest.param([(1, "pod log", OOM)], 0, id="only-its-log-says-so"),
        pytest.param([(3, "pod failed", OOM)], 0, id="not-an-earlier-try"),
    ],
)
def test_earlier_tries_that_were_killed_for_memory_are_counted(rows, expected):
    key = TaskInstanceKey(f"dag_{uuid.uuid4().hex[:8]}", "work", "manual__1", 1, -1)
    with create_session() as session:
        for other in (key, key._replace(map_index=4)):
            for try_number, event, extra in rows:
                of_try = other._replace(try_number=try_number)
                session.add(Log(event=event, task_instance=of_try, extra=extra))
    third = TaskRef(dag_id=key.dag_id, task_id="work", run_id="manual__1", try_number=3)
    assert launch_records.oom_kills(third) == expected


@pytest.mark.usefixtures("configured")
async def test_a_try_after_an_oom_kill_gets_more_memory_and_every_pod_its_limit(
    real_cluster, namespace, monkeypatch, configured
):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__OOM_MEMORY_FACTOR", "2")
    monkeypatch.setenv("AIRFLOW__TRADEWIND__OOM_MEMORY_CAP", "8Gi")
    profiles = '{"small": {"resources": {"limits": {"memory": "1Gi"}}}}'
    monkeypatch.setenv("AIRFLOW__TRADEWIND__PROFILES", profiles)
    monkeypatch.setenv("AIRFLOW__TRADEWIND__QUEUES", '{"default": {"profile": "small"}}')
    ti = a_row(execution_timeout=10 * MINUTE)
    with create_session() as session:
        session.add(Log(event="pod failed", task_instance=ti.key, extra=OOM))
    set_state(ti, "queued", try_number=2)
    ti.try_number = 2
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        await synced(executor, lambda: executor.running)
    assert task_ref(ti).try_number == 2
    (container,) = pod.spec.containers
    assert container.resources.limits["memory"] == "2Gi"
    assert pod.spec.active_deadline_seconds == 600 + 1800
