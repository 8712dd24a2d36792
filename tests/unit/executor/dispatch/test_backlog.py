import random
import uuid

import pytest

from tradewind.dispatch.backlog import COLD, UNKNOWN, Backlog

A, B, C, D = [(-priority, age, uuid.UUID(int=age)) for age, priority in enumerate((1, 5, 5, 9))]


def a_backlog(*pushed, gone=()):
    backlog = Backlog(lambda ticket: ticket not in gone)
    for ticket, lane in pushed:
        backlog.push(ticket, lane=lane)
    return backlog


@pytest.mark.parametrize(
    ("lanes", "expected"),
    [
        pytest.param(None, [D, B, C, A], id="of-all-lanes-highest-priority-then-oldest"),
        pytest.param((UNKNOWN, "h1"), [B, A], id="of-some-lanes-the-same"),
        pytest.param((COLD,), [D], id="of-one"),
        pytest.param(("h9",), [], id="of-an-empty-one"),
    ],
)
def test_the_first_of_the_chosen_lanes_leaves(lanes, expected):
    backlog = a_backlog((A, "h1"), (B, UNKNOWN), (C, "h2"), (D, COLD))
    found = []
    while (ticket := backlog.pop(lanes)) is not None:
        found.append(ticket)
    assert found == expected


def test_lanes_that_wait_are_left_alone():
    backlog = a_backlog((A, "h1"), (B, UNKNOWN), (C, COLD))
    assert backlog.pop(but=("h1", UNKNOWN)) == C
    assert not backlog.has_any(but=("h1", UNKNOWN))
    assert backlog.has_any()


def test_who_left_otherwise_is_passed_over():
    backlog = a_backlog((D, COLD), (A, COLD), gone=[D])
    assert backlog.has_any()
    assert backlog.pop() == A
    assert not backlog.has_any()


def test_any_order_of_pushes_leaves_in_the_same_order():
    rng = random.Random(3)
    tickets = [(-rng.randint(0, 5), age, uuid.UUID(int=age)) for age in range(200)]
    shuffled = rng.sample(tickets, k=len(tickets))
    backlog = a_backlog(*((ticket, rng.choice([COLD, UNKNOWN, "h1"])) for ticket in shuffled))
    assert [backlog.pop() for _ in tickets] == sorted(tickets)
