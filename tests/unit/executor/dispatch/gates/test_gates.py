import math
import random
from uuid import UUID

import pytest

from tradewind.dispatch.gates.breaker import TRIP_AFTER, Breaker
from tradewind.dispatch.gates.gates import Gates, is_held_up
from tradewind.testing.builders import a_pod, base_ended, base_running, base_waiting

ONE = UUID(int=1)
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
}
INIT_FAILS = {
    "phase": "Pending",
    "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
}


def gates(*, in_flight=4, pending=0, starting=0):
    rng = random.Random(1)
    return Gates(
        most_in_flight=in_flight,
        max_pending=pending,
        max_starting=starting,
        breaker=Breaker(rng=rng),
        rng=rng,
    )


@pytest.mark.parametrize(
    ("status", "held_up"),
    [
        pytest.param({"phase": "Pending"}, False, id="just-created"),
        pytest.param(base_waiting("ContainerCreating"), False, id="on-its-way"),
        pytest.param(base_waiting("PodInitializing"), False, id="init-containers-run"),
        pytest.param(base_waiting("ImagePullBackOff"), True, id="no-image"),
        pytest.param(UNSCHEDULABLE, True, id="no-node"),
        pytest.param(INIT_FAILS, True, id="init-container-fails"),
    ],
)
def test_what_a_pending_pod_waits_for(status, held_up):
    assert is_held_up(a_pod(status=status)) is held_up


@pytest.mark.parametrize(
    ("status", "pending", "starting"),
    [
        pytest.param({"phase": "Pending"}, 1, 1, id="starting"),
        pytest.param(UNSCHEDULABLE, 1, 0, id="held-up"),
        pytest.param(base_running(), 0, 0, id="running"),
        pytest.param(base_ended(1), 0, 0, id="ended"),
    ],
)
def test_what_a_pod_counts_as(status, pending, starting):
    gate = gates()
    gate.saw(ONE, a_pod(status={"phase": "Pending"}), 0)
    gate.saw(ONE, a_pod(status=status), 1)
    assert (gate.pending, len(gate.starts)) == (pending, starting)


def test_a_pod_of_a_pool_takes_a_start_until_its_task_begins():
    gate = gates()
    pod = a_pod(status=base_running(), labels={"tradewind/pool": "p"})
    gate.saw(ONE, pod, 0, is_begun=False)
    assert (len(gate.starts), gate.starts.claimed) == (1, 1)
    gate.saw(ONE, pod, 1, is_begun=True)
    assert (len(gate.starts), gate.starts.claimed) == (0, 0)


def test_max_pending_pods_holds_until_one_starts():
    gate = gates(pending=1)
    gate.saw(ONE, a_pod(status=UNSCHEDULABLE), 0)
    assert gate.hold_s(0) == math.inf
    gate.saw(ONE, a_pod(status=base_running()), 1)
    assert gate.hold_s(1) == 0


def test_no_limit_of_pending_pods_is_the_default():
    gate = gates()
    for number in range(1000):
        gate.saw(UUID(int=number), a_pod(status=UNSCHEDULABLE), 0)
    assert gate.hold_s(0) == 0


def test_creates_under_way_count_against_max_pending_pods():
    gate = gates(pending=1)
    gate.begin(0)
    assert gate.hold_s(0) == math.inf


def test_a_server_that_does_not_answer_closes_the_gates_but_for_a_probe():
    gate = gates()
    for _ in range(TRIP_AFTER):
        gate.unanswered(gate.begin(0), 0)
    assert 0 < gate.hold_s(0) < math.inf
    probe = gate.begin(2)
    assert probe.is_probe
    assert gate.hold_s(2) == math.inf
    gate.answered(probe, 2)
    assert gate.hold_s(2) == 0


def test_a_throttling_answer_keeps_the_breaker_closed():
    gate = gates()
    for _ in range(TRIP_AFTER * 2):
        gate.pushed_back(gate.begin(0), 0, pause_s=5)
    assert not gate.breaker.is_open
    assert gate.hold_s(0) >= 5
