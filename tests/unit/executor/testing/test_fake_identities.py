import jwt

from tradewind.clock import SystemClock
from tradewind.testing.fake_identities import FakeIdentities, rsa_key


async def test_a_rotation_makes_old_tokens_worthless_unless_the_key_is_kept():
    identities = FakeIdentities(clock=SystemClock())
    first = identities.token()
    identities.rotate(rsa_key(1), keep_old=True)
    second = identities.token()
    assert (await identities.review(first, audience="tradewind")).authenticated
    identities.rotate(rsa_key(2))
    for old in (first, second):
        assert not (await identities.review(old, audience="tradewind")).authenticated
    assert (await identities.review(identities.token(), audience="tradewind")).authenticated


async def test_claims_can_be_changed_and_left_out():
    token = FakeIdentities(clock=SystemClock()).token(aud="elsewhere", nbf=None)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == "elsewhere"
    assert "nbf" not in claims
