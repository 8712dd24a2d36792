"""A cluster that issues tokens, in memory: signs, rotates its keys, reviews.

Held to the real one by tests/integration/test_identity_contract.py. It adds what no real server
offers: tokens of any content, and silence on demand.
"""

from __future__ import annotations

import functools
import json
import secrets
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tradewind.client.errors import ClusterError
from tradewind.client.identity import Reviewed
from tradewind.clock import Clock

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_SUBJECT = "system:serviceaccount"


@functools.cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """Return the key of that number; making one takes a tenth of a second."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class FakeIdentities:
    """Implements `client.identity.Identities`."""

    def __init__(
        self, *, clock: Clock, issuer: str = "https://kubernetes.default.svc.cluster.local"
    ) -> None:
        self._clock = clock
        self._issuer = issuer
        self._keys: dict[str, SigningKey] = {}
        self.deleted_pods: set[str] = set()
        """Uids of pods whose tokens are worth nothing any more."""
        self.fault: ClusterError | None = None
        """Raised by every call while it is set."""
        self.calls: list[str] = []
        self.rotate(rsa_key(0))

    def rotate(self, key: SigningKey, *, keep_old: bool = False) -> None:
        """Sign with another key from now on; without `keep_old` what was signed is worthless."""
        self._keys = {secrets.token_hex(8): key, **(self._keys if keep_old else {})}

    def token(self, *, pod: str = "worker-1", uid: str = "", **changed: Any) -> str:
        """Return a token bound to a pod, as the kubelet projects it; None leaves a claim out."""
        now_s = int(self._clock.utc_s())
        namespace, account = changed.pop("namespace", "tasks"), changed.pop("account", "worker")
        claims = {
            "iss": self._issuer,
            "aud": ["tradewind"],
            "sub": f"{_SUBJECT}:{namespace}:{account}",
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + 3600,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": "node-1", "uid": str(uuid.uuid4())},
                "pod": {"name": pod, "uid": uid or pod},
                "serviceaccount": {"name": account, "uid": str(uuid.uuid4())},
            },
        } | changed
        return self.signed({name: value for name, value in claims.items() if value is not None})

    def signed(self, claims: dict[str, Any], *, headers: dict[str, Any] | None = None) -> str:
        """Return these claims, signed with the present key."""
        key_id, key = next(iter(self._keys.items()))
        return jwt.encode(
            claims, key, algorithm=_algorithm_of(key), headers={"kid": key_id} | (headers or {})
        )

    # -- Identities ------------------------------------------------------------------------------

    async def issuer(self) -> str:
        """Return the `iss` of the tokens that the cluster issues now."""
        self._call("issuer")
        return self._issuer

    async def keys(self) -> bytes:
        """Return the keys as a JSON Web Key Set."""
        self._call("keys")
        return json.dumps({"keys": [_public(*item) for item in self._keys.items()]}).encode()

    async def review(self, token: str, *, audience: str) -> Reviewed:
        """Return whether the token is valid now, for that audience, and whose it is."""
        self._call("review")
        claims = self._valid(token, audience)
        if claims is None:
            return Reviewed(error="[invalid bearer token]")
        bound = claims["kubernetes.io"].get("pod") or {}
        return Reviewed(
            authenticated=True,
            audiences=(audience,),
            username=claims["sub"],
            pod_name=bound.get("name", ""),
            pod_uid=bound.get("uid", ""),
        )

    # -- inside ----------------------------------------------------------------------------------

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        if self.fault is not None:
            raise self.fault

    def _valid(self, token: str, audience: str) -> dict[str, Any] | None:
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key.public_key(),
                algorithms=["RS256", "ES256"],
                audience=audience,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError):
            return None
        bound = claims["kubernetes.io"].get("pod") or {}
        expired = claims["exp"] < self._clock.utc_s()
        return None if expired or bound.get("uid") in self.deleted_pods else claims


def _algorithm_of(key: SigningKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"


def _public(key_id: str, key: SigningKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        shown = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        shown = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    named = {"use": "sig", "alg": _algorithm_of(key), "kid": key_id}
    return {name: value for name, value in shown.items() if name != "key_ops"} | named
