"""`airflow tradewind render`: the real command line and real database rows; no cluster."""

import asyncio
import uuid

import pytest
import scheduler_side
import yaml
from airflow.cli import cli_parser
from airflow.executors.base_executor import ExecutorConf
from airflow.executors.workloads import ExecuteTask
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from kubernetes.client import models as k8s

from tradewind import cli, config, rendering, workloads
from tradewind.pods import names
from tradewind.testing.builders import settings

LAUNCH = uuid.uuid4()
TEMPLATE = """
kind: Pod
spec: {containers: [{name: base, image: "worker:1", env: [{name: A, value: template}]}]}
"""
OVERRIDE = k8s.V1Pod(
    spec=k8s.V1PodSpec(
        containers=[k8s.V1Container(name="base", env=[k8s.V1EnvVar(name="A", value="task")])],
        node_selector={"disk": "ssd"},
    )
)


@pytest.fixture(scope="module")
def stored():
    """Store a DAG with a queued, a waiting and a mapped task instance in one run."""
    from airflow.utils import db  # noqa: PLC0415 - reads the configuration when imported

    db.initdb()
    with create_session() as session:
        _insert(session)


def _insert(session):
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415
    from airflow.utils.types import DagRunTriggeredByType, DagRunType  # noqa: PLC0415

    with DAG("shaped", schedule=None) as dag:

        @task(executor_config={"pod_override": OVERRIDE}, queue="big")
        def work():
            """Do nothing."""

        work()
    version = scheduler_side.stored(dag, session)
    session.add(
        DagRun(
            dag_id="shaped",
            run_id="manual__1",
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
        )
    )
    session.flush()
    serialized = SerializedDagModel.get("shaped", session=session).dag
    for map_index, launch_id in ((-1, LAUNCH), (3, None)):
        ti = TaskInstance(
            serialized.get_task("work"),
            run_id="manual__1",
            dag_version_id=version.id,
            map_index=map_index,
            state=TaskInstanceState.QUEUED if launch_id else None,
        )
        ti.try_number = 2
        ti.external_executor_id = None if launch_id is None else str(launch_id)
        session.add(ti)


@pytest.fixture
def template(tmp_path, monkeypatch):
    path = tmp_path / "pod.yaml"
    path.write_text(TEMPLATE)
    monkeypatch.setenv("AIRFLOW__TRADEWIND__POD_TEMPLATE_FILE", str(path))
    return path


@pytest.fixture
def render(request, capsys):
    for name in ("stored", "template"):
        request.getfixturevalue(name)
    capsys.readouterr()  # What making the database said is none of the command's output.

    def run(*words):
        args = cli_parser.get_parser().parse_args(["tradewind", "render", *words])
        assert args.func is cli.render
        args.func(args)
        return capsys.readouterr().out

    return run


def base_of(manifest):
    return manifest["spec"]["containers"][0]


def test_a_task_of_no_run_is_shown_as_it_would_be(render):
    text = render("shaped", "work")
    manifest = yaml.safe_load(text)
    assert text.startswith("# Not queued yet")
    assert text == render("shaped", "work")
    assert base_of(manifest)["image"] == "worker:1"
    assert {"name": "A", "value": "task"} in base_of(manifest)["env"]
    assert manifest["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert manifest["metadata"]["labels"]["run_id"] == rendering.NO_RUN


def test_a_queued_task_is_shown_exactly(render, template):
    text = render("shaped", "work", "--run-id", "manual__1")
    manifest = yaml.safe_load(text)
    assert not text.startswith("#")
    assert manifest["metadata"]["name"] == names.pod_name(
        "shaped", "work", launch_id=LAUNCH, ordinal=0
    )
    assert manifest["metadata"]["annotations"]["try_number"] == "2"
    assert manifest == launched(template)


def launched(template):
    """Return the manifest that the executor would create for the queued task."""
    with create_session() as session:
        ti = session.query(TaskInstance).filter_by(dag_id="shaped", map_index=-1).one()
        launch = workloads.launch_of(ExecuteTask.make(ti), mint=lambda _: "secret")
    renderer = rendering.renderer(
        settings(
            pod_template_file=str(template), installation=config.load(ExecutorConf()).installation
        ),
        scheduler="",
    )
    manifest = asyncio.run(renderer.render(launch, ordinal=0))
    args = base_of(manifest)["args"]
    base_of(manifest)["args"] = [arg.replace("secret", rendering.TOKEN) for arg in args]
    return manifest


def test_no_token_is_shown(render):
    args = base_of(yaml.safe_load(render("shaped", "work", "--run-id", "manual__1")))["args"]
    assert args[:3] == ["python", "-m", "airflow.sdk.execution_time.execute_workload"]
    assert f'"token":"{rendering.TOKEN}"' in args[-1]


def test_a_mapped_task_is_shown_by_its_index(render):
    text = render("shaped", "work", "--run-id", "manual__1", "--map-index", "3")
    assert yaml.safe_load(text)["metadata"]["labels"]["map_index"] == "3"


def test_the_queue_chooses_the_profile(render, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__PROFILES", '{"p": {"priorityClassName": "high"}}')
    monkeypatch.setenv("AIRFLOW__TRADEWIND__QUEUES", '{"big": {"profile": "p"}}')
    assert yaml.safe_load(render("shaped", "work"))["spec"]["priorityClassName"] == "high"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["none", "work"], "there is no DAG 'none'", id="dag"),
        pytest.param(["shaped", "none"], "has no task 'none': choose one of work", id="task"),
        pytest.param(
            ["shaped", "work", "--run-id", "none"], "in run 'none' of DAG 'shaped'", id="run"
        ),
    ],
)
def test_what_is_not_there_is_one_sentence_and_a_failure(render, capsys, words, sentence):
    with pytest.raises(SystemExit) as caught:
        render(*words)
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_unusable_template_is_one_sentence_and_a_failure(render, template, capsys):
    template.write_text("kind: Deployment")
    with pytest.raises(SystemExit):
        render("shaped", "work")
    assert "begin it with `kind: Pod`" in capsys.readouterr().err
