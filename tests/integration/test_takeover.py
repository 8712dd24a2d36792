"""Moving between Airflow's KubernetesExecutor and this one while tasks run, both ways."""

import asyncio
import uuid

import pytest
from airflow.jobs.job import Job
from airflow.models.taskinstance import TaskInstance
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor
from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import create_unique_id
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from kubernetes import client, config
from scheduler_side import a_pod, a_row, queue, set_state, started, synced

from tradewind.testing.builders import base_ended, base_running

pytestmark = pytest.mark.usefixtures("database", "configured")

UPSTREAMS_JOB = 3


@pytest.fixture
def upstream(kubeconfig, namespace, monkeypatch):
    """Return upstream's executor as far as adoption goes: a client, and no watcher process."""
    monkeypatch.setenv("AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE", namespace)
    executor = KubernetesExecutor()
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.verify_ssl = False
    executor.kube_client = client.CoreV1Api(client.ApiClient(settings))
    executor.scheduler_job_id = "9"
    return executor


@pytest.fixture
def launch_upstream(real_cluster, namespace):
    """Return a function that launches a task's pod with upstream's own generator."""

    async def launch(ti, *, worker=UPSTREAMS_JOB, try_number=None):
        base = client.V1Pod(
            metadata=client.V1ObjectMeta(),
            spec=client.V1PodSpec(containers=[client.V1Container(name="base", image="worker:1")]),
        )
        pod = PodGenerator.construct_pod(
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            pod_id=create_unique_id(ti.dag_id, ti.task_id),
            try_number=try_number or ti.try_number,
            kube_image="",
            date=None,
            args=["sleep", "60"],
            pod_override_object=None,
            base_worker_pod=base,
            namespace=namespace,
            scheduler_job_id=str(worker),
            run_id=ti.run_id,
            map_index=ti.map_index,
        )
        manifest = client.ApiClient().sanitize_for_serialization(pod)
        return await real_cluster.create_pod(namespace, manifest)

    return launch


def queued_by_upstream(*, queued_by_job_id=UPSTREAMS_JOB):
    """Store a row as upstream leaves it: its scheduler's number where a launch id would be."""
    ti = a_row(state=TaskInstanceState.RUNNING)
    with create_session() as session:
        row = session.get(TaskInstance, ti.id)
        row.external_executor_id = str(queued_by_job_id)
        session.flush()
        session.expunge(row)
        return row


async def test_a_running_pod_of_upstreams_is_taken_over_and_followed_to_its_end(
    real_cluster, node, namespace, launch_upstream
):
    ti = queued_by_upstream()
    theirs = await launch_upstream(ti)
    await node.set_status(namespace, theirs.metadata.name, base_running())
    with started() as executor:
        assert executor.try_adopt_task_instances([ti]) == []
        pod = await a_pod(real_cluster, namespace)
        assert pod.metadata.name == theirs.metadata.name
        assert pod.metadata.labels["tradewind/launch-id"] == str(ti.id)
        set_state(ti, TaskInstanceState.SUCCESS)
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        await synced(executor, lambda: executor.event_buffer)
        assert executor.get_event_buffer()[ti.key][0] == TaskInstanceState.SUCCESS
        await a_pod(real_cluster, namespace, count=0)


