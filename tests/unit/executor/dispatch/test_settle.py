from uuid import UUID

import pytest

from tradewind.dispatch.settle import TaskFacts, Verdict, settle

OURS, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("state", "launch_id", "expected"),
    [
        pytest.param("success", OURS, Verdict.SUCCESS, id="reported-success"),
        pytest.param("restarting", OURS, Verdict.SUCCESS, id="scheduler-waits-for-the-event"),
        pytest.param("running", OURS, Verdict.FAILED, id="died-without-a-report"),
        pytest.param("queued", OURS, Verdict.RELAUNCH, id="never-began"),
        pytest.param("failed", OURS, Verdict.DROP, id="reported-failure"),
        pytest.param("up_for_retry", OURS, Verdict.DROP, id="reported-retry"),
        pytest.param("deferred", OURS, Verdict.DROP, id="deferred"),
        pytest.param("up_for_reschedule", OURS, Verdict.DROP, id="sensor-rescheduled"),
        pytest.param("scheduled", OURS, Verdict.DROP, id="between-two-launches"),
        pytest.param("running", OTHER, Verdict.DROP, id="resumed-under-another-launch"),
        pytest.param("queued", OTHER, Verdict.DROP, id="queued-under-another-launch"),
        pytest.param("queued", None, Verdict.DROP, id="cleared"),
        pytest.param(None, OURS, Verdict.DROP, id="cleared-state"),
    ],
)
def test_a_pods_end_against_its_task_instance(state, launch_id, expected):
    facts = TaskFacts(state=state, launch_id=launch_id)
    assert settle(facts, launch_id=OURS, relaunches_left=3, can_relaunch=True) is expected


def test_a_gone_task_instance_gets_no_event():
    assert settle(None, launch_id=OURS, relaunches_left=3, can_relaunch=True) is Verdict.DROP


@pytest.mark.parametrize(
    ("left", "can", "expected"),
    [
        pytest.param(3, True, Verdict.RELAUNCH, id="another-pod-may-do-better"),
        pytest.param(0, True, Verdict.FAILED, id="limit-reached"),
        pytest.param(3, False, Verdict.REQUEUE, id="adopted-launch-has-no-workload"),
        pytest.param(0, False, Verdict.FAILED, id="limit-reached-under-another-scheduler"),
    ],
)
def test_a_task_that_never_began(left, can, expected):
    facts = TaskFacts(state="queued", launch_id=OURS)
    assert settle(facts, launch_id=OURS, relaunches_left=left, can_relaunch=can) is expected
