import pytest

from tradewind.dispatch.endpoint_policy import Standing
from tradewind.doctor import boarding
from tradewind.doctor.findings import State

GOOD = Standing(answers=True, found="pods can board at http://api", skew_s=0.0)
BAD = Standing(answers=False, found="no pod can board at http://api: refused", remedy="mend it")


def standing(**changed):
    return Standing(answers=True, found="pods can board", **({"skew_s": 0.0} | changed))


@pytest.mark.parametrize(
    ("found", "delivery", "state", "words"),
    [
        pytest.param(GOOD, "auto", State.OK, "pods can board", id="answers"),
        pytest.param(GOOD, "boarding", State.OK, "pods can board", id="answers-and-is-wanted"),
        pytest.param(BAD, "auto", State.WARN, "refused, so workloads and their", id="silent"),
        pytest.param(BAD, "boarding", State.FAIL, "refused", id="silent-and-wanted"),
        pytest.param(None, "auto", State.WARN, "nothing tells where pods board", id="no-address"),
        pytest.param(None, "args", State.OK, "delivery is args", id="not-wanted"),
        pytest.param(
            standing(audience="airflow"),
            "auto",
            State.FAIL,
            "of audience 'tradewind', the API server takes those of 'airflow'",
            id="other-audience",
        ),
        pytest.param(standing(audience="tradewind"), "auto", State.OK, "", id="same-audience"),
    ],
)
def test_how_the_endpoint_stands_for_the_deployment(found, delivery, state, words):
    finding = boarding.judge(found, delivery=delivery, audience="tradewind")[0]
    assert finding.check == "boarding"
    assert finding.state is state
    assert words in finding.found
    assert bool(finding.remedy) is (state is not State.OK)


@pytest.mark.parametrize(
    ("skew_s", "state", "words"),
    [
        (0.4, State.OK, "agrees"),
        (None, State.OK, "agrees"),
        (-2.5, State.WARN, "2.5 s behind Airflow's API server: timings of launches are off"),
        (30.0, State.WARN, "30.0 s ahead of Airflow's API server: tokens of tasks"),
    ],
)
def test_clocks_that_differ_are_told(skew_s, state, words):
    found = boarding.judge(standing(skew_s=skew_s), delivery="auto", audience="tradewind")
    (clock,) = [finding for finding in found if finding.check == "clock"]
    assert clock.state is state
    assert words in clock.found
