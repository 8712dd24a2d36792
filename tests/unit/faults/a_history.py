"""A made-up history of a script in which all went well, and ways to spoil it."""

from history import History
from plan import Disturbance, Script

BEGAN_S = 1000.0


class Story:
    """Records of a few tasks; tests add to them or take from them."""

    def __init__(self, *, tasks=2, schedulers=1, blows=(), **more):
        made = [
            Disturbance(target=target, blow="kill", at_s=at_s, for_s=for_s)
            for target, at_s, for_s in blows
        ]
        script = Script(
            name="made-up",
            seed="s",
            tasks=tasks,
            schedulers=schedulers,
            disturbances=tuple(made),
            **more,
        )
        self.records = []
        for blow in made:
            self.add(blow.at_s, "program", "killed", name=blow.target)
        self.add(0, "run", "begin", script=script.to_json())
        self.add(1, "run", "healed")
        for task in range(tasks):
            self.runs(task)
        self.add(2, "audit", "call", verb="create", name="pod", code=201)
        self.add(9, "cluster", "pods", names=[])
        for name in ("scheduler", "other-scheduler")[:schedulers]:
            self.gauge(9, name, 0)
        self.add(9, "database", "heartbeat", job_id=1, beat_s=BEGAN_S + 8.5)
        self.add(10, "run", "over")

    def add(self, at_s, source, kind, **fields):
        self.records.append({"at_s": BEGAN_S + at_s, "source": source, "kind": kind, **fields})

    def row(self, at_s, task, state, *, try_number=1, launch_id=None):
        launch_id = launch_id or f"launch-{task}-{try_number}"
        row_id = f"row-{task}-{try_number}"
        fields = {"map_index": task, "try_number": try_number, "row_id": row_id}
        self.add(at_s, "database", "row", **fields, state=state, launch_id=launch_id)

    def mark(self, at_s, task, kind, *, try_number=1, **fields):
        launch_id = f"launch-{task}-{try_number}"
        told = {"map_index": task, "try_number": try_number, "launch_id": launch_id}
        self.add(at_s, "worker", kind, **(told | fields))

    def gauge(self, at_s, scheduler, value):
        fields = {"scheduler": scheduler, "name": "executor.running_tasks", "value": value}
        self.add(at_s, "executor", "gauge", **fields)

    def runs(self, task, *, try_number=1, state="success", from_s=2):
        """Add a whole try, as it is when all goes well."""
        self.row(from_s, task, "queued", try_number=try_number)
        self.mark(from_s + 1, task, "start", try_number=try_number)
        self.row(from_s + 1, task, "running", try_number=try_number)
        self.mark(from_s + 2, task, "end", try_number=try_number, state=state)
        ended = "success" if state == "success" else "up_for_retry"
        self.row(from_s + 2, task, ended, try_number=try_number)

    def drop(self, source, *kinds):
        self.records = [
            record
            for record in self.records
            if record["source"] != source or (kinds and record["kind"] not in kinds)
        ]

    def told(self):
        return History(self.records)
