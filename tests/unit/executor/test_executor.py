"""The contract with the scheduler: what it calls, what it gets, and that nothing raises."""

import threading
from pathlib import Path

import pytest
from airflow.utils.state import TaskInstanceState
from kubernetes.client.models import V1Container, V1EnvVar, V1Pod, V1PodSpec

from tradewind import assembly
from tradewind.errors import ConfigError
from tradewind.executor import TradewindExecutor

BOTH_WAYS = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

# -- a task -----------------------------------------------------------------------------------


@BOTH_WAYS
def test_a_task_is_running_until_its_pod_ended(scheduler):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        assert workload.key in executor.running
        assert executor.slots_occupied == 1
        assert workload.key not in executor.queued_tasks
        name = scheduler.pod()
        scheduler.set_state(workload, "success")
        scheduler.ends(name)
        scheduler.until(lambda: workload.key not in executor.running)
        assert scheduler.events() == {workload.key: TaskInstanceState.SUCCESS}


@BOTH_WAYS
def test_no_event_of_a_task_touches_its_launch_id(scheduler):
    # The scheduler writes the info of QUEUED and RUNNING events into external_executor_id.
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        scheduler.runs(scheduler.pod())
        scheduler.until(lambda: scheduler.cluster.count("watch") > 0)
        assert scheduler.events() == {}


@BOTH_WAYS
def test_the_end_of_an_earlier_launch_says_nothing_of_the_present_one(scheduler):
    deferred = scheduler.a_task()
    resumed = scheduler.a_task(id=deferred.ti.id)
    with scheduler.started() as executor:
        scheduler.queue(deferred)
        earlier = scheduler.pod()
        scheduler.queue(resumed)
        scheduler.until(lambda: len(scheduler.cluster.names()) == 2)
        scheduler.ends(earlier)
        scheduler.until(lambda: earlier not in scheduler.cluster.names())
        executor.heartbeat()
        assert resumed.key in executor.running
        assert scheduler.events() == {}


@BOTH_WAYS
def test_a_task_that_the_scheduler_declares_dead_loses_its_pod(scheduler):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.runs(scheduler.pod())
        executor.change_state(workload.key, TaskInstanceState.FAILED)
        scheduler.until(lambda: not scheduler.cluster.names())
        assert executor.running == set()


@BOTH_WAYS
def test_a_row_queued_by_another_executor_is_launched_under_its_primary_key(scheduler):
    workload = scheduler.a_task(external_executor_id="7")
    with scheduler.started():
        scheduler.queue(workload)
        labels = scheduler.raw(scheduler.pod())["metadata"]["labels"]
        assert labels["tradewind/launch-id"] == str(workload.ti.id)


def test_sentry_reaches_the_worker_by_the_base_class(scheduler):
    assert scheduler.executor.sentry_integration == ""
    workload = scheduler.a_task()
    workload.sentry_integration = "own.Integration"
    with scheduler.started():
        scheduler.queue(workload)
        args = scheduler.raw(scheduler.pod())["spec"]["containers"][0]["args"]
    assert '"sentry_integration":"own.Integration"' in args[-1]


