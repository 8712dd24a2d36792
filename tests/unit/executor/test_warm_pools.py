"""What people ask about warm pools, of a fake cluster and given rows."""

import json

import pytest

from tradewind import warm_pools
from tradewind.contract import Measured
from tradewind.dispatch.pool.members import member_of
from tradewind.testing import virtual_time
from tradewind.testing.builders import a_pod, base_running, settings
from tradewind.testing.fake_cluster import FakeCluster

NOW_S = 1_767_225_600.0 + 600.0
CREATED = "2026-01-01T00:00:00Z"


def a_member(name="warm-a", *, pool="default", memory="160Mi", status=None, **labels):
    marks = {"tradewind/pool": pool} | {f"tradewind/{key}": text for key, text in labels.items()}
    spec = {"containers": [{"name": "base", "resources": {"requests": {"memory": memory}}}]}
    status = base_running() if status is None else status
    pod = a_pod(
        name=name, uid=name, labels=marks, spec=spec, status=status, creationTimestamp=CREATED
    )
    return member_of(pod)


def a_status(members, measured=(), **pools):
    specs = warm_pools.wanted(settings(warm_pools=json.dumps(pools)), team="")
    return warm_pools.status(specs, members, measured, now_s=NOW_S, window_s=3600.0)


def cold(miss=""):
    return Measured(pod="p", temperature="cold", miss=miss)


WARM = Measured(pod="p", temperature="warm")


def test_it_counts_what_each_pool_has_and_what_that_costs():
    members = [
        a_member("a"),
        a_member("b", status={"phase": "Pending"}, memory="1Gi"),
        a_member("c", draining="true"),
    ]
    found = a_status(members, default=3, idle={"size": "auto", "min": 1, "max": 8, "profile": "p"})
    default, idle = found.pools
    assert (default.wanted, idle.wanted) == ("3", "1 to 8")
    assert (default.idle, default.starting, default.leaving) == (1, 1, 1)
    assert default.oldest_s == 600.0
    assert found.idle_pod_s_per_hour == 2 * 3600
    assert found.memory_bytes == 160 * 2**20 + 2**30


def test_pods_of_a_pool_that_is_not_wanted_any_more_are_shown_too():
    found = a_status([a_member(pool="old")], default=1)
    assert [(pool.name, pool.wanted, pool.idle) for pool in found.pools] == [
        ("default", "1", 0),
        ("old", "", 1),
    ]


@pytest.mark.parametrize(
    ("measured", "ratio", "misses"),
    [
        pytest.param([], None, {}, id="no-launches"),
        pytest.param([WARM, WARM, WARM, cold("empty")], 0.75, {"empty": 1}, id="mostly-warm"),
        pytest.param([cold()], 0.0, {}, id="cold-without-a-reason"),
        pytest.param(
            [cold("empty"), cold("no_pool"), cold("empty")],
            0.0,
            {"empty": 2, "no_pool": 1},
            id="reasons-by-number",
        ),
    ],
)
def test_it_tells_how_launches_fared(measured, ratio, misses):
    found = a_status([], measured, default=1)
    assert found.hit_ratio == ratio
    assert found.as_dict()["misses"] == misses


def test_a_pod_that_asks_for_nothing_costs_no_memory():
    assert a_status([a_member(memory="a lot")], default=1).memory_bytes == 0


def drained(*pods, claimed=()):
    """Drain the pods of a fake cluster, some of which are claimed before; return what was told."""

    async def run():
        cluster, told = FakeCluster(), []
        for name, marks in pods:
            manifest = {"metadata": {"name": name, "labels": marks}, "spec": {}}
            await cluster.create_pod("tasks", manifest)
        chosen = settings(namespace="tasks", installation="ours")
        members = await warm_pools.idle_members(cluster, chosen, team="")
        for name in claimed:
            patch = {"metadata": {"labels": {"tradewind/launch-id": "l"}}}
            await cluster.patch_pod("tasks", name, patch)
        count = await warm_pools.drain(cluster, members, tell=told.append)
        return count, cluster.names(), told

    return virtual_time.run(run())


OURS = {"tradewind/pool": "default", "tradewind/installation": "ours"}


def test_idle_pods_of_this_airflow_alone_are_drained():
    theirs = OURS | {"tradewind/installation": "theirs"}
    of_a_team = OURS | {"tradewind/pool": "blue.default"}
    count, left, _ = drained(("a", OURS), ("b", theirs), ("c", of_a_team), ("d", {}))
    assert count == 1
    assert left == ["b", "c", "d"]


def test_a_pod_that_a_launch_claims_first_is_left_to_it():
    count, left, told = drained(("a", OURS), ("b", OURS), claimed=["a"])
    assert count == 1
    assert left == ["a"]
    assert told[0] == "left tasks/a: it was claimed, or is gone"


def test_sizes_the_rate_and_the_settings_own_pools_are_tried():
    specs = warm_pools.wanted(settings(warm_pools='{"mine": 3}'), team="")
    found = warm_pools.trials(
        specs, [60.0] * 4, start_s=3.0, starting_most=4, most=5, lasts_s=3600.0
    )
    by_rule = {trial.rule: trial.course for trial in found}
    assert list(by_rule) == ["size 0", "size 1", "size 2", "size 5", "auto, max 5", "pool mine"]
    assert [by_rule[rule].hits for rule in ("size 0", "size 2", "size 5", "pool mine")] == [
        0,
        2,
        4,
        3,
    ]
    assert found[0].as_dict()["hit_ratio"] == 0.0
