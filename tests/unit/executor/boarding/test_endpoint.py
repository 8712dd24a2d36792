"""What each pod is answered, and when: every row of the protocol's table."""

import asyncio
import json

import pytest

from tradewind import metrics
from tradewind.boarding import picture
from tradewind.client.errors import ApiError

CLAIM = {"tradewind/launch-id": "6d0fe2f0-5a3b-4d57-9c6a-0a54f5a7f0d1"}
NOTED = {"tradewind/row-id": "0197a2b4-0000-7000-8000-000000000001"}


def said(answer):
    return json.loads(answer.body)


async def test_a_pod_that_was_made_for_a_launch_gets_it_at_once(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        answer = await served.board(pod)
        assert answer.status == 200
        assert said(answer) == {"launch": CLAIM["tradewind/launch-id"]}
        assert served.clock.now_s() < 1
        assert served.measured.total(metrics.BOARD_DELIVERED, workload="task") == 1


async def test_an_idle_pod_gets_its_launch_as_soon_as_it_is_claimed(world):
    async with world().serving() as served:
        pod = await served.idle()
        request = asyncio.create_task(served.board(pod))
        await asyncio.sleep(7)
        await served.claim()
        answer = await request
        assert answer.status == 200
        assert served.clock.now_s() == pytest.approx(7, abs=0.5)
        assert list(served.measured.series[metrics.BOARD_HANDOVER]) == [pytest.approx(0, abs=0.5)]


async def test_an_idle_pod_that_nobody_claims_is_told_to_ask_again(world):
    async with world().serving() as served:
        pod = await served.idle()
        await served.idle("w2")
        answer = await served.board(pod)
        assert (answer.status, answer.body) == (204, b"")
        assert 20 <= served.clock.now_s() <= 31
        assert served.measured.total(metrics.BOARD_EMPTY) == 1
        assert served.handed == []


async def test_holds_differ_by_a_fifth_and_follow_the_shorter_wish(world):
    async with world().serving(boarding_hold="10") as served:
        pod = await served.idle()
        lasted = {"server": [], "worker": []}
        for _ in range(20):
            for who, hold in (("server", 25), ("worker", 4)):
                began_s = served.clock.now_s()
                assert (await served.board(pod, hold=hold)).status == 204
                lasted[who].append(served.clock.now_s() - began_s)
    assert min(lasted["server"]) >= 8
    assert max(lasted["server"]) <= 12
    assert min(lasted["worker"]) >= 3.2
    assert max(lasted["worker"]) <= 4.8
    assert len({round(seconds, 3) for seconds in lasted["server"]}) > 10


@pytest.mark.parametrize("hold", [0, -5], ids=["none", "less-than-none"])
async def test_a_worker_that_cannot_wait_is_not_held(world, hold):
    async with world().serving() as served:
        pod = await served.idle()
        assert (await served.board(pod, hold=hold)).status == 204
        assert served.clock.now_s() < 1


async def test_the_newest_request_of_a_pod_gets_the_launch(world):
    async with world().serving() as served:
        pod = await served.idle()
        older = asyncio.create_task(served.board(pod))
        await asyncio.sleep(5)
        newer = asyncio.create_task(served.board(pod))
        assert (await older).status == 204
        await served.claim()
        assert (await newer).status == 200
        assert len(served.handed) == 1


async def test_a_launch_whose_reply_was_lost_is_given_again(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        first, second = await served.board(pod), await served.board(pod)
        assert first.status == second.status == 200
        assert served.handed[0] == served.handed[1]


@pytest.mark.parametrize("state", ["running", "success", "up_for_retry", None], ids=str)
async def test_a_task_that_began_is_given_to_nobody(world, state):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        served.state = state
        answer = await served.board(pod)
        assert answer.status == 409
        assert said(answer) == {"reason": "not_open", "state": state}
        assert served.measured.total(metrics.BOARD_SUPERSEDED, reason="not_open") == 1


async def test_a_launch_that_the_pod_does_not_name_readably_is_not_looked_up(world):
    async with world().serving() as served:
        pod = await served.pod("odd", labels={"tradewind/launch-id": "x"})
        assert said(await served.board(pod)) == {"reason": "not_open", "state": None}


async def test_a_pod_told_to_go_goes(world):
    async with world().serving() as served:
        pod = await served.idle()
        request = asyncio.create_task(served.board(pod))
        await asyncio.sleep(1)
        told = {"metadata": {"labels": {"tradewind/draining": "true"}}}
        await served.cluster.patch_pod("tasks", "w1", told)
        answer = await request
        assert (answer.status, said(answer)) == (410, {"reason": "draining"})
        assert (await served.board(pod)).status == 410


async def test_a_deleted_pods_token_is_worth_nothing(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        await served.cluster.vanish("tasks", "cold")
        await asyncio.sleep(0.1)
        answer = await served.board(pod)
        assert (answer.status, said(answer)) == (410, {"reason": "gone"})
        assert served.handed == []


async def test_a_pod_that_is_deleted_while_it_waits_hears_of_it(world):
    async with world().serving() as served:
        pod = await served.idle()
        request = asyncio.create_task(served.board(pod))
        await asyncio.sleep(1)
        await served.cluster.vanish("tasks", "w1")
        assert (await request).status == 410
        assert served.clock.now_s() < 5


async def test_a_pod_that_is_being_deleted_is_gone_already(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        served.cluster.deletes_slowly = True
        await served.cluster.delete_pod("tasks", "cold", uid=pod.metadata.uid)
        await asyncio.sleep(0.1)
        assert (await served.board(pod)).status == 410


async def test_another_pod_of_the_same_name_is_not_it(world):
    async with world().serving() as served:
        old = await served.idle()
        await served.cluster.vanish("tasks", "w1")
        await served.pod("w1", labels=CLAIM, annotations=NOTED)
        assert (await served.board(old)).status == 410


@pytest.mark.parametrize(
    ("installation", "labels"),
    [
        pytest.param("another", CLAIM, id="of-another-airflow"),
        pytest.param(None, CLAIM, id="of-no-airflow"),
    ],
)
async def test_a_foreign_pod_is_denied_whatever_its_labels_claim(world, installation, labels):
    async with world().serving() as served:
        manifest = {"metadata": {"name": "foreign", "labels": labels, "annotations": NOTED}}
        if installation:
            manifest["metadata"]["labels"] = labels | {"tradewind/installation": installation}
        pod = await served.cluster.create_pod("tasks", manifest)
        answer = await served.board(pod)
        assert (answer.status, said(answer)) == (401, {"reason": "foreign_pod"})
        assert served.handed == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"aud": ["https://kubernetes.default.svc"]}, "audience", id="default-token"),
        pytest.param({"exp": 1}, "expired", id="expired"),
        pytest.param({"iss": "https://elsewhere"}, "issuer", id="another-cluster"),
        pytest.param({"kubernetes.io": {"namespace": "tasks"}}, "not_pod_bound", id="unbound"),
        pytest.param({"namespace": "other"}, "service_account", id="foreign-namespace"),
    ],
)
async def test_an_identity_that_is_not_accepted_reads_no_database_and_no_pod(
    world, changed, reason
):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        asked = len(served.cluster.calls)
        served.database_fault = AssertionError("the database was asked")
        answer = await served.board(token=served.token(pod, **changed))
        assert (answer.status, said(answer)) == (401, {"reason": reason})
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert len(served.cluster.calls) == asked
        assert served.measured.total(metrics.BOARD_DENIED, reason=reason) == 1


