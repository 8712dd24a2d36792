import pytest

from tradewind.client.errors import ApiError
from tradewind.dispatch.pending_judge import ASK_EVERY_S, FORGET_AFTER_S, PendingJudge, patience
from tradewind.errors import ConfigError
from tradewind.pods.pending import Patience
from tradewind.testing.builders import a_pod, an_event, base_waiting, condition

NO_CPU = "0/1 nodes are available: 1 no cpu"
UNSCHEDULABLE = {
    "phase": "Pending",
    **condition("PodScheduled", "Unschedulable", NO_CPU, status="False"),
}
SILENT = {"phase": "Pending", **condition("PodScheduled", "")}
PLACED = {"nodeName": "node-1", "containers": [{"name": "base", "image": "nope:1"}]}


class Events:
    """A cluster of which only the events are asked for."""

    def __init__(self):
        self.events, self.error, self.asked = (), None, []

    async def list_events(self, namespace, *, pod_uid, limit):
        self.asked.append((namespace, pod_uid, limit))
        if self.error:
            raise self.error
        return self.events


@pytest.fixture
def cluster():
    return Events()


@pytest.fixture
def judge(cluster, clock):
    return PendingJudge(cluster, patience=Patience(), clock=clock)


async def test_a_normal_start_is_nothing_to_tell(judge, cluster):
    verdict = await judge(a_pod(status=base_waiting("ContainerCreating"), spec=PLACED), 0)
    assert (verdict.action, verdict.sentence) == ("wait", "")
    assert cluster.asked == []


async def test_what_the_scheduler_says_is_told_and_the_pod_goes_on_waiting(judge, clock):
    await judge(a_pod(status=UNSCHEDULABLE), 0)
    await clock.sleep(11)
    verdict = await judge(a_pod(status=UNSCHEDULABLE), 11)
    assert (verdict.action, verdict.kind) == ("wait", "unschedulable")
    assert NO_CPU in verdict.sentence


async def test_beyond_its_limit_a_pod_is_replaced_where_the_cluster_is_to_blame(judge, clock):
    await judge(a_pod(status=UNSCHEDULABLE), 0)
    await clock.sleep(Patience().unschedulable_s)
    verdict = await judge(a_pod(status=UNSCHEDULABLE), 0)
    assert (verdict.action, verdict.kind) == ("relaunch", "unschedulable")


async def test_beyond_its_limit_a_task_fails_where_its_pod_is_to_blame(judge, clock):
    pod = a_pod(
        status=base_waiting("CreateContainerConfigError", 'secret "db" not found'), spec=PLACED
    )
    await judge(pod, 0)
    await clock.sleep(Patience().config_s)
    verdict = await judge(pod, 0)
    assert (verdict.action, verdict.kind) == ("fail", "config_error")
    assert 'secret "db" not found' in verdict.sentence


async def test_what_can_never_work_fails_at_once(judge):
    verdict = await judge(
        a_pod(status=base_waiting("InvalidImageName", "bad reference"), spec=PLACED), 0
    )
    assert (verdict.action, verdict.kind) == ("fail", "image_name")


async def test_another_reason_begins_another_wait(judge, clock):
    await judge(a_pod(status=UNSCHEDULABLE), 0)
    await clock.sleep(Patience().unschedulable_s)
    verdict = await judge(a_pod(status=base_waiting("ErrImagePull", "no such tag"), spec=PLACED), 0)
    assert (verdict.action, verdict.kind) == ("wait", "image_pull")


async def test_where_the_status_is_silent_the_events_are_read(judge, cluster, clock):
    cluster.events = (an_event("FailedMount", 'secret "db" not found'),)
    await judge(a_pod(status=SILENT), 0)
    assert cluster.asked == []
    await clock.sleep(31)
    verdict = await judge(a_pod(status=SILENT), 31)
    assert cluster.asked == [("tasks", "u1", 50)]
    assert (verdict.action, verdict.kind) == ("wait", "mount_failed")
    assert 'secret "db" not found' in verdict.sentence


async def test_events_are_asked_for_at_a_bearable_pace(judge, cluster, clock):
    await judge(a_pod(status=SILENT), 0)
    await clock.sleep(31)
    await judge(a_pod(status=SILENT), 0)
    await clock.sleep(ASK_EVERY_S - 1)
    await judge(a_pod(status=SILENT), 0)
    assert len(cluster.asked) == 1
    await clock.sleep(1)
    await judge(a_pod(status=SILENT), 0)
    assert len(cluster.asked) == 2


async def test_without_the_right_to_list_events_the_status_alone_speaks(judge, cluster, clock):
    cluster.error = ApiError(403, reason="Forbidden", message="cannot list events")
    await judge(a_pod(status=SILENT), 0)
    await clock.sleep(31)
    verdict = await judge(a_pod(status=SILENT), 0)
    assert (verdict.action, verdict.kind) == ("wait", "node_silent")


async def test_pods_that_are_not_judged_any_more_are_forgotten(judge, clock):
    await judge(a_pod(status=UNSCHEDULABLE, uid="old"), 0)
    await clock.sleep(FORGET_AFTER_S + 1)
    await judge(a_pod(status=UNSCHEDULABLE, uid="new"), 0)
    assert list(judge._seen) == ["new"]


def test_limits_are_by_class_and_zero_waits_for_ever():
    assert patience({"image": 5.0, "unschedulable": 0.0}) == Patience(
        image_s=5.0, unschedulable_s=0.0
    )


def test_an_unknown_class_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"pending_limits has 'imge': choose from image, config"):
        patience({"imge": 5.0})
