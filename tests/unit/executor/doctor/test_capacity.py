from decimal import Decimal

import msgspec
import pytest

from tradewind.client.inspection import LimitRange, Quota
from tradewind.doctor import capacity
from tradewind.doctor.findings import State


def container(name="base", *, requests=None, limits=None, **more):
    return {"name": name, "resources": {"requests": requests, "limits": limits}} | more


def a_pod(*containers, init=()):
    return {"spec": {"containers": list(containers), "initContainers": list(init)}}


def a_quota(hard, used=None, **spec):
    return msgspec.convert(
        {"metadata": {"name": "q"}, "spec": spec, "status": {"hard": hard, "used": used or {}}},
        Quota,
    )


def a_range(**item):
    limits = [{"type": "Container"} | item]
    return msgspec.convert({"metadata": {"name": "lr"}, "spec": {"limits": limits}}, LimitRange)


def judged(quota, *containers, init=(), ranges=()):
    return capacity.judge_quota(quota, capacity.needs(a_pod(*containers, init=init), ranges))


SMALL = container(requests={"cpu": "500m", "memory": "1Gi"}, limits={"memory": "2Gi"})


@pytest.mark.parametrize(
    ("hard", "used", "state", "found"),
    [
        pytest.param({"pods": "10"}, {"pods": "3"}, State.OK, "room for 7 more", id="pods"),
        pytest.param({"count/pods": "2"}, {}, State.OK, "then count/pods ends", id="count"),
        pytest.param({"pods": "3"}, {"pods": "3"}, State.WARN, "3 of 3 pods are used", id="full"),
        pytest.param({"pods": "0"}, {}, State.FAIL, "all of quota 'q' is 0", id="no-pod-ever"),
        pytest.param(
            {"cpu": "2"}, {"cpu": "1"}, State.OK, "room for 2 more", id="short-is-request"
        ),
        pytest.param(
            {"requests.memory": "4Gi"},
            {"requests.memory": "3584Mi"},
            State.WARN,
            "3.5Gi of 4Gi requests.memory are used, a task pod counts 1Gi",
            id="no-memory-left",
        ),
        pytest.param(
            {"limits.memory": "1Gi"}, {}, State.FAIL, "counts 2Gi of limits.memory", id="too-big"
        ),
        pytest.param(
            {"limits.cpu": "4"}, {}, State.FAIL, "container 'base' says nothing", id="not-said"
        ),
        pytest.param(
            {"pods": "10", "requests.cpu": "1"},
            {},
            State.OK,
            "2 more task pods, then req",
            id="least",
        ),
    ],
)
def test_what_a_quota_leaves(hard, used, state, found):
    (finding,) = judged(a_quota(hard, used), SMALL)
    assert finding.state is state
    assert found in finding.found


def test_a_quota_of_other_things_says_nothing():
    assert judged(a_quota({"services": "0", "requests.storage": "0"}), SMALL) == []


@pytest.mark.parametrize(
    "spec",
    [{"scopes": ["BestEffort"]}, {"scopeSelector": {"matchExpressions": []}}],
    ids=["scopes", "selector"],
)
def test_a_scoped_quota_is_left_to_the_trial(spec):
    (finding,) = judged(a_quota({"pods": "0"}, **spec), SMALL)
    assert finding.state is State.OK
    assert "trial" in finding.found


def test_init_containers_count_by_their_greatest_moment():
    quota = a_quota({"requests.cpu": "10"})
    sidecar = container("proxy", requests={"cpu": "1"}, restartPolicy="Always")
    big = container("fetch", requests={"cpu": "4"})
    assert "room for 6 more" in judged(quota, SMALL, init=[sidecar])[0].found
    assert "room for 2 more" in judged(quota, SMALL, init=[big])[0].found


def test_a_limit_stands_for_a_missing_request():
    (finding,) = judged(a_quota({"requests.cpu": "4"}), container(limits={"cpu": "2"}))
    assert "room for 2 more" in finding.found


def test_defaults_of_a_limit_range_fill_what_is_not_said():
    quota = a_quota({"requests.cpu": "4", "limits.cpu": "4"})
    filled = a_range(default={"cpu": "2"}, defaultRequest={"cpu": "1"})
    (finding,) = judged(quota, container(), ranges=[filled])
    assert "room for 2 more task pods, then limits.cpu ends" in finding.found


@pytest.mark.parametrize(
    ("item", "found"),
    [
        pytest.param(
            {"max": {"memory": "1Gi"}},
            "has limits.memory 2Gi, LimitRange 'lr' allows at most 1Gi",
            id="above",
        ),
        pytest.param(
            {"min": {"cpu": "1"}},
            "has requests.cpu 0.5, LimitRange 'lr' allows at least 1",
            id="below",
        ),
    ],
)
def test_a_container_outside_a_limit_range(item, found):
    (finding,) = capacity.judge_limits([a_range(**item)], capacity.needs(a_pod(SMALL), []))
    assert finding.state is State.FAIL
    assert found in finding.found


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"max": {"memory": "2Gi"}, "min": {"cpu": "500m"}}, id="on-the-edge"),
        pytest.param({"max": {"ephemeral-storage": "1"}}, id="not-said"),
        pytest.param({"type": "Pod", "max": {"cpu": "0"}}, id="not-of-containers"),
    ],
)
def test_a_container_within_a_limit_range(item):
    assert capacity.judge_limits([a_range(**item)], capacity.needs(a_pod(SMALL), [])) == []


@pytest.mark.parametrize(
    ("amount", "resource", "expected"),
    [
        pytest.param("0.5", "requests.cpu", "0.5", id="cpu"),
        pytest.param("100", "pods", "100", id="count"),
        pytest.param("1536", "memory", "1.5Ki", id="kibibytes"),
        pytest.param(str(5 * 2**40), "limits.memory", "5120Gi", id="largest-unit"),
    ],
)
def test_amounts_read_as_people_write_them(amount, resource, expected):
    assert capacity.shown(Decimal(amount), resource) == expected
