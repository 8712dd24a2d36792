"""What runs in a task pod: `python -m tradewind.worker`.

Order: garbage collection off, everything imported that a task needs, TLS context built, what is
loaded frozen, then the workload: from the arguments (`--json-string`), or by boarding. From there
on the pod does what Airflow's own `execute_workload` does, in the same code, and leaves a farewell
in its termination message.

Imports nothing of the executor: a pod's image may hold another release than the scheduler's.
"""
