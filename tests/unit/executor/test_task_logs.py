"""What the log view shows of a pod, in every state a pod can be in."""

import asyncio
import threading
import uuid
from types import SimpleNamespace

import pytest
from kubernetes.client.models import V1ObjectMeta, V1Pod

from tradewind import task_logs, task_pods
from tradewind.client.errors import ApiError
from tradewind.errors import ConfigError
from tradewind.pods import labels
from tradewind.testing.builders import a_task, base_ended, base_running, base_waiting, settings
from tradewind.testing.fake_cluster import FakeCluster


class Cluster(FakeCluster):
    """A fake whose closing is noted, because an API server must not leak connections."""

    closed = 0

    async def close(self):
        self.closed += 1


@pytest.fixture
def cluster(monkeypatch):
    cluster = Cluster()
    monkeypatch.setattr(task_pods, "connect", lambda _: cluster)
    return cluster


def a_ti(**changed):
    values = {
        "dag_id": "etl",
        "task_id": "load",
        "run_id": "manual__1",
        "try_number": 1,
        "map_index": -1,
        "external_executor_id": str(uuid.UUID(int=1)),
        "executor_config": {},
    }
    return SimpleNamespace(**(values | changed))


def put(cluster, ti, *, status, name="etl-load", namespace="default", launched_by_us=True, **meta):
    task = a_task(try_number=ti.try_number, map_index=ti.map_index)
    found_by = labels.of_task(task) | {"kubernetes_executor": "True"}
    if launched_by_us:
        found_by[labels.LAUNCH_ID] = ti.external_executor_id
    manifest = {"metadata": {"name": name, "labels": found_by} | meta, "status": status}
    asyncio.run(cluster.create_pod(namespace, manifest))


def tail(ti, *, try_number=1, **options):
    return task_logs.tail(ti, try_number=try_number, settings=settings(**options))


def test_a_running_pod_shows_its_last_lines(cluster):
    put(cluster, a_ti(), status=base_running())
    cluster.logs["etl-load"] = "one\ntwo\nthree"
    messages, logs = tail(a_ti(), running_pod_log_lines="2")
    assert messages == ["Live log of pod default/etl-load, last 2 lines"]
    assert logs == ["two\nthree"]


def test_colours_are_taken_out(cluster):
    put(cluster, a_ti(), status=base_running())
    cluster.logs["etl-load"] = "\x1b[31mred\x1b[0m plain"
    assert tail(a_ti())[1] == ["red plain"]


def test_a_pending_pod_shows_its_reason_instead(cluster):
    put(cluster, a_ti(), status=base_waiting("ErrImagePull", "no such tag"))
    messages, logs = tail(a_ti())
    assert len(messages) == 1
    assert messages[0].startswith("Not running yet: pod default/etl-load:")
    assert "ErrImagePull: no such tag" in messages[0]
    assert logs == []


def init(name, **state):
    return {"name": name, "state": state}


@pytest.mark.parametrize(
    ("init_state", "base", "expected"),
    [
        pytest.param({"running": {}}, base_waiting(""), ["fetch"], id="while-it-runs"),
        pytest.param(
            {"terminated": {"exitCode": 1}}, base_waiting(""), ["fetch"], id="when-it-failed"
        ),
        pytest.param({"waiting": {}}, base_waiting(""), [], id="not-before-it-began"),
        pytest.param(
            {"terminated": {"exitCode": 0}}, base_running(), ["base"], id="not-after-its-work"
        ),
    ],
)
def test_an_init_containers_log_is_shown(cluster, init_state, base, expected):
    status = base | {"initContainerStatuses": [init("fetch", **init_state)]}
    put(cluster, a_ti(), status=status)
    assert tail(a_ti())[1] == expected


def test_a_kept_failed_pod_shows_its_cause_and_its_log(cluster):
    put(cluster, a_ti(), status=base_ended(137, reason="OOMKilled"))
    messages, logs = tail(a_ti())
    assert messages[0].startswith("Failed pod default/etl-load: container base was OOMKilled")
    assert logs == ["base"]


def test_a_kept_pod_of_an_earlier_try_is_found_by_its_labels(cluster):
    earlier = a_ti(external_executor_id=str(uuid.UUID(int=9)))
    put(cluster, earlier, status=base_ended(0), name="first-try")
    now = a_ti(try_number=2)
    assert tail(now, try_number=1)[0][0].startswith("Log of ended pod default/first-try")


