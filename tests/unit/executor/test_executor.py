"""The contract with the scheduler: what it calls, what it gets, and that nothing raises."""

import threading
import uuid
from pathlib import Path
from uuid import UUID

import pytest
from airflow.executors.base_executor import BaseExecutor
from airflow.utils.state import CallbackState, TaskInstanceState
from kubernetes.client.models import V1Container, V1EnvVar, V1Pod, V1PodSpec

from tradewind import _compat, assembly, workloads
from tradewind.client.errors import ApiError
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


# -- callbacks and connection tests --------------------------------------------------------------


@BOTH_WAYS
def test_a_callback_is_reported_running_and_then_by_its_pods_end(scheduler):
    workload = scheduler.a_callback()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        assert workload.key not in executor.queued_callbacks
        name = scheduler.pod()
        scheduler.runs(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {workload.key: CallbackState.RUNNING}
        assert workload.key in executor.running
        scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {workload.key: CallbackState.SUCCESS}
        assert workload.key not in executor.running


@BOTH_WAYS
def test_a_callback_that_failed_says_why(scheduler):
    workload = scheduler.a_callback()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.ends(scheduler.pod(), 1)
        scheduler.until(lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[workload.key]
    assert state == CallbackState.FAILED
    assert "exit code 1" in info


@BOTH_WAYS
def test_a_callback_whose_pod_never_began_gets_another(scheduler):
    workload = scheduler.a_callback()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.ends(name, 128, startedAt=None, reason="StartError")
        scheduler.until(lambda: f"{name}-r1" in scheduler.cluster.names())
        assert scheduler.events() == {}


@BOTH_WAYS
def test_a_callbacks_pod_is_known_by_its_dag_and_is_no_task_pod(scheduler):
    context = {"context": {"dag_run": {"dag_run_id": "manual__1"}}}
    workload = scheduler.a_callback(kwargs=context)
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        metadata = scheduler.raw(name)["metadata"]
    assert name.startswith("etl-callback-page-somebody-")
    assert metadata["labels"]["tradewind/workload"] == "callback"
    assert metadata["labels"]["tradewind/launch-id"] == workload.callback.id
    assert metadata["labels"]["dag_id"] == "etl"
    assert metadata["labels"]["run_id"] == "manual__1"
    notes = {k: v for k, v in metadata["annotations"].items() if k != "tradewind/claimed-at"}
    assert notes == {
        "dag_id": "etl",
        "run_id": "manual__1",
        "tradewind/row-id": workload.callback.id,
    }
    assert "kubernetes_executor" not in metadata["labels"], "upstream would try to adopt it"


def test_callbacks_go_before_tasks_up_to_the_free_slots(scheduler):
    executor = scheduler.executor
    executor.parallelism = 1
    with scheduler.started():
        executor.queue_workload(scheduler.a_task(), session=None)
        executor.queue_workload(scheduler.a_callback(), session=None)
        executor.heartbeat()
        assert not executor.queued_callbacks
        assert len(executor.queued_tasks) == 1
        assert "-callback-" in scheduler.pod()


@BOTH_WAYS
def test_a_connection_test_runs_in_a_pod_and_frees_its_slot(scheduler):
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        assert not executor.queued_connection_tests
        name = scheduler.pod()
        assert name.startswith("connection-test-warehouse-")
        labels = scheduler.raw(name)["metadata"]["labels"]
        assert labels["tradewind/workload"] == "connection-test"
        scheduler.ends(name)
        scheduler.until(lambda: workload.key not in executor.running)


@BOTH_WAYS
def test_a_connection_test_without_a_result_gets_its_reason_written(scheduler):
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.ends(scheduler.pod(), 137, reason="OOMKilled")
        scheduler.until(lambda: scheduler.failed_tests)
        scheduler.until(lambda: workload.key not in executor.running)
    ((test_id, reason),) = scheduler.failed_tests
    assert test_id == str(workload.connection_test_id)
    assert "OOMKilled" in reason


def test_a_reason_that_cannot_be_written_costs_nothing_else(scheduler, monkeypatch):
    monkeypatch.setattr(workloads, "fail_connection_test", _broken)
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.ends(scheduler.pod(), 1)
        scheduler.until(lambda: workload.key not in executor.running)
        assert executor._loop.is_alive


@BOTH_WAYS
def test_a_connection_test_that_took_too_long_loses_its_pod(scheduler):
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.pod()
        executor.fail_connection_test(workload.key)
        scheduler.until(lambda: not scheduler.cluster.names())
        assert executor.running == set()
        assert scheduler.events() == {}


# -- construction, teams, several executors ------------------------------------------------------


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


# -- nothing that the scheduler calls raises -----------------------------------------------------


class Odd:
    """A task instance that cannot be read, as a detached row is."""

    def __getattr__(self, name):
        raise RuntimeError(f"{name} is not loaded")


class Orphaned:
    """A task instance as adoption gets it."""

    def __init__(self, workload):
        ti = workload.ti
        self.key = workload.key
        self.id, self.external_executor_id = ti.id, ti.external_executor_id
        self.dag_id, self.task_id, self.run_id = ti.dag_id, ti.task_id, ti.run_id
        self.try_number, self.map_index = ti.try_number, ti.map_index


def _broken(*_, **__):
    raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("method", ["submit", "revoke", "adopt"])
def test_a_broken_bridge_costs_its_task_and_nothing_else(scheduler, monkeypatch, method):
    one, other = scheduler.a_task(), scheduler.a_task(task_id="other")
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, method, _broken)
        scheduler.queue(one)
        executor.revoke_task(ti=Orphaned(one))
        executor.change_state(one.key, TaskInstanceState.FAILED)
        executor.try_adopt_task_instances([Orphaned(other)])
        executor.heartbeat()
        assert one.key not in executor.running


def test_an_adoption_that_breaks_trusts_every_task_to_have_its_pod(scheduler, monkeypatch):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, "adopt", _broken)
        assert executor.try_adopt_task_instances([Orphaned(workload)]) == []
        assert executor.running == {workload.key}


