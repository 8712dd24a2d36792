"""Rows of Airflow's database: make the DAGs of scripts, each with a run.

A process of its own, because Airflow reads its settings once. Each line of its input is a JSON list
of the id of a DAG, how many mapped tasks it has and how often each may be tried again; it stores
the DAG with a run of it and answers with one line.
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

RUN = "manual__1"


def make(dag_id, count, retries):
    with DAG(dag_id, schedule=None) as dag:

        @task(retries=int(retries), retry_delay=1.0)
        def work(number):
            """Run in the stub worker."""

        work.expand(number=list(range(int(count))))
    with create_session() as session:
        if session.get(DagBundleModel, "faults") is None:
            session.add(DagBundleModel(name="faults"))
            session.flush()
        session.add(
            DagModel(
                dag_id=dag_id,
                bundle_name="faults",
                relative_fileloc="d.py",
                is_paused=False,
                is_stale=False,
                max_active_tasks=100000,
                max_active_runs=1,
                max_consecutive_failed_dag_runs=0,
            )
        )
        session.flush()
        SerializedDagModel.write_dag(
            LazyDeserializedDAG.from_dag(dag), bundle_name="faults", session=session
        )
        session.flush()
        version = DagVersion.get_latest_version(dag_id, session=session)
        now = timezone.utcnow()
        session.add(
            DagRun(
                dag_id=dag_id,
                run_id=RUN,
                run_type=DagRunType.MANUAL,
                run_after=now,
                logical_date=now,
                data_interval=(now, now),
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.QUEUED,
            )
        )
        session.flush()
        run = session.query(DagRun).filter_by(dag_id=dag_id).one()
        run.created_dag_version_id = version.id
        run.queued_at = now
        serialized = SerializedDagModel.get(dag_id, session=session).dag
        run.dag = serialized
        run.verify_integrity(dag_version_id=version.id, session=session)
    return dag_id


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps({"made": make(*json.loads(line))}) + "\n")
        sys.stdout.flush()
