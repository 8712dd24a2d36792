"""Rows of Airflow's database: make the DAGs of scripts, each with a run.

A process of its own, because Airflow reads its settings once. Each line of its input is a JSON list
of the id of a DAG, how many mapped tasks it has, how often each may be tried again and how many may
be under way at once; it stores the DAG with a run of it and answers with one line.
"""

import json
import sys

from airflow._shared.timezones import timezone
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

BUNDLE = "faults"
RUN = "manual__1"


def a_dag(dag_id, *, count, retries, at_once):
    with DAG(dag_id, schedule=None, max_active_tasks=at_once) as dag:

        @task(retries=retries, retry_delay=1.0)
        def work(number):
            """Run in the stub worker, which never calls it."""

        work.expand(number=list(range(count)))
    return dag


def make(dag_id, count, retries, at_once):
    dag = a_dag(dag_id, count=count, retries=retries, at_once=at_once)
    with create_session() as session:
        version = _store(dag, session)
        now = timezone.utcnow()
        run = DagRun(
            dag_id=dag_id,
            run_id=RUN,
            run_type=DagRunType.MANUAL,
            run_after=now,
            logical_date=now,
            data_interval=(now, now),
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.QUEUED,
        )
        run.created_dag_version_id = version.id
        run.queued_at = now
        session.add(run)
        session.flush()
        run.dag = SerializedDagModel.get(dag_id, session=session).dag
        run.verify_integrity(dag_version_id=version.id, session=session)


def _store(dag, session):
    """Store the DAG as the DAG processor leaves it; return its version."""
    if session.get(DagBundleModel, BUNDLE) is None:
        session.add(DagBundleModel(name=BUNDLE))
        session.flush()
    session.add(
        DagModel(
            dag_id=dag.dag_id,
            bundle_name=BUNDLE,
            relative_fileloc="d.py",
            is_paused=False,
            is_stale=False,
            max_active_tasks=dag.max_active_tasks,
            max_active_runs=1,
            max_consecutive_failed_dag_runs=0,
        )
    )
    session.flush()
    SerializedDagModel.write_dag(
        LazyDeserializedDAG.from_dag(dag), bundle_name=BUNDLE, session=session
    )
    session.flush()
    return DagVersion.get_latest_version(dag.dag_id, session=session)


if __name__ == "__main__":
    for line in sys.stdin:
        make(*json.loads(line))
        sys.stdout.write('{"made": true}\n')
        sys.stdout.flush()
