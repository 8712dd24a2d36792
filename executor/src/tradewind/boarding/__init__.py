"""The endpoint at which a task pod gets its workload: `POST /tradewind/v1/board`.

A pod presents the projected token of its ServiceAccount, which says which pod it is. What the pod
may have stands in the pod's own labels, which the executor wrote; whether it may still have it, in
the row of its task instance. Nothing in a request names a launch.
"""
