"""What tests of the contract with the scheduler hand over in place of the real thing."""


class Orphaned:
    """A task instance as adoption gets it."""

    def __init__(self, workload):
        ti = workload.ti
        self.key, self.state = workload.key, "running"
        self.id, self.external_executor_id = ti.id, ti.external_executor_id
        self.dag_id, self.task_id, self.run_id = ti.dag_id, ti.task_id, ti.run_id
        self.try_number, self.map_index = ti.try_number, ti.map_index


def broken(*_, **__):
    raise RuntimeError("broken on purpose")
