"""Which call and which event is hit: a function of seed, rule, whom it is about and how often.

Pods are told apart by what they run, never by their names: those hold launch ids, which Airflow
draws anew in each run. So the same script hits the same calls again, whatever the timing.
"""

import random
from collections import Counter
from dataclasses import dataclass

from plan import OF_EVENTS

NOBODY = ""
"""Whom calls are about that are about no single pod."""


MOST_PODS_LOST = 2
"""Of one launch; the executor's own bound is three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call as the proxy sees it come."""

    verb: str
    subject: str = NOBODY
    """`task/map index/try/ordinal` of the pod."""


def draw(seed, *words):
    """Return a number in [0, 1) that depends on nothing but the seed and the words."""
    return random.Random("|".join(map(str, (seed, *words)))).random()


def subject_of(*, annotations, labels):
    """Return whom a pod is for, in words that are the same in every run of a script."""
    names = ("task_id", "map_index", "try_number")
    said = [str(annotations.get(name, "-")) for name in names]
    return "/".join([*said, str(labels.get("tradewind/ordinal", "0"))])


class Judge:
    """Decides for one script. Remembers only how often it was asked about whom."""

    def __init__(self, script):
        self.script = script
        self._asked = Counter()
        self._hit = Counter()

    def of_call(self, call, *, at_s):
        """Return the first rule that hits the call, or None."""
        return self._first(call, at_s, lambda rule: rule.fault not in OF_EVENTS)

    def of_event(self, subject, *, at_s):
        """Return the rule that hits this event of a watch, or None."""
        call = Call(verb="watch", subject=subject)
        return self._first(call, at_s, lambda rule: rule.fault in OF_EVENTS)

    def is_blind_at(self, at_s):
        """Tell whether watches lose events now; what they carried then is not to be trusted."""
        return any(
            rule.fault == "drop" and rule.from_s <= at_s < rule.until_s
            for rule in self.script.rules
        )

    def _first(self, call, at_s, wanted):
        hit = None
        for number, rule in enumerate(self.script.rules):
            if not wanted(rule) or call.verb not in rule.verbs:
                continue
            if not rule.from_s <= at_s < rule.until_s:
                continue
            of_whom = (number, call.verb, call.subject)
            # Counted for each rule, so that one rule more does not change what others hit.
            nth = self._asked[of_whom] = self._asked[of_whom] + 1
            if hit is not None or (rule.at_most and self._hit[of_whom] >= rule.at_most):
                continue
            if draw(self.script.seed, *of_whom, nth) < rule.share:
                self._hit[of_whom] += 1
                hit = rule
        return hit


class Fate:
    """What happens to pods and tasks on the node. Pure."""

    def __init__(self, script):
        self._seed = script.seed
        self._play = script.play

    def deletes_pending(self, subject):
        return self._spares(subject) and self._is("deleted", subject, self._play.deleted_pending)

    def evicts_pending(self, subject):
        return self._spares(subject) and self._is("evicted", subject, self._play.evicted_pending)

    def fails(self, *, map_index, try_number):
        return try_number == 1 and self._is("fails", map_index, self._play.fails)

    def start_s(self, subject):
        return self._between("start", subject, self._play.start_s)

    def task_s(self, subject):
        return self._between("task", subject, self._play.task_s)

    def _spares(self, subject):
        """Tell whether the executor has relaunches left; it gives up after its third."""
        return int(subject.rpartition("/")[2]) < MOST_PODS_LOST

    def _is(self, what, subject, share):
        return draw(self._seed, what, subject) < share

    def _between(self, what, subject, bounds):
        least, most = bounds
        return least + (most - least) * draw(self._seed, what, subject)
