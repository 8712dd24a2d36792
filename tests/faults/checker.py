"""The ten invariants of launches, asserted of one merged history that proves something. Pure.

Each function returns sentences, one for each violation; none for a history that is as it should
be. A history that lacks what an invariant is about violates it: nothing is checked by absence.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

from history import overlaps

ENDS_WITHIN_S = 60.0
"""After the later of its QUEUED and the last fault, a launch is running, at an end or requeued."""
HEARTBEAT_GAP_S = 10.0
RESTART_S = 30.0
"""What a scheduler takes to start, and a database's clients to find it again."""
CALLS_PER_POD = 4
CALLS_PER_FAULT = 4
CALLS_PER_S = 1.0
"""Lists, watches and looks of the reconcile loop, which the rig has every five seconds."""
KEPT_S = 10.0
"""The rig's `kept_pod_ttl`: for so long a pod that failed stays for people to look into."""
WHOLE_S = 1.0
"""Kubernetes tells times of creation in whole seconds."""
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
AWAITS_ANOTHER_TRY = frozenset({"up_for_retry", "scheduled", "queued", None})


@dataclass(frozen=True)
class Violation:
    """One sentence about one invariant."""

    invariant: str
    text: str


def was_played(history):
    """Not an invariant: whether everything in the script happened, and the stage held."""
    script = history.script
    hit = {record["rule"] for record in history.of("proxy") if "rule" in record}
    for number, rule in enumerate(script["rules"]):
        if number not in hit:
            yield f"rule {number} ({rule['fault']} of {', '.join(rule['verbs'])}) hit nothing"
    blows = Counter(record["name"] for record in history.of("program", "killed", "stopped"))
    for target, count in Counter(blow["target"] for blow in script["disturbances"]).items():
        if blows[target] != count:
            yield f"{target} was hit {blows[target]} times instead of {count}"
    for share, kind in (("deleted_pending", "deleted"), ("evicted_pending", "evicted")):
        if script["play"][share] and not history.of("worker", kind):
            yield f"no pod was {kind}"
    if script["play"]["fails"] and not history.tells_of_failure():
        yield "no task failed by its own code"
    yield from _breaks_of_stage(history)


def _breaks_of_stage(history):
    for exit_ in history.of("program", "exited"):
        if not exit_["name"].endswith("scheduler"):
            yield f"{exit_['name']} ended by itself with {exit_['code']}"
    for broken in history.of("proxy", "broken"):
        yield f"the proxy failed at a {broken['verb']} of {broken['path']}: {broken['why']}"
    for broken in history.of("worker", "broken", "untold"):
        yield f"the stage failed at pod {broken['pod']}: {broken['why']}"


def launches_end(history):
    """I1: every launch ends within a minute after the last fault, and every task with success."""
    for one, samples in history.rows.items():
        yield from _stuck(one, samples, history)
    tasks = range(history.script["tasks"])
    for map_index in tasks:
        last = history.last_of_task.get(map_index)
        if last is None:
            yield f"task {map_index} is lost: the database has no row of it"
        elif last["state"] not in ENDED:
            yield f"task {map_index} is {last['state']} in the end"


def _stuck(one, samples, history):
    since_s, launch = None, None
    for sample in [*samples, None]:
        is_same = sample and sample["state"] == "queued" and sample["launch_id"] == launch
        if since_s is not None and not is_same:
            until_s = sample["at_s"] if sample else _gone_s(one, history)
            waited_s = until_s - max(since_s, history.healed_s)
            if waited_s > ENDS_WITHIN_S:
                yield f"{one}, launch {launch} was queued for {waited_s:.0f} s without a fault"
            since_s = None
        if sample and sample["state"] == "queued" and since_s is None:
            since_s, launch = sample["at_s"], sample["launch_id"]


def _gone_s(one, history):
    """Return when the row was no more, because the next try has another, or the end."""
    later = [
        samples[0]["at_s"]
        for other, samples in history.rows.items()
        if other.map_index == one.map_index and samples[0]["at_s"] > history.rows[one][-1]["at_s"]
    ]
    return min(later, default=history.over_s)


def one_start_each(history):
    """I2: user code starts at most once for each launch and for each try of a task."""
    launches, tries = Counter(), Counter()
    for mark in history.of("worker", "start"):
        launches[mark["launch_id"]] += 1
        tries[mark["map_index"], mark["try_number"]] += 1
    for launch, count in launches.items():
        if count > 1:
            yield f"launch {launch} started {count} times"
    for (map_index, try_number), count in tries.items():
        if count > 1:
            yield f"task {map_index}, try {try_number} started {count} times"


def owners_decide(history):
    """I3: a try fails or succeeds as its own worker did, whatever befell other pods."""
    ends = history.marks("end")
    for one, samples in history.rows.items():
        marks = ends.get((one.map_index, one.try_number), [])
        told = {mark["state"] for mark in marks}
        for sample in samples:
            state = sample["state"]
            if state == "success" and "success" not in told:
                yield f"{one} is a success that no worker told of"
            if state in {"failed", "up_for_retry"} and "failed" not in told:
                yield f"{one} is {state}, but its worker told {sorted(told) or 'nothing'}"
    yield from _failures_between(history, ends)