def test_a_pod_of_upstreams_executor_is_found_by_its_labels(cluster):
    ti = a_ti(external_executor_id="7")
    put(cluster, ti, status=base_running(), launched_by_us=False)
    assert tail(ti)[0][0].startswith("Live log of pod default/etl-load")


def test_a_mapped_task_shows_its_own_pod(cluster):
    put(cluster, a_ti(map_index=0), status=base_running(), name="map-0", launched_by_us=False)
    put(cluster, a_ti(map_index=1), status=base_running(), name="map-1", launched_by_us=False)
    ti = a_ti(map_index=1, external_executor_id=None)
    assert "map-1" in tail(ti)[0][0]
    unmapped = a_ti(external_executor_id=None)
    assert "No pod of etl.load" in tail(unmapped)[0][0]


def test_the_youngest_of_several_pods_of_a_launch_is_shown(cluster):
    for ordinal, name in ((0, "etl-load"), (1, "etl-load-r1")):
        put(
            cluster,
            a_ti(),
            status=base_running(),
            name=name,
            creationTimestamp=f"2026-01-01T00:00:0{ordinal}Z",
        )
    assert "etl-load-r1" in tail(a_ti())[0][0]


def test_pods_of_every_watched_namespace_are_found(cluster):
    put(cluster, a_ti(), status=base_running(), namespace="elsewhere")
    found = tail(
        a_ti(), multi_namespace_mode="True", multi_namespace_mode_namespace_list="elsewhere"
    )
    assert "elsewhere/etl-load" in found[0][0]


def test_a_pod_where_its_override_put_it_is_found(cluster):
    override = V1Pod(metadata=V1ObjectMeta(namespace="special"))
    ti = a_ti(executor_config={"pod_override": override})
    put(cluster, ti, status=base_running(), namespace="special")
    assert "special/etl-load" in tail(ti)[0][0]


@pytest.mark.usefixtures("cluster")
def test_without_a_pod_it_says_where_it_looked():
    sentence = (
        "No pod of etl.load, run manual__1, try 1 exists in default: "
        "it was not created yet, or it is deleted and its log with it"
    )
    assert tail(a_ti()) == ([sentence], [])


def test_a_refused_log_leaves_the_rest(cluster):
    put(cluster, a_ti(), status=base_running())
    cluster.fail("log", ApiError(403, reason="Forbidden", message="pods/log"))
    messages, logs = tail(a_ti())
    assert len(messages) == 2
    assert "Cannot read the log of container base: 403" in messages[1]
    assert logs == []


@pytest.mark.parametrize(
    "ti",
    [
        pytest.param(SimpleNamespace(), id="without-fields"),
        pytest.param(a_ti(executor_config="surprise"), id="odd-executor-config"),
        pytest.param(a_ti(external_executor_id=7), id="odd-launch-id"),
    ],
)
@pytest.mark.usefixtures("cluster")
def test_an_odd_task_instance_is_a_sentence(ti):
    messages, logs = tail(ti)
    assert len(messages) == 1
    assert logs == []


def test_missing_credentials_are_a_sentence(monkeypatch):
    def refuse(_):
        raise ConfigError("no kubeconfig: set [tradewind] config_file")

    monkeypatch.setattr(task_pods, "connect", refuse)
    assert tail(a_ti()) == (
        ["Cannot read the log of the task's pod: no kubeconfig: set [tradewind] config_file"],
        [],
    )


def test_an_api_server_that_hangs_is_a_sentence(cluster, monkeypatch):
    monkeypatch.setattr(task_pods, "_MOST_S", 0.05)
    monkeypatch.setattr(cluster, "list_pods", lambda *_, **__: asyncio.sleep(60))
    assert "did not answer within" in tail(a_ti())[0][0]


def test_every_visit_closes_its_connection_and_leaves_no_thread(cluster):
    put(cluster, a_ti(), status=base_running())
    threads = threading.active_count()
    tail(a_ti())
    cluster.fail("list", ApiError(500, message="boom"))
    tail(a_ti())
    assert cluster.closed == 2
    assert threading.active_count() == threads


async def test_it_works_under_a_running_loop(cluster):
    await asyncio.to_thread(put, cluster, a_ti(), status=base_running())
    assert tail(a_ti())[1] == ["base"]