def test_a_launch_the_bridge_refuses_fails_its_task_with_the_reason(scheduler, monkeypatch):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, "submit", _broken)
        scheduler.queue(workload)
        state, info = executor.get_event_buffer()[workload.key]
    assert state == TaskInstanceState.FAILED
    assert info == "cannot launch: broken on purpose"


@pytest.mark.parametrize(
    ("executor_config", "remedy"),
    [
        pytest.param({"pod_override": {"spec": {}}}, "give a kubernetes.client", id="no-pod"),
        pytest.param({"pod_template_file": "/nowhere.yaml"}, "cannot read", id="no-file"),
    ],
)
def test_an_unusable_executor_config_fails_its_task_alone(scheduler, executor_config, remedy):
    bad = scheduler.a_task(executor_config=executor_config)
    good = scheduler.a_task(task_id="good", executor_config=None)
    with scheduler.started() as executor:
        scheduler.queue(bad)
        scheduler.queue(good)
        scheduler.until(lambda: executor.event_buffer)
        (key, (state, info)) = executor.get_event_buffer().popitem()
        assert (key, state) == (bad.key, TaskInstanceState.FAILED)
        assert remedy in info
        assert scheduler.pod().startswith("etl-good-")


def test_an_executor_config_that_is_no_dict_fails_its_task(scheduler):
    workload = scheduler.a_task()
    workload.ti.executor_config = ["surprise"]
    with scheduler.started() as executor:
        scheduler.queue(workload)
        _, info = executor.get_event_buffer()[workload.key]
    assert "give a dict" in info


def test_a_broken_template_fails_the_task_with_the_remedy(scheduler, template):
    template.write_text("kind: Deployment")
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.until(lambda: executor.event_buffer)
        _, info = executor.get_event_buffer()[workload.key]
    assert "begin it with `kind: Pod`" in info


def test_a_missing_signing_key_fails_the_task_and_not_the_scheduler(scheduler, monkeypatch):
    monkeypatch.setattr(TradewindExecutor, "jwt_generator", property(_broken))
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.until(lambda: executor.event_buffer)
        _, info = executor.get_event_buffer()[workload.key]
    assert "broken on purpose" in info


def test_a_database_that_is_down_delays_an_end_and_loses_none(scheduler, monkeypatch):
    workload = scheduler.a_task()
    reads = []

    def once_down(row_ids):
        reads.append(row_ids)
        if len(reads) == 1:
            raise RuntimeError("connection refused")
        return scheduler.read_facts(row_ids)

    monkeypatch.setattr(_compat, "read_facts", once_down)
    monkeypatch.setattr("tradewind.dispatch.settlement.FIRST_RETRY_S", 0.05)
    with scheduler.started() as executor:
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.set_state(workload, "success")
        scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {workload.key: TaskInstanceState.SUCCESS}
    assert len(reads) == 2


