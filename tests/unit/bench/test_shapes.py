"""Shapes have the tasks and the waits that their names say."""

import pytest
import shapes


def order(shape):
    """Return the tasks in the rounds in which they become due."""
    due, rounds = shape.due_after(), [shape.due_at_once()]
    while following := [number for ended in rounds[-1] for number in due[ended]]:
        rounds.append(following)
    return rounds


@pytest.mark.parametrize("shape", shapes.all_of(200).values(), ids=shapes.all_of(200))
def test_every_task_becomes_due_once(shape):
    assert sorted(number for these in order(shape) for number in these) == list(range(200))


def test_of_chains_one_task_each_is_due_at_a_time():
    assert order(shapes.chains(2, 3)) == [[0, 3], [1, 4], [2, 5]]


def test_of_a_tree_each_task_has_two_successors():
    assert order(shapes.tree(7)) == [[0], [1, 2], [3, 4, 5, 6]]


def test_of_mapped_tasks_all_are_due_at_once():
    assert order(shapes.mapped(3)) == [[0, 1, 2]]


def test_a_count_that_makes_no_whole_chains_is_refused():
    with pytest.raises(ValueError, match="250 tasks cannot be divided"):
        shapes.all_of(250)
