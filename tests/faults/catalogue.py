"""The fault scripts: one builder for each story, and the choice of a run. Pure; seeded."""

import itertools
import random

from plan import CALLS, WRITES, Disturbance, Play, Rule, Script

STATUS = (
    '{{"kind":"Status","status":"Failure","code":{code},"reason":"{reason}","message":"{text}"}}'
)
ODD_BODIES = (
    "",
    "null",
    "[1]",
    "<html><title>Bad gateway</title></html>",
    '{"kind":"Status","messa',
    "x" * 100_000,
)
QUOTA = STATUS.format(
    code=403,
    reason="Forbidden",
    text="pods is forbidden: exceeded quota: tasks, requested: pods=1, used: pods=5, "
    "limited: pods=5",
)
QUOTA_CONFLICT = STATUS.format(
    code=409,
    reason="Conflict",
    text="Operation cannot be fulfilled on resourcequotas: the object has been modified",
)
WEBHOOK = STATUS.format(
    code=500, reason="InternalError", text="failed calling webhook: connection refused"
)


def rules(*made):
    return {"rules": tuple(made)}


def throttled(rng):
    return rules(
        Rule(fault="answer", verbs=CALLS, status=429, share=rng.uniform(0.2, 0.5), retry_after_s=1),
        Rule(fault="answer", verbs=("create",), status=429, share=1, from_s=4, until_s=8),
    )


def lost_replies(rng):
    """The watch is silent for a while too, or it would tell of each pod before it is asked for."""
    return rules(
        Rule(fault="freeze", verbs=("watch",), seconds=rng.uniform(6, 12), share=1, at_most=1),
        Rule(fault="lose_reply", verbs=("create",), share=rng.uniform(0.2, 0.4), at_most=3),
        Rule(fault="lose_reply", verbs=("patch", "delete"), share=0.15),
    )


def resets(rng):
    return rules(Rule(fault="reset", verbs=(*CALLS, "watch"), share=rng.uniform(0.2, 0.4)))


def broken_answers(rng):
    bodies = rng.sample(ODD_BODIES, 3)
    return rules(
        *(
            Rule(fault="answer", verbs=CALLS, status=status, body=body, share=0.12)
            for status, body in zip((500, 502, 503), bodies, strict=True)
        )
    )


def garbled_answers(rng):
    bodies = rng.sample(ODD_BODIES, 3)
    return rules(*(Rule(fault="garble", verbs=CALLS, body=body, share=0.12) for body in bodies))


def webhook_down(rng):
    length_s = rng.uniform(6, 10)
    return rules(
        Rule(fault="answer", verbs=("create",), status=500, body=WEBHOOK, share=1, until_s=length_s)
    )


def slow(rng):
    return rules(
        Rule(fault="delay", verbs=WRITES, seconds=rng.uniform(2.0, 3.5), share=0.1),
        Rule(fault="delay", verbs=CALLS, seconds=rng.uniform(0.2, 1.0), share=0.6),
    )


def stalled_calls(rng):
    return rules(
        Rule(fault="stall", verbs=CALLS, seconds=8, share=rng.uniform(0.1, 0.2), at_most=2)
    )


def quota(rng):
    """For longer than the namespace is left alone: the first refusal may park all tasks but one."""
    until = {"until_s": 40.0}
    share = rng.uniform(0.3, 0.6)
    return rules(
        Rule(fault="answer", verbs=("create",), status=403, body=QUOTA, share=share, **until),
        Rule(
            fault="answer", verbs=("create",), status=409, body=QUOTA_CONFLICT, share=0.3, **until
        ),
    )


def unauthorized(rng):
    length_s = rng.uniform(2, 6)
    verbs = (*CALLS, "watch")
    return rules(
        Rule(fault="answer", verbs=verbs, status=401, share=1, from_s=3, until_s=3 + length_s)
    )


def lost_events(rng):
    return rules(Rule(fault="drop", verbs=("watch",), share=rng.uniform(0.1, 0.5), until_s=15))


def repeated_events(rng):
    return rules(
        Rule(fault="repeat", verbs=("watch",), share=rng.uniform(0.2, 0.5)),
        Rule(fault="reorder", verbs=("watch",), share=rng.uniform(0.1, 0.3)),
    )


def expired_watches(rng):
    """Watches begin too early some times in a row; some events are lost as well."""
    times = rng.randint(2, 4)
    return rules(
        Rule(fault="old_version", verbs=("watch",), version="1", share=1, at_most=times),
        Rule(fault="drop", verbs=("watch",), share=rng.uniform(0.1, 0.3), until_s=12),
    )


def versions_of_the_future(rng):
    length_s = rng.uniform(6, 12)
    rule = Rule(
        fault="old_version", verbs=("watch",), version="1000000000", share=1, until_s=length_s
    )
    return rules(rule)


def frozen_watch(rng):
    return rules(
        Rule(fault="freeze", verbs=("watch",), seconds=rng.uniform(20, 30), share=1, until_s=12)
    )


def deaths_of(target, *, times=2, least_s=1.0, most_s=3.0):
    def make(rng):
        blows = []
        for number in range(times):
            at_s = 2 + 9 * number + rng.uniform(0, 5)
            blows.append(
                Disturbance(
                    target=target, blow="kill", at_s=at_s, for_s=rng.uniform(least_s, most_s)
                )
            )
        return {"disturbances": tuple(blows)}

    return make


