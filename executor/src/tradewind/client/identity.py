"""What a cluster says of the tokens it issues: its keys, its name, and its verdict on one of them.

Keys and name may be read by every ServiceAccount (ClusterRole
`system:service-account-issuer-discovery`, bound by default); a verdict needs the right to create
TokenReviews, which exists for a whole cluster only. Loop thread only.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec

from tradewind.client.errors import ConnectionLostError
from tradewind.client.refusals import excerpt
from tradewind.client.transport import Transport

_KEYS = "application/jwk-set+json"
"""The API server answers 406 to anybody who asks for plain JSON."""
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"

_Decoded = TypeVar("_Decoded")


class _Base(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Kubernetes' JSON is camelCase; unknown fields are ignored."""


class _Discovery(_Base, frozen=True):
    issuer: str


class Reviewed(_Base, frozen=True):
    """What the API server thinks of a token."""

    authenticated: bool = False
    audiences: tuple[str, ...] = ()
    username: str = ""
    """`system:serviceaccount:NAMESPACE:NAME` of a ServiceAccount's token."""
    pod_name: str = ""
    """Of the pod it is bound to; empty for a token that is not."""
    pod_uid: str = ""
    error: str = ""


class Identities(Protocol):
    """Calls raise `ApiError` for an error status and `ConnectionLostError` for no answer."""

    async def issuer(self) -> str:
        """Return the `iss` of the tokens that the cluster issues now."""
        ...

    async def keys(self) -> bytes:
        """Return the keys that the cluster signs with, as a JSON Web Key Set."""
        ...

    async def review(self, token: str, *, audience: str) -> Reviewed:
        """Return whether the token is valid now, for that audience, and whose it is."""
        ...


class HttpIdentities:
    """`Identities` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def issuer(self) -> str:
        """Return the `iss` of the tokens that the cluster issues now."""
        answer = await self._transport.call("GET", "/.well-known/openid-configuration")
        return _decode(answer, _Discovery).issuer

    async def keys(self) -> bytes:
        """Return the keys that the cluster signs with, as a JSON Web Key Set.

        Always the API server's own copy: the address that discovery names may lie outside.
        """
        return await self._transport.call("GET", "/openid/v1/jwks", accept=_KEYS)

    async def review(self, token: str, *, audience: str) -> Reviewed:
        """Return whether the token is valid now, for that audience, and whose it is."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        answer = await self._transport.call("POST", path, body=body)
        return _reviewed(_decode(answer, dict[str, Any]).get("status") or {})


def _reviewed(status: dict[str, Any]) -> Reviewed:
    user = status.get("user") or {}
    extra = user.get("extra") or {}
    return Reviewed(
        authenticated=status.get("authenticated") is True,
        audiences=tuple(status.get("audiences") or ()),
        username=user.get("username") or "",
        pod_name=next(iter(extra.get(_POD_NAME) or ()), ""),
        pod_uid=next(iter(extra.get(_POD_UID) or ()), ""),
        error=status.get("error") or "",
    )


def _decode(payload: bytes, kind: type[_Decoded]) -> _Decoded:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        raise ConnectionLostError(f"an answer cannot be read: {excerpt(payload)}") from error