def test_an_outcome_that_cannot_be_reported_does_not_stop_the_next(scheduler, monkeypatch):
    first, second = scheduler.a_task(), scheduler.a_task(task_id="second")
    with scheduler.started() as executor:
        reported = TradewindExecutor.success

        def success(self, key, info=None):
            if key == first.key:
                _broken()
            reported(self, key, info)

        monkeypatch.setattr(TradewindExecutor, "success", success)
        for number, workload in enumerate((first, second)):
            scheduler.queue(workload)
            scheduler.pod(number)
            scheduler.set_state(workload, "success")
        for name in list(scheduler.cluster.names()):
            scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {second.key: TaskInstanceState.SUCCESS}


def test_a_task_instance_that_cannot_be_read_is_left_to_the_scheduler(scheduler):
    odd, readable = Odd(), Orphaned(scheduler.a_task())
    with scheduler.started() as executor:
        executor.revoke_task(ti=odd)
        assert executor.try_adopt_task_instances([odd, readable]) == [odd, readable]
        assert executor.running == set()


def test_before_start_the_scheduler_gets_no_exception(scheduler):
    executor, orphan = scheduler.executor, Orphaned(scheduler.a_task())
    executor.heartbeat()
    executor.revoke_task(ti=orphan)
    executor.change_state(orphan.key, TaskInstanceState.FAILED)
    executor.try_adopt_task_instances([orphan])
    executor.end()


def test_every_call_of_the_scheduler_is_overridden_or_harmless():
    inherited = {"end", "terminate", "revoke_task", "_process_workloads", "sync", "start"}
    inherited |= {"try_adopt_task_instances", "get_task_log", "change_state"}
    assert inherited <= vars(TradewindExecutor).keys()
    assert TradewindExecutor.queue_workload is BaseExecutor.queue_workload


# -- a loop that dies ------------------------------------------------------------------------------


@BOTH_WAYS
def test_launches_outlive_the_loop_that_had_them(scheduler):
    first, second = scheduler.a_task(), scheduler.a_callback()
    with scheduler.started() as executor:
        scheduler.queue(first)
        name = scheduler.pod()
        scheduler.kill_loop()
        executor.queue_workload(second, session=None)
        executor.heartbeat()
        assert executor.running == {first.key, second.key}
        callback = scheduler.pod(1)
        assert scheduler.cluster.count("create") == 2, "the first pod was found, not made again"
        scheduler.set_state(first, "success")
        scheduler.ends(name)
        scheduler.ends(callback)
        scheduler.until(lambda: not executor.running)
        assert set(scheduler.events().values()) == {TaskInstanceState.SUCCESS}


def test_while_the_loop_is_dead_nothing_raises_and_nothing_fails(scheduler, monkeypatch):
    one, other = scheduler.a_task(), scheduler.a_task(task_id="other")
    with scheduler.started() as executor:
        scheduler.kill_loop()
        monkeypatch.setattr(executor._loop, "start", _broken)
        scheduler.queue(one)
        executor.heartbeat()
        executor.revoke_task(ti=Orphaned(one))
        assert executor.try_adopt_task_instances([Orphaned(other)]) == []
        assert executor.running == {other.key}
        assert scheduler.events() == {}


# -- adoption --------------------------------------------------------------------------------------


@BOTH_WAYS
def test_an_orphan_is_followed_to_its_end(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
    heir = type(scheduler)(scheduler.cluster)
    heir.rows = scheduler.rows
    with heir.started() as executor:
        lost = Orphaned(scheduler.a_task(task_id="lost"))
        assert executor.try_adopt_task_instances([Orphaned(workload), lost]) == [lost]
        assert executor.running == {workload.key}
        heir.set_state(workload, "success")
        heir.ends(name)
        heir.until(lambda: executor.event_buffer)
        assert heir.events() == {workload.key: TaskInstanceState.SUCCESS}


def upstreams_pod(workload, *, name="upstream-pod", worker="3"):
    ti = workload.ti
    identity = {
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "run_id": ti.run_id,
        "try_number": str(ti.try_number),
    }
    labels = identity | {"kubernetes_executor": "True", "airflow-worker": worker}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": identity},
        "spec": {"containers": [{"name": "base", "image": "worker"}]},
    }


