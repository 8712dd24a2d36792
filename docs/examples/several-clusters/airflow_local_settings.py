"""Cluster policy: a task's queue names its cluster, unless the task names an executor itself."""

EXECUTOR_OF_QUEUE = {"gpu": "gpu"}


def task_policy(task):
    """Send tasks to the executor of their queue. Airflow calls it for each task it parses."""
    if task.executor is None:
        task.executor = EXECUTOR_OF_QUEUE.get(task.queue)