def pause_of(target, *, least_s, most_s):
    def make(rng):
        length_s = rng.uniform(least_s, most_s)
        blow = Disturbance(target=target, blow="stop", at_s=rng.uniform(1, 6), for_s=length_s)
        return {"disturbances": (blow,)}

    return make


def careless_people(rng):
    play = Play(
        deleted_pending=rng.uniform(0.1, 0.25),
        evicted_pending=rng.uniform(0.1, 0.2),
        start_s=(0.1, 1.0),
    )
    return {"play": play}


def own_failures(rng):
    """Tasks that do fail, in the midst of faults: each is to fail once, and run again."""
    lost = Rule(fault="lose_reply", verbs=WRITES, share=0.1, at_most=3)
    return {"play": Play(fails=rng.uniform(0.1, 0.3))} | rules(lost)


def two_schedulers(rng):
    blows = (
        Disturbance(target="scheduler", blow="kill", at_s=rng.uniform(1, 4), for_s=4),
        Disturbance(target="other-scheduler", blow="kill", at_s=rng.uniform(12, 16), for_s=4),
    )
    return {"schedulers": 2, "disturbances": blows} | rules(
        Rule(fault="lose_reply", verbs=("create",), share=0.2, at_most=3)
    )


def sleeping_scheduler(rng):
    """One of two sleeps for so long that the other takes its tasks, then wakes up with a queue."""
    blow = Disturbance(
        target="scheduler", blow="stop", at_s=rng.uniform(1, 5), for_s=rng.uniform(14, 20)
    )
    return {"schedulers": 2, "disturbances": (blow,)}


def everything(rng):
    """A little of all; for so long that the scheduler, once it is back, meets it too.

    On a busy machine it is back after half a minute.
    """
    blows = [deaths_of("scheduler", times=1), pause_of("kube-apiserver", least_s=5, most_s=8)]
    until = {"until_s": 55.0}
    status = rng.choice((429, 500, 503))
    made = rules(
        Rule(fault="lose_reply", verbs=WRITES, share=0.15, at_most=3, **until),
        Rule(fault="answer", verbs=CALLS, status=status, share=0.15, **until),
        Rule(fault="reset", verbs=CALLS, share=0.1, **until),
        Rule(fault="delay", verbs=CALLS, seconds=0.5, share=0.2, **until),
        Rule(fault="repeat", verbs=("watch",), share=0.1, **until),
        Rule(fault="drop", verbs=("watch",), share=0.1, until_s=45),
        Rule(fault="old_version", verbs=("watch",), version="1", share=1, at_most=2, **until),
    )
    disturbances = [blow for make in blows for blow in make(rng)["disturbances"]]
    play = Play(deleted_pending=0.1, fails=0.1)
    return made | {"disturbances": tuple(disturbances), "play": play}


STORIES = {
    "throttled": throttled,
    "lost-replies": lost_replies,
    "resets": resets,
    "broken-answers": broken_answers,
    "garbled-answers": garbled_answers,
    "webhook-down": webhook_down,
    "slow": slow,
    "stalled-calls": stalled_calls,
    "quota": quota,
    "unauthorized": unauthorized,
    "lost-events": lost_events,
    "repeated-events": repeated_events,
    "expired-watches": expired_watches,
    "versions-of-the-future": versions_of_the_future,
    "frozen-watch": frozen_watch,
    "scheduler-killed": deaths_of("scheduler"),
    "scheduler-stopped": pause_of("scheduler", least_s=8, most_s=14),
    "api-server-killed": deaths_of("kube-apiserver"),
    "api-server-stopped": pause_of("kube-apiserver", least_s=8, most_s=20),
    "etcd-killed": deaths_of("etcd"),
    "etcd-stopped": pause_of("etcd", least_s=5, most_s=12),
    "postgres-killed": deaths_of("postgres"),
    "postgres-stopped": pause_of("postgres", least_s=3, most_s=8),
    "careless-people": careless_people,
    "own-failures": own_failures,
    "two-schedulers": two_schedulers,
    "sleeping-scheduler": sleeping_scheduler,
    "everything": everything,
}
"""What can go wrong, by name."""


def make(story, *, seed, tasks):
    """Return the script of that story for that seed.

    Raises:
        ValueError: there is no such story.

    """
    if story not in STORIES:
        raise ValueError(f"no story is called {story!r}: choose of {', '.join(STORIES)}")
    own = f"{seed}/{story}"
    return Script(name=story, seed=own, tasks=tasks, **STORIES[story](random.Random(own)))


def endless(*, seed, tasks, stories=()):
    """Yield scripts for ever: all stories in an order of the seed's, then from the first again.

    Each further round has a seed of its own, and so other figures for the same stories.
    """
    order = list(stories or STORIES)
    random.Random(f"{seed}/order").shuffle(order)
    for number in itertools.count():
        own = seed if number == 0 else f"{seed}.{number}"
        for story in order:
            yield make(story, seed=own, tasks=tasks)


def choose(*, seed, count, tasks, stories=()):
    """Return the first `count` of them."""
    return list(itertools.islice(endless(seed=seed, tasks=tasks, stories=stories), count))
