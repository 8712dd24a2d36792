"""Signatures: what proves that a cluster issued a token, and every way to pretend it did."""

import base64
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tradewind.boarding import keys
from tradewind.boarding.claims import Denied
from tradewind.testing.fake_identities import rsa_key

P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(params=["RS256", "ES256"])
async def issuing(request, identities):
    cluster = identities()
    if request.param == "ES256":
        cluster.rotate(P256)
    return cluster


async def known(cluster):
    return keys.parse(await cluster.keys())


async def test_the_clusters_own_token_is_verified(issuing):
    claims = json.loads(keys.verified(issuing.token(pod="p"), await known(issuing)))
    assert claims["kubernetes.io"]["pod"]["name"] == "p"


async def test_a_token_of_another_key_is_denied_though_it_names_ours(issuing):
    known_keys = await known(issuing)
    (key_id,) = known_keys
    forged = jwt.encode({"sub": "x"}, rsa_key(7), algorithm="RS256", headers={"kid": key_id})
    with pytest.raises(Denied, match="signature"):
        keys.verified(forged, known_keys)


async def test_a_changed_token_is_denied(issuing):
    head, _, tail = issuing.token().split(".")
    body = base64.urlsafe_b64encode(b'{"sub":"system:serviceaccount:a:b"}').decode().rstrip("=")
    with pytest.raises(Denied, match="signature"):
        keys.verified(f"{head}.{body}.{tail}", await known(issuing))


async def test_an_unsigned_token_is_denied(issuing):
    known_keys = await known(issuing)
    (key_id,) = known_keys
    unsigned = jwt.encode({"sub": "x"}, None, algorithm="none", headers={"kid": key_id})
    with pytest.raises(Denied, match="signature"):
        keys.verified(unsigned, known_keys)


async def test_the_public_key_is_no_shared_secret(identities):
    cluster = identities()
    known_keys = await known(cluster)
    (key_id,) = known_keys
    public = rsa_key(0).public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    # PyJWT refuses to sign so; whoever forges does not ask it.
    head = {"alg": "HS256", "kid": key_id, "typ": "JWT"}
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (head, {})]
    mac = hmac.digest(pem, b".".join(parts), "sha256")
    forged = b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()
    with pytest.raises(Denied, match="signature"):
        keys.verified(forged, known_keys)


@pytest.mark.parametrize("headers", [{"kid": "unknown"}, {}], ids=["unknown", "none"])
async def test_a_key_we_do_not_know_proves_nothing(identities, headers):
    token = jwt.encode({"sub": "x"}, rsa_key(0), algorithm="RS256", headers=headers)
    with pytest.raises(Denied, match="unknown_key"):
        keys.verified(token, await known(identities()))


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b", "a.b.c", "eyJ.eyJ.x", "é.é.é", "a" * 20_000],
    ids=["nothing", "one", "two", "three", "nearly", "not-ascii", "endless"],
)
async def test_what_is_no_token_is_malformed(identities, token):
    with pytest.raises(Denied, match="malformed"):
        keys.verified(token, await known(identities()))


@pytest.mark.parametrize(
    "document",
    [b"", b"null", b"[]", b"{}", b'{"keys": []}', b'{"keys": 3}', b'{"keys": [{}]}', b"\xff"],
)
def test_what_is_no_key_set_is_a_value_error(document):
    with pytest.raises(ValueError, match="the cluster's keys cannot be read"):
        keys.parse(document)


def test_keys_of_other_algorithms_are_left_out():
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}
    with pytest.raises(ValueError, match="none of the cluster's 1 keys is for RS256 or ES256"):
        keys.parse(json.dumps({"keys": [shared]}).encode())
