"""The fixtures that upstream's tests take from its monorepo, on a throw-away database.

Airflow is imported inside the fixtures: it reads its settings when it is imported, and the
tier's come from tests/conftest.py.
"""

import contextlib
import uuid
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def database():
    """Make an empty database once."""
    from airflow.utils import db  # noqa: PLC0415 - see the module's docstring

    db.initdb()


@pytest.fixture(autouse=True)
def pod_template_of_a_deployment(request, monkeypatch):
    """Name a pod template for the command that renders a DAG's pods, as every deployment has."""
    if request.path.name == "test_kubernetes_command.py":
        variable = "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE"
        monkeypatch.setenv(variable, str(Path(__file__).with_name("template.yaml")))


@pytest.fixture
def session(database):
    """Return the session that Airflow's own code shares on this thread."""
    from airflow.utils.session import create_session  # noqa: PLC0415 - see the module's docstring

    with create_session() as session:
        yield session
        session.rollback()


class DagMaker:
    """Stores DAGs and their runs as Airflow's processor and scheduler would."""

    def __init__(self, session):
        self._session = session
        self.dag = None

    @contextlib.contextmanager
    def __call__(self, dag_id="dag", **options):
        """Collect the tasks of the block; store the DAG at its end."""
        from airflow.sdk import DAG  # noqa: PLC0415 - see the module's docstring

        # Tests share a database and a few default names: an id of its own for every DAG would
        # change what they assert, so an older DAG of that name goes.
        self._forget(dag_id)
        with DAG(dag_id, schedule=None, **options) as self.dag:
            yield self.dag
        self._store()

    def create_dagrun(self, *, run_id="test", logical_date=None):
        """Create a manual run; its task instances carry their tasks."""
        from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415 - as above
        from airflow.sdk import timezone  # noqa: PLC0415 - as above
        from airflow.utils.state import DagRunState  # noqa: PLC0415 - as above
        from airflow.utils.types import DagRunTriggeredByType, DagRunType  # noqa: PLC0415 - as above

        stored = SerializedDagModel.get(self.dag.dag_id, session=self._session).dag
        run = stored.create_dagrun(
            run_id=run_id,
            logical_date=logical_date,
            data_interval=logical_date and (logical_date, logical_date),
            run_after=logical_date or timezone.utcnow(),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=self._session,
        )
        for instance in run.get_task_instances(session=self._session):
            instance.refresh_from_task(stored.get_task(instance.task_id))
        self._session.flush()
        return run

    def _store(self):
        from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415 - as above
        from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415 - as above
        from airflow.serialization.definitions.dag import SerializedDAG  # noqa: PLC0415 - as above
        from airflow.serialization.serialized_objects import (  # noqa: PLC0415 - as above
            LazyDeserializedDAG,
        )

        self._session.merge(DagBundleModel(name="tests"))
        self._session.flush()
        lazy = LazyDeserializedDAG.from_dag(self.dag)
        SerializedDAG.bulk_write_to_db("tests", None, [lazy], session=self._session)
        SerializedDagModel.write_dag(lazy, bundle_name="tests", session=self._session)
        self._session.flush()

    def _forget(self, dag_id):
        from airflow.models.dag import DagModel  # noqa: PLC0415 - as above
        from airflow.models.dag_version import DagVersion  # noqa: PLC0415 - as above
        from airflow.models.dagrun import DagRun  # noqa: PLC0415 - as above
        from sqlalchemy import select  # noqa: PLC0415 - as above

        for model in (DagRun, DagVersion, DagModel):
            for row in self._session.scalars(select(model).where(model.dag_id == dag_id)):
                self._session.delete(row)
            self._session.flush()


@pytest.fixture
def dag_maker(session):
    """Return a maker of stored DAGs and runs."""
    return DagMaker(session)


@pytest.fixture
def create_task_instance_of_operator(dag_maker):
    """Return a function that stores one task of an operator, with a run of its DAG."""

    def create(operator, *, dag_id, run_id=None, logical_date=None, state=None, **arguments):
        with dag_maker(dag_id):
            operator(**arguments)
        run = dag_maker.create_dagrun(run_id=run_id or str(uuid.uuid4()), logical_date=logical_date)
        (instance,) = run.task_instances
        instance.state = state
        dag_maker._session.flush()
        return instance

    return create


@pytest.fixture
def create_task_instance(create_task_instance_of_operator):
    """Return a function that stores one task that does nothing, with a run of its DAG."""
    from airflow.providers.standard.operators.empty import (  # noqa: PLC0415 - as above
        EmptyOperator,
    )

    def create(*, dag_id="dag", task_id="op1", **arguments):
        return create_task_instance_of_operator(
            EmptyOperator, dag_id=dag_id, task_id=task_id, **arguments
        )

    return create


@pytest.fixture
def create_dummy_dag(dag_maker):
    """Return a function that stores a DAG of one task that does nothing, without a run."""
    from airflow.providers.standard.operators.empty import (  # noqa: PLC0415 - as above
        EmptyOperator,
    )

    def create(*, dag_id="dag", task_id="op1", with_dagrun_type=None):
        if with_dagrun_type is not None:
            pytest.fail("this fixture stores no run: ask dag_maker for one")
        with dag_maker(dag_id) as dag:
            return dag, EmptyOperator(task_id=task_id)

    return create