@BOTH_WAYS
def test_a_callback_of_a_dead_scheduler_is_followed_to_its_end(scheduler, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__RECONCILE_INTERVAL", "1")
    workload = scheduler.a_callback()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
    heir = type(scheduler)(scheduler.cluster)
    keys = {UUID(workload.callback.id): workload.key}
    monkeypatch.setattr(_compat, "abandoned_keys", lambda _: keys)
    with heir.started() as executor:
        heir.until(lambda: workload.key in executor.running)
        heir.ends(name)
        heir.until(lambda: executor.event_buffer)
        assert heir.events() == {workload.key: CallbackState.SUCCESS}
        assert executor.running == set()


def test_a_pod_of_upstreams_executor_is_taken_over(scheduler):
    workload = scheduler.a_task(external_executor_id="3")
    with scheduler.started() as executor:
        scheduler.on_loop(scheduler.cluster.create_pod("default", upstreams_pod(workload)))
        assert executor.try_adopt_task_instances([Orphaned(workload)]) == []
        labels = scheduler.raw("upstream-pod")["metadata"]["labels"]
        assert labels["tradewind/launch-id"] == str(workload.ti.id)
        assert labels["airflow-worker"] == "7", "upstream could have it back"
        scheduler.set_state(workload, "running")
        scheduler.ends("upstream-pod", 137, reason="OOMKilled")
        scheduler.until(lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[workload.key]
    assert state == TaskInstanceState.FAILED
    assert "OOMKilled" in info


def test_a_pod_of_another_try_is_not_taken_over(scheduler):
    earlier = scheduler.a_task(try_number=1, external_executor_id="3")
    orphan = Orphaned(scheduler.a_task(try_number=2, external_executor_id=str(uuid.uuid4())))
    with scheduler.started() as executor:
        scheduler.on_loop(scheduler.cluster.create_pod("default", upstreams_pod(earlier)))
        assert executor.try_adopt_task_instances([orphan]) == [orphan]


# -- the audit log ---------------------------------------------------------------------------------


def test_the_cause_of_an_end_is_in_the_audit_log(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.set_state(workload, "running")
        scheduler.cluster.logs[name] = "allocating\nKilled"
        scheduler.ends(name, 137, reason="OOMKilled")
        scheduler.until(lambda: len(scheduler.audit()) == 3)
    rows = dict(scheduler.audit())
    assert "OOMKilled" in rows["pod failed"]
    assert rows["pod log"] == "allocating\nKilled"
    assert '"killed_for_memory": true' in rows["pod measured"]


def test_a_workload_that_cannot_be_launched_is_in_the_audit_log(scheduler, monkeypatch):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, "submit", _broken)
        scheduler.queue(workload)
    assert scheduler.audit() == [("pod refused", "cannot launch: broken on purpose")]


@BOTH_WAYS
def test_a_pod_that_is_refused_is_told_once(scheduler):
    refusal = ApiError(422, reason="Invalid", message="spec.nodeName: too long")
    scheduler.cluster.fail("create", refusal)
    with scheduler.started() as executor:
        scheduler.queue(scheduler.a_task())
        scheduler.until(lambda: executor.event_buffer)
    ((event, text),) = scheduler.audit()
    assert event == "pod refused"
    assert "spec.nodeName: too long" in text


def test_a_pod_that_is_replaced_is_told_and_its_task_goes_on(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.ends(name, 128, startedAt=None, reason="StartError")
        scheduler.until(scheduler.audit)
        assert scheduler.events() == {}
    ((event, text),) = scheduler.audit()
    assert event == "pod relaunched"
    assert "StartError" in text


def test_a_pod_that_waits_is_told_while_it_waits(scheduler, monkeypatch):
    monkeypatch.setattr("tradewind.dispatch.pending.LOOK_EVERY_S", 0.05)
    with scheduler.started():
        scheduler.queue(scheduler.a_task())
        scheduler.waits(scheduler.pod(), "ErrImagePull", "no such tag")
        scheduler.until(scheduler.audit)
        assert scheduler.events() == {}
    ((event, text),) = scheduler.audit()
    assert event == "pod pending"
    assert "ErrImagePull" in text


def test_a_task_that_waits_for_quota_is_told_and_goes_on(scheduler):
    full = ApiError(403, reason="Forbidden", message="exceeded quota: pods, used: 10")
    scheduler.cluster.fail("create", full)
    with scheduler.started():
        scheduler.queue(scheduler.a_task())
        scheduler.until(scheduler.audit)
        assert scheduler.events() == {}
    ((event, text),) = scheduler.audit()
    assert event == "pod parked"
    assert "exceeded quota" in text


def test_a_healthy_task_has_no_row_in_the_audit_log(scheduler):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.set_state(workload, "success")
        scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        executor.heartbeat()
    assert scheduler.audit() == []


def test_a_callback_has_no_row_in_the_audit_log(scheduler):
    with scheduler.started() as executor:
        scheduler.queue(scheduler.a_callback())
        scheduler.ends(scheduler.pod(), 1)
        scheduler.until(lambda: executor.event_buffer)
    assert scheduler.audit() == []