async def test_a_pod_of_upstreams_that_dies_after_the_takeover_fails_its_task(
    node, namespace, launch_upstream
):
    ti = queued_by_upstream()
    theirs = await launch_upstream(ti)
    with started() as executor:
        executor.try_adopt_task_instances([ti])
        await node.set_status(namespace, theirs.metadata.name, base_ended(137, reason="OOMKilled"))
        await synced(executor, lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[ti.key]
    assert state == TaskInstanceState.FAILED
    assert "OOMKilled" in info


async def test_the_next_scheduler_of_ours_finds_what_an_earlier_one_took_over(
    node, namespace, launch_upstream
):
    ti = queued_by_upstream()
    theirs = await launch_upstream(ti)
    await node.set_status(namespace, theirs.metadata.name, base_running())
    with started() as first:
        first.try_adopt_task_instances([ti])
    with started() as second:
        assert second.try_adopt_task_instances([ti]) == []
        assert ti.key in second.running


async def test_pods_of_other_tries_and_tasks_are_left_alone(
    real_cluster, namespace, launch_upstream
):
    ti, other = queued_by_upstream(), queued_by_upstream()
    await launch_upstream(ti, try_number=2)
    await launch_upstream(other)
    with started() as executor:
        assert list(executor.try_adopt_task_instances([ti])) == [ti]
    await a_pod(real_cluster, namespace, count=0)


async def test_a_row_with_a_launch_id_but_only_a_pod_of_upstreams_is_adopted(
    node, namespace, launch_upstream
):
    # For instance an executor that also writes UUIDs queued it last.
    ti = a_row(state=TaskInstanceState.RUNNING)
    theirs = await launch_upstream(ti)
    await node.set_status(namespace, theirs.metadata.name, base_running())
    with started() as executor:
        assert executor.try_adopt_task_instances([ti]) == []
        set_state(ti, TaskInstanceState.SUCCESS)
        await node.set_status(namespace, theirs.metadata.name, base_ended(0))
        await synced(executor, lambda: executor.event_buffer)
        assert executor.get_event_buffer()[ti.key][0] == TaskInstanceState.SUCCESS


def persisted(ti, *, job_id):
    """Return the row as upstream's adoption reads it: queued by the scheduler that died."""
    with create_session() as session:
        if session.get(Job, job_id) is None:
            session.add(Job(id=job_id, job_type="SchedulerJob", state="failed"))
            session.flush()
        row = session.get(TaskInstance, ti.id)
        row.queued_by_job_id = job_id
        session.flush()
        session.refresh(row)
        assert row.key == ti.key
        session.expunge(row)
        return row


async def test_upstreams_executor_adopts_our_pods(real_cluster, node, namespace, upstream):
    ti, lost = a_row(), a_row()
    with started() as ours:  # Its scheduler is number 7.
        queue(ours, ti)
        pod = await a_pod(real_cluster, namespace)
        await node.set_status(namespace, pod.metadata.name, base_running())
    rows = [persisted(row, job_id=7) for row in (ti, lost)]
    assert [row.key for row in upstream.try_adopt_task_instances(rows)] == [lost.key]
    assert upstream.running == {ti.key}
    pod = await real_cluster.get_pod(namespace, pod.metadata.name)
    assert pod.metadata.labels["airflow-worker"] == "9", "upstream's watcher selects by it"


async def test_upstreams_executor_gets_back_what_we_took_over(
    node, namespace, launch_upstream, upstream
):
    ti = queued_by_upstream()
    theirs = await launch_upstream(ti)
    await node.set_status(namespace, theirs.metadata.name, base_running())
    with started() as ours:
        ours.try_adopt_task_instances([ti])
    # The scheduler, number 7, has written itself into the row it adopted.
    assert upstream.try_adopt_task_instances([persisted(ti, job_id=7)]) == []
    assert upstream.running == {ti.key}


async def test_upstreams_executor_adopts_what_our_second_scheduler_had(
    real_cluster, node, namespace, upstream
):
    ti = a_row()
    with started(job_id=6) as first:
        queue(first, ti)
        pod = await a_pod(real_cluster, namespace)
        await node.set_status(namespace, pod.metadata.name, base_running())
    with started() as second:
        assert second.try_adopt_task_instances([ti]) == []
        await signed(real_cluster, pod, worker="7")
    assert upstream.try_adopt_task_instances([persisted(ti, job_id=7)]) == []
    assert upstream.running == {ti.key}


async def signed(cluster, pod, *, worker):
    async with asyncio.timeout(10):
        while pod.metadata.labels["airflow-worker"] != worker:
            await asyncio.sleep(0.02)
            pod = await cluster.get_pod(pod.metadata.namespace, pod.metadata.name)


async def test_upstreams_executor_is_not_disturbed_by_a_callbacks_pod(
    real_cluster, namespace, upstream
):
    from airflow.executors.workloads import TestConnection  # noqa: PLC0415 - else pytest collects it

    workload = TestConnection(
        connection_test_id=uuid.uuid4(), connection_id="warehouse", timeout=60, token=""
    )
    with started() as ours:
        ours.queue_workload(workload, session=None)
        ours.heartbeat()
        await a_pod(real_cluster, namespace)
    row = persisted(a_row(), job_id=7)
    assert upstream.try_adopt_task_instances([row]) == [row]
