"""Tokens, keys and reviews: claimed of the real API server and of its fake alike."""

import dataclasses

import jwt
import pytest
from issued_tokens import Issuer

from tradewind.client.identity import HttpIdentities
from tradewind.clock import SystemClock
from tradewind.testing.fake_identities import FakeIdentities


@dataclasses.dataclass
class Fake:
    identities: FakeIdentities
    namespace: str = "tasks"

    async def token(self, pod, **changed):
        if "audience" in changed:
            changed["aud"] = [changed.pop("audience")]
        return self.identities.token(pod=pod, uid=f"uid-of-{pod}", **changed)

    async def uid(self, pod):
        return f"uid-of-{pod}"

    async def unbound(self):
        bare = {"namespace": "tasks", "serviceaccount": {"name": "worker", "uid": "1"}}
        return self.identities.token(**{"kubernetes.io": bare})

    async def delete(self, pod):
        self.identities.deleted_pods.add(f"uid-of-{pod}")


@dataclasses.dataclass
class Real:
    issuer: Issuer
    identities: HttpIdentities

    @property
    def namespace(self):
        return self.issuer.namespace

    async def token(self, pod, **changed):
        await self.issuer.account("worker")
        return await self.issuer.token(pod=await self.issuer.pod(pod), **changed)

    async def uid(self, pod):
        return (await self.issuer.cluster.get_pod(self.namespace, pod)).metadata.uid

    async def unbound(self):
        await self.issuer.account("worker")
        return await self.issuer.token()

    async def delete(self, pod):
        uid = await self.uid(pod)
        await self.issuer.cluster.delete_pod(self.namespace, pod, uid=uid)


@pytest.fixture(params=["fake", "real"])
def rig(request):
    if request.param == "fake":
        return Fake(FakeIdentities(clock=SystemClock()))
    cluster = request.getfixturevalue("real_cluster")
    issuer = Issuer(cluster, request.getfixturevalue("namespace"))
    return Real(issuer, HttpIdentities(cluster.transport))


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


async def test_the_keys_verify_what_the_cluster_issues(rig):
    token = await rig.token("a")
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWKSet.from_json((await rig.identities.keys()).decode())[header["kid"]]
    verified = jwt.decode(token, key, algorithms=["RS256"], audience="tradewind")
    assert verified["iss"] == await rig.identities.issuer()


async def test_a_tokens_claims_name_the_pod_it_is_bound_to(rig):
    claims = claims_of(await rig.token("a"))
    assert claims["aud"] == ["tradewind"]
    assert claims["sub"] == f"system:serviceaccount:{rig.namespace}:worker"
    bound = claims["kubernetes.io"]
    assert bound["namespace"] == rig.namespace
    assert bound["serviceaccount"]["name"] == "worker"
    assert bound["pod"] == {"name": "a", "uid": await rig.uid("a")}
    assert claims["nbf"] <= claims["iat"] < claims["exp"]


async def test_a_token_that_is_bound_to_no_pod_says_so(rig):
    assert "pod" not in claims_of(await rig.unbound())["kubernetes.io"]


async def test_a_review_accepts_a_pods_token_for_its_audience(rig):
    review = await rig.identities.review(await rig.token("a"), audience="tradewind")
    assert review.authenticated
    assert review.audiences == ("tradewind",)
    assert review.username == f"system:serviceaccount:{rig.namespace}:worker"
    assert (review.pod_name, review.pod_uid) == ("a", await rig.uid("a"))


@pytest.mark.parametrize("presented", ["garbage", "of-another-audience", "of-a-deleted-pod"])
async def test_a_review_refuses(rig, presented):
    audience = "elsewhere" if presented == "of-another-audience" else "tradewind"
    token = "eyJ.garbage.x" if presented == "garbage" else await rig.token("a", audience=audience)
    if presented == "of-a-deleted-pod":
        await rig.delete("a")
    review = await rig.identities.review(token, audience="tradewind")
    assert not review.authenticated
    assert not review.username