async def test_a_named_account_keeps_others_out(world):
    async with world().serving(boarding_service_accounts="tasks:worker") as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        assert (await served.board(token=served.token(pod, account="web"))).status == 401
        assert (await served.board(token=served.token(pod))).status == 200


async def test_who_asks_without_a_token_is_denied(world):
    async with world().serving() as served:
        answer = await served.board()
        assert (answer.status, said(answer)) == (401, {"reason": "no_token"})


async def test_a_pod_that_asks_too_often_is_slowed(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        served.state = "running"
        found = [(await served.board(pod)).status for _ in range(4)]
        assert found == [409, 409, 429, 429]
        answer = await served.board(pod)
        assert said(answer) == {"reason": "too_fast"}
        assert answer.headers["Retry-After"] == "1"
        await asyncio.sleep(1)
        assert (await served.board(pod)).status == 409


async def test_no_more_requests_are_held_than_the_process_can_bear(world, monkeypatch):
    monkeypatch.setattr(picture, "MOST_HELD", 2)
    async with world().serving() as served:
        pods = [await served.idle(f"w{number}") for number in range(3)]
        held = [asyncio.create_task(served.board(pod)) for pod in pods[:2]]
        await asyncio.sleep(1)
        answer = await served.board(pods[2])
        assert (answer.status, said(answer)) == (429, {"reason": "too_many"})
        again = asyncio.create_task(served.board(pods[0]))
        assert [(await request).status for request in [*held, again]] == [204, 204, 204]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"protocol": "1"}', b'{"protocol": 1, "hold": "x"}']
)
async def test_what_is_no_request_is_refused(world, body):
    async with world().serving() as served:
        pod = await served.idle()
        assert (await served.board(pod, body=body)).status == 400


