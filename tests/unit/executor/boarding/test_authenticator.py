"""From a header to a pod: keys that rotate, servers that are away, tokens that are remembered."""

import asyncio

import pytest

from tradewind.boarding.authenticator import (
    Authenticator,
    CachedKeys,
    NotReadyError,
    ReviewedTokens,
)
from tradewind.boarding.claims import Denied, Rules
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.testing.fake_identities import rsa_key

RULES = Rules(audience="tradewind", accounts=("tasks:*",), namespaces=("tasks",))


def by_keys(cluster, clock):
    return Authenticator(CachedKeys(cluster, clock=clock), rules=RULES, clock=clock)


def by_review(cluster, clock):
    verifier = ReviewedTokens(cluster, rules=RULES, clock=clock)
    return Authenticator(verifier, rules=RULES, clock=clock)


def bearer(token):
    return f"Bearer {token}"


@pytest.fixture(params=[by_keys, by_review], ids=["jwks", "token_review"])
def way(request):
    return request.param


async def denial(authenticator, header):
    with pytest.raises(Denied) as caught:
        await authenticator.identify(header)
    return caught.value.reason


async def test_a_pods_token_says_which_pod_it_is(way, identities, clock):
    cluster = identities()
    identity = await way(cluster, clock).identify(bearer(cluster.token(pod="p", uid="u")))
    assert (identity.namespace, identity.pod_name, identity.pod_uid) == ("tasks", "p", "u")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "eyJ.a.b"], ids=repr
)
async def test_without_a_bearer_token_the_cluster_is_not_asked(way, identities, clock, header):
    cluster = identities()
    assert await denial(way(cluster, clock), header) == "no_token"
    assert cluster.calls == []


async def test_the_scheme_is_written_as_one_likes(way, identities, clock):
    cluster = identities()
    assert await way(cluster, clock).identify(f"bEARER  {cluster.token()} ")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"aud": ["https://kubernetes.default.svc"]}, "audience", id="default-token"),
        pytest.param({"exp": 0}, "expired", id="expired"),
        pytest.param({"namespace": "other"}, "service_account", id="foreign-namespace"),
        pytest.param({"kubernetes.io": {"namespace": "tasks"}}, "not_pod_bound", id="unbound"),
    ],
)
async def test_a_signed_token_may_still_be_the_wrong_one(way, identities, clock, changed, reason):
    cluster = identities()
    assert await denial(way(cluster, clock), bearer(cluster.token(**changed))) == reason


async def test_a_token_of_another_cluster_is_denied(way, identities, clock):
    ours, theirs = identities(), identities()
    theirs.rotate(rsa_key(5))
    reason = await denial(way(ours, clock), bearer(theirs.token()))
    assert reason in {"unknown_key", "not_authenticated"}


async def test_another_name_of_the_cluster_is_another_issuer(identities, clock):
    cluster = identities()
    token = cluster.token(iss="https://elsewhere")
    assert await denial(by_keys(cluster, clock), bearer(token)) == "issuer"


async def test_a_waiting_pods_token_is_verified_once_in_a_while(way, identities, clock):
    cluster = identities()
    authenticator, token = way(cluster, clock), bearer(cluster.token())
    await authenticator.identify(token)
    asked = len(cluster.calls)
    for _ in range(50):
        await authenticator.identify(token)
    assert len(cluster.calls) == asked


async def test_a_remembered_token_ends_with_its_time(way, identities, clock):
    cluster = identities()
    authenticator = way(cluster, clock)
    token = bearer(cluster.token(exp=int(clock.utc_s()) + 20))
    await authenticator.identify(token)
    await asyncio.sleep(90)
    assert await denial(authenticator, token) == "expired"


async def test_keys_are_asked_for_again_when_one_is_unknown(identities, clock):
    cluster = identities()
    authenticator = by_keys(cluster, clock)
    await authenticator.identify(bearer(cluster.token()))
    cluster.rotate(rsa_key(1), keep_old=True)
    await asyncio.sleep(11)
    assert await authenticator.identify(bearer(cluster.token(pod="new")))


