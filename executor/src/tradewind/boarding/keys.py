"""A cluster's signing keys, and what they prove. Pure; signatures are checked by PyJWT."""

from __future__ import annotations

from collections.abc import Mapping

import jwt

from tradewind.boarding.claims import Denied

ALGORITHMS = ("RS256", "ES256")
"""What Kubernetes' API server signs with: by an RSA or a P-256 key."""
_MOST_CHARS = 16_384
"""A bound token has about 1,200; the header of one request may be much larger."""

_jws = jwt.PyJWS(algorithms=ALGORITHMS)


def parse(document: bytes) -> dict[str, jwt.PyJWK]:
    """Return the keys of a JSON Web Key Set by their ids; those of other algorithms are left out.

    Raises:
        ValueError: there is no key in it that we could use.

    """
    try:
        keys = jwt.PyJWKSet.from_json(document.decode()).keys
    except (jwt.PyJWTError, ValueError, AttributeError) as error:
        raise ValueError(f"the cluster's keys cannot be read: {error}") from error
    found = {key.key_id: key for key in keys if key.key_id and key.algorithm_name in ALGORITHMS}
    if not found:
        raise ValueError(f"none of the cluster's {len(keys)} keys is for {' or '.join(ALGORITHMS)}")
    return found


def key_id_of(token: str) -> str:
    """Return which key the token says it is signed with; its header is not trusted otherwise.

    Raises:
        Denied: it is no token.

    """
    if len(token) > _MOST_CHARS:
        raise Denied("malformed")
    try:
        header = _jws.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise Denied("malformed") from error
    return str(header.get("kid") or "")


def verified(token: str, keys: Mapping[str, jwt.PyJWK]) -> bytes:
    """Return the claims as JSON, once their signature has been verified.

    Raises:
        Denied: it is no token, no key of ours signed it, or the signature is wrong.

    """
    key = keys.get(key_id_of(token))
    if key is None:
        raise Denied("unknown_key")
    try:
        payload: bytes = _jws.decode(token, key, algorithms=list(ALGORITHMS))
    except jwt.PyJWTError as error:
        raise Denied("signature") from error
    return payload


def unverified(token: str) -> bytes:
    """Return the claims as JSON, whoever wrote them: only to spare the API server the obvious.

    Raises:
        Denied: it is no token.

    """
    key_id_of(token)
    payload: bytes = _jws.decode(token, options={"verify_signature": False})
    return payload
