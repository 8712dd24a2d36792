from uuid import UUID

import pytest

from tradewind.dispatch.gates.parking import RECOUNT_S, TICK_S, Parking

NAMESPACE = "tasks"


def ticket(number, *, priority=1):
    return (-priority, number, UUID(int=number))


def numbers(tickets):
    return [age for _, age, _ in tickets]


@pytest.fixture
def parking():
    return Parking()


def park(parking, *tickets, demand="", namespace=NAMESPACE, now_s=0.0):
    for one in tickets:
        parking.refused(namespace, one, reason="no room", demand=demand, now_s=now_s)


def test_parked_launches_cost_no_call_until_the_tick(parking):
    park(parking, ticket(1), ticket(2))
    assert parking.ticked(TICK_S - 1) == []
    assert numbers(parking.ticked(TICK_S)) == [1]
    assert len(parking) == 1


def test_a_pod_that_ends_frees_one_launch_of_its_namespace_the_most_urgent(parking):
    park(parking, ticket(1), ticket(2, priority=9), ticket(3))
    park(parking, ticket(4), namespace="other")
    assert numbers(parking.freed(NAMESPACE)) == [2]


def test_a_raised_quota_fills_in_growing_steps(parking):
    park(parking, *(ticket(number) for number in range(8)))
    freed = [parking.ticked(TICK_S)]
    while freed[-1]:
        freed.append([more for one in freed[-1] for more in parking.created(NAMESPACE, one[2])])
    assert [len(step) for step in freed] == [1, 2, 4, 1, 0]
    assert not parking.reason_to_wait(NAMESPACE, UUID(int=99))


def test_one_ended_pod_makes_room_for_one_only(parking):
    park(parking, ticket(1), ticket(2))
    (freed,) = parking.freed(NAMESPACE)
    assert parking.created(NAMESPACE, freed[2]) == []
    assert len(parking) == 1


def test_a_quota_that_is_recounted_late_is_asked_again_soon_then_more_seldom(parking):
    park(parking, ticket(1))
    now_s, waits = 0.0, []
    (freed,) = parking.freed(NAMESPACE)
    for _ in range(6):
        park(parking, freed, now_s=now_s)
        asked_s = now_s
        while not (again := parking.ticked(now_s)):
            now_s += 0.5
        (freed,) = again
        waits.append(now_s - asked_s)
    assert waits == [RECOUNT_S, 4, 8, 16, TICK_S, TICK_S]


@pytest.mark.parametrize(
    ("demand", "waits"),
    [
        pytest.param("", True, id="no-pod-fits"),
        pytest.param("cpu=8", False, id="a-smaller-one-may-fit"),
    ],
)
def test_newcomers_wait_where_no_pod_fits(parking, demand, waits):
    park(parking, ticket(1), demand=demand)
    assert bool(parking.reason_to_wait(NAMESPACE, UUID(int=2))) is waits
    assert not parking.reason_to_wait("other", UUID(int=2))


def test_a_big_pod_does_not_stand_in_the_way_of_small_ones(parking):
    park(parking, ticket(1, priority=9), demand="cpu=8")
    park(parking, ticket(2), demand="cpu=1")
    assert numbers(parking.freed(NAMESPACE)) == [1, 2]


def test_a_freed_launch_may_try(parking):
    park(parking, ticket(1), ticket(2))
    parking.freed(NAMESPACE)
    assert not parking.reason_to_wait(NAMESPACE, UUID(int=1))
    assert parking.reason_to_wait(NAMESPACE, UUID(int=2)) == "no room"


def test_a_freed_launch_that_fails_otherwise_passes_its_turn_on(parking):
    park(parking, ticket(1), ticket(2))
    parking.freed(NAMESPACE)
    assert numbers(parking.left(NAMESPACE, UUID(int=1))) == [2]


@pytest.mark.parametrize("number", [1, 2])
def test_a_dropped_launch_is_forgotten_wherever_it_is(parking, number):
    park(parking, ticket(1), ticket(2))
    parking.freed(NAMESPACE)
    parking.drop(UUID(int=number))
    assert numbers(parking.ticked(TICK_S)) == ([2] if number == 1 else [])


def test_a_newcomer_with_priority_goes_first_when_there_is_room(parking):
    park(parking, ticket(1))
    parking.queue(NAMESPACE, ticket(2, priority=5))
    assert numbers(parking.freed(NAMESPACE)) == [2]


def test_the_reason_can_be_shown(parking):
    park(parking, ticket(1))
    assert parking.reasons() == {NAMESPACE: "no room"}