async def test_unknown_keys_cost_the_api_server_one_question_in_ten_seconds(identities, clock):
    cluster, foreign = identities(), identities()
    foreign.rotate(rsa_key(5))
    authenticator = by_keys(cluster, clock)
    await authenticator.identify(bearer(cluster.token()))
    asked = cluster.calls.count("keys")
    await asyncio.sleep(11)
    for number in range(100):
        assert await denial(authenticator, bearer(foreign.token(pod=str(number)))) == "unknown_key"
    assert cluster.calls.count("keys") == asked + 1


async def test_many_pods_of_a_new_key_ask_the_api_server_once(identities, clock):
    cluster = identities()
    authenticator = by_keys(cluster, clock)
    tokens = [bearer(cluster.token(pod=str(number))) for number in range(20)]
    found = await asyncio.gather(*(authenticator.identify(token) for token in tokens))
    assert len({identity.pod_uid for identity in found}) == 20
    assert cluster.calls == ["keys", "issuer"]


async def test_a_withdrawn_key_ends_what_was_remembered(identities, clock):
    cluster = identities()
    keys = CachedKeys(cluster, clock=clock)
    authenticator = Authenticator(keys, rules=RULES, clock=clock)
    old = bearer(cluster.token())
    await authenticator.identify(old)
    cluster.rotate(rsa_key(2))
    await asyncio.sleep(301)
    await keys.refresh()
    assert await denial(authenticator, old) == "unknown_key"


async def test_an_api_server_that_is_away_locks_nobody_out(identities, clock):
    cluster = identities()
    authenticator = by_keys(cluster, clock)
    await authenticator.identify(bearer(cluster.token()))
    cluster.fault = ConnectionLostError("refused")
    await asyncio.sleep(600)
    assert await authenticator.identify(bearer(cluster.token(pod="another")))


async def test_before_the_first_answer_nobody_is_known_and_nobody_denied(way, identities, clock):
    cluster = identities()
    cluster.fault = ConnectionLostError("refused")
    authenticator = way(cluster, clock)
    with pytest.raises(NotReadyError):
        await authenticator.identify(bearer(cluster.token()))
    cluster.fault = None
    await asyncio.sleep(11)
    assert await authenticator.identify(bearer(cluster.token()))


async def test_a_deleted_pods_token_is_reviewed_away_within_a_minute(identities, clock):
    cluster = identities()
    authenticator = by_review(cluster, clock)
    token = bearer(cluster.token(pod="p", uid="u"))
    await authenticator.identify(token)
    cluster.deleted_pods.add("u")
    await asyncio.sleep(61)
    assert await denial(authenticator, token) == "not_authenticated"


async def test_what_we_would_refuse_anyway_is_not_sent_to_be_reviewed(identities, clock):
    cluster = identities()
    authenticator = by_review(cluster, clock)
    for token in (cluster.token(aud=["other"]), cluster.token(exp=0), "a.b.c"):
        await denial(authenticator, bearer(token))
    assert cluster.calls == []


async def test_a_forbidden_review_is_no_denial_of_the_pod(identities, clock):
    cluster = identities()
    cluster.fault = ApiError(403, reason="Forbidden", message="cannot create tokenreviews")
    with pytest.raises(NotReadyError, match="cannot create tokenreviews"):
        await by_review(cluster, clock).identify(bearer(cluster.token()))


async def test_what_is_remembered_is_bounded_and_holds_no_token(identities, clock, monkeypatch):
    from tradewind.boarding import authenticator as module  # noqa: PLC0415

    monkeypatch.setattr(module, "_MOST_REMEMBERED", 3)
    cluster = identities()
    authenticator = by_keys(cluster, clock)
    tokens = [cluster.token(pod=str(number)) for number in range(6)]
    for token in tokens:
        await authenticator.identify(bearer(token))
    assert len(authenticator._accepted) == 3
    assert not any(token in repr(authenticator._accepted) for token in tokens)