def _failures_between(history, ends):
    """Tries that failed between two samples, and show only by the next one."""
    for map_index, last in history.last_of_task.items():
        for try_number in range(1, last["try_number"]):
            told = {mark["state"] for mark in ends.get((map_index, try_number), [])}
            if "failed" not in told and history.marks("start").get((map_index, try_number)):
                yield (
                    f"task {map_index} was tried again after try {try_number}, whose worker told "
                    f"{sorted(told) or 'nothing'}"
                )


def nothing_left(history):
    """I4: in the end no pod is left; one that a node evicted stays for people, for its time."""
    looks = history.of("cluster", "pods")
    if not looks:
        yield "nobody looked for pods that are left"
        return
    for name in looks[-1]["names"]:
        yield f"pod {name} is left"
    made_s, deleted_s = (_times(history, verb) for verb in ("create", "delete"))
    for pod in [record["pod"] for record in history.of("worker", "evicted")]:
        if pod not in deleted_s:
            continue
        stayed_s = deleted_s[pod] - made_s.get(pod, 0)
        if stayed_s < KEPT_S - WHOLE_S:
            yield f"pod {pod}, which was evicted, was kept for {stayed_s:.1f} s only"


def _times(history, verb):
    """Return when the executor did so with success, by the pod's name."""
    done = [call for call in history.of("audit", "call") if call["verb"] == verb]
    return {call["name"]: call["at_s"] for call in done if call["code"] < 300}


def nothing_runs(history):
    """I5: in the end every executor counts no running task."""
    last = {}
    for gauge in history.of("executor", "gauge"):
        if gauge["name"] == "executor.running_tasks":
            last[gauge["scheduler"]] = gauge
    for name in ("scheduler", "other-scheduler")[: history.script["schedulers"]]:
        if name not in last:
            yield f"the executor of {name} never told how much it runs"
        elif last[name]["value"]:
            yield f"the executor of {name} still counts {last[name]['value']:g} running tasks"


def schedulers_live(history):
    """I6: no scheduler ends because of the Kubernetes API; Airflow's own fall with its database."""
    excused = history.spans(targets={"postgres"}, grace_s=RESTART_S)
    for exit_ in history.of("program", "exited"):
        is_scheduler = exit_["name"].endswith("scheduler")
        if is_scheduler and not overlaps(excused, from_s=exit_["at_s"], until_s=exit_["at_s"]):
            yield f"{exit_['name']} ended by itself with {exit_['code']}"


def no_retry_burnt(history):
    """I7: a try is used up by user code that began in it, and by nothing else."""
    started = history.marks("start")
    for map_index, last in history.last_of_task.items():
        for try_number in range(1, last["try_number"]):
            if (map_index, try_number) not in started:
                yield f"task {map_index} used up try {try_number} before its code began"


def heartbeats_go_on(history):
    """I8: no scheduler misses its heartbeat for long, except when it or its database is hit."""
    own = {"scheduler", "other-scheduler", "postgres"}
    excused = history.spans(targets=own, grace_s=RESTART_S)
    beats = defaultdict(list)
    for beat in history.of("database", "heartbeat"):
        beats[beat["job_id"]].append(beat)
    if not beats:
        yield "no scheduler's heartbeat was seen"
    for job_id, samples in beats.items():
        for sample in samples:
            gap_s = sample["at_s"] - sample["beat_s"]
            if gap_s > HEARTBEAT_GAP_S and not overlaps(
                excused, from_s=sample["beat_s"], until_s=sample["at_s"]
            ):
                yield f"the scheduler of job {job_id} was silent for {gap_s:.1f} s"
                break


def no_secret_told(history):
    """I9: no token stands in a pod, an event or a log."""
    for found in history.of("log", "secret"):
        yield f"a token stands in {found['where']}"


def calls_are_few(history):
    """I10: at most four calls for each pod, beside what faults and the passing of time cost."""
    calls = history.of("audit", "call")
    if not calls:
        yield "the API server's audit log has no call of the executor"
        return
    pods = sum(call["verb"] == "create" and call["code"] == 201 for call in calls)
    faults = sum("fault" in call for call in history.of("proxy"))
    lasted_s = history.over_s - history.began_s
    most = CALLS_PER_POD * pods + CALLS_PER_FAULT * faults + CALLS_PER_S * lasted_s
    most += CALLS_PER_POD * history.script["tasks"] * len(history.script["disturbances"])
    if len(calls) > most:
        verbs = dict(Counter(call["verb"] for call in calls))
        yield f"{len(calls)} calls for {pods} pods and {faults} faults, at most {most:.0f}: {verbs}"


INVARIANTS = {
    "played": was_played,
    "I1": launches_end,
    "I2": one_start_each,
    "I3": owners_decide,
    "I4": nothing_left,
    "I5": nothing_runs,
    "I6": schedulers_live,
    "I7": no_retry_burnt,
    "I8": heartbeats_go_on,
    "I9": no_secret_told,
    "I10": calls_are_few,
}


def check(history):
    """Return the violations of all invariants, in their order.

    Raises:
        ValueError: the history is not complete.

    """
    history.require_complete()
    return [
        Violation(name, text)
        for name, invariant in INVARIANTS.items()
        for text in invariant(history)
    ]
