"""Two schedulers side by side on one cluster: whose launches are whose, and who inherits them."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from launch_machine import Machine


class PairMachine(Machine):
    """`engine` and `task` are those of the scheduler whose turn it is; `resting` the other's."""

    def __init__(self):
        super().__init__()
        self.resting = (None, None)
        self.followers = {}
        """The engine that has a launch, by launch id; gone engines too."""

    @initialize()
    def begin(self):
        self.start()
        self.turn_to_the_other_scheduler()
        self.start()

    def hand_in(self, launch):
        self.followers[launch.launch_id] = self.engine
        super().hand_in(launch)

    def follower(self, launch_id):
        return self.followers[launch_id]

    @rule()
    def turn_to_the_other_scheduler(self):
        present = (self.engine, self.task)
        self.engine, self.task = self.resting
        self.resting = present

    @rule(inherits=st.sampled_from(["itself", "the other"]))
    def restart(self, inherits):
        dead = self.engine
        left = [one for one in sorted(self.open) if self.followers[one] is dead]
        self.stop()
        self.start()
        heir = self.engine if inherits == "itself" else self.resting[0]
        self.followers |= dict.fromkeys(left, heir)
        self.inherit(heir, left)

    def heal_and_drain(self):
        super().heal_and_drain()
        self.claim_idleness(self.resting[0])

    def stop_all(self):
        self.stop()
        self.turn_to_the_other_scheduler()
        self.stop()
