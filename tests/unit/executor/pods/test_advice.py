import pytest

from tradewind.contract import Measured
from tradewind.pods.advice import Sizes, Spread, Verdict, advise

MI = 2**20


def a_run(peak_mi=None, *, request_mi=512, limit_mi=1024, cpu_s=None, **more):
    def count(mi):
        return None if mi is None else int(mi * MI)

    return Measured(
        pod="p",
        temperature="cold",
        peak_memory_bytes=count(peak_mi),
        memory_request_bytes=count(request_mi),
        memory_limit_bytes=count(limit_mi),
        cpu_s=cpu_s,
        **more,
    )


def proposed_mi(*runs):
    sizes = advise("etl", "load", runs).proposed
    assert sizes.memory_request_bytes % MI == sizes.memory_limit_bytes % MI == 0
    return sizes.memory_request_bytes // MI, sizes.memory_limit_bytes // MI


@pytest.mark.parametrize(
    ("runs", "request_mi", "limit_mi"),
    [
        # A fifth over the 95th percentile, half over the highest, in steps of 64 Mi up to 1 Gi.
        pytest.param([a_run(400)] * 20, 512, 640, id="always-the-same"),
        pytest.param([a_run(400)] * 19 + [a_run(600)], 512, 960, id="one-of-twenty-is-an-outlier"),
        pytest.param([a_run(400)] * 18 + [a_run(600)] * 2, 768, 960, id="two-of-twenty-count"),
        pytest.param([a_run(1)], 256, 512, id="never-below-what-the-worker-needs"),
        # Steps grow with the size.
        pytest.param([a_run(2000)], 2560, 3072, id="steps-of-256-beyond-1-Gi"),
        pytest.param([a_run(5000)], 6144, 8192, id="steps-of-1-Gi-beyond-4-Gi"),
        # A killed run needs more than it could show.
        pytest.param([a_run(1024, killed_for_memory=True)], 1280, 2048, id="killed-at-its-limit"),
        pytest.param(
            [a_run(None, killed_for_memory=True)], 1024, 2048, id="killed-before-it-could-tell"
        ),
        pytest.param(
            [a_run(500, killed_for_memory=True), a_run(1400, limit_mi=4096)],
            1792,
            2304,
            id="what-ran-well-later-counts-more",
        ),
        pytest.param(
            [a_run(900, limit_mi=None, killed_for_memory=True)],
            1280,
            2048,
            id="killed-without-a-limit-because-the-node-had-no-more",
        ),
    ],
)
def test_memory(runs, request_mi, limit_mi):
    assert proposed_mi(*runs) == (request_mi, limit_mi)


@pytest.mark.parametrize(
    ("cpu_s", "duration_s", "cores"),
    [(30.0, 60.0, 0.6), (1.0, 100.0, 0.1), (120.0, 60.0, 2.4), (31.0, 60.0, 0.65)],
)
def test_cpu(cpu_s, duration_s, cores):
    advice = advise("etl", "load", [a_run(cpu_s=cpu_s, duration_s=duration_s)])
    assert advice.proposed.cpu_request_s == cores


@pytest.mark.parametrize("unknown", [{"cpu_s": None, "duration_s": 1}, {"cpu_s": 1.0}])
def test_without_figures_nothing_is_proposed(unknown):
    advice = advise("etl", "load", [a_run(None, **unknown)] * 9)
    assert advice.proposed == Sizes()
    assert advice.memory is None
    assert advice.verdict is Verdict.WAIT


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        pytest.param([a_run(400, request_mi=512, limit_mi=640)] * 5, Verdict.KEEP, id="fits"),
        pytest.param([a_run(400, request_mi=512, limit_mi=640)] * 4, Verdict.WAIT, id="few-runs"),
        pytest.param([a_run(400, request_mi=512, limit_mi=512)] * 5, Verdict.RAISE, id="tight"),
        pytest.param(
            [a_run(400, request_mi=256, limit_mi=640)] * 5, Verdict.RAISE, id="asks-little"
        ),
        pytest.param([a_run(400, request_mi=2048, limit_mi=2048)] * 5, Verdict.LOWER, id="roomy"),
        pytest.param(
            [a_run(400, request_mi=640, limit_mi=768)] * 5, Verdict.KEEP, id="a-bit-roomy"
        ),
        pytest.param([a_run(400, limit_mi=None)] * 5, Verdict.SET, id="no-limit"),
        pytest.param([a_run(400, request_mi=None)] * 5, Verdict.SET, id="no-request"),
        pytest.param(
            [a_run(None, killed_for_memory=True)], Verdict.RAISE, id="one-kill-is-reason-enough"
        ),
        pytest.param(
            [a_run(None, killed_for_memory=True)]
            + [a_run(400, request_mi=1024, limit_mi=2048)] * 5,
            Verdict.KEEP,
            id="raised-since-it-was-killed",
        ),
    ],
)
def test_what_to_do(runs, verdict):
    assert advise("etl", "load", runs).verdict is verdict


def test_the_present_values_are_those_of_the_latest_run():
    runs = [a_run(1, request_mi=100, limit_mi=200), a_run(1, request_mi=300, limit_mi=None)]
    present = advise("etl", "load", runs).present
    assert (present.memory_request_bytes, present.memory_limit_bytes) == (300 * MI, None)


def test_every_figure_of_a_spread_is_one_of_a_real_run():
    assert Spread.of([3, 1, 2]) == Spread(p50=2, p95=3, highest=3)
    assert Spread.of(list(range(1, 101))) == Spread(p50=50, p95=95, highest=100)
    assert Spread.of([7]) == Spread(p50=7, p95=7, highest=7)
    assert Spread.of([]) is None


def test_advice_as_json():
    runs = [a_run(400, cpu_s=30.0, duration_s=60.0, cpu_request_s=0.25)] * 5
    assert advise("etl", "load", runs).as_dict() == {
        "dag_id": "etl",
        "task_id": "load",
        "runs": 5,
        "killed_for_memory": 0,
        "peak_memory_bytes": {"p50": 400.0 * MI, "p95": 400.0 * MI, "max": 400.0 * MI},
        "cpu_s": {"p50": 30.0, "p95": 30.0, "max": 30.0},
        "present": {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"memory": "1024Mi"},
        },
        "proposed": {
            "requests": {"cpu": "600m", "memory": "512Mi"},
            "limits": {"memory": "640Mi"},
        },
        "verdict": "lower",
    }
