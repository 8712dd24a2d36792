"""Rules of a machine about a cluster that is down, slow or full, and about what watches tell."""

from hypothesis import strategies as st
from hypothesis.stateful import rule


class TroubledCluster:
    """Needs `cluster`, `do` and `run` of the machine that it is mixed into."""

    @rule()
    def break_down(self):
        self.do(self.cluster.break_down())

    @rule()
    def come_back(self):
        self.cluster.come_back()
        self.run(0.05)

    @rule(seconds=st.sampled_from([0.0, 4.0]))
    def answer_slowly(self, seconds):
        self.cluster.create_takes_s = seconds

    @rule(slowly=st.booleans())
    def delete_slowly(self, slowly):
        self.cluster.deletes_slowly = slowly

    @rule(most=st.sampled_from([0, 1, 2, None]))
    def set_quota(self, most):
        self.cluster.pod_quota = {} if most is None else {"a": most}

    @rule(compacted=st.booleans())
    def break_watches(self, compacted):
        if compacted:
            self.cluster.compact()
        self.do(self.cluster.interrupt_watches())

    @rule(twice=st.booleans())
    def repeat_events(self, twice):
        self.cluster.repeats_events = twice

    @rule()
    def lose_events(self):
        self.cluster.is_blind = True

    @rule()
    def hear_again(self):
        if self.cluster.is_blind:
            self.do(self.cluster.see_again())
        self.cluster.repeats_events = False
