"""What a token is worth: every probe, with tokens that a real API server issued."""

import asyncio

import jwt
import pytest
from boarding_rig import Rig, ShiftedClock, a_launch
from kube_apiserver import ApiServer, credentials
from scheduler_side import set_state

from tradewind.client.errors import ApiError
from tradewind.client.http import HttpCluster
from tradewind.client.identity import HttpIdentities


@pytest.fixture(scope="module", autouse=True)
def migrated(database):
    """Every test needs Airflow's tables."""


@pytest.fixture
async def rig(api_server, namespace):
    rig = Rig(api_server, namespace)
    await rig.prepare()
    yield rig
    await rig.close()


def signed_by(server, token):
    return HttpCluster(credentials(server, token=token), request_timeout_s=10, silence_s=70)


# -- at the endpoint ------------------------------------------------------------------------------


async def test_the_pod_of_a_queued_task_gets_its_workload(rig):
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    async with rig.serving():
        status, workload = await rig.board(token)
        assert status == 200
        assert workload["ti"]["id"] == str(ti.id)
        claims = jwt.decode(workload["token"], options={"verify_signature": False})
        assert claims["exp"] - claims["iat"] == 120


@pytest.mark.parametrize("verify", ["jwks", "token_review"])
@pytest.mark.parametrize(
    "probe", ["none", "garbage", "default-audience", "other-audience", "not-bound-to-a-pod"]
)
async def test_what_is_no_pods_token_is_denied(rig, verify, probe):
    pod = await rig.pod_of(a_launch())
    token = {
        "none": lambda: _as_is(None),
        "garbage": lambda: _as_is("eyJhbGciOiJSUzI1NiJ9.e30.x"),
        "default-audience": lambda: rig.issuer.token(pod=pod, audience=""),
        "other-audience": lambda: rig.issuer.token(pod=pod, audience="vault"),
        "not-bound-to-a-pod": rig.issuer.token,
    }
    presented = await token[probe]()
    async with rig.serving(boarding_verify=verify):
        status, said = await rig.board(presented)
        assert status == 401, said


async def _as_is(value):
    return value


async def test_without_the_right_to_review_tokens_nobody_is_denied_and_nothing_given(rig):
    token = await rig.issuer.token(pod=await rig.pod_of(a_launch()))
    async with rig.serving(boarding_verify="token_review"):
        assert await rig.board(token) == (503, {"reason": "cluster"})


async def test_with_that_right_reviewed_tokens_are_accepted(rig):
    await rig.issuer.may_review_tokens("api-server")
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    async with rig.serving(boarding_verify="token_review"):
        status, workload = await rig.board(token)
        assert (status, workload["ti"]["id"]) == (200, str(ti.id))


async def test_another_service_account_is_denied_where_ours_is_named(rig):
    await rig.issuer.account("web")
    foreign = await rig.issuer.token(
        account="web", pod=await rig.pod_of(a_launch(), "web", account="web")
    )
    ours = await rig.issuer.token(pod=await rig.pod_of(a_launch(), "ours"))
    async with rig.serving(boarding_service_accounts=f"{rig.namespace}:worker"):
        assert await rig.board(foreign) == (401, {"reason": "service_account"})
        assert (await rig.board(ours))[0] == 200


async def test_a_pod_of_another_namespace_is_denied(rig, node):
    elsewhere = Rig(rig.server, f"{rig.namespace}-b")
    await node.create_namespace(elsewhere.namespace)
    await elsewhere.prepare()
    token = await elsewhere.issuer.token(pod=await elsewhere.pod_of(a_launch()))
    await elsewhere.close()
    async with rig.serving():
        assert await rig.board(token) == (401, {"reason": "service_account"})


async def test_a_pod_of_another_installation_is_denied(rig):
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    async with rig.serving(installation="another"):
        assert await rig.board(token) == (401, {"reason": "foreign_pod"})


async def test_an_expired_token_is_denied(rig):
    token = await rig.issuer.token(pod=await rig.pod_of(a_launch()), seconds=600)
    async with rig.serving(clock=ShiftedClock(700)):
        assert await rig.board(token) == (401, {"reason": "expired"})


@pytest.mark.parametrize("ahead_s", [-55, 55], ids=["behind", "ahead"])
async def test_clocks_may_differ_by_a_minute(rig, ahead_s):
    token = await rig.issuer.token(pod=await rig.pod_of(a_launch()))
    async with rig.serving(clock=ShiftedClock(ahead_s)):
        assert (await rig.board(token))[0] == 200


async def test_a_clock_that_is_far_behind_is_told_from_a_bad_token(rig):
    token = await rig.issuer.token(pod=await rig.pod_of(a_launch()))
    async with rig.serving(clock=ShiftedClock(-300)):
        assert await rig.board(token) == (401, {"reason": "not_yet_valid"})


async def test_a_stolen_token_of_an_idle_pod_gets_nothing(rig):
    token = await rig.issuer.token(pod=await rig.idle_pod())
    waiting = a_launch()
    await rig.pod_of(waiting, "of-another")
    async with rig.serving():
        assert await rig.board(token) == (204, None)


async def test_nothing_in_a_request_can_name_a_launch(rig):
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.idle_pod())
    wish = {"launch": ti.external_executor_id, "row_id": str(ti.id), "pod": "of-another"}
    async with rig.serving():
        assert await rig.board(token, **wish) == (204, None)


async def test_a_claimed_pod_gets_its_launch_while_it_waits(rig):
    ti, pod = a_launch(), await rig.idle_pod()
    token = await rig.issuer.token(pod=pod)
    async with rig.serving():
        request = asyncio.create_task(rig.board(token, hold=30))
        await asyncio.sleep(0.5)
        await rig.claim(pod, ti)
        async with asyncio.timeout(5):
            status, workload = await request
        assert (status, workload["ti"]["id"]) == (200, str(ti.id))


