"""The order in which tasks of a benchmark become due. Pure.

Executors see nothing of a DAG but when its tasks are queued, so that is all of it there is here:
each task is due at once or when one other has ended.
"""

from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Tasks by number; `after` names for each the one it waits for, or None."""

    name: str
    after: tuple[int | None, ...]

    def __len__(self):
        return len(self.after)

    def due_at_once(self):
        """Return the numbers of the tasks that wait for none."""
        return [number for number, waits_for in enumerate(self.after) if waits_for is None]

    def due_after(self):
        """Return for each task's number those that are due when it has ended."""
        due = defaultdict(list)
        for number, waits_for in enumerate(self.after):
            if waits_for is not None:
                due[waits_for].append(number)
        return due


def chains(count, length):
    """Return so many runs of a DAG whose tasks follow each other."""
    after = tuple(n - 1 if n % length else None for n in range(count * length))
    return Shape(f"{count} runs x chain of {length}", after)


def tree(tasks):
    """Return a run whose every task has two successors."""
    return Shape(f"binary tree of {tasks}", (None, *((n - 1) // 2 for n in range(1, tasks))))


def mapped(tasks):
    """Return a run of one mapped task."""
    return Shape(f"1 x {tasks} mapped", (None,) * tasks)


def all_of(tasks):
    """Return the shapes of so many tasks each, at least a hundred, by a short name."""
    if tasks % 100:
        raise ValueError(f"{tasks} tasks cannot be divided into chains of 100: take a multiple")
    return {
        "short-chains": chains(tasks // 10, 10),
        "long-chains": chains(tasks // 100, 100),
        "tree": tree(tasks),
        "mapped": mapped(tasks),
    }
