"""When a rule of a machine may be chosen.

Named, for Hypothesis parses a lambda again to describe it, which Python 3.11 sometimes fails to do
while another thread parses too ("AST constructor recursion depth mismatch").
"""


def has_waiting_pods(machine):
    return machine.pods(started=False)


def has_started_pods(machine):
    return machine.pods(started=True)


def has_pods(machine):
    return machine.pods()


def has_named_pods(machine):
    return machine.cluster.names()


def has_open_launches(machine):
    return machine.open


def has_idle_pods(machine):
    return machine.idle()


def has_idle_pods_that_wait(machine):
    return machine.idle(phases=["Pending"])


def has_idle_pods_that_run(machine):
    return machine.idle(phases=["Running"])