def test_the_worker_gets_a_token_of_airflows_own_generator(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        args = scheduler.raw(scheduler.pod())["spec"]["containers"][0]["args"]
    assert args[:-1] == [
        "python",
        "-m",
        "airflow.sdk.execution_time.execute_workload",
        "--json-string",
    ]
    assert '"token":"ey' in args[-1]


def test_the_worker_knows_that_it_runs_in_a_pod(scheduler):
    with scheduler.started():
        scheduler.queue(scheduler.a_task())
        env = scheduler.raw(scheduler.pod())["spec"]["containers"][0]["env"]
    assert {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"} in env


@BOTH_WAYS
def test_a_template_and_an_override_of_its_own_shape_a_tasks_pod(scheduler, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("kind: Pod\nspec: {containers: [{name: base, image: own}], nodeName: n1}")
    override = V1Pod(
        spec=V1PodSpec(
            containers=[V1Container(name="base", env=[V1EnvVar(name="COLOUR", value="blue")])]
        )
    )
    executor_config = {"pod_template_file": str(own), "pod_override": override}
    with scheduler.started():
        scheduler.queue(scheduler.a_task(executor_config=executor_config))
        spec = scheduler.raw(scheduler.pod())["spec"]
    assert spec["nodeName"] == "n1"
    assert spec["containers"][0]["image"] == "own"
    assert {"name": "COLOUR", "value": "blue"} in spec["containers"][0]["env"]


def test_nothing_of_a_task_but_its_name_is_logged(scheduler, caplog, capfd):
    workload = scheduler.a_task(executor_config={"pod_override": None, "note": "hush"})
    with caplog.at_level("DEBUG"), scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        token = scheduler.raw(name)["spec"]["containers"][0]["args"][-1]
        scheduler.set_state(workload, "running")
        scheduler.ends(name, 1)
        scheduler.until(lambda: scheduler.executor.event_buffer)
    records = "\n".join(record.getMessage() for record in caplog.records)
    said = records + "".join(capfd.readouterr())
    assert "load" in said
    assert "hush" not in said
    assert token not in said
    assert "eyJ" not in said


def open_handles():
    """Return this process's threads, and its files and sockets by number."""
    return set(threading.enumerate()), {fd.name for fd in Path("/proc/self/fd").iterdir()}


@pytest.mark.usefixtures("template")
def test_a_hundred_executors_open_nothing():
    TradewindExecutor()  # Imports and caches of Airflow's own are none of ours.
    before = open_handles()
    executors = [TradewindExecutor() for _ in range(100)]
    assert open_handles() == before
    for executor in executors:
        executor.end()
        executor.terminate()


@pytest.mark.usefixtures("template")
def test_parallelism_follows_the_configuration_unless_it_is_given(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "5")
    monkeypatch.setenv("AIRFLOW__BLUE___CORE__PARALLELISM", "3")
    assert TradewindExecutor().parallelism == 5
    assert TradewindExecutor(team_name="blue").parallelism == 3
    assert TradewindExecutor(parallelism=9).slots_available == 9
    with pytest.raises(ValueError, match="parallelism"):
        TradewindExecutor(parallelism=0)


@pytest.mark.usefixtures("template")
def test_a_team_has_settings_of_its_own(monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__NAMESPACE", "shared")
    monkeypatch.setenv("AIRFLOW__BLUE___TRADEWIND__NAMESPACE", "blue-tasks")
    assert TradewindExecutor.supports_multi_team
    assert TradewindExecutor()._settings.namespace == "shared"
    assert TradewindExecutor(team_name="blue")._settings.namespace == "blue-tasks"


@pytest.mark.usefixtures("template")
def test_a_team_falls_back_to_its_own_upstream_section(monkeypatch):
    monkeypatch.setenv("AIRFLOW__BLUE___KUBERNETES_EXECUTOR__NAMESPACE", "blue-old")
    assert TradewindExecutor(team_name="blue")._settings.namespace == "blue-old"


@pytest.mark.usefixtures("template")
def test_airflows_gauges_carry_the_team(monkeypatch):
    gauges = []
    monkeypatch.setattr(
        "airflow.executors.base_executor.stats.gauge",
        lambda name, value, tags: gauges.append((name, value, tags)),
    )
    TradewindExecutor(parallelism=4, team_name="blue").heartbeat()
    tags = {"status": "open", "executor_class_name": "TradewindExecutor", "team_name": "blue"}
    assert ("executor.open_slots", 4, tags) in gauges


@pytest.mark.usefixtures("template")
def test_it_stands_beside_other_executors_under_an_alias(monkeypatch, loader):
    path = "tradewind.executor.TradewindExecutor"
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", f"LocalExecutor,pods:{path}")
    executors = loader.init_executors()
    ours = executors[1]
    assert isinstance(ours, TradewindExecutor)
    assert ours.name.alias == "pods"
    for wanted in ("pods", path, "TradewindExecutor"):
        assert loader.lookup_executor_name_by_str(wanted) == ours.name


@pytest.mark.usefixtures("template")
def test_a_team_may_have_it(monkeypatch, loader):
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setenv(
        "AIRFLOW__CORE__EXECUTOR", "LocalExecutor;blue=tradewind.executor.TradewindExecutor"
    )
    monkeypatch.setattr(loader, "_validate_teams_exist_in_database", lambda _: None)
    assert [executor.team_name for executor in loader.init_executors()] == [None, "blue"]


# -- the end ---------------------------------------------------------------------------------------


@BOTH_WAYS
def test_pods_outlive_the_executor_and_ending_twice_is_harmless(scheduler):
    with scheduler.started() as executor:
        scheduler.queue(scheduler.a_task())
        scheduler.pod()
        executor.terminate()
        executor.end()
    assert len(scheduler.cluster.names()) == 1
    assert not [t for t in threading.enumerate() if t.name == "tradewind-loop"]
    executor.heartbeat()


def test_an_executor_without_credentials_says_so_at_start(scheduler, monkeypatch):
    def refuse(_, **__):
        raise ConfigError("no kubeconfig: set [tradewind] config_file")

    monkeypatch.setattr(assembly, "connect", refuse)
    with pytest.raises(ConfigError, match="config_file"):
        scheduler.executor.start()
