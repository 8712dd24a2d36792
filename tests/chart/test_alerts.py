"""Every alert fires when it should and is quiet when not, as Prometheus' own promtool finds.

Where promtool is not built they are skipped, saying so: `./task test:chart` builds it, in minutes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from metric_queries import DASHBOARDS, NAMESPACE, alerts, queries

from tradewind_tools import programs

OURS = f'namespace="{NAMESPACE}",sender="scheduler-1"'
OTHERS = 'namespace="other",sender="scheduler-1"'
IDLE = {f"up{{{OURS}}}": "1x90"}


def growing(metric, labels, values):
    return {f"{metric}{{{OURS},{labels}}}": values}


def buckets(**values):
    """Return the buckets of starts, from `le` without its dot to values."""
    name = "tradewind_scheduled_to_started_seconds_bucket"
    return {f'{name}{{{OURS},le="{le.strip("_")}"}}': text for le, text in values.items()}


def level(metric, values, labels=""):
    return {f"{metric}{{{OURS}{labels}}}": values}


PENDING, CREATED = level("tradewind_pending", "7x90"), "tradewind_pods_created_total"
OTHERS_LOOP = {f"tradewind_loop_alive{{{OTHERS}}}": "1x90"}
POOL = ',pool="default"'
WANTED = level("tradewind_pool_target", "3x90", POOL)
GOOD_CALLS = growing("tradewind_api_requests_total", 'verb="get",status_class="2xx"', "0+90x90")
BAD = 'verb="create",status_class="5xx"'

CASES = [
    # alert, minute, series with which it fires, series with which it is quiet
    ("MetricsMissing", 15, IDLE | OTHERS_LOOP, level("tradewind_loop_alive", "1x90")),
    (
        "SchedulerStopped",
        20,
        level("airflow_scheduler_heartbeat", "9x90"),
        level("airflow_scheduler_heartbeat", "0+12x90"),
    ),
    (
        "LoopDead",
        10,
        level("tradewind_loop_alive", "1x5 0x90"),
        level("tradewind_loop_alive", "1x5 0x3 1x90"),
    ),
    ("LaunchesStuck", 25, PENDING | level(CREATED, "3x90"), PENDING | level(CREATED, "0+1x90")),
    (
        "LaunchesStuck",
        25,
        PENDING | level(CREATED, "3x90"),
        PENDING | level(CREATED, "3x90") | level("tradewind_parked", "7x90"),
    ),
    (
        "QuotaFull",
        40,
        level("tradewind_parked", "2x90", ',exported_namespace="team-a"'),
        level("tradewind_parked", "2x20 0x90", ',exported_namespace="team-a"'),
    ),
    (
        "StartsSlow",
        40,
        buckets(_60="0x90", _120="0+10x90", **{"+Inf": "0+10x90"}),
        buckets(_60="0+10x90", _120="0+10x90", **{"+Inf": "0+10x90"}),
    ),
    (
        "ApiErrors",
        25,
        GOOD_CALLS | growing("tradewind_api_requests_total", BAD, "0+10x90"),
        GOOD_CALLS | growing("tradewind_api_requests_total", BAD, "0+1x90"),
    ),
    (
        "PodsLost",
        40,
        growing("tradewind_ends_total", 'cause="evicted"', "0x10 0+1x90"),
        growing("tradewind_ends_total", 'cause="completed"', "0+9x90"),
    ),
    (
        "OutOfMemory",
        70,
        growing("tradewind_ends_total", 'cause="oom_killed"', "0+1x90"),
        growing("tradewind_ends_total", 'cause="oom_killed"', "0x30 2x90"),
    ),
    (
        "PodsCannotStart",
        40,
        growing("tradewind_ends_total", 'cause="image_pull"', "0+1x90"),
        growing("tradewind_ends_total", 'cause="exit_code"', "0+9x90"),
    ),
    (
        "ClockSkew",
        15,
        level("tradewind_clock_skew", "-20x90"),
        level("tradewind_clock_skew", "-10x90"),
    ),
    (
        "BoardingDenied",
        20,
        growing("tradewind_board_denied_total", 'reason="expired"', "0+1x90"),
        growing("tradewind_board_denied_total", 'reason="expired"', "0x10 2x90"),
    ),
    (
        "WarmPoolEmpty",
        20,
        WANTED | level("tradewind_pool_idle", "0x90", POOL),
        WANTED | level("tradewind_pool_idle", "0x10 1x90", POOL),
    ),
    (
        "LogLinesLost",
        10,
        level("tradewind_log_lines_lost_total", "0x5 40x90"),
        level("tradewind_log_lines_lost_total", "40x90"),
    ),
    (
        "JanitorStopped",
        30,
        level("tradewind_janitor_last_sweep", "60x90"),
        level("tradewind_janitor_last_sweep", "60+60x90"),
    ),
    (
        "JanitorBlind",
        20,
        growing("tradewind_janitor_evidence_errors_total", 'kind="refused"', "0+1x90"),
        growing("tradewind_janitor_evidence_errors_total", 'kind="refused"', "3x90"),
    ),
]


@pytest.fixture(scope="module")
def promtool():
    found = os.environ.get("PROMTOOL") or str(programs.load("prometheus").target / "promtool")
    if not Path(found).is_file():
        pytest.skip("promtool is not built: run `./task test:metrics`, which builds it")

    def run(*words):
        return subprocess.run(
            [found, *words], capture_output=True, text=True, check=False, timeout=120
        )

    return run


def rule_file(folder, rules):
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "tradewind", "rules": rules}]}))
    return file


def expectation(alert, minute, series, *, fires):
    """Return one test in promtool's words: is the alert there at that minute?"""
    selector = f'alertname="Tradewind{alert}",alertstate="firing",namespace="{NAMESPACE}"'
    return {
        "name": f"{alert} {'fires' if fires else 'is quiet'}: {series}",
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [
            {
                "expr": f"(count(ALERTS{{{selector}}}) > bool 0) or vector(0)",
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }


def test_every_alert_has_a_case():
    assert {f"Tradewind{case[0]}" for case in CASES} == {rule["alert"] for rule in alerts()}


def test_every_alert_fires_when_it_should_and_is_quiet_when_not(promtool, tmp_path):
    tests = [
        expectation(alert, minute, series, fires=fires)
        for alert, minute, firing, quiet in CASES
        for series, fires in ((firing, True), (quiet, False))
    ]
    file = tmp_path / "tests.yaml"
    rules = rule_file(tmp_path, alerts())
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [rules.name], "evaluation_interval": "1m", "tests": tests},
            sort_keys=False,
        )
    )
    result = promtool("test", "rules", str(file))
    assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_reads_every_rule_and_every_query_of_a_dashboard(promtool, tmp_path):
    asked = [query for file in DASHBOARDS for query in queries(file).values()]
    recorded = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(asked)]
    result = promtool(
        "check", "rules", "--lint-fatal", str(rule_file(tmp_path, alerts() + recorded))
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(alerts()) + len(asked)} rules found" in result.stdout


def test_a_query_that_prometheus_cannot_read_is_found(promtool, tmp_path):
    broken = [{"record": "query:0", "expr": "sum by (le rate(up[5m])"}]
    assert promtool("check", "rules", str(rule_file(tmp_path, broken))).returncode != 0
