"""In any order of events: one live pod and one outcome per launch, and nothing left over."""

import pytest
from examples import TIMEOUT_S, settings_for
from launch_machine import Machine
from pair_machine import PairMachine


@pytest.mark.timeout(TIMEOUT_S)
class TestMachine(Machine.TestCase):
    settings = settings_for(examples=60, steps=30)


@pytest.mark.timeout(TIMEOUT_S)
class TestPairMachine(PairMachine.TestCase):
    """Two schedulers on one cluster; either may die and leave its launches to the other."""

    settings = settings_for(examples=30, steps=30)
