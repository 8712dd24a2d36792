"""The claims of a token whose signature is good: which of them we listen to."""

import copy
import json

import pytest

from tradewind.boarding.claims import Denied, Rules, accounts_of, identity_of

NOW_S = 1_000_000.0
ISSUER = "https://kubernetes.default.svc"
RULES = Rules(audience="tradewind", accounts=("tasks:worker",), namespaces=("tasks",))
GOOD = {
    "iss": ISSUER,
    "aud": ["tradewind"],
    "sub": "system:serviceaccount:tasks:worker",
    "nbf": NOW_S - 10,
    "exp": NOW_S + 600,
    "kubernetes.io": {
        "namespace": "tasks",
        "node": {"name": "n", "uid": "nu"},
        "pod": {"name": "p", "uid": "pu"},
        "serviceaccount": {"name": "worker", "uid": "su"},
    },
}
WITHOUT = object()


def judged(claims, *, rules=RULES, issuer=ISSUER, now_s=NOW_S):
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return identity_of(payload, rules=rules, issuer=issuer, now_s=now_s)


def changed(path, value):
    claims = copy.deepcopy(GOOD)
    *parents, last = path
    target = claims
    for name in parents:
        target = target[name]
    if value is WITHOUT:
        del target[last]
    else:
        target[last] = value
    return claims


BOUND = "kubernetes.io"


def test_a_good_token_says_which_pod_presents_it():
    identity = judged(GOOD)
    assert (identity.namespace, identity.pod_name, identity.pod_uid) == ("tasks", "p", "pu")
    assert identity.expires_s == NOW_S + 600


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        pytest.param(["iss"], "https://elsewhere", "issuer", id="another-cluster"),
        pytest.param(["iss"], WITHOUT, "issuer", id="no-issuer"),
        pytest.param(["aud"], ["https://kubernetes.default.svc"], "audience", id="default-token"),
        pytest.param(["aud"], "tradewinds", "audience", id="a-longer-word"),
        pytest.param(["aud"], [], "audience", id="no-audience"),
        pytest.param(["aud"], WITHOUT, "audience", id="audience-left-out"),
        pytest.param(["exp"], NOW_S - 61, "expired", id="expired-beyond-the-leeway"),
        pytest.param(["exp"], WITHOUT, "expired", id="never-expires"),
        pytest.param(["nbf"], NOW_S + 61, "not_yet_valid", id="of-the-future"),
        pytest.param([BOUND, "pod"], WITHOUT, "not_pod_bound", id="bound-to-nothing"),
        pytest.param([BOUND, "pod"], None, "not_pod_bound", id="bound-to-null"),
        pytest.param([BOUND, "pod", "uid"], "", "not_pod_bound", id="pod-without-uid"),
        pytest.param([BOUND], WITHOUT, "not_pod_bound", id="not-of-kubernetes"),
        pytest.param(["sub"], "system:serviceaccount:tasks:web", "service_account", id="subject"),
        pytest.param([BOUND, "serviceaccount", "name"], "web", "service_account", id="account"),
        pytest.param([BOUND, "serviceaccount"], WITHOUT, "service_account", id="no-account"),
        pytest.param([BOUND, "namespace"], "other", "service_account", id="namespace"),
        pytest.param([BOUND, "namespace"], "", "service_account", id="no-namespace"),
        pytest.param(["sub"], "admin", "service_account", id="a-user-of-airflow"),
        pytest.param(["aud"], 7, "malformed", id="audience-of-another-type"),
        pytest.param(["exp"], "soon", "malformed", id="end-of-another-type"),
        pytest.param([BOUND], "pod", "malformed", id="binding-of-another-type"),
    ],
)
def test_one_wrong_claim_is_enough(path, value, reason):
    with pytest.raises(Denied) as caught:
        judged(changed(path, value))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(["aud"], "tradewind", id="one-audience-as-text"),
        pytest.param(["aud"], ["other", "tradewind"], id="one-of-several-audiences"),
        pytest.param(["exp"], NOW_S - 59, id="expired-within-the-leeway"),
        pytest.param(["nbf"], NOW_S + 59, id="of-the-future-within-the-leeway"),
        pytest.param(["nbf"], WITHOUT, id="without-a-beginning"),
        pytest.param([BOUND, "node"], WITHOUT, id="without-a-node"),
        pytest.param([BOUND, "warnafter"], 5, id="with-more-than-we-know"),
    ],
)
def test_what_may_differ(path, value):
    assert judged(changed(path, value)).pod_uid == "pu"


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"\xff", b"{", b'"text"'])
def test_what_is_no_set_of_claims_is_malformed(payload):
    with pytest.raises(Denied, match="malformed"):
        judged(payload)


def test_an_issuer_that_the_api_server_checked_is_not_checked_again():
    assert judged(changed(["iss"], "https://elsewhere"), issuer=None).pod_uid == "pu"


@pytest.mark.parametrize(
    ("accounts", "namespaces", "accepted"),
    [
        pytest.param(("tasks:worker",), ("tasks",), True, id="named"),
        pytest.param(("tasks:*",), ("tasks",), True, id="any-of-the-namespace"),
        pytest.param(("*:worker",), (), True, id="of-that-name-anywhere"),
        pytest.param(("*:*",), (), True, id="everybody"),
        pytest.param(("a:b", "tasks:worker"), ("tasks",), True, id="one-of-several"),
        pytest.param(("tasks:web",), ("tasks",), False, id="another-account"),
        pytest.param(("other:*",), ("tasks",), False, id="another-namespace"),
        pytest.param(("*:*",), ("other",), False, id="namespace-that-nobody-watches"),
        pytest.param((), (), False, id="nobody"),
    ],
)
def test_which_accounts_are_listened_to(accounts, namespaces, accepted):
    rules = Rules(audience="tradewind", accounts=accounts, namespaces=namespaces)
    if accepted:
        assert judged(GOOD, rules=rules).pod_uid == "pu"
    else:
        with pytest.raises(Denied, match="service_account"):
            judged(GOOD, rules=rules)


@pytest.mark.parametrize(
    ("configured", "namespaces", "expected"),
    [
        pytest.param(("tasks:worker",), ("tasks",), ("tasks:worker",), id="who-is-named"),
        pytest.param((), ("a", "b"), ("a:*", "b:*"), id="else-the-watched-namespaces"),
        pytest.param((), (), (), id="nobody-where-everything-is-watched"),
    ],
)
def test_who_is_accepted_by_default(configured, namespaces, expected):
    assert accounts_of(configured, namespaces=namespaces) == expected
