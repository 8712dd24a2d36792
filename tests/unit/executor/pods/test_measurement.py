import pytest

from tradewind.contract import Farewell, Measured
from tradewind.pods import labels, measurement
from tradewind.testing.builders import a_pod, base_ended, base_running

RAN = Farewell(ended="ran", delivered_s=101.0, run_s=101.5, user_code_s=102.0, cpu_s=0.5)


def ended(farewell=RAN, *, resources=None, pool=None, claimed_at="100.25", **terminated):
    base = {"name": "base", "resources": resources or {}}
    return a_pod(
        status=base_ended(message=farewell.encode(), **terminated),
        spec={"containers": [{"name": "sidecar"}, base]},
        labels={labels.POOL: pool} if pool else {},
        annotations={labels.CLAIMED_AT: claimed_at} if claimed_at else {},
    )


def test_milliseconds_count_from_the_rows_queued():
    told = measurement.measure(ended(), queued_s=100.0)
    steps = (told.claimed_ms, told.delivered_ms, told.run_ms, told.user_code_ms)
    assert steps == (250, 1000, 1500, 2000)


@pytest.mark.parametrize(
    ("delivered_s", "ended_s", "expected"),
    [(101.0, 121.5, 20.5), (None, 121.5, None), (101.0, None, None)],
)
def test_a_workload_lasted_from_its_arrival_to_its_end(delivered_s, ended_s, expected):
    farewell = Farewell(ended="ran", delivered_s=delivered_s, ended_s=ended_s)
    assert measurement.measure(ended(farewell), queued_s=None).duration_s == expected


@pytest.mark.parametrize(("pool", "expected"), [(None, "cold"), ("default", "warm")])
def test_a_pod_of_a_pool_is_warm(pool, expected):
    assert measurement.measure(ended(pool=pool), queued_s=None).temperature == expected


@pytest.mark.parametrize(
    ("oom_kills", "reason", "killed"),
    [(None, "", False), (0, "", False), (1, "", True), (None, "OOMKilled", True)],
)
def test_a_process_killed_for_memory_shows(oom_kills, reason, killed):
    farewell = Farewell(ended="ran", oom_kills=oom_kills)
    told = measurement.measure(ended(farewell, reason=reason), queued_s=100.0)
    assert told.killed_for_memory is killed


def test_what_the_container_asked_for_stands_beside_what_it_used():
    resources = {
        "requests": {"cpu": "250m", "memory": "128Mi"},
        "limits": {"memory": "1Gi", "cpu": 2},
    }
    told = measurement.measure(ended(resources=resources), queued_s=100.0)
    assert told.cpu_request_s == 0.25
    assert told.memory_request_bytes == 128 * 2**20
    assert told.memory_limit_bytes == 2**30


@pytest.mark.parametrize("memory", [{}, {"memory": "plenty"}])
def test_unknown_amounts_are_left_out(memory):
    told = measurement.measure(ended(resources={"requests": memory}), queued_s=100.0)
    assert told.memory_request_bytes is None


@pytest.mark.parametrize("claimed_at", ["", "yesterday"])
def test_an_odd_claim_is_left_out(claimed_at):
    told = measurement.measure(ended(claimed_at=claimed_at), queued_s=100.0)
    assert told.claimed_ms is None
    assert told.run_ms == 1500


def test_clocks_that_differ_show():
    assert measurement.measure(ended(), queued_s=103.0).run_ms == -1500


def test_a_pod_that_still_runs_tells_nothing():
    assert measurement.measure(a_pod(status=base_running()), queued_s=100.0) is None


def test_a_row_can_be_read_again():
    told = measurement.measure(ended(pool="p"), queued_s=100.0)
    assert Measured.decode(told.encode()) == told
    assert "null" not in told.encode()


@pytest.mark.parametrize("text", ["", "cold", "[]", '{"pod": "x"}', '"x"'])
def test_other_text_is_no_measurement(text):
    assert Measured.decode(text) is None


def test_fields_of_a_later_release_are_passed_over():
    text = '{"pod": "x", "temperature": "cold", "humidity": 3}'
    assert Measured.decode(text) == Measured(pod="x", temperature="cold")


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (Measured(pod="x", temperature="cold"), "cold pod x"),
        (
            Measured(pod="x", temperature="cold", miss="empty", run_ms=5),
            "cold pod x (warm pools: empty); started 5 ms after it was queued",
        ),
        (
            Measured(
                pod="x",
                temperature="warm",
                claimed_ms=14,
                delivered_ms=20,
                run_ms=70,
                user_code_ms=160,
                peak_memory_bytes=2**28,
                cpu_s=0.213,
                memory_limit_bytes=2**30,
            ),
            (
                "warm pod x; claimed 14 ms, delivered 20 ms, started 70 ms, user code 160 ms "
                "after it was queued; peak memory 256Mi (limit 1024Mi); 0.21 s of CPU"
            ),
        ),
        (
            Measured(pod="x", temperature="cold", run_ms=5, killed_for_memory=True),
            "cold pod x; started 5 ms after it was queued; killed for memory",
        ),
    ],
    ids=["little-known", "missed", "all-known", "killed"],
)
def test_a_person_reads_a_sentence(measured, expected):
    assert measurement.sentence(measured) == expected
