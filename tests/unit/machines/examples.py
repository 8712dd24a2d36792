"""How many examples of a machine are played: few and always the same ones, or as many as asked for.

`EXAMPLES` in the environment asks for that many of `STEPS` steps, drawn anew each time: the verb
`test:dst` sets both.
"""

import os

from hypothesis import HealthCheck, Phase, settings

COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
ASKED = int(os.environ.get("EXAMPLES") or 0)
STEPS = int(os.environ.get("STEPS") or 100)
TIMEOUT_S = 0 if ASKED else 300
"""0 has none."""


def settings_for(*, examples, steps):
    """Return the settings of a machine that plays so many examples in a run of all tests."""
    if ASKED:
        phases = [Phase.generate, Phase.shrink]
        return settings(
            max_examples=ASKED, stateful_step_count=STEPS, phases=phases, print_blob=True, **COMMON
        )
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate],
        derandomize=True,
        **COMMON,
    )