async def test_a_claimed_pod_that_was_given_up_gets_nothing_any_more(rig):
    ti, pod = a_launch(), await rig.idle_pod()
    token = await rig.issuer.token(pod=pod)
    await rig.claim(pod, ti)
    await rig.mark(pod, "tradewind/overdue")
    async with rig.serving():
        assert await rig.board(token) == (410, {"reason": "overdue"})


async def test_user_code_of_a_running_task_boards_in_vain(rig):
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    async with rig.serving():
        assert (await rig.board(token))[0] == 200
        set_state(ti, "running")
        assert await rig.board(token) == (409, {"reason": "not_open", "state": "running"})


async def test_a_lost_reply_is_given_again_with_another_token(rig):
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    async with rig.serving():
        (_, first), (_, second) = await rig.board(token), await rig.board(token)
        assert first["ti"] == second["ti"]
        assert first["token"] != second["token"]


async def test_a_deferred_tasks_next_launch_is_not_its_old_pods(rig):
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    set_state(ti, "queued", external_executor_id="6d0fe2f0-5a3b-4d57-9c6a-0a54f5a7f0d1")
    async with rig.serving():
        assert await rig.board(token) == (409, {"reason": "not_open", "state": "queued"})


@pytest.mark.parametrize("when", ["before", "while-it-is-served"])
async def test_a_deleted_pods_token_gets_nothing(rig, when):
    pod = await rig.pod_of(a_launch())
    token = await rig.issuer.token(pod=pod)
    if when == "before":
        await rig.admin.delete_pod(rig.namespace, "cold", uid=pod.metadata.uid)
    async with rig.serving():
        if when != "before":
            await rig.admin.delete_pod(rig.namespace, "cold", uid=pod.metadata.uid)
            await asyncio.sleep(1)
        assert await rig.board(token) == (410, {"reason": "gone"})


async def test_a_pod_made_anew_under_the_name_does_not_revive_the_token(rig):
    ti = a_launch()
    pod = await rig.pod_of(ti)
    token = await rig.issuer.token(pod=pod)
    await rig.admin.delete_pod(rig.namespace, "cold", uid=pod.metadata.uid)
    await rig.pod_of(ti)
    async with rig.serving():
        assert await rig.board(token) == (410, {"reason": "gone"})


# -- elsewhere ------------------------------------------------------------------------------------


async def test_a_pods_token_is_refused_by_the_kubernetes_api(rig):
    token = await rig.issuer.token(pod=await rig.idle_pod())
    thief = signed_by(rig.server, token)
    try:
        with pytest.raises(ApiError) as listing:
            await thief.list_pods(rig.namespace, selector="", limit=1)
        with pytest.raises(ApiError) as asking:
            await HttpIdentities(thief.transport).keys()
    finally:
        await thief.close()
    assert (listing.value.status, asking.value.status) == (401, 401)


async def test_no_account_gets_a_token_bound_to_anothers_pod(rig):
    await rig.issuer.account("web")
    pod = await rig.idle_pod()
    with pytest.raises(ApiError, match="cannot bind token for serviceaccount"):
        await rig.issuer.token(account="web", pod=pod)


async def test_an_audience_token_lives_at_least_ten_minutes(rig):
    with pytest.raises(ApiError, match="may not specify a duration less than 10 minutes"):
        await rig.issuer.token(pod=await rig.idle_pod(), seconds=120)


async def test_the_api_servers_own_account_reads_pods_and_changes_nothing(rig):
    pod = await rig.idle_pod()
    own = signed_by(rig.server, await rig.issuer.token(account="api-server", audience=""))
    try:
        assert await HttpIdentities(own.transport).keys()
        for forbidden in (
            own.patch_pod(rig.namespace, "warm", {"metadata": {"labels": {"a": "b"}}}),
            own.delete_pod(rig.namespace, "warm", uid=pod.metadata.uid),
            own.create_pod(rig.namespace, {"metadata": {"name": "x"}}),
        ):
            with pytest.raises(ApiError) as caught:
                await forbidden
            assert caught.value.status == 403
    finally:
        await own.close()


# -- keys that change -----------------------------------------------------------------------------


@pytest.fixture
async def own_server(tmp_path):
    server = ApiServer(tmp_path)
    server.start()
    rig = Rig(server, "default")
    await rig.prepare()
    yield rig
    await rig.close()
    server.stop()


async def test_a_rotated_key_is_learnt_from_the_first_token_it_signed(own_server, monkeypatch):
    from tradewind.boarding import authenticator  # noqa: PLC0415

    monkeypatch.setattr(authenticator, "_REFETCH_S", 0.5)
    rig, server = own_server, own_server.server
    old = await rig.issuer.token(pod=await rig.pod_of(a_launch(), "old"))
    async with rig.serving():
        assert (await rig.board(old))[0] == 200
        server.stop()
        server.rotate_signing_key(keep_old=True)
        await rig.restart()
        new = await rig.issuer.token(pod=await rig.pod_of(a_launch(), "new"))
        assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
        assert (await rig.board(new))[0] == 200
        assert (await rig.board(old))[0] == 200


async def test_an_api_server_that_is_away_keeps_no_known_pod_from_its_workload(own_server):
    rig, server = own_server, own_server.server
    ti = a_launch()
    token = await rig.issuer.token(pod=await rig.pod_of(ti))
    async with rig.serving():
        await asyncio.sleep(0.5)
        server.stop()
        status, workload = await rig.board(token)
        assert (status, workload["ti"]["id"]) == (200, str(ti.id))
