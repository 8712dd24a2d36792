"""In any order of events: one live pod and one outcome per launch, and nothing left over."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from launch_machine import Machine


@pytest.mark.timeout(300)
class TestMachine(Machine.TestCase):
    settings = settings(
        max_examples=60,
        phases=[Phase.generate],
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
