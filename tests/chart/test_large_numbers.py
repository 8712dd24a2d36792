"""Helm reads numbers as floats and writes large ones as 1e+06, which nobody reads back."""

from __future__ import annotations

import json
import re

import pytest
from rendered import CASES
from valid_values import DEFINITIONS, PREFIX, leaves

LARGE = 12345678
FLOAT = re.compile(r".*\d\.\d+e\+\d\d.*")
# Maps that take numbers under names of the user's.
FREE = {
    "airflow.config": {"core": {"parallelism": LARGE}},
    "airflow.env": {"NUMBER": LARGE},
    "executor.podTemplate.env": {"NUMBER": LARGE},
    "executor.profiles": {"small": {"resources": {"limits": {"memory": LARGE}}}},
    "executor.warmPools": {"default": LARGE},
    "postgresql.parameters": {"max_connections": LARGE},
    "pgbouncer.parameters": {"max_client_conn": LARGE},
    "janitor.env": {"TRADEWIND_JANITOR_RUNNING_GRACE_S": LARGE},
    "bootstrap.variables": {"number": LARGE},
    "bootstrap.pools": {"many": {"slots": LARGE}},
    "scheduler.resources": {"limits": {"memory": LARGE}},
}


def numbers():
    """Return the paths of all values that may be such a number."""
    return [
        path
        for path in leaves()
        if "integer" in DEFINITIONS[PREFIX + path].get("type", [])
        and DEFINITIONS[PREFIX + path].get("maximum", LARGE) >= LARGE
    ]


@pytest.mark.parametrize("case", ["everything-on", "high-availability", "metrics", "default"])
def test_a_large_number_stays_a_whole_number(render_text, case):
    text = render_text(case, dict.fromkeys(numbers(), LARGE) | FREE)
    assert [line for line in text.splitlines() if FLOAT.fullmatch(line)] == []
    assert text.count(str(LARGE)) >= len(FREE)


def test_there_are_numbers_to_try():
    assert len(numbers()) > 20
    assert "migrations.waitTimeoutSeconds" in numbers()


@pytest.fixture
def render_text(template):
    def render(case, values):
        words = [f"--set-json={path}={json.dumps(value)}" for path, value in values.items()]
        result = template(f"--values={CASES[case]}", *words)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return render