async def test_a_worker_of_another_protocol_has_to_be_replaced(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        answer = await served.board(pod, protocol=2)
        assert (answer.status, said(answer)) == (426, {"reason": "protocol", "protocol": 1})


@pytest.mark.parametrize(
    ("label", "template", "status"),
    [
        pytest.param("h1", "h1", 200, id="same"),
        pytest.param("h1", "h2", 426, id="another"),
        pytest.param("h1", "", 200, id="worker-does-not-know"),
        pytest.param(None, "h1", 200, id="pod-does-not-say"),
    ],
)
async def test_a_pod_of_another_template_has_to_be_replaced(world, label, template, status):
    async with world().serving() as served:
        labels = CLAIM | ({"tradewind/template": label} if label else {})
        pod = await served.pod("cold", labels=labels, annotations=NOTED)
        assert (await served.board(pod, template=template)).status == status


async def test_a_database_that_is_away_costs_a_moment(world):
    async with world().serving() as served:
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        served.database_fault = OSError("connection refused")
        answer = await served.board(pod)
        assert (answer.status, said(answer)) == (503, {"reason": "database"})
        served.database_fault = None
        await asyncio.sleep(1)
        assert (await served.board(pod)).status == 200


# -- watches that are behind ----------------------------------------------------------------------


async def test_a_pod_that_the_watch_does_not_know_yet_is_looked_up(world):
    async with world().serving() as served:
        served.cluster.is_blind = True
        pod = await served.pod("cold", labels=CLAIM, annotations=NOTED)
        assert (await served.board(pod)).status == 200


async def test_a_watch_that_died_unseen_costs_at_most_one_hold(world):
    async with world().serving() as served:
        pod = await served.idle()
        await asyncio.sleep(1)
        served.cluster.is_blind = True
        request = asyncio.create_task(served.board(pod))
        await asyncio.sleep(1)
        await served.claim()
        assert (await request).status == 200
        assert served.clock.now_s() <= 32


@pytest.mark.parametrize("fate", ["deleted", "told-to-go"])
async def test_a_dead_watch_does_not_keep_a_pod_that_has_to_go(world, fate):
    async with world().serving() as served:
        pod = await served.idle()
        await asyncio.sleep(1)
        served.cluster.is_blind = True
        request = asyncio.create_task(served.board(pod, hold=50))
        await asyncio.sleep(1)
        if fate == "deleted":
            await served.cluster.vanish("tasks", "w1")
        else:
            told = {"metadata": {"labels": {"tradewind/draining": "true"}}}
            await served.cluster.patch_pod("tasks", "w1", told)
        assert (await request).status == 410
        assert served.clock.now_s() <= 32


async def test_waiting_pods_are_looked_after_by_one_list_and_no_call_each(world):
    async with world().serving() as served:
        pods = [await served.idle(f"w{number}") for number in range(30)]
        await asyncio.sleep(1)
        before = len(served.cluster.calls)
        found = await asyncio.gather(*(served.board(pod) for pod in pods))
        assert {answer.status for answer in found} == {204}
        assert [verb for verb, _ in served.cluster.calls[before:]] == ["list"]


async def test_without_waiting_pods_nothing_is_asked(world):
    async with world().serving() as served:
        await served.idle()
        before = served.cluster.count("list")
        await asyncio.sleep(100)
        assert served.cluster.count("list") == before


async def test_an_api_server_that_is_away_keeps_idle_pods_asking(world):
    async with world().serving() as served:
        pod = await served.idle()
        await asyncio.sleep(1)
        await served.cluster.break_down()
        assert (await served.board(pod)).status == 204
        stranger = served.identities.token(pod="new", uid="u-new")
        answer = await served.board(token=stranger)
        assert (answer.status, said(answer)) == (503, {"reason": "cluster"})
        served.cluster.come_back()
        await served.claim()
        assert (await served.board(pod)).status == 200


async def test_a_forbidden_look_is_no_denial(world):
    async with world().serving() as served:
        served.cluster.is_blind = True
        pod = await served.idle()
        served.cluster.fail("get", ApiError(403, reason="Forbidden", message="no right"))
        assert (await served.board(pod)).status == 503
